"""G30: guessing is stopped by account and network, and by network; nobody is locked out by somebody else for good."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models import F
from django.test import Client as Browser

from hyperclusters.accounts.models import Attempt
from hyperclusters.web.accounts.forms import SignInForm
from tests.conftest import PASSWORD, People, denied, events
from tests.web.pages import SignIn, words

LOGIN = "/accounts/login/"
HOME_IP, CAFE = "192.0.2.7", "198.51.100.9"
WRONG, TOO_MANY = str(SignInForm.error_messages["invalid_login"]), "Too many attempts failed"


def attempt(name: str, password: str, ip: str = HOME_IP, browser: Browser | None = None) -> Any:
    return (browser or Browser()).post(LOGIN, {"username": name, "password": password}, REMOTE_ADDR=ip)


def guess(name: str, times: int, ip: str = HOME_IP) -> list[str]:
    return [words(attempt(name, f"guess {n}", ip)) for n in range(times)]


@pytest.mark.parametrize("name", ["ada", "eve"])
def test_g30_the_sixth_guess_is_not_even_looked_at_whether_the_name_is_known_or_not(
    name: str, people: People
) -> None:
    assert all(WRONG in page for page in guess(name, 5))
    refused = attempt(name, PASSWORD)
    assert refused.status_code == 422
    assert TOO_MANY in words(refused)
    lines = [event.person_name for event in events(action="session:sign-in:failed")]
    assert len(lines) == 1  # the others are counted with it (G49)
    assert denied(action="session:sign-in:failed") == 5
    assert lines[0].startswith(name if name == "ada" else "unknown:")
    (event,) = events(action="session:sign-in:locked")
    assert (event.person_name, event.ip, event.outcome) == (lines[0], HOME_IP, "denied")


def test_g30_known_and_unknown_names_read_the_same_all_the_way(people: People) -> None:
    names, unknown = guess("ada", 7), guess("eve", 7)
    assert [page.replace("ada", "eve") for page in names] == unknown


@pytest.mark.parametrize("spelling", ["ADA", " ada", "Ada "])
def test_g30_another_spelling_of_the_name_is_no_way_around(spelling: str, people: People) -> None:
    guess("ada", 5)
    assert TOO_MANY in words(attempt(spelling, PASSWORD))


def test_g30_who_guesses_locks_the_account_for_their_own_network_only(people: People) -> None:
    guess("ada", 9, CAFE)
    assert attempt("ada", PASSWORD).status_code == 302


def age(seconds: int) -> None:
    Attempt.objects.update(at=F("at") - timedelta(seconds=seconds))


def test_g30_the_lock_opens_by_itself_and_refused_attempts_do_not_prolong_it(people: People) -> None:
    guess("ada", 5)
    age(200)
    assert TOO_MANY in words(attempt("ada", PASSWORD))
    age(101)
    assert attempt("ada", PASSWORD).status_code == 302
    assert not Attempt.objects.exists()  # what is over is not kept


def test_g30_in_a_network_shared_with_a_guesser_one_s_own_browser_still_lets_one_in(people: People) -> None:
    browser = Browser()
    assert attempt("ada", PASSWORD, browser=browser).status_code == 302
    browser.post("/accounts/logout/")
    for _ in range(4):
        guess("ada", 6)
        guess("tom", 6)
        guess("eve", 6)
    assert attempt("ada", PASSWORD, browser=browser).status_code == 302
    stolen = Browser()
    stolen.cookies["device"] = browser.cookies["device"].value
    assert TOO_MANY in words(attempt("tom", PASSWORD, browser=stolen))  # it is good for its own person alone


def test_g30_one_s_own_browser_is_counted_too(people: People) -> None:
    browser = Browser()
    attempt("ada", PASSWORD, browser=browser)
    browser.post("/accounts/logout/")
    for n in range(5):
        assert WRONG in words(attempt("ada", f"guess {n}", f"203.0.113.{n}", browser))
    assert TOO_MANY in words(attempt("ada", PASSWORD, browser=browser))


def test_g30_a_network_that_guesses_at_many_names_is_stopped_as_a_whole(people: People) -> None:
    for n in range(30):
        guess(f"name{n}", 1, CAFE)
    assert TOO_MANY in words(attempt("tom", PASSWORD, CAFE))
    assert attempt("tom", PASSWORD).status_code == 302


def test_g30_a_locked_account_s_own_attempts_do_not_use_up_its_network(people: People) -> None:
    guess("ada", 40)
    assert attempt("tom", PASSWORD).status_code == 302


def test_g30_an_ipv4_address_written_as_ipv6_is_the_same(people: People) -> None:
    guess("ada", 5)
    assert TOO_MANY in words(attempt("ada", PASSWORD, f"::ffff:{HOME_IP}"))


def test_g30_an_ipv6_network_is_one_network(people: People) -> None:
    for n in range(5):
        guess("ada", 1, f"2001:db8:1:2::{n:x}")
    assert TOO_MANY in words(attempt("ada", PASSWORD, "2001:db8:1:2:ffff::1"))
    assert attempt("ada", PASSWORD, "2001:db8:1:3::1").status_code == 302


def test_g30_right_passwords_use_nothing_up(people: People) -> None:
    for _ in range(7):
        assert attempt("ada", PASSWORD).status_code == 302


def test_g30_asking_for_the_password_again_is_counted_like_signing_in(as_: SignIn, people: People) -> None:
    ada = as_("ada")
    for n in range(5):
        answer = ada.post("/accounts/confirm/", {"proof": f"guess {n}"})
        assert answer.status_code == 422
    assert TOO_MANY in words(ada.post("/accounts/confirm/", {"proof": PASSWORD}))
    assert denied(action="session:confirm:failed") == 5
    assert len(events(action="session:sign-in:locked")) == 1


def test_g30_of_many_guesses_at_once_no_more_than_allowed_are_looked_at(people: People) -> None:
    """Each in a thread and with a connection of its own, as in several web processes."""

    def one(n: int) -> None:
        try:
            attempt("ada", f"guess {n}")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(one, range(24)))
    looked_at, refused = (denied(action=f"session:sign-in:{how}") for how in ("failed", "locked"))
    assert looked_at + refused == 24
    assert looked_at <= 5


def test_g30_many_people_who_sign_in_at_once_from_one_network_all_get_in(people: People) -> None:
    names = ("ada", "tom", "vera", "olga", "root", "nina", "mallory")

    def one(name: str) -> int:
        try:
            return int(attempt(name, PASSWORD).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(one, names * 4)) == {302}
