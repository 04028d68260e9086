"""Ada follows her creation, withdraws it, has it looked at; Tom decides what cannot be proved."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import Cluster, ClusterListing, Creation, Network, State
from hyperclusters.web.shared.listing import RowPaginator
from tests.conftest import Cloud, People, Projects, events, run_worker, run_worker_again, submit_creation
from tests.web.pages import HTMX, PAYLOADS, SignIn, body, holds_markup, main, words

pytestmark = pytest.mark.any_database

LIST = "/creations/"
POLLING = {State.QUEUED, State.SENDING, State.UNKNOWN}
VERDICTS: dict[State, tuple[dict[str, Any], str]] = {
    State.QUEUED: ({}, "The request is logged and not sent yet."),
    State.SENDING: ({}, "The request is on its way to the cloud."),
    State.UNKNOWN: ({"cause": "deadline"}, "Don't create it again"),
    State.NEEDS_ATTENTION: ({"cause": "several_candidates"}, "a team admin must choose"),
    State.FAILED: ({"code": "ModelArts.0106", "evidence": "refused"}, "Huawei Cloud's quota is used up."),
    State.NOT_CREATED: ({"evidence": "absent_after_horizon"}, "it was not created"),
    State.CANCELLED: ({}, "Withdrawn Nothing was sent."),
    State.REFUSED: ({"cause": "connect_error", "evidence": "not_sent"}, "Refused: nothing was sent"),
}


def put(creation: Creation, state: State, **changes: Any) -> str:
    """The creation's page, with it put into this state by hand."""
    settled = None if state in Creation.UNRESOLVED else timezone.now()
    Creation.objects.filter(pk=creation.pk).update(state=state, settled_at=settled, **changes)
    return creation.get_absolute_url()


def attributes(page: str) -> str:
    """The opening tag of the creation's root element."""
    match = re.search(r'<article id="creation"[^>]*>', page)
    assert match
    return match[0]


def test_g07_each_state_is_said_in_a_sentence_and_polls_only_while_it_can_change(
    people: People, projects: Projects, as_: SignIn
) -> None:
    vera, creation = as_("vera"), submit_creation(people.ada, projects.vision)
    blank = {"cause": "", "code": "", "evidence": ""}
    for state, (changes, text) in VERDICTS.items():
        answer = vera.get(put(creation, state, **blank | changes))
        assert text in main(answer)
        root = attributes(body(answer))
        assert f'data-state="{state}"' in root
        assert ("hx-get" in root) == ("hx-trigger" in root) == (state in POLLING), state


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "next check in a moment"), (4, "next check in a moment"), (50.5, "next check in 50 seconds")],
)
def test_an_unknown_outcome_says_when_it_is_looked_for_next(
    seconds: float, text: str, people: People, projects: Projects, as_: SignIn
) -> None:
    run_after = timezone.now() + timedelta(seconds=seconds)
    page = put(submit_creation(people.ada, projects.vision), State.UNKNOWN, run_after=run_after)
    assert text in main(as_("ada").get(page))


def test_every_state_has_its_words() -> None:
    assert set(VERDICTS) | {State.CREATED} == set(State)


def test_a_created_one_shows_its_id_its_network_and_the_way_there(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision, reason="Baseline")
    run_worker()
    cluster = cloud.simulator.clusters()[0]
    answer = as_("ada").get(creation.get_absolute_url())
    text = main(answer)
    for word in (
        cluster.id,
        cluster.networks[0].subnet_id,
        "The cloud confirmed it in its answer.",
        "Baseline",
    ):
        assert word in text
    for step in ("Requested", "Checked the cloud", "logged before sending", "Created"):
        assert step in text
    for quoted in (str(creation.pk), cloud.posts[0].request_id, projects.vision.project_id, "cn-southwest-2"):
        assert quoted in text
    assert "hx-get" not in attributes(body(answer))


@pytest.mark.parametrize("state", [State.FAILED, State.REFUSED, State.NOT_CREATED, State.CANCELLED])
def test_g53_a_contradicted_verdict_says_nothing_that_its_evidence_denies(
    state: State, people: People, projects: Projects, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    url = put(creation, state, attempts=1, cause="status_400", code="ModelArts.0104", evidence="refused")
    denials = (
        "Nothing was created",
        "not carried out",
        "was not created",
    )
    page = main(as_("ada").get(url))
    assert any(denial in page for denial in denials)
    offers = ("Try again", "Edit and retry")
    assert any(offer in page for offer in offers)
    put(creation, state, conflict_at=timezone.now())
    page = main(as_("ada").get(url))
    assert "It may exist after all" in page
    assert not any(denial in page for denial in (*denials, *offers))


def test_g53_a_creation_that_was_made_and_is_contradicted_stays_created(
    people: People, projects: Projects, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    url = put(creation, State.CREATED, conflict_at=timezone.now(), evidence="reply")
    page = main(as_("ada").get(url))
    assert "The cloud confirmed it in its answer. Later evidence contradicts this" in page


def test_a_contradiction_names_the_cluster_that_was_found(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.fault("error", "create", status=400, error_code="ModelArts.0104", deed=True, times=1)
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    ClusterListing.objects.update(run_after=timezone.now())
    run_worker()
    made = cloud.simulator.clusters()[0].id
    assert f"Contradicted by later evidence ID {made}" in main(as_("ada").get(creation.get_absolute_url()))


def test_an_unknown_code_of_the_cloud_is_shown_as_it_came(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.fault("error", "create", status=400, error_code="New.4711", error_msg="Ask <your> admin")
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    assert "New.4711: Ask <your> admin" in main(as_("ada").get(creation.get_absolute_url()))


def test_a_stopped_cloud_and_a_wrong_key_end_in_clear_sentences_and_events(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    ada = as_("ada")
    with cloud.simulator.refuse_connections():
        stopped = submit_creation(people.ada, projects.vision, "stopped")
        run_worker()
        assert "The cloud could not be reached" in main(ada.get(stopped.get_absolute_url()))
        stopped = run_worker_again(stopped, times=5)
    page = main(ada.get(stopped.get_absolute_url()))
    assert "nothing was sent" in page.lower()
    assert "The cloud could not be reached: the connection was refused" in page
    assert events(action="cluster:create:refused", object_id=str(stopped.pk))

    cloud.simulator.add_key("TESTKEY", "another-secret")
    projects.vision.refresh_from_db()
    type(projects.vision).objects.update(blocked_until=None, blocked_cause="", failures=0)
    wrong = submit_creation(people.ada, projects.vision, "wrong-key")
    run_worker()
    page = main(ada.get(wrong.get_absolute_url()))
    assert "The cloud does not accept the project's access key or its signature." in page
    assert "A platform admin must put the project's credentials right." in page
    assert events(action="cluster:create:refused", object_id=str(wrong.pk))
    assert cloud.posts == []


def test_htmx_gets_the_middle_part_alone(people: People, projects: Projects, as_: SignIn) -> None:
    creation = submit_creation(people.ada, projects.vision)
    answer = as_("ada").get(creation.get_absolute_url(), headers=HTMX)
    assert body(answer).lstrip().startswith("<article")
    assert "HX-Request" in answer["Vary"]


def test_a_page_without_scripts_reloads_itself_only_while_it_can_change(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creation, ada = submit_creation(people.ada, projects.vision), as_("ada")
    assert '<meta http-equiv="refresh"' in body(ada.get(creation.get_absolute_url()))
    run_worker()
    assert '<meta http-equiv="refresh"' not in body(ada.get(creation.get_absolute_url()))


# Withdrawing, looking, deciding.


@pytest.mark.parametrize(
    ("name", "status", "state"),
    [
        ("ada", 302, State.CANCELLED),
        ("tom", 302, State.CANCELLED),
        ("vera", 403, State.QUEUED),
        ("olga", 403, State.QUEUED),
        ("mallory", 404, State.QUEUED),
    ],
)
def test_who_asked_or_decides_withdraws_what_waits(
    name: str, status: int, state: State, people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    browser = as_(name)
    url = creation.get_absolute_url()
    if status == 302:
        assert f"{url}withdraw/" in body(browser.get(url))
    elif status == 403:
        assert f"{url}withdraw/" not in body(browser.get(url))
    assert browser.post(f"{url}withdraw/").status_code == status
    creation.refresh_from_db()
    assert creation.state == state
    run_worker()
    assert len(cloud.posts) == (0 if state == State.CANCELLED else 1)


def test_another_creator_of_the_team_does_not_withdraw_it(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    people.vera.grants.update(role="creator")
    creation = submit_creation(people.ada, projects.vision)
    assert as_("vera").post(f"{creation.get_absolute_url()}withdraw/").status_code == 403
    assert len(events(outcome="denied", person_name="vera")) == 1


def test_withdrawing_too_late_says_so_and_changes_nothing(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creation, ada = submit_creation(people.ada, projects.vision), as_("ada")
    run_worker()
    url = creation.get_absolute_url()
    answer = ada.post(f"{url}withdraw/", follow=True)
    assert "It was too late to withdraw this" in words(answer)
    assert 'data-state="created"' in body(answer)


def test_checking_now_is_done_by_the_worker_at_once(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.fault("lost_answer", "create", times=1)
    creation, vera = submit_creation(people.ada, projects.vision), as_("vera")
    run_worker()
    url = creation.get_absolute_url()
    before = len(cloud.simulator.journal())
    assert vera.post(f"{url}look/").status_code == 302
    assert len(cloud.simulator.journal()) == before
    run_worker()
    assert 'data-state="created"' in body(vera.get(url))


@pytest.mark.parametrize("action", ["withdraw", "look", "decide"])
def test_what_changes_something_is_a_post(
    action: str, people: People, projects: Projects, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    led = as_("ada").get(f"{creation.get_absolute_url()}{action}/")
    assert led["Location"] == creation.get_absolute_url()


def test_an_admin_decides_among_the_candidates_and_the_others_see_who_can(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.fault("lost_answer", "create", times=1)
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    other = cloud.simulator.add_cluster(projects.vision.project_id, creation.name)
    creation = run_worker_again(creation)
    url = creation.get_absolute_url()
    assert "Who can decide: tom" in main(as_("ada").get(url))
    assert as_("ada").post(f"{url}decide/", {"cluster_id": other.id}).status_code == 403
    tom = as_("tom")
    assert other.id in body(tom.get(url))
    listed = Cluster.objects.create(
        project=projects.vision,
        cluster_id=other.id,
        name=creation.name,
        found_at=timezone.now(),
        seen_at=timezone.now(),
    )
    assert f'href="{listed.get_absolute_url()}"' in body(tom.get(url))
    for nonsense in ("", "-", "zzz", "none\x00"):
        answer = tom.post(f"{url}decide/", {"cluster_id": nonsense}, follow=True)
        assert "Nothing was decided" in words(answer)
    tom.post(f"{url}decide/", {"cluster_id": other.id, "reason": "seen in\0 the console"})
    page = main(tom.get(url))
    assert "A person decided which of the cloud's clusters is this one." in page
    assert Cluster.objects.get(cluster_id=other.id).creation_id == creation.pk
    assert events(action="cluster:create:decided")[0].reason == "seen in the console"


def test_an_admin_can_decide_that_none_of_the_candidates_is_it(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    url = put(
        creation, State.NEEDS_ATTENTION, candidates=[{"id": "x", "name": creation.name, "networks": []}]
    )
    as_("tom").post(f"{url}decide/", {"cluster_id": "none", "reason": "looked"})
    assert 'data-state="not_created"' in body(as_("ada").get(url))


def test_a_candidate_says_when_it_was_first_seen(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    at = timezone.now() - timedelta(hours=3, minutes=1)
    Cluster.objects.create(
        project=projects.vision, cluster_id="x", name=creation.name, found_at=at, seen_at=at
    )
    candidates = [{"id": each, "name": creation.name, "networks": []} for each in "xy"]
    page = words(as_("tom").get(put(creation, State.NEEDS_ATTENTION, candidates=candidates)))
    assert page.count("First seen") == 1
    assert "First seen 3 hours ago" in page


def test_g42_a_decision_about_candidates_that_have_changed_since_is_not_taken(
    people: People, projects: Projects, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    first, second = ({"id": each, "name": creation.name, "networks": []} for each in "xy")
    url = put(creation, State.NEEDS_ATTENTION, candidates=[first])
    tom = as_("tom")
    (seen,) = re.findall(r'name="seen" value="([0-9]+)"', body(tom.get(url)))
    put(creation, State.NEEDS_ATTENTION, candidates=[first, second], version=int(seen) + 1)
    choice = {"cluster_id": "none", "reason": "looked", "seen": seen}
    answer = tom.post(f"{url}decide/", choice, follow=True)
    assert "This changed meanwhile, and nothing was decided." in words(answer)
    assert 'value="looked"' in body(answer)
    tom.post(f"{url}decide/", choice | {"seen": str(int(seen) + 1)})
    assert 'data-state="not_created"' in body(tom.get(url))


# The list.


def test_attempts_are_listed_newest_first_and_found_by_name_and_state(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    submit_creation(people.ada, projects.vision, "first")
    run_worker()
    submit_creation(people.tom, projects.vision, "second")
    submit_creation(people.mallory, projects.speech, "secret-of-speech")
    ada = as_("ada")

    def names(query: str) -> list[str]:
        return re.findall(r'<a class="name" href="/creations/[^"]+">([^<]+)</a>', body(ada.get(LIST + query)))

    assert names("") == ["second", "first"]
    assert names("?q=FIR") == ["first"]
    assert names("?state=queued") == ["second"]
    assert names("?state=created&q=s") == ["first"]
    assert names("?q=secret") == []
    assert "2 attempts in Vision · vision-cn-southwest-2" in words(ada.get(LIST))


@pytest.mark.parametrize("order", ["-requested_at", "requested_at", "code"])
def test_pages_counted_from_either_end_hold_each_row_once_and_in_order(
    people: People, projects: Projects, order: str
) -> None:
    Creation.objects.bulk_create(
        Creation(
            project=projects.speech,
            name=f"train-{number}",
            token=uuid.uuid4(),
            requested_by=people.ada,
            state=State.FAILED,
            requested_at=timezone.now() - timedelta(minutes=number // 2),
        )
        for number in range(13)
    )
    rows = Creation.objects.order_by(order, "pk")
    paginator = RowPaginator(rows, 3)
    assert [list(paginator.page(number)) for number in paginator.page_range] == [
        list(rows[first : first + 3]) for first in range(0, 13, 3)
    ]


def test_who_has_no_access_is_led_to_it_and_nobody_else(people: People, as_: SignIn) -> None:
    for path in ("/creations/", "/clusters/"):
        assert "You have no access to a team yet" in words(as_("nina").get(path))
        # A team without a project, every team without a project, and the platform: each is access.
        for name in ("ada", "olga", "root"):
            assert "You have no access to a team yet" not in words(as_(name).get(path)), (name, path)


def test_creations_are_found_by_every_id_and_filter_and_sorted_by_every_column(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    first = submit_creation(people.ada, projects.vision, "first")
    first = run_worker_again(first)
    second = submit_creation(people.tom, projects.vision, "second")
    put(
        second,
        State.FAILED,
        code="ModelArts.0106",
        cause="status_400",
        request_id="ours-1",
    )
    submit_creation(people.tom, projects.vision, "third")
    submit_creation(people.mallory, projects.speech, "secret-of-speech")
    ada = as_("ada")

    def names(query: str) -> list[str]:
        return re.findall(r'<a class="name" href="/creations/[^"]+">([^<]+)</a>', body(ada.get(LIST + query)))

    pk = str(first.pk)
    for query in (pk, pk[4:20], pk.replace("-", "")[3:12].upper(), str(first.cluster.cluster_id)[2:20]):
        assert names(f"?q={query}") == ["first"], query
    assert names(f"?q={first.upstream_request_id[:12]}") == ["first"]
    assert names("?q=urs-1") == ["second"]
    for query, expected in (
        ("mine=1", ["first"]), ("person=tom", ["third", "second"]), ("type=ECS", []), ("state=open", ["third"]),
        ("state=unsuccessful", ["second"]), ("team=vision&state=created", ["first"]),
        ("sort=oldest", ["first", "second", "third"]), ("sort=-name", ["third", "second", "first"]),
    ):  # fmt: skip
        assert names(f"?{query}") == expected, query
    for sort in ("name", "state", "result", "person", "project", "newest"):
        assert body(ada.get(f"{LIST}?sort={sort}")).count("aria-sort") == (sort != "project"), sort
    assert "All 3 Mine 1 Under way 1 Unsuccessful 1" in words(ada.get(LIST))


def test_a_failed_creation_says_its_code_and_why_in_the_list(
    people: People, projects: Projects, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision, "too-many")
    put(creation, State.FAILED, code="ModelArts.0106", cause="status_400")
    text = words(as_("vera").get(LIST))
    assert "Failed ModelArts.0106 Huawei Cloud's quota is used up. AD ada" in text


UNKNOWN = [
    "foo=1",
    "state=done",
    "team=speech",
    "person=mallory",
    "sort=-password",
    "project=speech-cn-north-9",
]


def test_an_unknown_filter_of_creations_is_refused_and_named(
    people: People, projects: Projects, as_: SignIn
) -> None:
    submit_creation(people.ada, projects.vision, "first")
    submit_creation(people.mallory, projects.speech, "secret-of-speech")
    for query in UNKNOWN:
        for path in ("", "creations.csv", "creations.json"):
            answer = as_("ada").get(f"{LIST}{path}?{query}")
            assert answer.status_code == 400, (path, query)
            assert query.partition("=")[0] in words(answer)
            assert f'href="{LIST}"' in body(answer)


def test_g19_creations_are_exported_as_the_list_shows_them_with_one_event(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    submit_creation(people.ada, projects.vision, "first", reason="=1+1")
    submit_creation(people.mallory, projects.speech, "secret-of-speech")
    run_worker()
    vera = as_("vera")
    (row,) = vera.get(f"{LIST}creations.json?person=ada").json()["creations"]
    assert (row["name"], row["requested_by"], row["reason"]) == ("first", "ada", "=1+1")
    text = vera.get(f"{LIST}creations.csv?sort=name").content.decode("utf-8-sig")
    assert text.splitlines()[0].startswith('"id","name","type"')
    assert '"\'=1+1"' in text
    assert "secret" not in text
    exported = events(action="creation:list:exported")
    assert len(exported) == 2
    assert {"filters": {"person": "ada"}, "format": "json", "count": 1} in [event.after for event in exported]


def normalised(page: str) -> str:
    """A page without what differs from one request to the next by design."""
    page = re.sub(r'(name="csrfmiddlewaretoken" value|"X-CSRFToken"): ?="?[^"]*"', "", page)
    page = re.sub(r'value="[A-Za-z0-9]{64}"|"X-CSRFToken": "[A-Za-z0-9]{64}"', "", page)
    page = re.sub(r'data-now="[^"]*"|<code>[0-9a-f]{32}</code>', "", page)
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", page)


@pytest.mark.parametrize("kind", ["creation", "cluster"])
def test_g24_another_team_s_object_answers_just_as_one_that_never_was(
    kind: str, people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    theirs = submit_creation(people.mallory, projects.speech, "secret-of-speech")
    run_worker()
    theirs = Creation.objects.get(pk=theirs.pk)
    row = theirs if kind == "creation" else theirs.cluster
    ada = as_("ada")
    actions = {"creation": ("withdraw", "look", "decide"), "cluster": ("delete",)}[kind]
    for headers in ({}, HTMX):
        for method, suffix in (("get", ""), *(("post", f"{action}/") for action in actions)):
            answers = [
                getattr(ada, method)(f"/{kind}s/{pk}/{suffix}", headers=headers)
                for pk in (row.pk, uuid.uuid4())
            ]
            assert [answer.status_code for answer in answers] == [404, 404]
            assert normalised(body(answers[0])) == normalised(body(answers[1]))
            heads = [
                {
                    name: value
                    for name, value in answer.items()
                    if name not in {"X-Request-Id", "Content-Length"}
                }
                for answer in answers
            ]
            assert heads[0] == heads[1]
            assert "secret-of-speech" not in body(answers[0])
    assert Creation.objects.get(pk=theirs.pk).state == State.CREATED


def test_g31_whatever_was_typed_or_said_by_the_cloud_comes_out_as_text(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creations = []
    for number, payload in enumerate(PAYLOADS):
        name = f"case-{number}"
        cloud.simulator.fault("error", "create", status=400, name=name, error_code=payload, error_msg=payload)
        creations.append(submit_creation(people.ada, projects.vision, name, reason=payload))
        if payload.isprintable():  # other names make the cloud's list no list
            cloud.simulator.add_cluster(projects.vision.project_id, payload)
    people.vision.name = PAYLOADS[0]
    people.vision.save()
    run_worker()
    tom = as_("tom")
    rows = [*creations, *Cluster.objects.all(), *events(team_name=PAYLOADS[0])]
    paths = [
        "/",
        LIST,
        "/clusters/",
        "/audit/",
        "/audit/?q=case-3",
        *(row.get_absolute_url() for row in rows),
    ]
    pages = {path: body(tom.get(path)) for path in paths}
    assert len(pages) > 80
    assert [path for path, page in pages.items() if holds_markup(page)] == []
    for creation, payload in zip(creations, PAYLOADS, strict=True):
        page = pages[creation.get_absolute_url()]
        assert page.count(escape(payload)) >= 1 + payload.isprintable()  # in the facts, and in the timeline
    for payload in PAYLOADS:
        if payload.isprintable():
            assert payload in unescape(pages["/clusters/"])


def many(people: People, projects: Projects, count: int) -> None:
    """So many creations with clusters of two networks, and as many events."""
    now = timezone.now()
    creations = Creation.objects.bulk_create(
        Creation(
            project=projects.vision,
            name=f"many-{n}",
            type="HPS",
            requested_by=people.ada,
            token=uuid.uuid4(),
            state=State.CREATED,
            evidence="reply",
            settled_at=now - timedelta(days=1),
        )
        for n in range(count)
    )
    clusters = Cluster.objects.bulk_create(
        Cluster(
            project=projects.vision,
            cluster_id=f"id-{creation.pk}",
            name=creation.name,
            type="HPS",
            found_at=now,
            seen_at=now,
            creation=creation,
        )
        for creation in creations
    )
    Network.objects.bulk_create(
        Network(cluster=cluster, subnet_id=f"net-{n}", is_default=not n)
        for cluster in clusters
        for n in range(2)
    )
    for creation in creations:
        subject = Subject("creation", str(creation.pk), creation.name, people.vision)
        record(EventType.CREATE_SUCCEEDED, Outcome.DONE, on=subject, by=people.ada)


@pytest.mark.parametrize("path", ["/", "/clusters/", LIST, "/audit/", "/clusters/new/?name=x"])
def test_a_page_takes_as_many_queries_for_fifty_rows_as_for_five(
    path: str, people: People, projects: Projects, as_: SignIn
) -> None:
    tom = as_("tom")
    counts = []
    for more in (5, 45):
        many(people, projects, more)
        for _ in range(2):  # that the audit is read is noted once a visit, and found noted once
            tom.get(path)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert tom.get(path).status_code == 200
        counts.append(len(captured))
    assert counts[1] <= counts[0] <= 28
