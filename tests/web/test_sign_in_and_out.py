"""Somebody signs in, stays signed in, and signs out; each leaves its event."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client as Browser

from hyperclusters.access.models import User
from hyperclusters.accounts.models import Session
from hyperclusters.web.accounts.forms import SignInForm
from tests.conftest import PASSWORD, People, Projects, denied, events
from tests.web.pages import HTMX, SignIn, body, words

pytestmark = pytest.mark.any_database

LOGIN = "/accounts/login/"
FOREIGN = [
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "http:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    " //evil.example",
    "/\t/evil.example",
]


def sign_in(browser: Browser, name: str = "ada", password: str = PASSWORD, **more: str) -> Any:
    return browser.post(LOGIN, {"username": name, "password": password} | more, REMOTE_ADDR="192.0.2.7")


def test_the_right_password_leads_home_and_is_told(people: People) -> None:
    answer = sign_in(Browser())
    assert (answer.status_code, answer["Location"]) == (302, "/")
    (event,) = events(action="session:sign-in:succeeded")
    assert (event.person_name, event.person_id, event.outcome) == ("ada", people.ada.pk, "done")
    assert (event.source, event.ip, event.request_id) == ("page", "192.0.2.7", answer["X-Request-Id"])


@pytest.mark.parametrize(
    ("name", "password"), [("ada", "wrong"), ("nobody", PASSWORD), ("<b>", "x"), ("ada", "a\x00")]
)
def test_anything_else_does_not_sign_in_and_is_told(name: str, password: str, people: People) -> None:
    browser = Browser()
    answer = sign_in(browser, name, password)
    assert answer.status_code == 422
    assert browser.get("/").status_code == 302
    (event,) = events(action="session:sign-in:failed")
    assert (event.person_name == name) == (name == "ada")
    assert (event.person_id, event.outcome) == (None, "denied")
    assert event.request_id == answer["X-Request-Id"]


def test_g30_an_unknown_name_reads_just_like_a_wrong_password(people: People) -> None:
    known, unknown = (words(sign_in(Browser(), name, "wrong")) for name in ("ada", "eve"))
    assert str(SignInForm.error_messages["invalid_login"]) in known
    assert known.replace("ada", "eve") == unknown


def test_attempts_with_the_same_unknown_name_are_found_together_though_the_name_is_not_kept(
    people: People,
) -> None:
    for name in ("eve", "EVE ", "a\x00", "zed"):
        sign_in(Browser(), name, "wrong")
    names = [event.person_name for event in events(action="session:sign-in:failed")]
    assert len(set(names)) == len(names) == 3  # the second attempt as eve is counted with the first
    assert all(name.startswith("unknown:") for name in names)
    assert denied(action="session:sign-in:failed") == 4


def test_a_deactivated_person_reads_the_same_and_does_not_get_in(people: People) -> None:
    User.objects.filter(pk=people.ada.pk).update(is_active=False)
    answer = sign_in(Browser())
    assert answer.status_code == 422
    assert str(SignInForm.error_messages["invalid_login"]) in words(answer)


def test_g22_a_password_is_written_down_nowhere(people: People) -> None:
    answer = sign_in(Browser(), "ada", "canary-of-a-password")
    sign_in(Browser(), "canary-of-a-password", "in the wrong field")
    assert "canary-of-a-password" not in body(answer)
    text = repr([vars(event) for event in events()])
    assert "canary-of-a-password" not in text
    assert "in the wrong field" not in text
    assert PASSWORD not in repr([vars(event) for event in events()])


@pytest.mark.parametrize("target", ["/clusters/?q=a&page=2", "/audit/1/", "/creations/"])
def test_signing_in_goes_on_to_where_one_was_going(target: str, people: People) -> None:
    browser = Browser()
    response = browser.get(target)
    assert response["Location"] == f"{LOGIN}?next={quote(target, safe='/')}"
    form = body(browser.get(response["Location"]))
    assert f'name="next" value="{target.replace("&", "&amp;")}"' in form
    assert sign_in(browser, next=target)["Location"] == target


def test_signing_in_never_leads_to_another_site(people: People) -> None:
    browser = Browser()
    for target in FOREIGN:
        assert sign_in(browser, next=target)["Location"] == "/", ascii(target)
        assert browser.get(LOGIN, {"next": target})["Location"] == "/", ascii(target)  # signed in already


def test_signing_in_survives_a_target_that_is_no_address(people: People) -> None:
    browser = Browser()
    for target in ("clusters", "no-such-page", "web:nothing", "?q=1", "..", "a.b"):
        assert sign_in(browser, next=target).status_code == 302, target
        assert browser.get(LOGIN, {"next": target}).status_code == 302, target


def test_g29_signing_in_gives_a_new_session_and_signing_out_ends_it_on_the_server(people: People) -> None:
    browser = Browser()
    sign_in(browser)
    first = browser.cookies["session"].value
    sign_in(browser)
    assert browser.cookies["session"].value != first
    assert not Session.objects.filter(session_key=first).exists()

    kept = browser.cookies["session"].value
    answer = browser.post("/accounts/logout/")
    assert answer["Location"] == LOGIN
    thief = Browser()
    thief.cookies["session"] = kept
    assert thief.get("/").status_code == 302
    assert not Session.objects.exists()
    (event,) = events(action="session:sign-out:succeeded")
    assert (event.person_name, event.request_id) == ("ada", answer["X-Request-Id"])


def test_g29_asking_without_signing_in_makes_no_session(people: People) -> None:
    for path in ("/", LOGIN, "/clusters/", "/nothing", "/healthz"):
        Browser().get(path)
    sign_in(Browser(), password="wrong")
    assert not Session.objects.exists()


def test_g29_a_deactivated_person_is_out_at_the_next_request(as_: SignIn, people: People) -> None:
    ada = as_("ada")
    assert ada.get("/").status_code == 200
    User.objects.filter(pk=people.ada.pk).update(is_active=False)
    assert ada.get("/").status_code == 302


def test_signing_out_is_a_post(as_: SignIn) -> None:
    ada = as_("ada")
    assert ada.get("/accounts/logout/")["Location"] == "/"
    assert ada.get("/").status_code == 200


def test_a_form_from_another_site_is_refused_and_says_that_nothing_was_sent(people: People) -> None:
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(people.ada)
    answer = browser.post("/accounts/logout/")
    assert answer.status_code == 403
    assert "Nothing was sent to the cloud" in words(answer)
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/clusters/", "/creations/", "/clusters/new/", "/audit/"])
def test_a_fragment_asked_for_when_signed_out_leads_the_whole_page_to_sign_in(
    path: str, projects: Projects
) -> None:
    answer = Browser().get(path, headers=HTMX | {"HX-Current-URL": f"http://testserver{path}?q=a"})
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer["HX-Redirect"] == f"{LOGIN}?next={quote(path + '?q=a', safe='/')}"


def test_a_fragment_asked_for_from_another_site_s_page_leads_home(projects: Projects) -> None:
    answer = Browser().get("/clusters/", headers=HTMX | {"HX-Current-URL": "https://evil.example/x"})
    assert answer["HX-Redirect"] == f"{LOGIN}?next=/"
