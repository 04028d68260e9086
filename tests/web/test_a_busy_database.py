"""G2, G48: a database that is locked, full or away answers 503 with a page, on every route and method, and never 500."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client as Browser
from django.utils import timezone

from hyperclusters.access import access_requests, invitations
from hyperclusters.access.models import Grant, Role
from hyperclusters.access.service_identities import add_service_identity
from hyperclusters.access.services import add_person, grant
from hyperclusters.accounts.tokens import create_token
from hyperclusters.audit import clock
from hyperclusters.clusters import updates
from hyperclusters.clusters.follow_ups import open_follow_up
from hyperclusters.clusters.models import Cluster, ClusterListing
from hyperclusters.modelarts import HyperCluster
from tests.conftest import PASSWORD, Cloud, People, Projects, confirm, events, run_worker, submit_creation
from tests.notifications.chats import chat
from tests.permissions import table
from tests.web.pages import HTMX, SignIn, failing_database, words

HOLD_SQLITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""
HOLD_POSTGRESQL = """
import psycopg, sys
connection = psycopg.connect(sys.argv[1])
connection.execute("SET idle_in_transaction_session_timeout = 0")
connection.execute("SELECT * FROM audit_head FOR UPDATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_by_another_process() -> Iterator[None]:
    """SQLite's write lock, or the end of the audit's chain on PostgreSQL, is held by a process that does not let go."""
    if connection.vendor == "sqlite":
        script, where = HOLD_SQLITE, str(connection.settings_dict["NAME"])
        impatient: dict[str, Any] = {"timeout": 0.02}
    else:
        connection.ensure_connection()
        where = connection.connection.info.dsn + f" password={connection.settings_dict['PASSWORD']}"
        script, impatient = HOLD_POSTGRESQL, {"options": "-c lock_timeout=20ms"}
    holder = subprocess.Popen(
        [sys.executable, "-c", script, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdin
    assert holder.stdout.readline() == "locked\n"
    options = connection.settings_dict["OPTIONS"]
    connection.settings_dict["OPTIONS"] = options | impatient
    connection.close()
    try:
        yield
    finally:
        connection.settings_dict["OPTIONS"] = options
        holder.stdin.close()
        holder.wait(10)
        holder.stdout.close()
        connection.close()


def patient(browser: Browser) -> Browser:
    """One that gets the page that a person would get, whatever is raised."""
    browser.raise_request_exception = False
    return browser


@pytest.fixture
def addresses(people: People, projects: Projects, cloud: Cloud) -> dict[str, str]:
    """The address of each route that takes a POST, with an object that is there."""
    cloud.simulator.add_cluster(projects.vision.project_id, "seen-outside")
    run_worker()
    cluster = Cluster.objects.get(name="seen-outside")
    creation = submit_creation(people.ada, projects.vision, "waits")
    held = Grant.objects.get(person=people.ada, team=people.vision)
    access_request = access_requests.ask(
        person=people.nina, team=people.vision, role=Role.VIEWER, days=7, reason="r"
    )
    invited = invitations.invite(
        email="new@example.com", team=people.vision, role=Role.VIEWER, reason="r", by=people.tom
    )
    site = grant(person=add_person(username="second"), role=Role.AUDITOR, team=None, reason="r")
    robot = add_service_identity(
        team=people.vision, name="robot", role=Role.VIEWER, reason="r", by=people.tom
    )
    ends = timezone.now() + timedelta(days=9)
    token, _text = create_token(
        by=people.ada, owner=people.ada, name="t", scopes=["clusters:read"], expires_at=ends
    )
    text = f"/creations/{creation.pk}/"
    follow_up = open_follow_up(
        by=people.olga, creation=creation, to="ada", due_on=clock.today(), text="why", token=uuid.uuid4()
    ).get_absolute_url()
    team, project = "/teams/vision/", projects.vision.get_absolute_url()
    return {
        "web:read_inbox": "/inbox/read/",
        "web:dismiss_failure": f"/home/dismiss/{creation.pk}/",
        "projects:retire": f"{project}retire/",
        "projects:restore": f"{project}restore/",
        "web:theme": "/theme/",
        "web:save_view": "/views/",
        "web:delete_view": "/views/1/delete/",
        "web:draft": "/draft/?for=/clusters/new/",
        "set_language": "/language/",
        "accounts:login": "/accounts/login/",
        "account_login": "/accounts/login/",
        "accounts:logout": "/accounts/logout/",
        "mfa_authenticate": "/accounts/login/second-step/",
        "mfa_login_webauthn": "/accounts/login/passkey/",
        "accounts:ask_reset": "/accounts/reset/",
        "accounts:reset": "/accounts/reset/x/y/",
        "accounts:confirm": "/accounts/confirm/",
        "accounts:add_app": "/accounts/security/app/",
        "accounts:add_passkey": "/accounts/security/passkey/",
        "accounts:recovery_codes": "/accounts/security/recovery-codes/",
        "accounts:remove_factor": "/accounts/security/factors/1/remove/",
        "accounts:password": "/accounts/security/password/",
        "accounts:end_session": "/accounts/security/sessions/end/",
        "accounts:everywhere": "/accounts/security/sessions/end-all/",
        "clusters:owners": "/clusters/owners/",
        "clusters:refresh": "/clusters/refresh/",
        "clusters:new": "/clusters/new/",
        "clusters:delete": f"/clusters/{cluster.pk}/delete/",
        "clusters:check": f"/clusters/{cluster.pk}/check/",
        "clusters:owner": f"/clusters/{cluster.pk}/owner/",
        "clusters:claim": f"/clusters/{cluster.pk}/claim/",
        "clusters:lock": f"/clusters/{cluster.pk}/lock/",
        "clusters:unlock": f"/clusters/{cluster.pk}/unlock/",
        "clusters:capacity": f"/clusters/{cluster.pk}/capacity/",
        "clusters:traces": f"/clusters/{cluster.pk}/traces/",
        "creations:withdraw": f"{text}withdraw/",
        "creations:look": f"{text}look/",
        "creations:decide": f"{text}decide/",
        "creations:open_follow_up": f"{text}follow-up/",
        "creations:answer": f"{follow_up}answer/",
        "creations:reassign": f"{follow_up}reassign/",
        "creations:reschedule": f"{follow_up}reschedule/",
        "creations:close": f"{follow_up}close/",
        "creations:approval": f"{text}approval/",
        "audit:export": "/audit/export/",
        "audit:alerts": "/audit/alerts/",
        "audit:test_alerts": "/audit/alerts/test/",
        "audit:check_now": "/audit/chain/check/",
        "audit:verify": "/audit/archive/1/verify/",
        "audit:download": "/audit/archive/1/download/",
        "audit:mark": "/audit/review/mark/",
        "audit:account_all": "/audit/review/elsewhere/",
        "audit:account": f"/audit/review/{cluster.pk}/",
        "teams:rules": f"{team}rules/",
        "teams:quota": f"{team}quota/",
        "teams:rename": f"{team}name/",
        "teams:owners": f"{team}owners/",
        "teams:give": f"{team}give/",
        "teams:grant": f"{team}grants/{held.pk}/",
        "teams:revoke": f"{team}grants/{held.pk}/revoke/",
        "teams:review": f"{team}review/",
        "teams:open_review": f"{team}review/open/",
        "teams:cancel_review": f"{team}review/cancel/",
        "teams:request": f"{team}requests/{access_request.pk}/",
        "teams:uninvite": f"{team}invitations/{invited.pk}/withdraw/",
        "access:ask": "/access/ask/",
        "access:new_token": "/access/tokens/new/",
        "access:revoke_token": f"/access/tokens/{token.pk}/revoke/",
        "teams:add_target": f"{team}messages/new/",
        "teams:target": f"{team}messages/{chat(people.vision, people.tom)}/",
        "teams:act_on_target": f"{team}messages/{chat(people.vision, people.tom)}/act/",
        "audit:add_target": "/audit/messages/new/",
        "audit:target": f"/audit/messages/{chat(None, people.olga)}/",
        "audit:act_on_target": f"/audit/messages/{chat(None, people.olga)}/act/",
        "teams:add_service": f"{team}services/new/",
        "teams:remove_service": f"{team}services/{robot.pk}/remove/",
        "access:withdraw": f"/access/requests/{access_request.pk}/withdraw/",
        "access:invitation": "/access/invitations/none/",
        "projects:connect": "/projects/new/",
        "projects:pick": f"/projects/new/{uuid.uuid4()}/",
        "projects:change": f"{project}change/",
        "projects:key": f"{project}key/",
        "projects:test": f"{project}test/",
        "people:invite": "/people/invite/",
        "people:appoint": "/people/appoint/",
        "people:dismiss": f"/people/roles/{site.pk}/end/",
        "people:activity": f"/people/{people.mallory.pk}/activity/",
        "people:add_team": "/people/teams/",
        "people:correct": f"/people/{people.mallory.pk}/correct/",
        "audit:acknowledge": "/audit/chain/acknowledge/",
    }


POSTED = {
    "username": "ada",
    "password": PASSWORD,
    "proof": PASSWORD,
    "email": "ada@example.com",
    "project": "vision-cn-southwest-2",
    "name": "seen-outside",
    "type": "HPS",
    "reason": "because",
    "note": "because",
    "who": "nina",
    "role": "auditor",
    "until": "7",
    "days": "7",
    "team": "vision",
    "slug": "third",
    "do": "decline",
    "decline-reason": "because",
    "quota": "9",
    "judgement": "reviewed",
    "language": "zh-hans",
    "format": "csv",
}


def test_g02_every_post_route_answers_503_and_never_500_while_another_process_holds_the_lock(
    addresses: dict[str, str], as_: SignIn, people: People
) -> None:
    # The API has its own test of this, with tokens.
    posts = {
        entry.route for entry in table() if entry.method == "post" and not entry.route.startswith("api:")
    }
    assert posts <= addresses.keys()
    browsers = {name: patient(as_(name)) for name in ("root", "tom", "olga", "ada")}
    browsers |= {"nobody": patient(Browser())}
    for name in ("root", "tom", "olga", "ada"):
        confirm(browsers[name])
    before = len(events())
    busy: dict[str, set[str]] = {}
    with locked_by_another_process():
        for route, address in addresses.items():
            for name, browser in browsers.items():
                if "login" in address and name != "nobody":
                    continue  # signing in again ends the session that there is
                for headers in ({}, HTMX) if name == "root" else ({},):
                    answer = browser.post(address, POSTED | {"token": str(uuid.uuid4())}, headers=headers)
                    assert answer.status_code != 500, (route, name)
                    if answer.status_code == 503:
                        assert answer["Retry-After"], (route, name)
                        busy.setdefault(route, set()).add(name)
    for route in (
        "accounts:login",
        "clusters:new",
        "clusters:delete",
        "teams:grant",
        "projects:key",
    ):
        assert route in busy, busy.keys()
    assert len(busy) >= 20, sorted(busy)
    assert len(events()) == before


def test_signing_in_while_the_database_is_locked_says_so_and_works_once_it_is_free(people: People) -> None:
    browser = patient(Browser())
    with locked_by_another_process():
        answer = browser.post("/accounts/login/", {"username": "ada", "password": PASSWORD})
        assert (answer.status_code, answer["Retry-After"]) == (503, "10")
        assert "We don't know whether your change was saved" in words(answer)
        assert "othing was recorded" not in words(answer)
        assert "session" not in answer.cookies
        assert browser.get("/accounts/login/").status_code == 200
        assert browser.get("/").status_code == 302, "nobody is signed in without an event"
    assert browser.post("/accounts/login/", {"username": "ada", "password": PASSWORD}).status_code == 302


@pytest.mark.any_database  # where rows are locked, and not the file, people and a list do not meet
def test_t16_people_sign_in_while_a_first_list_of_4000_clusters_is_written(projects: Projects) -> None:
    items = [HyperCluster(str(uuid.UUID(int=number, version=4)), f"c-{number}", ()) for number in range(4000)]
    cluster_listing = ClusterListing.objects.select_related("project__team").get(
        project=projects.vision, type="HPS"
    )

    def write() -> bool:
        try:
            return updates.apply(cluster_listing, items, clock.now())
        finally:
            connection.close()

    counts = set()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            answer = patient(Browser()).post("/accounts/login/", {"username": "ada", "password": PASSWORD})
            assert answer.status_code == 302
            counts.add(Cluster.objects.count())
    assert writing.result()
    assert Cluster.objects.count() == 4000
    assert len(counts - {0, 4000}) >= 3, "people come in between the parts, not after all of them"


@pytest.mark.parametrize(
    "path", ["/", "/clusters/", "/clusters/new/", "/audit/", "/people/", "/accounts/security/"]
)
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_page_whose_database_is_away_is_503_by_every_method(
    path: str, error: type[Exception], as_: SignIn
) -> None:
    """Server away, too many connections, lock timeout: each is one of these two errors, at the first query of all."""
    root = patient(as_("root"))
    with failing_database(error=error):
        for method in ("get", "head", "options", "post"):
            answer = getattr(root, method)(path)
            assert answer.status_code == 503, method
            assert answer["Retry-After"] == "10"
            assert answer["X-Request-Id"]
    text = words(answer)
    assert "busy or does not answer" in text
    assert "500" not in text.replace(answer.headers["X-Request-Id"], "")


def test_an_error_of_ours_stays_a_500(as_: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("not the database")

    monkeypatch.setattr("hyperclusters.web.shared.context._nav", fail)
    assert patient(as_("ada")).get("/").status_code == 500
