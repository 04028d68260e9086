"""G29: a session begins anew at sign-in, lasts as long as it is used, and ends on the server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import models
from django.test import Client as Browser
from django.utils import timezone

from hyperclusters.access.models import User
from hyperclusters.accounts.models import Session
from hyperclusters.accounts.sessions import SessionStore
from tests.conftest import PASSWORD, People, confirm, events
from tests.web.pages import HTMX, SignIn, body, words

HOME, LOGIN, SECURITY = "/", "/accounts/login/", "/accounts/security/"
POLL = HTMX | {"X-Poll": "1"}


def sign_in(name: str = "ada", browser: Browser | None = None, **more: Any) -> Browser:
    browser = browser or Browser()
    answer = browser.post(LOGIN, {"username": name, "password": PASSWORD}, **more)
    assert answer.status_code == 302
    return browser


def is_in(browser: Browser) -> bool:
    return bool(browser.get(HOME).status_code == 200)


def age(**by: float) -> None:
    """Let time pass for every session."""
    past = timedelta(**by)
    for session in Session.objects.all():
        session.expire_date -= past
        session.seen_at -= past
        if session.started_at:
            session.started_at -= past
            store = SessionStore()
            stored = store.decode(session.session_data) | {"started_at": session.started_at.isoformat()}
            session.session_data = store.encode(stored)
        models.Model.save(session)


def test_g29_strangers_write_no_session_whatever_they_ask_for(people: People) -> None:
    stranger = Browser()
    paths = (
        HOME,
        LOGIN,
        "/accounts/reset/",
        "/accounts/login/second-step/",
        "/accounts/company/",
        "/nothing",
    )
    for path in paths:
        stranger.get(path)
        stranger.post(path, {"username": "ada", "password": "wrong", "email": "ada@example.com"})
    challenge = stranger.get("/accounts/login/passkey/", headers={"Accept": "application/json"})
    assert challenge.json()["request_options"]["publicKey"]["challenge"]
    assert stranger.cookies[settings.SESSION_COOKIE_NAME].value  # kept at their own place
    assert not Session.objects.exists()


def test_g29_what_a_stranger_keeps_can_neither_be_made_up_nor_become_a_session(people: People) -> None:
    stranger = Browser()
    stranger.get("/accounts/login/passkey/", headers={"Accept": "application/json"})
    kept = stranger.cookies[settings.SESSION_COOKIE_NAME].value
    sign_in(browser=stranger)
    assert stranger.cookies[settings.SESSION_COOKIE_NAME].value != kept
    for value in (kept, kept[:-1] + "x", "x:y:z", "x" * 32):
        thief = Browser()
        thief.cookies[settings.SESSION_COOKIE_NAME] = value
        assert not is_in(thief)


def test_g29_a_session_that_was_planted_before_signing_in_is_not_the_one_after(people: People) -> None:
    sign_in("mallory", planted := Browser())
    before = planted.cookies[settings.SESSION_COOKIE_NAME].value
    sign_in("ada", planted)
    assert planted.cookies[settings.SESSION_COOKIE_NAME].value != before
    assert not Session.objects.filter(pk=before).exists()
    assert [session.person for session in Session.objects.all()] == [people.ada]


def test_g29_half_an_hour_without_use_ends_it(people: People) -> None:
    ada = sign_in()
    age(minutes=29)
    assert is_in(ada)
    age(minutes=29)
    assert is_in(ada)  # the use in between began the half hour anew
    age(minutes=31)
    assert not is_in(ada)


def test_g29_a_page_that_asks_again_by_itself_does_not_keep_one_signed_in(people: People) -> None:
    ada = sign_in()
    assert is_in(ada)
    for _ in range(3):
        age(minutes=9)
        assert ada.get("/clusters/", headers=POLL).status_code == 200
    age(minutes=4)
    answer = ada.get("/clusters/", headers=POLL | {"HX-Current-URL": "http://testserver/clusters/"})
    assert (answer.status_code, answer["HX-Redirect"]) == (204, f"{LOGIN}?next=/clusters/&ended=idle")


def test_g29_a_click_in_such_a_page_is_use_all_the_same(people: People) -> None:
    ada = sign_in()
    age(minutes=20)
    ada.post("/clusters/refresh/", headers=POLL)
    age(minutes=20)
    assert is_in(ada)


def test_g29_twelve_hours_end_it_however_busy_one_is(people: People) -> None:
    ada = sign_in()
    for _ in range(35):
        age(minutes=20)
        assert is_in(ada)
    confirm(ada)
    answer = ada.post(
        "/accounts/security/password/", {f"new_password{n}": "a very new password" for n in (1, 2)}
    )
    assert answer.status_code == 302  # another key, and the same beginning
    age(minutes=29)
    assert not is_in(ada)


def test_g29_signing_in_again_begins_the_twelve_hours_anew(people: People) -> None:
    ada = sign_in()
    for _ in range(35):
        age(minutes=20)
        assert is_in(ada)
    sign_in(browser=ada)
    age(minutes=29)
    assert is_in(ada)


def test_g29_being_used_is_written_at_most_once_a_minute(as_: SignIn, django_assert_num_queries: Any) -> None:
    ada = as_("ada")
    ada.get("/accounts/confirm/")
    # Who calls, any passkey, the page, the inbox: no entry.
    with django_assert_num_queries(4) as first:
        ada.get("/accounts/confirm/")
    assert not [query for query in first.captured_queries if query["sql"].startswith("UPDATE")]


def test_g29_a_new_password_ends_every_other_session_on_the_server(people: People) -> None:
    here, elsewhere = sign_in(), sign_in()
    confirm(here)
    before = here.cookies[settings.SESSION_COOKIE_NAME].value
    here.post("/accounts/security/password/", {f"new_password{n}": "a very new password" for n in (1, 2)})
    assert is_in(here)
    assert not is_in(elsewhere)
    (left,) = Session.objects.all()
    assert left.pk == here.cookies[settings.SESSION_COOKIE_NAME].value != before
    (event,) = events(action="access:password:changed")
    assert (event.person_name, event.after) == ("ada", {"sessions_ended": 1})
    assert "a very new password" not in repr([vars(each) for each in events()])


def test_g29_a_closed_account_is_out_and_stays_out_when_it_is_opened_again(people: People) -> None:
    ada = sign_in()
    User.objects.filter(pk=people.ada.pk).update(is_active=False)
    assert not is_in(ada)
    assert not Session.objects.exists()
    User.objects.filter(pk=people.ada.pk).update(is_active=True)
    assert not is_in(ada)


def test_g29_signing_out_everywhere_ends_all_of_one_s_own_sessions_and_nobody_else_s(people: People) -> None:
    here, elsewhere, tom = sign_in(), sign_in(), sign_in("tom")
    answer = here.post("/accounts/security/sessions/end-all/")
    assert answer["Location"] == LOGIN
    assert not is_in(here)
    assert not is_in(elsewhere)
    assert is_in(tom)
    (event,) = events(action="session:everywhere:ended")
    assert (event.person_name, event.after) == ("ada", {"sessions": 2})


def test_one_sees_where_one_is_signed_in_and_can_end_it_there(people: People) -> None:
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
    here, elsewhere = sign_in(), sign_in()
    elsewhere.get(HOME, headers={"User-Agent": firefox}, REMOTE_ADDR="192.0.2.44")
    sign_in("tom").get(HOME, REMOTE_ADDR="192.0.2.99")
    page = here.get(SECURITY)
    assert "Firefox · Linux" in words(page)
    assert "192.0.2.44" in words(page)
    assert "192.0.2.99" not in words(page)
    for session in Session.objects.all():
        assert session.pk not in body(page)  # the key is a secret, to its owner's page as well
    other = Session.objects.get(ip="192.0.2.44")
    here.post("/accounts/security/sessions/end/", {"session": str(other.handle)})
    assert not is_in(elsewhere)
    assert is_in(here)
    (event,) = events(action="session:session:ended")
    assert event.before
    assert event.before["ip"] == "192.0.2.44"


@pytest.mark.parametrize("handle", ["", "x", "0e6f1c1e-7d7a-4b5e-9a9e-000000000001", "tom's"])
def test_nobody_ends_a_session_of_somebody_else(handle: str, people: People) -> None:
    ada, tom = sign_in(), sign_in("tom")
    if handle == "tom's":
        handle = str(Session.objects.get(person=people.tom).handle)
    ada.post("/accounts/security/sessions/end/", {"session": handle})
    assert is_in(tom)
    assert not events(action="session:session:ended")


def test_a_session_that_is_over_is_not_listed(people: People) -> None:
    sign_in().get(HOME, REMOTE_ADDR="192.0.2.44")
    age(minutes=31)
    assert "192.0.2.44" not in words(sign_in().get(SECURITY))
    assert Session.objects.active().filter(started_at__lt=timezone.now() - timedelta(minutes=1)).count() == 0
