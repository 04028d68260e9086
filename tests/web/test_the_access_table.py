"""Promise G23 and G24 as a matrix: every route × eight people × own and other team, the own also by htmx, in one
world."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from hyperclusters.access import access_requests, invitations
from hyperclusters.access.access_reviews import open_review
from hyperclusters.access.models import (
    AccessRequest,
    AccessReview,
    Grant,
    NotificationTarget,
    Role,
    Team,
    User,
)
from hyperclusters.access.permissions import may
from hyperclusters.access.service_identities import add_service_identity
from hyperclusters.access.services import add_person, add_team, end_grant, grant
from hyperclusters.accounts.models import Scope
from hyperclusters.accounts.token_format import token_id
from hyperclusters.audit import clock
from hyperclusters.audit.chain import GENESIS, append
from hyperclusters.audit.chain import PendingEvent as Link
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import Event, Segment
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import Cluster, Creation, Deletion, FollowUp, Project
from hyperclusters.clusters.monthly_reports import create_report
from hyperclusters.web.checks import routes
from hyperclusters.web.shared.decorators import OWN, VISIBLE
from tests.api.client import issue
from tests.conftest import confirm
from tests.permissions import PAGE, Entry, markdown, table
from tests.test_architecture import ROUTES
from tests.web.pages import HTMX

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.any_database,
]  # pytest-django makes a database only for tests that are marked
TABLE = table()
PEOPLE = ("nobody", "nina", "viewer", "creator", "admin", "auditor", "root", "stranger")
API_DONE = {200, 201, 202, 204, 400, 404, 409, 422}  # the same for an endpoint
DONE = {200, 302, 404, 422}  # what a permitted act may come to, with the little that is posted here
LEAVING = {"accounts:logout", "accounts:everywhere"}  # these lead to the sign-in page, whoever asks
POSTED = {
    "slug": "vision",
    "extra": "1",
    "is_staff": "on",
    "role": "platform_admin",
    "team": "own",
    "do": "end",
}


@dataclass
class Side:
    """One team with an object of each kind."""

    team: Team
    creation: Creation
    cluster: Cluster
    event: Event
    grant: Grant
    asked: AccessRequest
    invitation: Any
    deletion: Deletion
    target: NotificationTarget
    follow_up: FollowUp
    review: AccessReview


@dataclass
class World:
    """Two teams, and a signed-in browser for each of the eight."""

    own: Side
    other: Side
    site_grant: Grant
    audit_target: NotificationTarget
    report: str
    browsers: dict[str, Browser] = field(default_factory=dict)
    people: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    services: dict[str, User] = field(default_factory=dict)


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is done inside is undone. The services' durable transactions take it for the tests' own, as in TestCase."""
    block: Any = transaction.atomic()
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with django_db_blocker.unblock(), undone():
        yield build()


ARCHIVE = 10**12  # the first event of an archive, far from all that there are


def add_archive() -> None:
    """A sealed record of an archive whose file is elsewhere."""
    key_id, key = settings.AUDIT_KEYS[0]
    values = {"previous": GENESIS, "digest": GENESIS, "file": "elsewhere.jsonl", "sha256": GENESIS}
    segment = Segment(first=ARCHIVE, last=ARCHIVE, archived_at=clock.now(), key_id=key_id, **values)
    segment.seal = segment.sealed_with(key)
    segment.save(force_insert=True)


def build() -> World:
    admin = {
        slug: add_person(username=f"lead-{slug}", email=f"lead-{slug}@example.com")
        for slug in ("own", "other")
    }
    own, other = side("own", admin["own"]), side("other", admin["other"])
    people = {name: add_person(username=name, email=f"{name}@example.com") for name in PEOPLE[1:]}
    for name, role, team in (
        ("viewer", Role.VIEWER, own.team),
        ("creator", Role.CREATOR, own.team),
        ("admin", Role.ADMIN, own.team),
        ("auditor", Role.AUDITOR, None),
        ("root", Role.PLATFORM_ADMIN, None),
        ("stranger", Role.ADMIN, other.team),
    ):
        grant(person=people[name], role=role, team=team, reason="matrix")
    site = grant(person=add_person(username="second"), role=Role.PLATFORM_ADMIN, team=None, reason="matrix")
    add_archive()
    report = create_report(clock.now().date().replace(day=1))
    audit_target = NotificationTarget.objects.create(name="auditors", address_set_by=people["auditor"])
    made = World(own, other, site, audit_target, str(report), {"nobody": Browser()}, people)
    for name, person in people.items():
        made.browsers[name] = Browser()
        made.browsers[name].force_login(person)
        made.tokens[name] = issue(person)
    for team, lead in ((own.team, admin["own"]), (other.team, admin["other"])):
        made.services[team.slug] = add_service_identity(
            team=team, name="robot", role=Role.CREATOR, reason="matrix", by=lead
        )
    return made


def chained(event: Event) -> Event:
    """An event's place in the chain is given at the COMMIT, which never comes here: so it is given now."""
    append(connection, [Link(event)])
    return event


def side(slug: str, admin: User) -> Side:
    team = add_team(slug=slug, name=slug.title())
    grant(person=admin, role=Role.ADMIN, team=team, reason="leads")
    person = add_person(username=f"someone-{slug}", email=f"someone-{slug}@example.com")
    held = grant(person=person, role=Role.ADMIN, team=team, reason="matrix")
    project = Project.objects.create(
        name=f"project-{slug}",
        team=team,
        endpoint="http://127.0.0.1:1",
        project_id=slug,
        sealed_credentials="x",
    )
    now = timezone.now()
    cluster = Cluster.objects.create(
        project=project,
        cluster_id=str(uuid.uuid4()),
        name=f"{slug}-b",
        type="HPS",
        found_at=now,
        seen_at=now,
    )
    creation = Creation.objects.create(
        project=project, name=f"{slug}-a", type="HPS", requested_by=person, token=uuid.uuid4()
    )
    return Side(
        team=team,
        creation=creation,
        follow_up=FollowUp.objects.create(
            creation=creation, assignee=person, opened_by=person, due_on=now.date()
        ),
        cluster=cluster,
        deletion=Deletion.objects.create(cluster=cluster, requested_by=person, state="deleted"),
        target=NotificationTarget.objects.create(team=team, name=slug, address_set_by=person),
        event=chained(record(EventType.LIST_FAILED, Outcome.FAILED, on=Subject(team=team))),
        grant=held,
        review=open_review(team, due_on=now.date(), by=admin),
        asked=access_requests.ask(
            person=add_person(username=f"asks-{slug}"), team=team, role=Role.VIEWER, days=7, reason="m"
        ),
        invitation=invitations.invite(
            email=f"new-{slug}@example.com", team=team, role=Role.VIEWER, reason="m", by=admin
        ),
    )


def path(route: str, at: Side, world: World) -> str:
    """The address of a route for this team's objects."""
    space, _, name = route.partition(":")
    keys: dict[str, list[Any]] = {
        "grant": [at.team.slug, at.grant.pk],
        "revoke": [at.team.slug, at.grant.pk],
        "request": [at.team.slug, at.asked.pk],
        "evidence": [at.team.slug, at.review.pk],
        "evidence_file": [at.team.slug, at.review.pk],
        "open_review": [at.team.slug],
        "cancel_review": [at.team.slug],
        "uninvite": [at.team.slug, at.invitation.pk],
        "delete_view": [987_654_321],
        "withdraw": [at.creation.pk] if space == "creations" else [at.asked.pk],
        "verify": [ARCHIVE],
        "download": [ARCHIVE],
        "report": [world.report],
        "report-file": [world.report],
        "invitation": ["forged"],
        "of_form": [at.creation.token],
        "dismiss": [world.site_grant.pk],
        "activity": [at.grant.person.pk],
        "correct": [at.grant.person.pk],
        "cluster": [at.cluster.pk],
        "delete": [at.cluster.pk],
        "check": [at.cluster.pk],
        "capacity": [at.cluster.pk],
        "traces": [at.cluster.pk],
        "owner": [at.cluster.pk],
        "claim": [at.cluster.pk],
        "lock": [at.cluster.pk],
        "unlock": [at.cluster.pk],
        "event": [at.event.pk],
        "account": [at.cluster.pk],
        "project": [at.creation.project.pk],
        "pick": [uuid.uuid4()],
        "change": [at.creation.project.pk],
        "key": [at.creation.project.pk],
        "test": [at.creation.project.pk],
        "retire": [at.creation.project.pk],
        "restore": [at.creation.project.pk],
        "dismiss_failure": [at.creation.pk],
        "remove_factor": [987_654_321],
        "reset": ["x", "y"],
        "follow_up": [at.follow_up.pk],
        "answer": [at.follow_up.pk],
        "reassign": [at.follow_up.pk],
        "reschedule": [at.follow_up.pk],
        "close": [at.follow_up.pk],
        "revoke_token": [token_id(issue(at.grant.person))],
        "target": [at.team.slug, at.target.pk] if space == "teams" else [world.audit_target.pk],
        "act_on_target": [at.team.slug, at.target.pk] if space == "teams" else [world.audit_target.pk],
        "messages": [at.team.slug] if space == "teams" else [],
        "add_target": [at.team.slug] if space == "teams" else [],
        "add_service": [at.team.slug],
        "remove_service": [at.team.slug, world.services[at.team.slug].pk],
    }
    if space == "api":
        return reverse(route, args=api_keys(name, at))
    if space == "creations" and name in {"creation", "look", "decide", "open_follow_up", "approval"}:
        return reverse(route, args=[at.creation.pk])
    if space == "teams" and name in {"team", "who", "rules", "quota", "rename", "owners", "give", "review"}:
        return reverse(route, args=[at.team.slug])
    return reverse(route, args=keys.get(name, []))


def api_keys(name: str, at: Side) -> list[Any]:
    """What the address of an endpoint names."""
    keys: dict[str, list[Any]] = {
        "creation": [at.creation.pk],
        "withdraw": [at.creation.pk],
        "approve_creation": [at.creation.pk],
        "decline_creation": [at.creation.pk],
        "cluster": [at.cluster.pk],
        "deletions": [at.cluster.pk],
        "deletion": [at.deletion.pk],
        "grants": [at.team.slug],
        "grant": [at.team.slug, at.grant.pk],
        "approve": [at.asked.pk],
        "decline": [at.asked.pk],
    }
    return keys.get(name, [])


# What an allowed act comes to where that is not the usual.
ANSWERS = {
    "access:withdraw": {404},  # another's request
    "web:dismiss_failure": {404},  # another's creation
    "access:revoke_token": {404},  # another's token
    "access:invitation": {404},  # a forged link
    "creations:of_form": {404},  # another's form
    "accounts:company": {404},  # no provider is set up here
    "accounts:reset": {410},
    "metrics": {404},  # without the token
    "web:draft": {404},  # of no form
    "web:save_view": {404},  # of no page
    "web:delete_view": {404},  # another's view
    "api:creations": API_DONE,  # the project may be another team's
    "openid_connect_callback": {404},
}


def expected(entry: Entry, person: User | AnonymousUser, at: Side, *, htmx: bool) -> set[int]:
    """What the table says that this person gets."""
    if denial := expected_denial(entry, person, at, htmx=htmx):
        return {denial}
    if entry.access.is_api:
        return API_DONE if entry.rule.kind else ANSWERS.get(entry.route, API_DONE - {404})
    led_away = {204} if entry.access.recent else set()  # to where they show who they are
    is_done = DONE if led_away or is_elsewhere(entry, person, at) else DONE - {404}
    return ANSWERS.get(entry.route, is_done) | led_away


def expected_denial(entry: Entry, person: User | AnonymousUser, at: Side, *, htmx: bool) -> int:
    """The status of a denial; 0 for none."""
    rule = entry.rule
    if isinstance(person, AnonymousUser) and not rule.is_public:
        return 401 if entry.access.is_api else 204 if htmx else 302
    if rule.needs and rule.is_anywhere and not may(person, rule.needs):
        return 403
    if rule.kind and not may(person, VISIBLE[rule.kind], at.team):
        return 404
    if rule.needs and not rule.is_anywhere and not may(person, rule.needs, at.team):
        return 0 if is_elsewhere(entry, person, at) else 403
    return 0


def is_elsewhere(entry: Entry, person: User | AnonymousUser, at: Side) -> bool:
    """Whether only the permission that does as well lets this person do it here: then not all of it may be there."""
    rule = entry.rule
    return bool(
        rule.or_anywhere
        and rule.needs
        and may(person, rule.or_anywhere)
        and not may(person, rule.needs, at.team)
    )


def test_g23_every_route_has_its_entry_and_every_entry_its_route() -> None:
    assert {entry.route for entry in TABLE} == set(dict(routes())) == ROUTES
    assert len({(entry.route, entry.method) for entry in TABLE}) == len(TABLE)
    assert len(TABLE) * len(PEOPLE) * 3 >= 896


def test_the_matrix_in_the_docs_is_that_of_the_code() -> None:
    assert PAGE.read_text() == markdown(), "make permissions"


@pytest.mark.parametrize("entry", TABLE, ids=[f"{e.method} {e.route}" for e in TABLE])
def test_g23_g24_everybody_gets_what_the_table_says(
    entry: Entry, world: World, django_db_blocker: Any
) -> None:
    with django_db_blocker.unblock():
        wrong = []
        for name, browser in world.browsers.items():
            person = world.people.get(name, AnonymousUser())
            for at, headers in ((world.own, {}), (world.own, HTMX), (world.other, {})):
                if headers and entry.access.is_api:
                    continue  # no page asks the API
                with undone():
                    cookies = {key: value.value for key, value in browser.cookies.items()}
                    answer = call(browser, entry, at, world, headers, world.tokens.get(name, ""))
                    allowed = expected(entry, person, at, htmx=bool(headers))
                browser.cookies.clear()  # a message left in one would be told on the next page
                browser.cookies.load(cookies)
                is_sign_in = answer.status_code == 302 and "/accounts/login/" in answer["Location"]
                if answer.status_code not in allowed or (
                    name != "nobody"
                    and is_sign_in
                    and not entry.rule.is_public
                    and entry.route not in LEAVING
                ):
                    wrong.append((name, at.team.slug, bool(headers), answer.status_code, allowed))
        assert wrong == []


def call(
    browser: Browser, entry: Entry, at: Side, world: World, headers: dict[str, str], token: str = ""
) -> Any:
    """Call a route as its kind wants it: a page with the session's cookie, an endpoint with a token and a JSON body."""
    address = path(entry.route, at, world)
    if not entry.access.is_api:
        return getattr(browser, entry.method)(
            address, POSTED if entry.method == "post" else {}, headers=headers
        )
    headers = headers | ({"Authorization": f"Bearer {token}"} if token else {})
    if entry.method == "get":
        answer: Any = browser.get(address, headers=headers)
        if answer.streaming:  # an export has one of the process's places until it is read
            list(answer.streaming_content)
        return answer
    if entry.method == "delete":
        return browser.delete(address, query_params={"reason": "m"}, headers=headers)
    return browser.post(
        address,
        BODIES.get(entry.route, {}),
        content_type="application/json",
        headers=headers | {"Idempotency-Key": "m"},
    )


BODIES = {
    "api:creations": {"project": "project-own", "name": "matrix"},
    "api:deletions": {"confirm_name": "another name"},
    "api:grants": {"person": "nina", "role": "admin", "reason": "m"},
    "api:decline": {"note": "m"},
    "api:decline_creation": {"reason": "m"},
}


@pytest.mark.parametrize(
    "entry", [e for e in TABLE if e.access.is_api and not e.rule.is_public], ids=lambda e: e.route
)
def test_g23_a_session_opens_no_endpoint(entry: Entry, world: World, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock(), undone():
        answer = call(world.browsers["admin"], entry, world.own, world, {})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")
        assert not answer.cookies


@pytest.mark.parametrize("entry", [e for e in TABLE if e.rule.scope], ids=lambda e: f"{e.method} {e.route}")
def test_g23_a_token_without_the_scope_opens_nothing(
    entry: Entry, world: World, django_db_blocker: Any
) -> None:
    with django_db_blocker.unblock(), undone():
        others = set(Scope.values) - {entry.rule.scope}
        token = issue(world.people["admin"], scopes=others)
        answer = call(Browser(), entry, world.own, world, {}, token)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


UNLIKE_OTHERS = {"accounts:login", "set_language"}  # these lead away whatever they are asked by


@pytest.mark.parametrize("route", sorted(dict(routes())))
def test_a_method_that_a_route_does_not_have_is_refused(
    route: str, world: World, django_db_blocker: Any
) -> None:
    has = {entry.method for entry in TABLE if entry.route == route}
    with django_db_blocker.unblock(), undone():
        browser = world.browsers["admin"]
        token = {"Authorization": f"Bearer {world.tokens['admin']}"}
        for method in {"get", "post", "put", "delete", "patch"} - has:
            answer = getattr(browser, method)(path(route, world.own, world), headers=token)
            led = answer.status_code in {204, 302} and method == "get"  # to the page that an act belongs to
            assert led or answer.status_code in {405, 404, 403} or route in UNLIKE_OTHERS, (
                method,
                answer.status_code,
            )


ACTS = {e.route for e in TABLE if e.access.page}


def test_whoever_only_looks_at_the_address_of_an_act_is_led_to_its_page(
    world: World, django_db_blocker: Any
) -> None:
    """As after reloading, or signing in again when the session had ended before the form was sent."""
    with django_db_blocker.unblock(), undone():
        root, before = world.browsers["root"], Event.objects.count()
        for browser in world.browsers.values():
            if "session" in browser.cookies:
                confirm(browser)
        assert len(ACTS) >= 18
        for route in ACTS:
            who = {"projects": root, "audit": world.browsers["auditor"]}.get(route.partition(":")[0])
            answer = (who or world.browsers["admin"]).get(path(route, world.own, world), follow=True)
            assert answer.status_code == 200, route
            assert len(answer.redirect_chain) == 1, route
        assert Event.objects.exclude(action__startswith="audit:").count() == before


@pytest.mark.parametrize(
    "entry", [e for e in TABLE if e.method == "post" and not e.access.is_api], ids=lambda e: e.route
)
def test_a_post_without_the_csrf_token_changes_nothing(
    entry: Entry, world: World, django_db_blocker: Any
) -> None:
    with django_db_blocker.unblock(), undone():
        strict = Browser(enforce_csrf_checks=True)
        strict.cookies = world.browsers["admin"].cookies
        before = Event.objects.count()
        assert strict.post(path(entry.route, world.own, world), POSTED).status_code == 403
        assert Event.objects.count() == before


ID_ROUTES = [e for e in TABLE if e.rule.kind or e.rule is OWN]


@pytest.mark.parametrize("entry", ID_ROUTES, ids=[f"{e.method} {e.route}" for e in ID_ROUTES])
@pytest.mark.parametrize("name", ["nina", "admin"])
def test_g24_a_foreign_id_and_a_random_one_give_the_same_answer(
    entry: Entry, name: str, world: World, django_db_blocker: Any
) -> None:
    with django_db_blocker.unblock(), undone():
        foreign = path(entry.route, world.other, world)
        random = re.sub(r"[0-9a-f-]{36}", str(uuid.uuid4()), foreign).replace("/other/", "/no-such-team/")
        random = re.sub(r"/\d+(?=/|$)", "/987654321", random)
        browser = world.browsers[name]
        browser.get("/")  # shows what earlier acts left to be said
        token = {"Authorization": f"Bearer {world.tokens[name]}"} if entry.access.is_api else {}
        if entry.method == "delete":
            foreign, random = f"{foreign}?reason=m", f"{random}?reason=m"
        content = (
            {"content_type": "application/json"} if entry.access.is_api and entry.method == "post" else {}
        )
        first, second = (
            getattr(browser, entry.method)(
                address,
                BODIES.get(entry.route, {}) if content else {},
                headers=token | {"Idempotency-Key": "m"},
                **content,
            )
            for address in (foreign, random)
        )
        (status, text, headers), (status_2, text_2, headers_2) = told(first, foreign), told(second, random)
        assert (status, headers) == (status_2, headers_2)
        assert text.splitlines() == text_2.splitlines()


INSIDE = [
    e
    for e in TABLE
    if e.route
    in {
        "teams:grant",
        "teams:revoke",
        "teams:request",
        "teams:uninvite",
        "teams:evidence",
        "teams:evidence_file",
    }
]


@pytest.mark.parametrize("entry", INSIDE, ids=[f"{e.method} {e.route}" for e in INSIDE])
def test_g24_another_team_s_object_is_absent_under_the_address_of_one_s_own_team(
    entry: Entry, world: World, django_db_blocker: Any
) -> None:
    with django_db_blocker.unblock(), undone():
        address = path(entry.route, world.other, world).replace("/other/", "/own/")
        for do in ("approve", "decline"):
            request = {
                "do": do,
                "reason": "x",
                "role": "viewer",
                "until": "7",
                "decline-reason": "x",
                "approve-days": "7",
            }
            answer = getattr(world.browsers["admin"], entry.method)(address, request)
            assert answer.status_code == 404, do


def told(answer: Any, address: str) -> tuple[int, str, dict[str, str]]:
    """An answer but for what differs in any two: the request's ID, the form's token, the clock, and the address itself."""
    body = answer.content.decode().replace(address, "ADDRESS").replace(answer["X-Request-Id"], "ID")
    body = re.sub(r'value="[A-Za-z0-9]{64}"|"X-CSRFToken": "[^"]*"|data-now="[^"]*"', "", body)
    headers = {key: value for key, value in answer.items() if key not in {"X-Request-Id", "Content-Length"}}
    return answer.status_code, body, headers


@pytest.mark.parametrize(
    "key", ["0", "-1", "1e3", "99999999999999999999999", "%00", "..", "own%2Fx", "Own", "１"]
)
def test_ids_of_odd_shapes_are_absent(key: str, world: World, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock(), undone():
        for pattern in (
            "/teams/{}/",
            "/teams/own/grants/{}/",
            "/teams/own/grants/{}/revoke/",
            "/teams/own/requests/{}/",
            "/people/{}/activity/",
            "/clusters/{}/",
            "/audit/{}/",
        ):
            name = "root" if "people" in pattern else "admin"
            assert world.browsers[name].get(pattern.format(key)).status_code in {302, 404}, pattern


def test_g25_somebody_removed_a_second_ago_has_nothing_left(world: World, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock(), undone():
        browser, person = world.browsers["admin"], world.people["admin"]
        assert browser.get("/teams/own/").status_code == 200
        end_grant(person.grants.get(), reason="left")
        for entry in TABLE:
            if entry.rule.kind and not entry.rule.is_anywhere:
                answer = call(browser, entry, world.own, world, {}, world.tokens["admin"])
                assert answer.status_code == 404, entry
        answer = browser.get("/clusters/new/")
        assert answer.status_code == 403
        assert "was ended" in answer.content.decode()


def test_g24_counts_search_and_filters_leak_nothing(world: World, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock(), undone():
        for name in ("viewer", "creator", "admin"):
            for address in (
                "/clusters/?q=other",
                "/creations/?q=other",
                "/teams/?q=other",
                "/clusters/?team=other",
                "/",
                "/teams/",
            ):
                answer = world.browsers[name].get(address)
                text = answer.content.decode().replace("q=other", "").replace('value="other"', "")
                for secret in ("other-a", "other-b", "someone-other", "lead-other<", "/teams/other/"):
                    assert secret not in text, (name, address, secret)
        # What was typed comes back, and no more of a person who is there than of one who is not.
        pages = [
            world.browsers["admin"].get(f"/audit/?person={person}").content.decode()
            for person in ("lead-other", "lead-nobody")
        ]
        assert pages[0].count("lead-other") == pages[1].count("lead-nobody")


def test_g27_extra_fields_of_a_post_gain_nothing(world: World, django_db_blocker: Any) -> None:
    extra = {
        "granted_by": world.people["root"].pk,
        "team": world.other.team.pk,
        "by": "root",
        "is_active": "0",
        "slug": "other",
        "quota": "999",
        "name": "x",
        "person": "admin",
    }
    with django_db_blocker.unblock(), undone():
        world.browsers["admin"].post(
            "/teams/own/give/", {"who": "nina", "role": "viewer", "until": "7", "reason": "joins"} | extra
        )
        grant = Grant.objects.get(person=world.people["nina"])
        assert (grant.team, grant.role, grant.granted_by) == (world.own.team, "viewer", world.people["admin"])
        world.browsers["admin"].post("/teams/own/rules/", {"allows_open_ended": "on", "reason": "r"} | extra)
        team = Team.objects.get(pk=world.own.team.pk)
        assert (team.slug, team.name, team.quota) == ("own", "Own", None)
        assert timezone.now() - grant.since < timedelta(minutes=1)
