"""Passkeys in a real browser with a virtual authenticator, and every page of signing in, for everybody."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from playwright.sync_api import CDPSession, Page, Request, expect
from pytest_django.live_server_helper import LiveServer

from hyperclusters.accounts import factors
from hyperclusters.accounts.passwords import password_path
from tests.browser.conftest import Watch, Window
from tests.browser.inspection import Inspector
from tests.conftest import PASSWORD, People, events

pytestmark = pytest.mark.browser
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Device:
    """The lock of the device this browser runs on."""

    def __init__(self, page: Page) -> None:
        self.session: CDPSession = page.context.new_cdp_session(page)
        self.session.send("WebAuthn.enable")
        values = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        self.id: str = values["authenticatorId"]

    def knows_its_owner(self, known: bool) -> None:
        """Whether the finger on it is the right one."""
        self.session.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": known})


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def make_passkey(page: Page) -> Device:
    """Add a passkey, as a person does: the password again, a name, the finger."""
    device = Device(page)
    page.goto("/accounts/security/")
    page.get_by_role("link", name="Add a passkey").click()
    heading(page, "Confirm who you are")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm", exact=True).click()
    heading(page, "Add a passkey")
    page.get_by_label("Name", exact=True).fill("Laptop")
    page.get_by_role("button", name="Make the passkey").click()
    heading(page, "Recovery codes")
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_role("cell", name="Laptop").first).to_be_visible()
    return device


def sign_out(page: Page) -> None:
    page.locator(".account summary").click()
    page.get_by_role("button", name="Sign out", exact=True).last.click()
    heading(page, "Sign in")


def test_a_passkey_signs_in_by_itself_and_its_answer_is_good_once(
    window: Window, people: People, live_server: LiveServer
) -> None:
    page = window("ada")
    make_passkey(page)
    (added,) = events(action="access:factor:added")
    assert added.after == {"kind": "passkey", "name": "Laptop", "recovery_codes": 10}
    sign_out(page)
    page.goto("/accounts/login/?next=/clusters/")
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    page.get_by_role("button", name="Use a passkey").click()
    heading(page, "Clusters")
    (event,) = events(action="session:sign-in:succeeded")
    assert (event.person_name, event.after) == ("ada", {"by": ["webauthn"]})

    (answer,) = (request for request in sent if request.url.endswith("/passkey/"))
    headers = {name: value for name, value in answer.all_headers().items() if not name.startswith(":")}
    replayed = httpx.post(answer.url, content=answer.post_data, headers=headers)
    assert replayed.headers["Location"] == "/accounts/login/"
    assert len(events(action="session:sign-in:succeeded")) == 1
    assert len(events(action="session:sign-in:failed")) == 1


def test_a_passkey_is_the_second_step_after_a_password_and_confirms_too(
    window: Window, people: People
) -> None:
    page = window("ada")
    make_passkey(page)
    sign_out(page)
    page.get_by_label("User").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    heading(page, "Second step")
    page.get_by_role("button", name="Use a passkey").click()
    heading(page, "Home")
    page.goto("/accounts/confirm/")
    page.get_by_role("button", name="Use a passkey").click()
    heading(page, "Security and sessions")
    assert [event.after for event in events(action="session:sign-in:succeeded")] == [
        {"by": ["password", "webauthn"]}
    ]
    assert [event.after for event in events(action="session:confirm:succeeded")][-1] == {"by": ["passkey"]}


def test_the_wrong_finger_signs_nobody_in_and_is_said(window: Window, people: People) -> None:
    page = window("ada")
    device = make_passkey(page)
    sign_out(page)
    device.knows_its_owner(False)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("The browser gave no passkey")).to_be_visible()
    device.knows_its_owner(True)
    page.locator("form[data-passkey] [name=next]").evaluate("each => each.value = 'https://evil.example/'")
    page.get_by_role("button", name="Use a passkey").click()
    heading(page, "Home")  # and not that other site


def test_the_pages_of_signing_in_are_for_everybody(
    window: Window, people: People, watch: Watch, settings: Any
) -> None:
    watch.expect(410, 422)
    settings.SENDS_MAIL, settings.OIDC_ISSUER, settings.OIDC_NAME = True, "https://id", "Example ID"
    secret = factors.new_secret()
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    factors.add_authenticator_app(person=people.tom, secret=secret, code=code)
    inspector, page = Inspector(), window()
    for path, title in (
        ("/accounts/login/", "Sign in"),
        ("/accounts/reset/", "New password"),
        (password_path(people.ada), "Set your password"),
        ("/accounts/reset/MQ/made-up/", "This link has expired"),
    ):
        page.goto(path)
        heading(page, title)
        inspector.look(page, path)
    page.goto("/accounts/login/")
    page.get_by_label("User").fill("tom")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    heading(page, "Second step")
    inspector.look(page, "second step")
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator(".errors")).to_be_visible()
    inspector.look(page, "second step, refused")
    inspector.judge()


def test_a_person_s_own_pages_of_security_are_for_everybody(
    window: Window, people: People, watch: Watch
) -> None:
    watch.expect(422)
    inspector, page = Inspector(), window("ada")
    make_passkey(page)
    inspector.look(page, "security, with a passkey")
    page.get_by_role("link", name="Add an app").click()
    heading(page, "Add an authenticator app")
    page.get_by_text("No camera?").click()
    inspector.look(page, "add an app")
    secret = page.locator("code").inner_text()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Add the app").click()
    expect(page.locator(".errors")).to_be_visible()
    inspector.look(page, "add an app, wrong code")
    page.get_by_label("Code").fill(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))
    page.get_by_role("button", name="Add the app").click()
    heading(page, "Security and sessions")
    page.get_by_role("button", name="Make new ones").click()
    heading(page, "Recovery codes")
    expect(page.locator("#codes")).to_have_text(re.compile(r"^(\d{8}\s*){10}$"))
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#live")).to_have_text("Copied")
    inspector.look(page, "recovery codes")
    page.goto("/accounts/security/passkey/")
    inspector.look(page, "add a passkey")
    page.goto("/accounts/security/password/")
    page.get_by_label("New password", exact=True).fill("short")
    page.get_by_label("Repeat the new password").fill("other")
    page.get_by_role("button", name="Change password").click()
    expect(page.locator(".errors")).to_be_visible()
    inspector.look(page, "change the password, refused")
    page.goto("/accounts/confirm/")
    inspector.look(page, "confirm")
    inspector.judge()


def test_without_scripts_passkeys_are_not_offered_and_the_rest_works(window: Window, people: People) -> None:
    page = window(java_script_enabled=False)
    page.goto("/accounts/login/")
    expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
    page.get_by_label("User").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    heading(page, "Home")
    page.goto("/accounts/security/passkey/")
    expect(page.get_by_text("Passkeys aren't available")).to_be_visible()
    assert settings.SESSION_COOKIE_NAME in {cookie["name"] for cookie in page.context.cookies()}
