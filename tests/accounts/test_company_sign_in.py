"""Signing in with the company's OpenID Connect provider, and what a person's groups there give here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.test import Client as Browser

from hyperclusters.access.models import Grant, Role, User
from hyperclusters.access.permissions import Permission, may
from hyperclusters.access.services import grant
from hyperclusters.accounts import company, factors
from hyperclusters.accounts.models import CompanyAccount, Session
from hyperclusters.audit.models import DenialWindow
from tests.accounts.provider import Provider, running
from tests.accounts.test_second_factors import EVIL, LOGIN, STEP, Clock, clock, code_of, set_up
from tests.conftest import PASSWORD, People, events
from tests.web.pages import words

pytestmark = pytest.mark.any_database

__all__ = ["clock"]
START = "/accounts/company/"
RETRY = f"{LOGIN}?company=again&next=%2F"
GROUPS = [
    ("ml", "vision", "creator"),
    ("ml-leads", "vision", "admin"),
    ("audit", "", "auditor"),
    ("x", "gone", "viewer"),
]


@pytest.fixture(scope="module")
def process() -> Iterator[Provider]:
    with running() as provider:
        yield provider


@pytest.fixture
def provider(process: Provider, settings: Any) -> Provider:
    """The running provider, as this dashboard's settings name it."""
    app = {
        "provider_id": "company",
        "name": "Example ID",
        "client_id": process.client_id,
        "secret": process.client_secret,
        "settings": {"server_url": process.issuer},
    }
    settings.OIDC_ISSUER, settings.OIDC_NAME, settings.OIDC_GROUP_ROLES = process.issuer, "Example ID", GROUPS
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
    return process


def zoe(provider: Provider, **claims: Any) -> None:
    """What the provider says of Zoe, who is new here."""
    values = {
        "email": "zoe@example.com",
        "email_verified": True,
        "preferred_username": "zoe",
        "name": "Zoe Young",
    }
    provider.knows("zoe-1", **values | claims)


def visit(
    provider: Provider, sub: str = "zoe-1", path: str = START, browser: Browser | None = None
) -> tuple[Browser, Any]:
    """There and back again, as a browser goes."""
    browser = browser or Browser()
    there = browser.get(path)["Location"]
    assert there.startswith(provider.issuer)
    return browser, browser.get(provider.lets_in(sub, there))


def roles(name: str) -> set[tuple[str, str]]:
    grants = Grant.objects.active().filter(person__username=name).select_related("team")
    return {(each.team.slug if each.team else "", each.role) for each in grants}


def test_a_colleague_comes_in_with_the_company_account_and_has_what_their_groups_give(
    provider: Provider, people: People
) -> None:
    zoe(provider, groups=["ml", "chess"])
    browser, answer = visit(provider, path=f"{START}?next=/clusters/")
    assert answer["Location"] == "/clusters/"
    assert browser.get("/clusters/").status_code == 200
    person = User.objects.get(username="zoe")
    assert (person.email, person.full_name, person.has_usable_password()) == (
        "zoe@example.com",
        "Zoe Young",
        False,
    )
    assert may(person, Permission.CREATE, people.vision)
    (added,) = events(action="access:person:added", object_name="zoe")
    (granted,) = events(action="access:grant:added", object_name="zoe")
    assert granted.after
    assert (granted.reason, granted.after["role"], granted.person_id) == ("by group ml", "creator", None)
    (signed_in,) = events(action="session:sign-in:succeeded")
    assert (signed_in.person_name, signed_in.after) == ("zoe", {"by": ["socialaccount"]})
    assert added.seq < granted.seq < signed_in.seq
    account = CompanyAccount.objects.get()
    assert (account.issuer, account.subject, account.person) == (provider.issuer, "zoe-1", person)
    assert not SocialToken.objects.exists()
    assert not SocialAccount.objects.exists()
    assert Session.objects.count() == 1


def test_what_a_group_gave_ends_with_the_group_at_the_next_sign_in(
    provider: Provider, people: People
) -> None:
    zoe(provider, groups=["ml", "audit"])
    visit(provider)
    assert roles("zoe") == {("vision", "creator"), ("", "auditor")}
    zoe(provider, groups=["ml", "ml-leads"])
    visit(provider)
    assert roles("zoe") == {("vision", "admin")}
    visit(provider)  # nothing new, so nothing is told
    zoe(provider, groups=[])
    visit(provider)
    assert roles("zoe") == set()
    rows = [(each.action, each.reason) for each in events(object_kind="grant", object_name="zoe")]
    added = {("access:grant:added", f"by group {group}") for group in ("ml", "audit")}
    assert set(rows[:2]) == added
    ended = {("access:grant:ended", f"no longer by group {group}") for group in ("ml", "audit")}
    assert set(rows[2:4]) == ended
    assert rows[4:] == [
        ("access:grant:added", "by group ml-leads"),
        ("access:grant:ended", "no longer by group ml-leads"),
    ]


def test_a_grant_made_by_hand_stands_whatever_the_groups_say(provider: Provider, people: People) -> None:
    zoe(provider)
    visit(provider)
    person = User.objects.get(username="zoe")
    grant(person=person, role=Role.VIEWER, team=people.vision, reason="by group of friends", by=people.tom)
    zoe(provider, groups=["ml-leads"])
    visit(provider)
    assert roles("zoe") == {("vision", "viewer")}
    zoe(provider)
    visit(provider)
    assert roles("zoe") == {("vision", "viewer")}


def test_who_has_an_account_here_keeps_it_if_the_provider_has_verified_the_address(
    provider: Provider, people: People
) -> None:
    zoe(provider, email="ADA@example.com")
    visit(provider)
    assert CompanyAccount.objects.get().person == people.ada
    assert not User.objects.filter(username="zoe").exists()
    assert [event.person_name for event in events(action="access:company-account:linked")] == ["ada"]
    assert Browser().post(LOGIN, {"username": "ada", "password": PASSWORD}).status_code == 302


@pytest.mark.parametrize(
    "claims", [{"email_verified": False}, {"email_verified": "true"}, {"email_verified": 1}]
)
def test_an_address_that_proves_nothing_leads_into_nobody_s_account(
    claims: dict[str, Any], provider: Provider, people: People
) -> None:
    zoe(provider, email="ada@example.com", **claims)
    browser, answer = visit(provider)
    assert answer["Location"] == LOGIN
    assert "did not work, so you are not signed in" in words(browser.get(LOGIN))
    assert not CompanyAccount.objects.exists()
    (event,) = events(action="session:sign-in:failed")
    assert (event.outcome, event.person_id) == ("denied", None)


def test_a_name_that_is_taken_leads_into_nobody_s_account(provider: Provider, people: People) -> None:
    zoe(provider, preferred_username="ADA")
    visit(provider)
    assert CompanyAccount.objects.get().person.username == "ADA-2"
    provider.knows("odd", email="", preferred_username="../ <b>\u202e")
    visit(provider, "odd")
    assert User.objects.get(company_account__subject="odd").username == "..---b"


def test_a_second_factor_is_asked_for_after_the_company_account_too(
    provider: Provider, people: People, clock: Clock
) -> None:
    zoe(provider, email="ada@example.com")
    secret, _ = set_up(people.ada, clock)
    browser, answer = visit(provider)
    assert answer["Location"] == STEP
    assert browser.get("/").status_code == 302
    browser.post(STEP, {"code": code_of(secret)})
    assert browser.get("/").status_code == 200
    (event,) = events(action="session:sign-in:succeeded")
    assert event.after == {"by": ["socialaccount", "totp"]}


def test_g45_nobody_signs_in_after_a_deactivation_that_came_meanwhile(
    provider: Provider, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoe(provider)
    visit(provider)
    ends_at = company.confirmation_ends_at

    def deactivate_and_answer(person: User) -> Any:
        User.objects.filter(pk=person.pk).update(is_active=False)
        return ends_at(person)

    monkeypatch.setattr(company, "confirmation_ends_at", deactivate_and_answer)
    browser, answer = visit(provider)
    assert answer["Location"] == LOGIN
    assert browser.get("/").status_code == 302
    assert len(events(action="session:sign-in:succeeded")) == 1
    assert events(action="session:sign-in:failed")[-1].person_name == "zoe"


def test_a_closed_account_stays_closed_and_gains_nothing(provider: Provider, people: People) -> None:
    zoe(provider)
    visit(provider)
    User.objects.filter(username="zoe").update(is_active=False)
    zoe(provider, groups=["ml-leads"])
    browser, answer = visit(provider)
    assert answer["Location"] == LOGIN
    assert browser.get("/").status_code == 302
    assert "This account is not active" in words(browser.get(LOGIN))
    assert not Grant.objects.filter(person__username="zoe").exists()
    assert [event.person_name for event in events(action="session:sign-in:failed")] == ["zoe"]


def test_the_way_there_is_bound_to_the_browser_that_went_and_goes_once(
    provider: Provider, people: People
) -> None:
    zoe(provider)
    victim, robber = Browser(), Browser()
    there = robber.get(START)["Location"]
    params = parse_qs(urlsplit(there).query)
    assert params["code_challenge_method"] == ["S256"]
    back = provider.lets_in("zoe-1", there)
    assert victim.get(back)["Location"] == RETRY  # somebody else's code, slipped into this browser
    assert victim.get("/").status_code == 302
    assert robber.get(back)["Location"] == "/"
    robber.post("/accounts/logout/")
    assert robber.get(back)["Location"] == RETRY
    assert len(events(action="session:sign-in:failed")) == 1
    assert DenialWindow.objects.get().count == 1  # the second failure, by the same cause


@pytest.mark.parametrize("back", ["turned away", "?error=server_error", "?code=made-up", ""])
def test_a_way_that_ends_there_ends_in_a_sentence_and_one_event(
    back: str, provider: Provider, people: People
) -> None:
    browser = Browser()
    there = browser.get(START)["Location"]
    state = parse_qs(urlsplit(there).query)["state"][0]
    if back == "turned away":
        answer = browser.get(provider.turns_away(there))
    else:
        answer = browser.get(f"/accounts/company/callback/{back}{'&' if back else '?'}state={state}")
    assert answer["Location"] == RETRY
    page = words(browser.get(RETRY))
    assert "did not work, so you are not signed in" in page
    assert "Try again with Example ID" in page
    (event,) = events(action="session:sign-in:failed")
    assert event.outcome == "failed"
    assert provider.client_secret not in repr(vars(event))


def test_a_provider_that_is_down_is_said(provider: Provider, people: People, settings: Any) -> None:
    settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["settings"]["server_url"] = (
        "http://localhost:9"
    )
    browser = Browser()
    assert browser.get(START)["Location"] == RETRY
    assert "did not work" in words(browser.get(LOGIN))
    assert len(events(action="session:sign-in:failed")) == 1


def test_the_company_s_way_leads_to_no_other_site(provider: Provider, people: People) -> None:
    zoe(provider)
    for target in EVIL:
        _, answer = visit(provider, path=f"{START}?next={target}")
        assert answer["Location"] == "/", target


def test_a_link_cannot_bend_what_is_asked_of_the_provider(provider: Provider, people: People) -> None:
    response = Browser().get(
        f"{START}?process=connect&scope=admin&auth_params=redirect_uri%3Dhttps://evil.example"
    )
    query = parse_qs(urlsplit(response["Location"]).query)
    assert query["redirect_uri"] == ["http://testserver/accounts/company/callback/"]
    assert "admin" not in query["scope"][0]


def test_who_has_no_password_here_confirms_by_signing_in_there_again(
    provider: Provider, people: People, clock: Clock
) -> None:
    zoe(provider)
    browser, _ = visit(provider)
    clock.tick(301)
    assert browser.get("/accounts/security/app/")["Location"].startswith("/accounts/confirm/")
    page = words(browser.get("/accounts/confirm/"))
    assert "Sign in again with Example ID" in page
    assert browser.get("/accounts/security/password/").status_code in {302, 404}
    there = browser.get(f"{START}?again=1&next=/accounts/security/app/")["Location"]
    assert parse_qs(urlsplit(there).query)["prompt"] == ["login"]
    assert browser.get(provider.lets_in("zoe-1", there))["Location"] == "/accounts/security/app/"
    assert browser.get("/accounts/security/app/").status_code == 200
    assert factors.has_factor(User.objects.get(username="zoe")) is False
