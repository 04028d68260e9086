"""G44: roles by groups end only on a list of groups that lacks the group; what is not stated leaves them as they are."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser

from hyperclusters.access.access_reviews import open_review
from hyperclusters.access.models import Grant, User
from hyperclusters.accounts.claims import Claims
from hyperclusters.audit import clock
from tests.accounts.bent_provider import NULL, BentProvider
from tests.conftest import People, confirm, events
from tests.web.pages import SignIn, words

pytestmark = pytest.mark.any_database

DN = "CN=ML Vision,OU=Groups,DC=example"
ROLES = [("ml", "vision", "creator"), ("audit", "", "auditor"), (DN, "speech", "viewer")]


@pytest.fixture
def provider(bendable: BentProvider, settings: Any) -> BentProvider:
    settings.OIDC_GROUP_ROLES = ROLES
    return bendable


def roles() -> set[tuple[str, str]]:
    grants = Grant.objects.active().filter(person__username="zoe").select_related("team")
    return {(each.team.slug if each.team else "", each.role) for each in grants}


def sign_in(provider: BentProvider, **claims: Any) -> Browser:
    provider.says(preferred_username="zoe", **claims)
    browser, answer = provider.visit()
    assert answer["Location"] == "/"
    return browser


NOT_STATED: dict[str, dict[str, Any]] = {
    "no claim": {},
    "null": {"groups": NULL},
    "_claim_names": {
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": "https://x"}},
    },
    "_claim_names beside a part": {"groups": [], "_claim_names": {"groups": "src1"}},
    "hasgroups": {"hasgroups": True},
    "hasgroups as a text": {"hasgroups": "true"},
    "a number": {"groups": 5},
    "true": {"groups": True},
    "an empty text": {"groups": ""},
    "a list of lists": {"groups": [["ml"]]},
    "objects without names": {"groups": [{"id": "ml"}]},
    "names that are none": {"groups": [{"name": ["ml"]}]},
    "an object of something": {"groups": {"ml": True}},
    "a list with a null": {"groups": [NULL]},
    "a list with an empty text": {"groups": ["ml", ""]},
    "an empty object": {"groups": {}},
    "null as a text": {"groups": "null"},
    "a cut JSON list": {"groups": '["ml"'},
    "a Python list as a text": {"groups": "['ml', 'audit']"},
    "a JSON object as a text": {"groups": '{"ml": {}}'},
    "nested JSON in a text": {"groups": "[" * 100_000},
    "an error": {"groups": {"error": {"code": "forbidden"}}},
    "where to ask": {"groups": "https://graph.example.com/v1/memberOf"},
    "commas alone": {"groups": ", ,"},
    "a NUL": {"groups": ["ml\0", "audit"]},
    "a lone surrogate": {"groups": ["\ud800"]},
    "an invisible character": {"groups": ["ml\u200b", "audit"]},
    "_claim_names of another type": {"groups": [], "_claim_names": ["groups"]},
    "hasgroups as a number": {"groups": ["chess"], "hasgroups": 1},
    "a source of groups": {"groups": [], "groups:src1": "https://x"},
}


@pytest.mark.parametrize("kind", NOT_STATED)
def test_g44_groups_that_are_not_stated_end_nothing_and_the_page_and_the_audit_say_so(
    kind: str, provider: BentProvider, people: People
) -> None:
    sign_in(provider, groups=["ml", "audit"])
    claims = {name: _json(value) for name, value in NOT_STATED[kind].items()}
    browser = sign_in(provider, **claims)
    assert roles() == {("vision", "creator"), ("", "auditor")}
    assert "did not say which groups you are in" in words(browser.get("/"))
    (event,) = events(action="access:groups:not-stated")
    assert (event.person_name, event.outcome) == ("zoe", "noted")
    sign_in(provider, groups=["chess"])
    assert roles() == set()


def _json(value: Any) -> Any:
    return [None] if value == [NULL] else value


STATED: dict[str, Any] = {
    "a list": ["ml"],
    "a list of objects": [{"name": "ml", "id": 5}],
    "an object of objects": {"ml": {"org": "1"}},
    "a text": "ml",
    "separated by commas": "chess, ml,",
    "a JSON list as a text": '["ml", "chess"]',
    "a JSON list of objects as a text": '[{"name": "ml"}]',
    "separated by spaces": "chess ml",
}


@pytest.mark.parametrize("kind", STATED)
def test_g44_groups_are_read_in_each_shape_that_means_one_thing(
    kind: str, provider: BentProvider, people: People
) -> None:
    sign_in(provider, groups=STATED[kind])
    assert roles() == {("vision", "creator")}
    assert not events(action="access:groups:not-stated")


@pytest.mark.parametrize("value", [[DN], DN, [{"name": DN}]])
def test_g44_a_distinguished_name_is_one_group(value: Any, provider: BentProvider, people: People) -> None:
    sign_in(provider, groups=value)
    assert roles() == {("speech", "viewer")}


@pytest.mark.parametrize("value", [[], "[]", ["Ml"], ["ml "], "Vision ML Team"])
def test_g44_a_group_is_compared_as_it_is(value: Any, provider: BentProvider, people: People) -> None:
    sign_in(provider, groups=["ml"])
    sign_in(provider, groups=value)
    assert roles() == set()


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["ml"]}}),
        ("https://example.com/groups", {"https://example.com/groups": ["ml"]}),
        ("a.b", {"a.b": ["ml"], "a": {"b": ["audit"]}}),
    ],
)
def test_g44_the_claim_is_named_by_its_name_or_a_path(
    name: str, claims: dict[str, Any], provider: BentProvider, people: People, settings: Any
) -> None:
    settings.OIDC_GROUPS_CLAIM = name
    sign_in(provider, **claims)
    assert roles() == {("vision", "creator")}
    sign_in(provider, realm_access=5)
    assert roles() == {("vision", "creator")}


PROBLEMS: tuple[dict[str, Any], ...] = (
    {"_claim_names": {"groups": "src1"}},
    {"hasgroups": True},
    {"groups": 5},
    {"groups": {}},
    {"groups": [None]},
    {"groups": "null"},
)


@pytest.mark.parametrize("listed", [[], ["chess"], ["ml"]], ids=repr)
@pytest.mark.parametrize("problem", PROBLEMS, ids=repr)
@pytest.mark.parametrize("where", ["id_token", "userinfo"])
def test_g44_what_one_document_cannot_state_is_not_stated_by_the_other(
    where: str, problem: dict[str, Any], listed: list[str], settings: Any
) -> None:
    settings.OIDC_GROUP_ROLES = ROLES
    documents: dict[str, dict[str, Any]] = {
        "id_token": {"sub": "x", "groups": listed},
        "userinfo": {"sub": "x", "groups": listed},
    }
    documents[where] = {"sub": "x", **problem}
    groups = Claims.read(**documents).groups
    assert groups.names is None
    assert groups.problem


def test_g44_a_mark_of_overage_in_one_document_keeps_the_roles_and_is_said(
    provider: BentProvider, people: People
) -> None:
    sign_in(provider, groups=["ml", "audit"])
    provider.says(preferred_username="zoe")
    provider.id_token, provider.userinfo = {"_claim_names": {"groups": "src1"}}, {"groups": []}
    browser, _ = provider.visit()
    assert roles() == {("vision", "creator"), ("", "auditor")}
    assert "did not say which groups you are in" in words(browser.get("/"))
    assert len(events(action="access:groups:not-stated")) == 1


@pytest.mark.parametrize("silent", [{}, {"groups": None}], ids=["absent", "null"])
@pytest.mark.parametrize("where", ["id_token", "userinfo"])
def test_g44_a_document_that_is_silent_leaves_the_word_to_the_other(
    where: str, silent: dict[str, Any], settings: Any
) -> None:
    settings.OIDC_GROUP_ROLES = ROLES
    documents: dict[str, dict[str, Any]] = {
        "id_token": {"sub": "x", "groups": ["ml"]},
        "userinfo": {"sub": "x", "groups": ["ml"]},
    }
    documents[where] = {"sub": "x", **silent}
    assert Claims.read(**documents).groups.names == frozenset({"ml"})


def test_g44_who_has_no_role_by_a_group_is_told_nothing(provider: BentProvider, people: People) -> None:
    browser = sign_in(provider)
    assert "which groups" not in words(browser.get("/"))
    assert not events(action="access:groups:not-stated")


def test_g44_a_grant_that_a_group_gives_says_so_before_it_is_revoked(
    provider: BentProvider, people: People, as_: SignIn, settings: Any
) -> None:
    sign_in(provider, groups=["ml", "audit"])
    zoe = User.objects.get(username="zoe")
    team, site = (Grant.objects.active().get(person=zoe, role=role) for role in ("creator", "auditor"))
    tom, root = as_("tom"), confirm(as_("root"))
    again = "gets it again at the next sign-in"
    assert again in words(tom.get(f"/teams/vision/grants/{team.pk}/"))
    assert "remove zoe from the group at the company" in words(tom.get(f"/teams/vision/grants/{team.pk}/"))
    open_review(people.vision, due_on=clock.today(), by=people.tom)
    assert "given again at the next company sign-in" in words(tom.get("/teams/vision/review/"))
    assert again in words(root.get(f"/people/roles/{site.pk}/end/"))
    by_hand = Grant.objects.active().get(person=people.ada)
    assert again not in words(tom.get(f"/teams/vision/grants/{by_hand.pk}/"))
    settings.OIDC_GROUP_ROLES = []
    assert again not in words(tom.get(f"/teams/vision/grants/{team.pk}/"))


def test_g19_a_team_s_last_admin_stays_whatever_the_groups_say_and_the_refusal_is_an_event(
    provider: BentProvider, people: People, settings: Any
) -> None:
    settings.OIDC_GROUP_ROLES = [("leads", "speech", "admin")]
    Grant.objects.filter(team=people.speech, role="admin").update(ended_at=clock.now())
    sign_in(provider, groups=["leads"])
    assert roles() == {("speech", "admin")}
    sign_in(provider, groups=["chess"])
    assert roles() == {("speech", "admin")}
    (event,) = events(action="access:grant:refused")
    assert (event.outcome, event.evidence, event.team_name) == ("refused", "last_admin", "Speech")
