"""People who leave the company: its word for them ages, and a command ends what they have."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from hyperclusters.access.models import User
from hyperclusters.accounts.forms import PasskeySignInForm
from hyperclusters.accounts.models import CompanyAccount, Session
from hyperclusters.audit import clock
from tests.accounts.bent_provider import BentProvider
from tests.conftest import People, events
from tests.web.pages import SignIn, words

PASSKEY = "/accounts/login/passkey/"


@pytest.fixture
def zoe(bendable: BentProvider, people: People, monkeypatch: pytest.MonkeyPatch) -> User:
    """Known by the company alone, with a passkey that every answer stands for."""
    bendable.says(preferred_username="zoe")
    bendable.visit()
    person = User.objects.get(username="zoe")
    passkey = Authenticator.objects.create(user=person, type="webauthn", data={"name": "Laptop"})
    monkeypatch.setattr(PasskeySignInForm, "clean_credential", lambda _: passkey)
    return person


def confirmed(person: User, ago: timedelta) -> CompanyAccount:
    CompanyAccount.objects.filter(person=person).update(confirmed_at=clock.now() - ago)
    return CompanyAccount.objects.get(person=person)


def by_passkey() -> tuple[Browser, Any]:
    browser = Browser()
    return browser, browser.post(PASSKEY, {"credential": '{"id": "x"}'})


def test_a_passkey_lets_a_company_s_person_in_only_while_the_company_s_word_is_fresh(
    zoe: User, bendable: BentProvider
) -> None:
    confirmed(zoe, timedelta(hours=23))
    browser, answer = by_passkey()
    assert answer["Location"] == "/"
    assert browser.get("/").status_code == 200
    confirmed(zoe, timedelta(hours=24))
    browser, answer = by_passkey()
    assert answer["Location"] == "/accounts/login/?company=again"
    page = words(browser.get(answer["Location"]))
    assert "Sign in with Example ID now" in page
    assert "Try again with Example ID" in page
    assert browser.get("/").status_code == 302
    (event,) = events(action="session:sign-in:failed")
    assert (event.person_name, event.outcome) == ("zoe", "denied")
    assert bendable.visit(browser)[1]["Location"] == "/"
    assert by_passkey()[1]["Location"] == "/"


def test_a_session_ends_with_the_company_s_word_however_much_it_is_used(zoe: User, settings: Any) -> None:
    Session.objects.all().delete()
    account = confirmed(zoe, timedelta(hours=23, minutes=50))
    browser, _ = by_passkey()
    end = account.confirmed_at + timedelta(hours=24)
    assert Session.objects.get().expire_date == end
    Session.objects.update(seen_at=clock.now() - timedelta(minutes=5))
    assert browser.get("/").status_code == 200
    assert Session.objects.get().expire_date == end
    settings.OIDC_MAX_AGE = 100
    assert by_passkey()[1]["Location"] == "/"
    assert Session.objects.order_by("expire_date").last().expire_date > end  # type: ignore[union-attr]  # there are two


def test_whoever_has_a_password_here_is_not_asked(zoe: User) -> None:
    zoe.set_password("a password of her own")
    zoe.save()
    confirmed(zoe, timedelta(days=400))
    assert by_passkey()[1]["Location"] == "/"


def test_without_company_sign_in_nobody_is_asked(zoe: User, settings: Any) -> None:
    confirmed(zoe, timedelta(days=400))
    settings.OIDC_ISSUER = ""
    assert by_passkey()[1]["Location"] == "/"


def test_a_command_ends_what_somebody_who_left_has(people: People, as_: SignIn) -> None:
    ada = as_("ada")
    call_command("deactivate_person", "ADA", reason="left")
    assert ada.get("/").status_code == 302
    (event,) = events(action="access:person:deactivated")
    assert (event.object_name, event.reason, event.source) == ("ada", "left", "command")
    with pytest.raises(CommandError, match="last_admin"):
        call_command("deactivate_person", "root", reason="left")
    for name in ("nobody", "\u0430da"):
        with pytest.raises(CommandError, match="Nobody is called"):
            call_command("deactivate_person", name, reason="left")
