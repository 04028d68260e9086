"""G45: every company sign-in ends in a page and an event, whatever the provider answers."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from django.test import Client as Browser

from hyperclusters.access.models import User
from hyperclusters.access.services import add_team
from hyperclusters.accounts import company, oidc
from hyperclusters.accounts.models import CompanyAccount
from hyperclusters.audit import clock
from tests.accounts.bent_provider import CALLBACK, CLIENT, KEY, NULL, OTHER_KEY, START, BentProvider
from tests.clusters.moments import Killed, kill
from tests.conftest import events
from tests.web.pages import words

pytestmark = pytest.mark.any_database

NESTED = b'{"sub":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
WRONG: tuple[Any, ...] = (
    None,
    NULL,
    5,
    1e300,
    True,
    "",
    [],
    ["x"],
    {},
    {"a": 1},
    "\x00",
    "a\nb",
    "\ud800",
    "x" * 300,
)


def ends_in_a_page(browser: Browser, answer: Any) -> None:
    """The sign-in page with the way to try again, nobody signed in, and one event."""
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    page = browser.get(answer["Location"])
    assert page.status_code == 200
    assert "did not work, so you are not signed in" in words(page)
    assert browser.get("/").status_code == 302
    (event,) = events(action="session:sign-in:failed")
    assert event.reason.startswith("company account: ")
    assert not CompanyAccount.objects.exists()
    assert not events(action="session:sign-in:succeeded")


def is_signed_in(browser: Browser, answer: Any) -> User:
    assert answer["Location"] == "/", answer["Location"]
    assert browser.get("/").status_code == 200
    assert len(events(action="session:sign-in:succeeded")) == 1
    return CompanyAccount.objects.get().person


BENT_ANSWERS: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"<html>login</html>",
    "cut": b'{"sub": "zoe-1"',
    "a list": b"[]",
    "null": b"null",
    "a number": b"5",
    "not UTF-8": b'{"sub": "\xff\xfe"}',
    "nested": NESTED,
    "too long": b'{"sub": "' + b"x" * 2_000_000 + b'"}',
    "500": (500, b"{}"),
    "401": (401, b'{"error": "invalid_client"}'),
    "204": (204, b""),
    "302 without a place": (302, b"{}"),
}


@pytest.mark.parametrize("bend", BENT_ANSWERS)
@pytest.mark.parametrize("path", ["/discovery", "/token", "/jwks", "/userinfo"])
def test_g45_an_answer_that_is_none_ends_in_a_page_and_an_event(
    path: str, bend: str, bendable: BentProvider, database: None
) -> None:
    bendable.answers[path] = BENT_ANSWERS[bend]
    ends_in_a_page(*bendable.visit())


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize("name", ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_g45_discovery_with_a_bent_value(
    name: str, value: Any, bendable: BentProvider, database: None
) -> None:
    bendable.discovery[name] = value
    ends_in_a_page(*bendable.visit())


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "http://",
        "file:///etc/passwd",
        "//evil.example",
        "http://[::1",
        "http://a b/",
        "http://a:b/",
        "http://a/\ud800",
    ],
)
@pytest.mark.parametrize(
    "name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"]
)
def test_g45_discovery_with_a_bent_address(
    name: str, address: str, bendable: BentProvider, database: None
) -> None:
    bendable.discovery[name] = address
    ends_in_a_page(*bendable.visit())


def test_g45_a_provider_without_userinfo_signs_people_in_by_the_id_token(
    bendable: BentProvider, database: None
) -> None:
    bendable.discovery["userinfo_endpoint"] = None
    assert is_signed_in(*bendable.visit()).email == "zoe@example.com"


@pytest.mark.parametrize("value", [*WRONG, "zoe-2"], ids=repr)
def test_g45_userinfo_about_another_subject_is_refused(
    value: Any, bendable: BentProvider, database: None
) -> None:
    bendable.userinfo["sub"] = value
    ends_in_a_page(*bendable.visit())


@pytest.mark.parametrize("value", [each for each in WRONG if each != NULL], ids=repr)
def test_g45_a_subject_that_is_none_is_refused(value: Any, bendable: BentProvider, database: None) -> None:
    bendable.claims["sub"] = value
    ends_in_a_page(*bendable.visit())


def test_g45_a_subject_of_255_characters_is_somebody(bendable: BentProvider, database: None) -> None:
    bendable.claims["sub"] = "x" * 255
    person = is_signed_in(*bendable.visit())
    _, answer = bendable.visit()
    assert answer["Location"] == "/"
    assert person.company_account.subject == "x" * 255


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iss", "https://other.example"),
        ("iss", None),
        ("iss", ["a"]),
        ("aud", "other"),
        ("aud", None),
        ("aud", []),
        ("aud", 5),
        ("aud", [CLIENT, "other"]),
        ("azp", "other"),
        ("exp", 1),
        ("exp", None),
        ("exp", "never"),
        ("exp", float("inf")),
        ("iat", None),
        ("iat", 9_999_999_999),
        ("nbf", 9_999_999_999),
        ("nonce", None),
        ("nonce", "of another sign-in"),
        ("nonce", ["x"]),
    ],
)
def test_g45_an_id_token_that_is_not_for_this_sign_in_is_refused(
    name: str, value: Any, bendable: BentProvider, database: None
) -> None:
    bendable.id_token[name] = value
    ends_in_a_page(*bendable.visit())


@pytest.mark.parametrize("minutes", [-20, 20])
def test_g45_an_id_token_is_judged_by_the_clock_that_rows_are_judged_by(
    minutes: int, bendable: BentProvider, database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's clock is 20 minutes ahead of the database's, or behind; the provider's is right."""
    right = timedelta(minutes=minutes)
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + right)
    ends_in_a_page(*bendable.visit())  # a token by this machine's clock
    now = int(time.time() + right.total_seconds())
    bendable.id_token = {"iat": now, "exp": now + 300}
    is_signed_in(*bendable.visit())


def test_g45_an_id_token_for_several_that_says_it_is_ours_is_accepted(
    bendable: BentProvider, database: None
) -> None:
    bendable.id_token = {"aud": ["other", CLIENT], "azp": CLIENT}
    is_signed_in(*bendable.visit())


def unsigned(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "", algorithm="none")


def by_our_secret(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, "s" * 32, algorithm="HS256", headers={"kid": "k1"})


def by_another_key(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, OTHER_KEY, algorithm="RS256", headers={"kid": "k1"})


def by_an_unknown_key(claims: dict[str, Any]) -> str:
    return jwt.encode(claims, KEY, algorithm="RS256", headers={"kid": "k2"})


@pytest.mark.parametrize(
    "sign", [unsigned, by_our_secret, by_another_key, by_an_unknown_key, lambda _: "x.y.z"]
)
def test_g45_an_id_token_that_the_provider_did_not_sign_is_refused(
    sign: Any, bendable: BentProvider, database: None
) -> None:
    bendable.sign = sign
    ends_in_a_page(*bendable.visit())


def test_g45_a_key_without_a_name_is_found(bendable: BentProvider, database: None) -> None:
    bendable.sign = lambda claims: jwt.encode(claims | {"aud": [CLIENT]}, KEY, algorithm="RS256")
    is_signed_in(*bendable.visit())


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize("name", ["access_token", "id_token"])
def test_g45_a_token_that_is_none_is_refused(
    name: str, value: Any, bendable: BentProvider, database: None
) -> None:
    bendable.token[name] = value
    if name == "access_token" and value in ("\x00", "x" * 300):
        is_signed_in(*bendable.visit())  # an access token is the provider's own affair
    else:
        ends_in_a_page(*bendable.visit())


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize(
    "name", ["email", "email_verified", "preferred_username", "name", "groups", "hasgroups"]
)
def test_g45_a_claim_of_another_type_signs_in_and_does_no_harm(
    name: str, value: Any, bendable: BentProvider, database: None, settings: Any
) -> None:
    add_team(slug="vision", name="Vision")
    settings.OIDC_GROUP_ROLES = [("ml", "vision", "creator")]
    bendable.claims[name] = value
    person = is_signed_in(*bendable.visit())
    assert person.full_name.isprintable()
    assert person.username.isascii()
    assert person.email in {"", "zoe@example.com"}


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(400):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.02)
    except OSError:
        pass  # the other side has given up


@pytest.mark.parametrize("path", ["/discovery", "/token", "/jwks", "/userinfo"])
def test_g45_an_answer_without_an_end_is_not_waited_for(
    path: str, bendable: BentProvider, database: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "PATIENCE", 0.3)
    bendable.answers[path] = drip
    begun = time.monotonic()
    ends_in_a_page(*bendable.visit())
    assert time.monotonic() - begun < 4


def test_g45_discovery_that_stalls_on_the_way_back_is_not_waited_for(
    bendable: BentProvider, database: None, settings: Any
) -> None:
    settings.SOCIALACCOUNT_REQUESTS_TIMEOUT = 0.3
    numbers = []

    def stall_the_second_time(handler: BaseHTTPRequestHandler) -> None:
        numbers.append(1)
        if len(numbers) > 1:
            bendable.closing.wait(5)
            return
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(bendable.body("/discovery"))

    bendable.answers["/discovery"] = stall_the_second_time
    begun = time.monotonic()
    ends_in_a_page(*bendable.visit())
    assert time.monotonic() - begun < 4
    assert len(numbers) == 2


def test_g45_the_page_leads_back_to_where_the_person_was_going(
    bendable: BentProvider, database: None
) -> None:
    bendable.answers["/token"] = (503, b"")
    browser, answer = bendable.visit(path=f"{START}?next=/clusters/")
    page = browser.get(answer["Location"]).content.decode()
    assert f"{START}?next=%2Fclusters%2F" in page
    del bendable.answers["/token"]
    assert bendable.visit(browser, f"{START}?next=/clusters/")[1]["Location"] == "/clusters/"


def test_o23_a_callback_that_is_sent_again_after_a_process_was_killed_offers_the_way_there(
    bendable: BentProvider, database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ended once the provider had given its word: the code is spent, and nobody is signed in."""
    browser = Browser()
    params = parse_qs(urlsplit(browser.get(f"{START}?next=/clusters/")["Location"]).query)
    bendable.nonce = params["nonce"][0]
    back = {"code": "c", "state": params["state"][0]}
    with monkeypatch.context() as patch:
        patch.setattr(company, "link_or_create_user", lambda _: kill())
        with pytest.raises(Killed):
            browser.get(CALLBACK, back)
    assert browser.get("/").status_code == 302
    bendable.answers["/token"] = (400, b'{"error": "invalid_grant"}')
    answer = browser.get(CALLBACK, back)
    ends_in_a_page(browser, answer)
    page = browser.get(answer["Location"])
    assert "Try again" in words(page)
    assert f'href="{START}' in page.content.decode()
    del bendable.answers["/token"]
    assert is_signed_in(*bendable.visit(browser)).username == "zoe"


@pytest.mark.parametrize(
    ("claims", "username"),
    [
        ({"preferred_username": "张伟", "email": "zhang.wei@example.com"}, "zhang.wei"),
        ({"preferred_username": "刘洋", "email": "liu.yang@example.com"}, "liu.yang"),
        ({"preferred_username": "Zoe@corp.example"}, "Zoe"),
        ({"preferred_username": "Jürgen"}, "Jurgen"),
        ({"preferred_username": "ｚｏｅ"}, "zoe"),
        ({"preferred_username": "张伟", "email_verified": False, "name": "Zhang Wei"}, "Zhang-Wei"),
        ({"preferred_username": "张伟", "email": None}, "person"),
        ({"preferred_username": "", "email": "o'neil@example.com"}, "o-neil"),
        ({"preferred_username": "张伟", "email": '"a.b"@example.com'}, "a.b"),
    ],
)
def test_g45_a_name_in_another_script_gives_way_to_the_address_s_local_part(
    claims: dict[str, Any], username: str, bendable: BentProvider, database: None
) -> None:
    bendable.claims |= claims
    assert is_signed_in(*bendable.visit()).username == username


def restored(cookies: dict[str, str]) -> Browser:
    """A browser with these cookies, as if from a backup of them."""
    browser = Browser()
    for name, value in cookies.items():
        browser.cookies[name] = value
    return browser


def test_a_state_is_good_once_even_with_the_cookie_from_before(
    bendable: BentProvider, database: None
) -> None:
    browser = Browser()
    params = parse_qs(urlsplit(browser.get(START)["Location"]).query)
    bendable.nonce = params["nonce"][0]
    cookies = {name: morsel.value for name, morsel in browser.cookies.items()}
    back = {"code": "c", "state": params["state"][0]}
    assert browser.get(CALLBACK, back)["Location"] == "/"
    for code in ("c", "another"):
        robber = restored(cookies)
        assert "/accounts/login/" in robber.get(CALLBACK, back | {"code": code})["Location"]
        assert robber.get("/").status_code == 302
    assert events(action="session:sign-in:failed")[0].reason.endswith("this sign-in was completed before")
    assert len(events(action="session:sign-in:succeeded")) == 1


@pytest.mark.parametrize("query", [{}, {"code": "c"}, {"error": "access_denied"}])
def test_back_to_the_callback_while_signed_in_leads_home_without_an_event(
    query: dict[str, str], bendable: BentProvider, database: None
) -> None:
    browser, _ = bendable.visit()
    for n in range(3):
        answer = browser.get(CALLBACK, query | {"state": f"used-{n}"} if query else {})
        assert answer["Location"] == "/"
    assert browser.get("/").status_code == 200
    assert not events(action="session:sign-in:failed")


def test_who_is_signed_in_and_fails_to_sign_in_again_reads_so(bendable: BentProvider, database: None) -> None:
    browser, _ = bendable.visit()
    bendable.answers["/token"] = (500, b"")
    _, answer = bendable.visit(browser)
    assert "/accounts/login/" in answer["Location"]
    assert len(events(action="session:sign-in:failed")) == 1


@pytest.mark.parametrize("path", ["/discovery", "/token", "/jwks", "/userinfo"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_g45_no_answer_of_the_provider_leads_elsewhere(
    status: int, path: str, bendable: BentProvider, database: None
) -> None:
    elsewhere = []

    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Location", f"{bendable.issuer}/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        elsewhere.append(handler.path)
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(bendable.body(path))

    bendable.answers |= {path: redirect, "/elsewhere": answer}
    ends_in_a_page(*bendable.visit())
    assert elsewhere == []


@pytest.mark.parametrize(
    ("change", "is_accepted"),
    [
        ({}, True),
        ({"use": None}, True),
        ({"key_ops": ["verify"]}, True),
        ({"use": "enc"}, False),
        ({"use": "SIG"}, False),
        ({"use": ["sig"]}, False),
        ({"use": None, "key_ops": ["encrypt", "wrapKey"]}, False),
        ({"use": None, "key_ops": "verify"}, False),
    ],
    ids=repr,
)
def test_g45_only_a_key_for_signatures_verifies_one(
    change: dict[str, Any], is_accepted: bool, bendable: BentProvider, database: None
) -> None:
    document = json.loads(bendable.body("/jwks"))
    key = {name: value for name, value in (document["keys"][0] | change).items() if value is not None}
    bendable.answers["/jwks"] = json.dumps({"keys": [5, None, "x", key]}).encode()
    (is_signed_in if is_accepted else ends_in_a_page)(*bendable.visit())
