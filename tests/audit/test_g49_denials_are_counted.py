"""G49: attempts turned away by the lockout, and repeated denials of one person at one address, are one event with a count."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connections, transaction
from django.db.models import F
from django.test import Client as Browser

from hyperclusters.audit import denials, tasks, verification
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import AlertSettings, DenialWindow, Event, ScheduledTask
from hyperclusters.audit.request_context import RequestContext, request_context
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.conftest import PASSWORD, People, denied, events
from tests.web.pages import SignIn

BURST = AlertSettings().denials

LOGIN = "/accounts/login/"
CAFE = "198.51.100.9"


@pytest.fixture(autouse=True)
def anchors_elsewhere(settings: Any, tmp_path: Any) -> None:
    settings.AUDIT_ANCHORS = tmp_path / "anchors.jsonl"


def guess(name: str, ip: str = CAFE, **headers: str) -> int:
    posted = {"username": name, "password": "wrong"}
    return Browser().post(LOGIN, posted, REMOTE_ADDR=ip, headers=headers or None).status_code


def pass_time(span: timedelta = denials.WINDOW) -> None:
    """As if so much time had passed for the windows that are open."""
    DenialWindow.objects.update(opened_at=F("opened_at") - span)


def run_duties() -> None:
    ScheduledTask.objects.update(run_after=F("run_after") - timedelta(days=2))
    tasks.run_due()


def test_g49_189_guesses_from_one_address_cost_a_handful_of_events(people: People) -> None:
    before = len(events())
    for _ in range(189):
        assert guess("ada") == 422
    assert denied() == 189
    pass_time()
    denials.close_windows()
    assert len(events()) - before <= 6
    assert denied() == 189
    assert not DenialWindow.objects.exists()
    assert not verification.verify().findings


@pytest.mark.parametrize(
    "name",
    [lambda n: f"name-{n}", lambda n: f"ada{'́' * (n % 7)}{n}", lambda n: "x" * 140 + str(n)],
    ids=["spraying", "marks", "long"],
)
def test_g49_other_names_and_forwarded_addresses_from_one_address_are_no_way_around(
    name: Callable[[int], str], people: People, settings: Any
) -> None:
    before = len(events())
    for n in range(60):
        guess(name(n), **{"X-Forwarded-For": f"203.0.113.{n}"})
    pass_time()
    denials.close_windows()
    assert denied() == 60
    assert len(events()) - before <= 2 * (denials.FIRST + 1)


def test_g49_an_ipv6_subscriber_is_one_address(people: People) -> None:
    before = len(events())
    for n in range(40):
        guess("ada", f"2001:db8:1:2::{n:x}")
    assert len(events()) - before == 2
    assert denied() == 40


def test_g49_behind_a_proxy_its_word_counts_and_no_other(people: People, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    before = len(events())
    for n in range(40):
        guess("ada", "10.0.0.1", **{"X-Forwarded-For": f"203.0.113.{n}, {CAFE}"})
    assert len(events()) - before == 2
    assert {event.ip for event in events(outcome="denied")} == {CAFE}


@pytest.mark.parametrize("path", ["/people/", "/audit/", "/projects/"])
def test_g49_150_denied_pages_are_one_event_and_a_count(path: str, as_: SignIn) -> None:
    ada = as_("ada")
    for _ in range(150):
        assert ada.get(path).status_code == 403
    (event,) = events(outcome="denied")
    assert (event.person_name, event.object_name) == ("ada", path)
    pass_time()
    denials.close_windows()
    first, summary = events(outcome="denied")
    assert summary.after
    assert summary.after["count"] == 149
    assert summary.after["about"] == [{"what": path, "count": 149}]
    assert summary.after["first"] <= summary.after["last"]
    assert (summary.action, summary.person_name, summary.ip) == (first.action, "ada", "127.0.0.1")
    assert denied() == 150


def test_g49_denials_at_many_addresses_name_the_first_few_and_count_the_rest(people: People) -> None:
    with request_context(RequestContext("page", CAFE, "")):
        for n in range(100):
            record(EventType.ACCESS_DENIED, Outcome.DENIED, on=Subject("page", "", f"/p/{n}"), by=people.ada)
    pass_time()
    denials.close_windows()
    *own, summary = events(outcome="denied")
    assert [event.object_name for event in own] == [f"/p/{n}" for n in range(denials.FIRST)]
    assert summary.after
    assert summary.after["count"] == 100 - denials.FIRST
    assert len(summary.after["about"]) <= denials.LABELS
    assert sum(each["count"] for each in summary.after["about"]) == 100 - denials.FIRST


def test_g49_404_probing_and_pages_of_strangers_cost_nothing(people: People, as_: SignIn) -> None:
    before = len(events())
    for browser in (Browser(), as_("ada")):
        for n in range(50):
            assert browser.get(f"/wp-admin/{n}").status_code == 404
    assert len(events()) == before
    assert not DenialWindow.objects.exists()


@pytest.mark.parametrize(
    ("path", "posted"),
    [("/accounts/login/passkey/", {"credential": "{}"}), ("/accounts/company/callback/", None)],
)
def test_g49_a_stranger_s_other_ways_of_failing_to_sign_in_are_bounded(
    path: str, posted: dict[str, str] | None, people: People
) -> None:
    before = len(events())
    for n in range(40):
        if posted:
            Browser().post(path, posted, REMOTE_ADDR=CAFE)
        else:
            Browser().get(f"{path}?error=e{n}", REMOTE_ADDR=CAFE)
    assert len(events()) - before <= denials.FIRST + 1


def test_g49_two_people_or_two_addresses_are_told_apart(people: People) -> None:
    for person, ip in ((people.ada, CAFE), (people.tom, CAFE), (people.ada, "192.0.2.1"), (people.ada, CAFE)):
        with request_context(RequestContext("page", ip, "")):
            record(EventType.ACCESS_DENIED, Outcome.DENIED, on=Subject("page", "", "/p/"), by=person)
    assert [(event.person_name, event.ip) for event in events(outcome="denied")] == [
        ("ada", CAFE),
        ("tom", CAFE),
        ("ada", "192.0.2.1"),
    ]


def test_g49_what_a_worker_denies_has_an_event_each(people: People) -> None:
    with request_context(RequestContext("worker")):
        for n in range(20):
            record(
                EventType.CREATE_DENIED, Outcome.DENIED, on=Subject("creation", str(n), "same"), by=people.ada
            )
    assert len(events(outcome="denied")) == 20


def test_g49_the_next_attempt_after_a_window_closes_it(people: People) -> None:
    for _ in range(3):
        guess("ada")
    pass_time()
    guess("ada")
    first, summary, second = events(action=EventType.SIGN_IN_FAILED)
    assert (first.person_name, summary.object_name, second.person_name) == ("ada", "ada", "ada")
    assert summary.after
    assert summary.after["count"] == 2
    assert denied() == 4


def test_g49_a_window_that_a_clock_far_ahead_opened_is_over(people: People) -> None:
    for _ in range(3):
        guess("ada")
    pass_time(timedelta(days=-400))
    denials.close_windows()
    assert not DenialWindow.objects.exists()
    assert denied() == 3


def test_g49_a_count_that_is_rolled_back_is_not_counted(people: People) -> None:
    with request_context(RequestContext("page", CAFE, "")):
        record(EventType.ACCESS_DENIED, Outcome.DENIED, by=people.ada)
        with transaction.atomic():
            record(EventType.ACCESS_DENIED, Outcome.DENIED, by=people.ada)
            transaction.set_rollback(True)
    assert denied() == 1


def test_g49_of_many_denials_at_once_each_is_in_exactly_one_event(people: People) -> None:
    """Each in a thread and with a connection of its own, as in several web processes; the workers close windows meanwhile."""

    def deny(n: int) -> None:
        try:
            if n % 10 == 9:
                pass_time()
                denials.close_windows()
                return
            with request_context(RequestContext("page", CAFE, "")):
                record(
                    EventType.ACCESS_DENIED,
                    Outcome.DENIED,
                    on=Subject("page", "", f"/{n % 3}/"),
                    by=people.ada,
                )
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(deny, range(80)))
    assert denied() == 72
    pass_time()
    denials.close_windows()
    assert denied() == 72
    assert not verification.verify().findings


@pytest.mark.parametrize("who", ["ada", "nobody-here"])
def test_g49_a_burst_still_raises_its_alert(who: str, people: People) -> None:
    run_duties()
    for _ in range(BURST - 1):
        guess(who)
    run_duties()
    assert not events(action=EventType.DENIALS_BURST)
    for _ in range(2):
        guess(who)
    run_duties()
    run_duties()
    kinds = sorted(event.object_kind for event in events(action=EventType.DENIALS_BURST))
    assert "denials:address" in kinds
    assert len(kinds) == len(set(kinds))


def test_g49_a_burst_of_one_signed_in_person_is_told_by_person_and_address(as_: SignIn) -> None:
    run_duties()
    ada = as_("ada")
    for _ in range(BURST):
        ada.get("/people/")
    run_duties()
    assert [(e.object_kind, e.object_name) for e in events(action=EventType.DENIALS_BURST)] == [
        ("denials:person", "ada"),
        ("denials:address", "127.0.0.1"),
    ]


def test_g49_the_worker_writes_the_summary_by_itself(people: People) -> None:
    run_duties()
    for _ in range(9):
        guess("ada")
    run_duties()
    assert len(Event.objects.filter(evidence="repeated")) == 0
    pass_time()
    run_duties()
    assert sorted(e.action for e in events(evidence="repeated")) == [
        "session:sign-in:failed",
        "session:sign-in:locked",
    ]


def test_g30_g49_a_locked_attempt_does_not_look_at_the_password(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    verify = MD5PasswordHasher.verify

    def counted(self: Any, password: str, encoded: str) -> bool:
        looked.append(password)
        return bool(verify(self, password, encoded))

    monkeypatch.setattr(MD5PasswordHasher, "verify", counted)
    for _ in range(5):
        guess("ada")
    assert looked
    looked.clear()
    for name in ("ada", "ada", "ADA"):
        assert (
            Browser().post(LOGIN, {"username": name, "password": PASSWORD}, REMOTE_ADDR=CAFE).status_code
            == 422
        )
    assert looked == []
