"""Letters about access: each goes out once, none is forgotten, and none waits for another that is not taken."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

import pytest
from django.core import mail as outbox
from django.core.mail import EmailMessage
from django.test import Client as Browser
from django.utils import timezone

from hyperclusters.access import access_requests, invitations, mail
from hyperclusters.access.models import AccessRequest, Grant, OutgoingMail, Role
from hyperclusters.access.models.notification import MAIL_TRIES
from hyperclusters.access.services import end_grant, grant
from tests.conftest import People

WEEK = timedelta(days=7)


def later() -> None:
    """The time has come to try again."""
    past = timezone.now() - timedelta(seconds=1)
    OutgoingMail.objects.update(run_after=past)
    OutgoingMail.objects.exclude(lease_holder="").update(lease_expires_at=past)


def got() -> list[str]:
    """Who has got a letter, and so often."""
    return sorted(address for letter in outbox.outbox for address in letter.to)


@pytest.fixture
def refuses(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The addresses that the mail server does not take."""
    refused: set[str] = set()
    send = EmailMessage.send

    def picky(letter: EmailMessage) -> int:
        if refused & set(letter.to):
            raise SMTPRecipientsRefused({letter.to[0]: (550, b"no such user")})
        return send(letter)

    monkeypatch.setattr(EmailMessage, "send", picky)
    return refused


def invite(address: str, people: People) -> None:
    invitations.invite(email=address, team=people.vision, role=Role.VIEWER, reason="x", by=people.tom)


def test_letters_go_out_once_and_a_mail_server_that_is_away_loses_none(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    access_requests.ask(person=people.nina, team=people.vision, role=Role.CREATOR, days=7, reason="why not")
    with monkeypatch.context() as broken:
        broken.setattr(EmailMessage, "send", lambda *_: (_ for _ in ()).throw(OSError("away")))
        assert mail.send_due() == 0
    assert mail.send_due() == 0
    later()
    assert (mail.send_due(), mail.send_due()) == (1, 0)
    assert outbox.outbox[0].to == ["tom@example.com"]
    assert "why not" in outbox.outbox[0].body
    access_requests.decline(AccessRequest.objects.get(), by=people.tom, note="not this week")
    invitations.invite(
        email="new@example.com", team=people.vision, role=Role.VIEWER, reason="x", by=people.tom
    )
    now = timezone.now()
    Grant.objects.filter(person=people.vera).update(since=now - WEEK, until=now + timedelta(days=2))
    Grant.objects.filter(person=people.ada).update(since=now, until=now + timedelta(hours=5))  # its first day
    assert (mail.send_due(), mail.send_due()) == (3, 0)
    assert [letter.to for letter in outbox.outbox[1:]] == [
        ["nina@example.com"],
        ["new@example.com"],
        ["vera@example.com"],
    ]
    link = re.search(r"/access/invitations/\S+", str(outbox.outbox[2].body))
    assert link
    assert Browser().get(link[0]).status_code == 200


def test_an_address_that_is_refused_holds_up_no_other_letter_and_is_tried_again_later(
    people: People, refuses: set[str]
) -> None:
    refuses.add("wrong@example.com")
    for address in ("first@example.com", "wrong@example.com", "third@example.com"):
        invite(address, people)
    assert [mail.send_due(), mail.send_due()] == [2, 0]
    assert got() == ["first@example.com", "third@example.com"]
    pauses = []
    for _ in range(2):
        later()
        assert mail.send_due() == 0
        pauses.append(OutgoingMail.objects.get().run_after - timezone.now())
    assert pauses[1] > pauses[0] * 1.9
    refuses.clear()
    assert mail.send_due() == 0
    later()
    assert [mail.send_due(), mail.send_due()] == [1, 0]
    assert got() == ["first@example.com", "third@example.com", "wrong@example.com"]


def test_nobody_gets_a_letter_again_because_another_s_address_is_refused(
    people: People, refuses: set[str]
) -> None:
    refuses.add("tom@example.com")
    for person in (people.ada, people.vera):
        grant(person=person, role=Role.ADMIN, team=people.vision, reason="leads too")
    access_requests.ask(person=people.nina, team=people.vision, role=Role.CREATOR, days=7, reason="x")
    for _ in range(3):
        mail.send_due()
        later()
    assert got() == ["ada@example.com", "vera@example.com"]
    refuses.clear()
    assert [mail.send_due(), mail.send_due()] == [1, 0]
    assert got() == ["ada@example.com", "tom@example.com", "vera@example.com"]


def test_a_letter_that_is_never_taken_is_given_up_aloud(
    people: People, refuses: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    refuses.add("wrong@example.com")
    invite("wrong@example.com", people)
    for _ in range(MAIL_TRIES + 1):
        mail.send_due()
        later()
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * (MAIL_TRIES - 1) + [
        logging.ERROR
    ]
    assert all("wrong@example.com" in record.getMessage() for record in caplog.records)
    assert not OutgoingMail.objects.exists()


def test_a_letter_that_a_worker_was_killed_with_goes_out_later(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    invite("new@example.com", people)
    with monkeypatch.context() as killed:
        killed.setattr(EmailMessage, "send", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            mail.send_due()
    later()
    assert [mail.send_due(), mail.send_due()] == [1, 0]


def test_a_letter_that_goes_out_again_after_a_kill_has_the_same_message_id(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = EmailMessage.send

    def dies_afterwards(letter: EmailMessage) -> int:
        send(letter)
        raise SystemExit

    invite("new@example.com", people)
    invite("other@example.com", people)
    with monkeypatch.context() as killed:
        killed.setattr(EmailMessage, "send", dies_afterwards)
        with pytest.raises(SystemExit):
            mail.send_due()
    later()
    assert mail.send_due() == 2
    first, *others = [letter.message()["Message-ID"] for letter in outbox.outbox]
    assert sorted(others.count(each) for each in {*others}) == [1, 1]
    assert first in others


def test_a_letter_that_was_late_says_nothing_that_is_over_and_nothing_to_who_decides_no_more(
    people: People, refuses: set[str]
) -> None:
    refuses.update({"tom@example.com", "ada@example.com"})
    grant(person=people.ada, role=Role.ADMIN, team=people.vision, reason="leads too")
    access_request = access_requests.ask(
        person=people.nina, team=people.vision, role=Role.CREATOR, days=7, reason="x"
    )
    access_requests.ask(person=people.mallory, team=people.vision, role=Role.VIEWER, days=7, reason="x")
    mail.send_due()
    refuses.clear()
    later()
    access_requests.withdraw(access_request, by=people.nina)
    end_grant(Grant.objects.active().get(person=people.ada), reason="moves on", by=people.tom)
    assert [mail.send_due(), got(), OutgoingMail.objects.count()] == [1, ["tom@example.com"], 0]
    assert "mallory" in outbox.outbox[0].subject
