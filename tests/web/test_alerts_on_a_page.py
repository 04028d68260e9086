"""The audit's alerts: auditors see and change the thresholds and who gets a mail, and the worker goes by them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import connection

from hyperclusters.access.alert_mails import PAUSE, queue_alert_mails, recipients, set_alerts
from hyperclusters.access.models import Grant, OutgoingMail, User
from hyperclusters.access.permissions import NotPermitted
from hyperclusters.access.services import end_grant
from hyperclusters.audit import clock, tasks
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import AlertSettings, ScheduledTask
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.conftest import People, events, run_worker
from tests.web.pages import SignIn, main, words
from tests.web.test_unreadable_events import forge

pytestmark = pytest.mark.any_database

PAGE = "/audit/alerts/"
THRESHOLDS: dict[str, Any] = {"denials": 3, "minutes": 5, "late_minutes": 15}


@pytest.fixture
def olga_hears(people: People) -> None:
    set_alerts(by=people.olga, to=[people.olga], **THRESHOLDS)


def alert(name: str = "west") -> None:
    record(EventType.PROJECT_BLOCKED, Outcome.FAILED, on=Subject("project", "1", name))


def watch() -> None:
    """The worker's watch over the ledger, now."""
    ScheduledTask.objects.filter(name="alerts").update(run_after=clock.now() - timedelta(seconds=1))
    tasks.run_due()


def test_an_auditor_sees_the_defaults_and_changes_them(people: People, as_: SignIn) -> None:
    olga = as_("olga")
    assert "olga · olga@example.com" in main(olga.get(PAGE))
    assert "Nobody gets alerts by mail" in main(olga.get(PAGE))
    assert (AlertSettings.current().denials, recipients()) == (20, [])
    answer = olga.post(PAGE, THRESHOLDS | {"recipients": ["olga"], "reason": "Quiet hours"}, follow=True)
    assert "Alerts saved." in words(answer)
    assert (AlertSettings.current().denials, recipients()) == (3, [people.olga])
    (event,) = events(action="audit:alerts:changed")
    assert (event.person_name, event.reason, (event.before or {})["denials"]) == ("olga", "Quiet hours", 20)
    assert (event.after or {})["recipients"] == ["olga"]
    assert "Send a test" in main(olga.get(PAGE))
    assert "Nobody gets alerts by mail" not in main(olga.get(PAGE))
    assert "Alert recipients olga · Alert settings" in main(olga.get("/audit/chain/"))
    assert "Alert" not in main(as_("tom").get("/audit/chain/"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"denials": "0"}, "Ensure this value is greater than or equal to 1."),
        ({"minutes": "61"}, "Ensure this value is less than or equal to 60."),
        ({"late_minutes": "soon"}, "Enter a whole number."),
        ({"recipients": ["tom"]}, "tom can't get these mails: only auditors with an e-mail address do."),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(
    people: People, as_: SignIn, changed: dict[str, Any], said: str
) -> None:
    answer = as_("olga").post(PAGE, THRESHOLDS | changed)
    assert (answer.status_code, said in main(answer)) == (422, True)
    assert not AlertSettings.objects.exists()


def test_only_auditors_change_them_and_only_auditors_get_mails(people: People) -> None:
    for name in ("ada", "tom", "vera", "root", "mallory", "nina"):
        with pytest.raises(NotPermitted):
            set_alerts(by=getattr(people, name), to=[], **THRESHOLDS)
    User.objects.filter(pk=people.vera.pk).update(email="")
    for name in ("tom", "root", "vera"):
        with pytest.raises(ValidationError):
            set_alerts(by=people.olga, to=[getattr(people, name)], **THRESHOLDS)
    with pytest.raises(ValidationError):
        set_alerts(by=people.olga, to=[], **THRESHOLDS | {"denials": 0})


def test_the_worker_goes_by_the_threshold_from_its_next_run_on(people: People, olga_hears: None) -> None:
    watch()
    for _ in range(3):
        record(EventType.ACCESS_DENIED, Outcome.DENIED, by=people.nina, on=Subject("page", "1", "/audit/"))
    watch()
    assert [event.object_name for event in events(action="audit:alert:denials")] == ["nina"]


def test_an_alert_becomes_one_mail_and_those_that_follow_are_collected(
    people: People, olga_hears: None
) -> None:
    alert("west")
    run_worker()
    run_worker()
    (first,) = mail.outbox
    assert (first.to, "west" in first.body) == (["olga@example.com"], True)
    for name in ("north", "south"):
        alert(name)
    run_worker()
    assert len(mail.outbox) == 1
    AlertSettings.objects.update(mailed_at=clock.now() - PAUSE)
    run_worker()
    _first, second = mail.outbox
    assert all(name in second.body for name in ("north", "south"))
    assert f"/audit/{events(object_name='south')[0].seq}/" in second.body


def test_g40_an_alert_that_somebody_made_unreadable_does_not_keep_back_the_mail(
    people: People, olga_hears: None
) -> None:
    alert("west")
    forge("canonical", [(events(object_name="west")[0].seq, "'{}'")])
    alert("north")
    run_worker()
    (sent,) = mail.outbox
    assert "north" in sent.body
    assert "is unreadable" in sent.body


@pytest.mark.parametrize("order", [(0, 10), (10, 0), (0, -10), (-10, 0)], ids=str)
def test_g38_an_alert_of_a_wrong_clock_keeps_none_from_its_mail(
    order: tuple[int, int], people: People, olga_hears: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    for name, days in zip(("west", "north"), order, strict=True):
        with monkeypatch.context() as other:
            other.setattr(clock, "now", lambda days=days: now + timedelta(days=days))
            alert(name)
    for _ in range(2):
        run_worker()
        AlertSettings.objects.update(mailed_at=clock.now() - PAUSE)
    told = " ".join(str(each.body) for each in mail.outbox)
    assert "west" in told
    assert "north" in told


UNREADABLE = ["x'ff00'", "'yesterday'", "17", "''", "'9999-12-31 23:59:59'", "'0001-01-01 00:00:00'"]


@pytest.mark.parametrize(
    "at", UNREADABLE if connection.vendor == "sqlite" else ["'infinity'", "'2026-01-01 BC'"]
)
@pytest.mark.parametrize("name", ["west", "north"])
def test_g40_an_alert_whose_time_somebody_made_unreadable_keeps_none_from_its_mail(
    name: str, at: str, people: People, olga_hears: None
) -> None:
    for each in ("west", "north"):
        alert(each)
    seq = events(object_name=name)[0].seq
    forge("at", [(seq, at)])
    for _ in range(2):
        run_worker()
        AlertSettings.objects.update(mailed_at=clock.now() - PAUSE)
    told = " ".join(str(each.body) for each in mail.outbox)
    assert {"west": "north", "north": "west"}[name] in told
    assert f"/audit/{seq}/" in told


def test_two_workers_queue_an_alert_once_and_what_was_before_causes_no_mail(people: People) -> None:
    alert("before")
    set_alerts(by=people.olga, to=[people.olga], **THRESHOLDS)
    queue_alert_mails()
    assert not OutgoingMail.objects.exists()
    alert("after")
    queue_alert_mails()
    queue_alert_mails()
    assert OutgoingMail.objects.count() == 1


def test_who_is_no_auditor_any_more_gets_no_mail(people: People, olga_hears: None) -> None:
    alert()
    queue_alert_mails()
    end_grant(Grant.objects.active().get(person=people.olga), by=people.root, reason="moved on")
    run_worker()
    assert not mail.outbox


def test_a_test_mail_is_sent_and_audited(people: People, as_: SignIn, olga_hears: None) -> None:
    olga = as_("olga")
    assert "A test mail goes to 1 person." in words(olga.post(f"{PAGE}test/", follow=True))
    run_worker()
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["olga@example.com"], "A test of the audit's alerts")
    assert [event.person_name for event in events(action="audit:alerts:tested")] == ["olga"]


def test_a_test_without_recipients_says_what_to_do(people: People, as_: SignIn) -> None:
    answer = as_("olga").post(f"{PAGE}test/", follow=True)
    assert "Nobody gets these mails yet: choose somebody and save first." in words(answer)
