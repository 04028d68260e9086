"""Olga reads everything, Tom his team's part, and nobody else anything."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client as Browser

from hyperclusters.audit import integrity, tasks, verification
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import Event
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation
from tests.web.pages import SignIn, body, main, post_by_hand, words

pytestmark = pytest.mark.any_database

LIST = "/audit/"


def seqs(page: str) -> list[int]:
    """The events of a page, in its order."""
    return [int(seq) for seq in re.findall(r'href="/audit/(\d+)/"><time', page)]


def link(page: str, rel: str) -> str:
    """Where the pager leads, or nothing."""
    match = re.search(rf'rel="{rel}"\s+href="([^"]+)"', page)
    return match[1].replace("&amp;", "&") if match else ""


@pytest.fixture
def past(people: People) -> list[int]:
    """120 events of Vision, 3 of Speech and 2 of nobody's, beside the ones that made the cast."""
    with transaction.atomic():
        for number in range(120):
            subject = Subject("creation", f"id-{number}", f"train-{number}", people.vision)
            outcome = Outcome.FAILED if number % 10 == 0 else Outcome.DONE
            action = EventType.CREATE_FAILED if number % 10 == 0 else EventType.CREATE_SUCCEEDED
            record(action, outcome, on=subject, by=people.ada)
        for _ in range(3):
            record(
                EventType.CREATE_SUCCEEDED, Outcome.DONE, on=Subject(team=people.speech), by=people.mallory
            )
        for _ in range(2):
            record(EventType.SIGN_IN_FAILED, Outcome.DENIED, person_name="stranger")
    return list(Event.objects.order_by("-seq").values_list("seq", flat=True))


def walk(browser: Browser, start: str, rel: str) -> list[list[int]]:
    """Every page from this one on, in one direction."""
    pages, path = [], start
    for _ in range(20):
        page = body(browser.get(path))
        pages.append(seqs(page))
        step = link(page, rel)
        if not step:
            return pages
        path = LIST + step
    raise AssertionError("the pages go round in circles")


def test_paging_covers_every_event_exactly_once_in_both_directions(past: list[int], as_: SignIn) -> None:
    olga = as_("olga")
    older = walk(olga, LIST, "next")
    assert [seq for page in older for seq in page if seq in past] == past
    last = f"{LIST}?before={older[-1][0] + 1}"
    newer = walk(olga, last, "prev")
    again = [seq for page in newer[::-1] for seq in page if seq in past]
    assert again == past
    assert all(page == sorted(page, reverse=True) for page in older + newer)


def test_paging_keeps_the_filters(past: list[int], as_: SignIn) -> None:
    pages = walk(as_("olga"), f"{LIST}?person=ada&outcome=done", "next")
    assert [len(page) for page in pages] == [50, 50, 8]
    shown = Event.objects.filter(seq__in=[seq for page in pages for seq in page])
    assert {event.person_name for event in shown} == {"ada"}


def counted(browser: Browser, listed: Any) -> str:
    """How many events fit, as the summary says that this list asks for."""
    match = re.search(r'hx-get="([^"]+)"', body(listed))
    assert match
    told = re.search(r"(\d+) events?\b", main(browser.get(match[1].replace("&amp;", "&"))))
    assert told
    return told[1]


def test_the_count_knows_what_the_list_knew_and_not_the_note_that_it_was_read(
    past: list[int], as_: SignIn
) -> None:
    olga = as_("olga")
    listed = olga.get(f"{LIST}?q=zzz")
    assert "No matching events" in main(listed)
    assert counted(olga, listed) == "0"
    listed = olga.get(f"{LIST}?person=mallory")
    assert counted(olga, listed) == str(len(seqs(body(listed)))) == "3"
    deep = olga.get(f"{LIST}?person=ada&before={past[60]}")
    assert int(counted(olga, deep)) > 50


def test_a_filter_that_was_not_understood_opens_the_menu_only_where_that_is_to_be_put_right(
    people: People, as_: SignIn
) -> None:
    olga = as_("olga")
    chosen, typed = (
        body(olga.get(f"{LIST}?{query}")) for query in ("action=create.succeeded", "since=yesterday")
    )
    opened = '<details class="chip-menu" name="filters" open>'
    assert (opened in chosen, opened in typed) == (False, True)
    for page in (chosen, typed):
        assert "understand this filter" in page
        assert page.count('<section class="card') == 0


FILTERS = [
    ("person=stranger", 2),
    ("person=stran", 0),
    ("outcome=failed", 12),
    ("action=cluster:create:failed", 12),
    ("outcome=failed&action=cluster:create:succeeded", 0),
    ("q=train-11", 11),
    ("q=TRAIN-119", 1),
    ("q=id-7", 11),
    ("q=id-7&outcome=failed", 1),
    ("person=mallory", 3),
    ("person=mallory&person=stranger", 5),
    ("outcome=failed&outcome=denied", 14),
    ("q=strang", 2),
]


def test_filters_combine(past: list[int], as_: SignIn) -> None:
    olga = as_("olga")
    assert {query: len(seqs(body(olga.get(f"{LIST}?{query}")))) for query, _ in FILTERS} == dict(FILTERS)


def test_an_event_is_found_by_the_request_id_of_our_answer_and_by_the_cloud_s(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    denied = post_by_hand(as_("vera"), name="sneaky")
    submit_creation(people.ada, projects.vision)
    run_worker()
    olga = as_("olga")
    for wanted, action in (
        (denied["X-Request-Id"], "cluster:create:denied"),
        (cloud.posts[0].request_id, "cluster:create:succeeded"),
    ):
        text = body(olga.get(f"{LIST}?q={wanted}"))
        assert len(seqs(text)) == 1
        assert action in text


def test_an_admin_reads_their_own_team_s_events_alone(past: list[int], as_: SignIn) -> None:
    tom = as_("tom")
    read = {seq for page in walk(tom, LIST, "next") for seq in page}
    assert {event.team_name for event in Event.objects.filter(seq__in=read)} == {"Vision"}
    assert seqs(body(tom.get(f"{LIST}?person=mallory"))) == []
    assert seqs(body(tom.get(f"{LIST}?person=stranger"))) == []
    foreign = Event.objects.filter(person_name="mallory").latest("seq")
    nobody = tom.get(f"{LIST}{Event.objects.latest('seq').seq + 1000}/")
    assert tom.get(foreign.get_absolute_url()).status_code == nobody.status_code == 404


def test_nobody_else_reads_the_audit_and_trying_is_told(past: list[int], as_: SignIn) -> None:
    for name in ("ada", "vera", "mallory", "root", "nina"):
        browser = as_(name)
        for path in (LIST, f"{LIST}{past[0]}/", f"{LIST}999999/"):
            answer = browser.get(path)
            assert answer.status_code == 403
            assert "train-" not in body(answer)
            (event,) = events(outcome="denied", request_id=answer["X-Request-Id"])
            assert (event.action, event.person_name, event.object_name) == ("access:page:denied", name, path)
        assert f'href="{LIST}"' not in body(browser.get("/"))


def test_an_event_shows_what_was_sent_and_what_came_back(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision, reason="Baseline")
    run_worker()
    event = events(action="cluster:create:succeeded")[0]
    answer = as_("olga").get(event.get_absolute_url())
    text = main(answer)
    cluster = cloud.simulator.clusters()[0]
    for word in (
        "ada",
        "Vision",
        creation.name,
        cluster.id,
        cloud.posts[0].request_id,
        "Request",
        "Response",
    ):
        assert word in text
    for word in ('"method": "POST"', '"status": 200', '"type": "HPS"', cloud.simulator.endpoint):
        assert word in text
    assert creation.get_absolute_url() in body(answer)
    assert "Authorization" not in text


def test_an_event_of_the_worker_names_the_reason_and_the_source_of_its_request(
    people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    submit_creation(people.ada, projects.vision, reason="Baseline")
    run_worker()
    request, *_others, answer = events(object_kind="creation")
    assert "Created “Baseline”" in main(as_("olga").get(LIST))
    text = main(as_("olga").get(answer.get_absolute_url()))
    assert "Reason of the request Baseline" in text
    assert "Source Worker, for ada Requested through" in text
    assert f"event {request.seq}" in text
    assert "Requested through" not in main(as_("olga").get(request.get_absolute_url()))


def test_a_sign_in_says_how_and_empty_texts_are_left_out(
    people: People, projects: Projects, as_: SignIn
) -> None:
    record(EventType.SIGNED_IN, Outcome.DONE, by=people.ada, after={"by": ["password", "totp", "new"]})
    text = main(as_("olga").get(events(person_name="ada")[-1].get_absolute_url()))
    assert "Signed in with Password, Authenticator app, new" in text
    assert "After" not in text
    after: dict[str, Any] = {"again_of": "", "limit": "", "state": "queued"}
    record(EventType.CREATE_REQUESTED, Outcome.ACCEPTED, by=people.ada, before={"limit": "9"}, after=after)
    text = main(as_("olga").get(events(person_name="ada")[-1].get_absolute_url()))
    assert '"limit": ""' in text
    assert "again_of" not in text


def test_an_event_says_whether_verification_has_seen_it(
    people: People, projects: Projects, as_: SignIn
) -> None:
    submit_creation(people.ada, projects.vision)
    path, olga = events(object_kind="creation")[0].get_absolute_url(), as_("olga")
    assert "Verification Not verified yet" in main(olga.get(path))
    verification.note(integrity.WHOLE, verification.verify())
    assert "Verification No change found · last checked" in main(olga.get(path))
    submit_creation(people.ada, projects.vision, "later")
    later = events(object_kind="creation")[-1]
    assert "Verification Not verified yet" in main(olga.get(later.get_absolute_url()))


def test_an_event_leads_only_to_pages_that_its_reader_may_see(
    people: People, projects: Projects, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    tom = as_("tom")
    response = tom.get(events(object_id=str(creation.pk))[0].get_absolute_url())
    assert creation.get_absolute_url() in body(response)
    foreign = submit_creation(people.mallory, projects.speech)
    assert foreign.get_absolute_url() in body(
        as_("olga").get(events(object_id=str(foreign.pk))[0].get_absolute_url())
    )


def test_a_number_without_an_event_is_not_found(people: People, as_: SignIn) -> None:
    olga = as_("olga")
    assert [olga.get(f"{LIST}{seq}/").status_code for seq in ("0", "999999999", "9" * 30)] == [404, 404, 404]


def test_a_ledger_without_a_match_says_so(people: People, as_: SignIn) -> None:
    assert "No matching events" in words(as_("olga").get(f"{LIST}?q=nothing-like-it"))
    assert "No matching events" in words(as_("olga").get(f"{LIST}?before=1"))


def test_reading_the_ledger_is_a_get_alone(people: People, as_: SignIn) -> None:
    assert as_("olga").post(LIST).status_code == 405
    assert as_("olga").delete(f"{LIST}1/").status_code == 405


def test_an_auditor_has_the_whole_audit_verified_at_once(people: People, as_: SignIn) -> None:
    olga, path = as_("olga"), "/audit/chain/"
    tasks.run_due()
    whole_at = integrity.integrity_status().whole_at
    assert "Run full check" in main(olga.get(path))
    for _ in range(2):  # the second finds it due
        assert olga.post(f"{path}check/").status_code == 302
    assert len(events(action=EventType.AUDIT_CHECK_REQUESTED, person_name="olga")) == 1
    assert "Full check pending" in main(olga.get(path))
    tasks.run_due()
    status = integrity.integrity_status()
    assert whole_at is not None
    assert status.whole_at is not None
    assert status.whole_at > whole_at
    assert "Run full check" in main(olga.get(path))


def test_the_integrity_page_names_the_last_anchor_to_auditors(people: People, as_: SignIn) -> None:
    assert "Last anchor Can't be read on this machine" in main(as_("olga").get("/audit/chain/"))
    seq = Event.objects.latest("seq").seq
    tasks.run_due()
    text = main(as_("olga").get("/audit/chain/"))
    assert f"Last anchor Event {seq} · " in text
    assert str(settings.AUDIT_ANCHORS) in text
    assert "Last anchor" not in main(as_("tom").get("/audit/chain/"))


def test_reviews_of_one_second_are_one_row_that_names_each(people: People, as_: SignIn) -> None:
    names = [f"train-{number}" for number in range(4)]
    with transaction.atomic():
        for name in names:
            record(
                EventType.CREATE_REVIEWED,
                Outcome.DONE,
                on=Subject("creation", f"id-{name}", name),
                by=people.olga,
            )
    text = main(as_("olga").get(LIST))
    assert text.count("reviewed the creation of") == 1
    assert "3 more" in text
    assert all(name in text for name in names)
