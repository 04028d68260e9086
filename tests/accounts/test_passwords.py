"""A new password by mail, and the first one of a new account."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from hyperclusters.access.models import Grant, User
from hyperclusters.access.services import add_person
from hyperclusters.accounts.models import Session
from hyperclusters.accounts.passwords import open_account, password_path
from hyperclusters.audit import clock
from tests.conftest import PASSWORD, People, events
from tests.web.pages import SignIn, words

pytestmark = pytest.mark.any_database

ASK, LOGIN = "/accounts/reset/", "/accounts/login/"
NEW = "a very new password"
TWICE = {"new_password1": NEW, "new_password2": NEW}


@pytest.fixture(autouse=True)
def mails(settings: Any) -> None:
    settings.SENDS_MAIL = True


def ask(email: str, browser: Browser | None = None) -> Any:
    answer = (browser or Browser()).post(ASK, {"email": email})
    for thread in threading.enumerate():
        if thread.name == "mail":
            thread.join()
    return answer


def link() -> str:
    match = re.search(rf"{re.escape(settings.SITE_URL)}(/accounts/reset/\S+/)\s", str(mail.outbox[-1].body))
    assert match
    return match[1]


def test_a_link_by_mail_sets_a_new_password_once_and_ends_all_sessions(as_: SignIn, people: People) -> None:
    ada = as_("ada")
    ask("Ada@Example.com")
    assert mail.outbox[0].to == ["ada@example.com"]
    path = link()
    assert "For ada." in words(Browser().get(path))
    assert Browser().post(path, {"new_password1": "short", "new_password2": "short"}).status_code == 422
    assert Browser().post(path, TWICE)["Location"] == LOGIN
    assert ada.get("/").status_code == 302
    assert not Session.objects.exists()
    again = Browser().post(path, dict.fromkeys(TWICE, "another new password"))
    assert again.status_code == 410
    assert "This link has expired" in words(again)
    assert Browser().post(LOGIN, {"username": "ada", "password": NEW}).status_code == 302
    rows = [(each.action, each.person_name) for each in events(action__startswith="access:password:")]
    assert rows == [("access:password:reset-asked", "ada"), ("access:password:reset", "ada")]
    assert not [
        canary for canary in (NEW, path.split("/")[-2]) if canary in repr([vars(e) for e in events()])
    ]


def test_g30_asking_tells_nobody_who_has_an_account(people: People) -> None:
    add_person(username="robot", email="robot@example.com")
    known, unknown, without, malformed = (
        ask(e) for e in ("ada@example.com", "eve@x.example", "robot@example.com", "x")
    )
    assert words(known) == words(unknown) == words(without)
    assert known.status_code == unknown.status_code == 200
    assert malformed.status_code == 422
    assert [message.to for message in mail.outbox] == [["ada@example.com"]]
    queries = [event.person_name for event in events(action="access:password:reset-asked")]
    assert queries == ["ada", "eve@x.example", "robot@example.com"]


def test_nobody_s_mailbox_is_flooded(people: People) -> None:
    pages = {words(ask("ada@example.com")) for _ in range(8)}
    assert len(pages) == 1
    assert len(mail.outbox) == 5


def test_who_guesses_cannot_keep_the_owner_of_the_mailbox_out(people: People) -> None:
    for n in range(6):
        Browser().post(LOGIN, {"username": "ada", "password": f"guess {n}"})
    ask("ada@example.com")
    browser = Browser()
    browser.post(link(), TWICE)
    assert browser.post(LOGIN, {"username": "ada", "password": NEW}).status_code == 302


@pytest.mark.parametrize(
    "path", ["MQ/x-y", "made-up/c0ffee-" + "0" * 32, "LTE/x", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5/a-b"]
)
def test_a_link_that_was_made_up_sets_nothing(path: str, people: People) -> None:
    for method in ("get", "post"):
        assert getattr(Browser(), method)(f"{ASK}{path}/", TWICE).status_code == 410
    assert not events(action="access:password:reset")


def test_a_link_is_good_for_an_hour_for_an_active_account_and_until_somebody_signs_in(
    people: People, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = password_path(people.ada)
    assert Browser().get(path).status_code == 200
    later = clock.now() + timedelta(seconds=3601)
    monkeypatch.setattr("hyperclusters.accounts.passwords.clock.now", lambda: later)
    assert Browser().get(path).status_code == 410
    monkeypatch.undo()
    User.objects.filter(pk=people.ada.pk).update(is_active=False)
    assert Browser().get(path).status_code == 410


def test_g38_a_link_that_a_clock_far_ahead_made_opens_nothing(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = clock.now() + timedelta(days=5)
    with monkeypatch.context() as patched:
        patched.setattr("hyperclusters.accounts.passwords.clock.now", lambda: ahead)
        path = password_path(people.ada)
        assert Browser().get(path).status_code == 200
    assert Browser().get(path).status_code == 410


def test_without_a_mail_server_the_page_says_who_can_help(people: People, settings: Any) -> None:
    settings.SENDS_MAIL = False
    assert "sends no mail" in words(Browser().get(ASK))
    assert "Forgot" not in words(Browser().get(LOGIN))


def test_an_account_is_opened_for_an_address_and_its_owner_sets_the_password(database: None) -> None:
    person, address = open_account(username="zoe", email="zoe@example.com")
    path = address.removeprefix(settings.SITE_URL)
    assert not person.has_usable_password()
    assert Browser().post(path, TWICE)["Location"] == LOGIN
    assert Browser().post(LOGIN, {"username": "ZOE", "password": NEW}).status_code == 302
    assert len(events(action="access:person:added", object_name="zoe")) == 1


def test_the_first_account_comes_from_a_command(database: None, capsys: Any) -> None:
    call_command("add_person", "root", email="root@example.com", role="platform_admin")
    address = capsys.readouterr().out.split()[-1]
    assert address.startswith(f"{settings.SITE_URL}/accounts/reset/")
    Browser().post(address.removeprefix(settings.SITE_URL), TWICE)
    assert Browser().post(LOGIN, {"username": "root", "password": NEW}).status_code == 302
    assert Grant.objects.get().role == "platform_admin"
    with pytest.raises(CommandError, match="has an account already"):  # the name is taken, whatever its case
        call_command("add_person", "ROOT", email="root@example.com")
    assert [event.source for event in events(action="access:person:added")] == ["command"]


def test_somebody_who_has_an_account_gets_a_site_wide_role_from_the_command(
    people: People, capsys: Any
) -> None:
    call_command("add_person", "NINA", role="auditor")
    assert capsys.readouterr().out == "nina is Auditor now.\n"
    assert [grant.role for grant in people.nina.grants.all()] == ["auditor"]
    (event,) = events(action="access:grant:added", object_name="nina")
    assert (event.source, event.person_name) == ("command", "")


def test_a_new_account_needs_an_address(database: None) -> None:
    with pytest.raises(CommandError, match="--email"):
        call_command("add_person", "zoe")


def test_there_is_no_door_for_signing_up(people: People) -> None:
    for path in (
        "/accounts/signup/",
        "/accounts/email/",
        "/accounts/2fa/",
        "/accounts/3rdparty/",
        "/accounts/social/signup/",
    ):
        assert Browser().get(path).status_code == 404
    assert PASSWORD
