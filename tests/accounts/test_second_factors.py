"""Authenticator apps, recovery codes, who must have a factor, and what is asked before sensitive acts."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client as Browser

from hyperclusters.access.models import Role, User
from hyperclusters.access.services import grant
from hyperclusters.accounts import factors
from hyperclusters.accounts.models import Session
from hyperclusters.accounts.passwords import change_password
from tests.conftest import PASSWORD, People, confirm, events
from tests.web.pages import HTMX, SignIn, body, words

pytestmark = pytest.mark.any_database

LOGIN, STEP, SECURITY, APP = (
    "/accounts/login/",
    "/accounts/login/second-step/",
    "/accounts/security/",
    "/accounts/security/app/",
)
EVIL = [
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "http:evil.example",
]


class Clock:
    """The time that codes are made of, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.time()
        monkeypatch.setattr(time, "time", lambda: self.now)
        moment = partial(datetime.fromtimestamp, tz=UTC)
        monkeypatch.setattr("hyperclusters.audit.clock.now", lambda: moment(self.now))
        monkeypatch.setattr("hyperclusters.audit.clock.difference", timedelta)

    def tick(self, seconds: float = 31) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def code_of(secret: str, steps: int = 0) -> str:
    """What an authenticator app shows, or showed so many times 30 seconds ago."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps)))


def set_up(person: User, clock: Clock) -> tuple[str, list[str]]:
    """An app for this person: its secret, and the recovery codes."""
    secret = factors.new_secret()
    codes = factors.add_authenticator_app(person=person, secret=secret, code=code_of(secret))
    clock.tick(120)
    return secret, codes


def half_way(name: str = "ada", **more: str) -> Browser:
    """The password was right, and the second step is owed."""
    browser = Browser()
    answer = browser.post(LOGIN, {"username": name, "password": PASSWORD} | more)
    assert answer["Location"] == STEP
    return browser


def is_in(browser: Browser) -> bool:
    return bool(browser.get("/").status_code == 200)


def test_an_app_is_added_in_the_page_and_asked_for_from_then_on(
    as_: SignIn, people: People, clock: Clock
) -> None:
    ada = as_("ada")
    assert ada.get(APP)["Location"] == f"/accounts/confirm/?next={APP.replace('/', '%2F')}"
    assert ada.post("/accounts/confirm/", {"proof": PASSWORD, "next": APP})["Location"] == APP
    match = re.search(r"<code[^>]*>([A-Z2-7]{32})</code>", body(ada.get(APP)))
    assert match
    secret = match[1]
    assert ada.post(APP, {"code": "000000"}).status_code == 422
    assert secret in body(ada.post(APP, {"code": "000000"}))  # the same picture: what was scanned stays good
    response = ada.post(APP, {"code": code_of(secret)})
    codes = re.findall(r"^\d{8}$", words(response).replace(" ", "\n"), flags=re.MULTILINE)
    assert len(codes) == 10
    (event,) = events(action="access:factor:added")
    assert event.after == {"kind": "authenticator app", "recovery_codes": 10}
    value = repr([vars(each) for each in events()]) + repr(list(Authenticator.objects.values()))
    assert not [canary for canary in (secret, *codes) if canary in value]

    clock.tick()
    browser = half_way(next="/clusters/?q=a")
    assert not is_in(browser)
    answer = browser.post(STEP, {"code": code_of(secret)})
    assert (answer.status_code, answer["Location"]) == (302, "/clusters/?q=a")
    assert is_in(browser)
    (signed_in,) = events(action="session:sign-in:succeeded")
    assert (signed_in.person_name, signed_in.after) == ("ada", {"by": ["password", "totp"]})


def test_the_second_step_gives_a_session_that_nobody_knew_before(people: People, clock: Clock) -> None:
    secret, _ = set_up(people.ada, clock)
    browser = half_way()
    before = browser.cookies["session"].value
    assert [session.started_at for session in Session.objects.all()] == [None]
    assert not Session.objects.active().exists()  # half-way is not in
    browser.post(STEP, {"code": code_of(secret)})
    assert browser.cookies["session"].value != before
    assert not Session.objects.filter(pk=before).exists()


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_code_that_has_run_out_or_is_not_yet_due_is_refused_and_told(
    steps: int, people: People, clock: Clock
) -> None:
    secret, _ = set_up(people.ada, clock)
    browser = half_way()
    assert browser.post(STEP, {"code": code_of(secret, steps)}).status_code == 422
    assert not is_in(browser)
    (event,) = events(action="session:second-step:failed")
    assert (event.person_name, event.outcome) == ("ada", "denied")
    assert browser.post(STEP, {"code": code_of(secret, -1)}).status_code == 302  # a clock half a minute slow


def test_a_code_is_good_once_as_long_as_it_could_be_taken(
    people: People, clock: Clock, settings: Any
) -> None:
    # This cache goes by the clock that is moved here; the database's by its own.
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    secret, _ = set_up(people.ada, clock)
    code = code_of(secret, 1)  # from an app whose clock is fast: taken for the longest time
    assert half_way().post(STEP, {"code": code}).status_code == 302
    clock.tick(45)
    assert half_way().post(STEP, {"code": code}).status_code == 422
    assert half_way().post(STEP, {"code": f" {code[:3]} {code[3:]}"}).status_code == 422


def test_the_code_that_added_the_app_is_used_up_as_well(people: People, clock: Clock) -> None:
    secret = factors.new_secret()
    factors.add_authenticator_app(person=people.ada, secret=secret, code=code_of(secret))
    assert half_way().post(STEP, {"code": code_of(secret)}).status_code == 422


def test_g38_a_machine_whose_clock_is_wrong_takes_no_codes_of_apps_and_says_why(
    people: People, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, codes = set_up(people.ada, clock)
    monkeypatch.setattr("hyperclusters.audit.clock.difference", lambda: timedelta(seconds=6))
    browser = half_way()
    for code in (code_of(secret), "000000"):
        answer = browser.post(STEP, {"code": code})
        assert "The clock of this server is wrong" in words(answer)
        assert not is_in(browser)
    browser.post(STEP, {"code": codes[0]})
    assert is_in(browser)


def test_a_recovery_code_is_good_once_and_ends_when_new_ones_are_made(people: People, clock: Clock) -> None:
    _, codes = set_up(people.ada, clock)
    assert half_way().post(STEP, {"code": codes[0]}).status_code == 302
    assert half_way().post(STEP, {"code": codes[0]}).status_code == 422
    fresh = factors.new_recovery_codes(person=people.ada)
    assert half_way().post(STEP, {"code": codes[1]}).status_code == 422
    assert half_way().post(STEP, {"code": fresh[1]}).status_code == 302
    assert len(events(action="access:recovery-codes:made")) == 1


def test_guessing_codes_is_stopped_and_a_new_password_ends_the_guesser_s_way(
    people: People, clock: Clock
) -> None:
    secret, _ = set_up(people.ada, clock)
    browser = half_way()
    for n in range(5):
        browser.post(STEP, {"code": f"{n:06}"})
    assert "Too many attempts failed" in words(browser.post(STEP, {"code": code_of(secret)}))
    assert not is_in(browser)


def test_a_second_step_is_owed_for_a_quarter_of_an_hour_and_ends_with_a_new_password(
    people: People, clock: Clock
) -> None:
    secret, _ = set_up(people.ada, clock)
    late, outrun = half_way(), half_way()
    clock.tick(901)
    assert late.post(STEP, {"code": code_of(secret)})["Location"] == LOGIN
    clock.tick(-300)
    change_password(person=people.ada, password="a very new password")
    assert outrun.post(STEP, {"code": code_of(secret)})["Location"] == LOGIN


def test_an_account_that_is_closed_between_the_steps_lets_nobody_in(people: People, clock: Clock) -> None:
    secret, _ = set_up(people.ada, clock)
    browser = half_way()
    User.objects.filter(pk=people.ada.pk).update(is_active=False)
    browser.post(STEP, {"code": code_of(secret)})
    assert not is_in(browser)
    assert not events(action="session:sign-in:succeeded")


def test_the_last_factor_takes_the_recovery_codes_along(as_: SignIn, people: People, clock: Clock) -> None:
    set_up(people.ada, clock)
    ada, app = as_("ada"), Authenticator.objects.get(type="totp")
    remove = f"{SECURITY}factors/{app.pk}/remove/"
    assert ada.post(remove)["Location"].startswith("/accounts/confirm/")
    assert Authenticator.objects.filter(pk=app.pk).exists()
    assert confirm(as_("tom")).post(remove).status_code == 404  # somebody else's
    assert confirm(ada).post(remove)["Location"] == SECURITY
    assert not Authenticator.objects.exists()
    assert Browser().post(LOGIN, {"username": "ada", "password": PASSWORD})["Location"] == "/"
    (event,) = events(action="access:factor:removed")
    assert (event.person_name, event.after) == ("ada", {"kind": "authenticator app"})


@pytest.mark.parametrize("name", ["olga", "root"])
def test_auditors_and_platform_admins_get_no_further_than_adding_a_factor(
    name: str, as_: SignIn, people: People, clock: Clock, settings: Any
) -> None:
    settings.SECOND_FACTOR = True
    browser = as_(name)
    assert browser.get("/")["Location"] == SECURITY
    assert browser.post("/clusters/refresh/")["Location"] == SECURITY
    assert browser.get("/clusters/", headers=HTMX)["HX-Redirect"] == SECURITY
    assert "Your role asks for a second factor" in words(browser.get(SECURITY))
    assert confirm(browser).get(APP).status_code == 200
    assert as_("tom").get("/").status_code == 200
    set_up(getattr(people, name), clock)
    assert browser.get("/").status_code == 200


def test_a_role_that_is_given_asks_for_the_factor_at_the_next_request(
    as_: SignIn, people: People, settings: Any
) -> None:
    settings.SECOND_FACTOR = True
    tom = as_("tom")
    assert tom.get("/").status_code == 200
    held = grant(person=people.tom, role=Role.AUDITOR, team=None, reason="audits now", by=people.root)
    assert tom.get("/")["Location"] == SECURITY
    held.ended_at = held.since
    held.save()
    assert tom.get("/").status_code == 200


def test_a_sensitive_act_asks_who_is_there_again_after_five_minutes(
    as_: SignIn, people: People, clock: Clock
) -> None:
    browser = Browser()
    browser.post(LOGIN, {"username": "ada", "password": PASSWORD})
    assert browser.get(APP).status_code == 200  # signing in has just shown it
    clock.tick(299)
    assert browser.get(APP).status_code == 200
    clock.tick(2)
    assert browser.get(APP)["Location"].startswith("/accounts/confirm/")
    assert browser.post(APP, {"code": "1"}, headers=HTMX)["HX-Redirect"].startswith("/accounts/confirm/")
    assert not events(action="session:confirm:succeeded")
    assert browser.post("/accounts/confirm/", {"proof": "wrong"}).status_code == 422
    assert browser.get(APP)["Location"].startswith("/accounts/confirm/")
    assert browser.post("/accounts/confirm/", {"proof": PASSWORD})["Location"] == SECURITY
    assert browser.get(APP).status_code == 200
    assert (
        len(events(action="session:confirm:succeeded")) == len(events(action="session:confirm:failed")) == 1
    )


def test_no_step_of_signing_in_leads_to_another_site(people: People, clock: Clock) -> None:
    secret, _ = set_up(people.ada, clock)
    for target in EVIL:
        browser = half_way(next=target)
        clock.tick()
        answer = browser.post(f"{STEP}?next={target}", {"code": code_of(secret), "next": target})
        assert (answer.status_code, answer["Location"]) == (302, "/"), target
        answer = browser.post("/accounts/confirm/", {"proof": PASSWORD, "next": target})
        assert answer["Location"] == SECURITY, target


def test_factors_secrets_are_readable_with_a_new_key_after_they_were_sealed_anew(
    people: People, clock: Clock, settings: Any
) -> None:
    secret, codes = set_up(people.ada, clock)
    old, new = settings.CREDENTIAL_KEYS[0], "bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldyE="
    settings.CREDENTIAL_KEYS = [new, old]
    assert factors.reseal_all() == 2
    settings.CREDENTIAL_KEYS = [new]
    assert half_way().post(STEP, {"code": code_of(secret)}).status_code == 302
    assert half_way().post(STEP, {"code": codes[3]}).status_code == 302


def test_a_person_has_one_app_and_codes_only_beside_a_factor(people: People, clock: Clock) -> None:
    with pytest.raises(ValidationError, match="add one of these first"):
        factors.new_recovery_codes(person=people.ada)
    set_up(people.ada, clock)
    with pytest.raises(ValidationError, match="already"):
        set_up(people.ada, clock)


def test_who_lost_everything_is_let_in_again_by_a_command(
    people: People, clock: Clock, as_: SignIn, capsys: Any
) -> None:
    set_up(people.ada, clock)
    ada = as_("ada")
    call_command("recover_person", "ADA")
    said = capsys.readouterr().out
    assert not is_in(ada)
    path = said.split()[-1]
    answer = Browser().post(path, {f"new_password{n}": "a very new password" for n in (1, 2)})
    assert answer["Location"] == LOGIN
    assert Browser().post(LOGIN, {"username": "ada", "password": "a very new password"})["Location"] == "/"
    (event,) = events(action="access:factor:removed")
    assert (event.source, event.before) == ("command", {"kinds": ["authenticator app", "recovery codes"]})
