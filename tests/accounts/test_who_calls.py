"""Who calls is read by one statement of its own: it must say exactly what the models' queries say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import models
from django.utils import timezone

from hyperclusters.access.models import Grant, Role, User
from hyperclusters.access.permissions import active_grants, limit_to_team, person_in_context, read_once
from hyperclusters.access.services import end_grant, grant
from hyperclusters.accounts.backends import read_session, read_token
from hyperclusters.accounts.models import ApiToken, Scope, Session
from hyperclusters.accounts.sessions import SessionStore
from hyperclusters.accounts.tokens import create_token
from tests.conftest import People

NAMES = ["ada", "tom", "vera", "olga", "root", "nina", "mallory"]
DAY = timedelta(days=1)


def columns(row: models.Model) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def facts(grants: list[Grant]) -> list[tuple[dict[str, Any], dict[str, Any] | None, str]]:
    return [
        (columns(each), columns(each.team) if each.team else None, each.person.username) for each in grants
    ]


def session_of(person: User) -> str:
    session = SessionStore()
    session.update({"_auth_user_id": str(person.pk), "typed": "“Größe” \\ 集群 '; --"})
    session.create()
    return str(session.session_key)


def token_of(person: User) -> ApiToken:
    token, _text = create_token(
        by=person,
        owner=person,
        name="集群 '\"",
        scopes=[Scope.CLUSTERS_READ, Scope.AUDIT_READ],
        expires_at=timezone.now() + DAY,
    )
    return token


@pytest.fixture
def layers(people: People) -> People:
    """Grants of every kind: two in one team, expired, ended, of the whole site beside a team's."""
    vera, week = people.vera, timedelta(days=7)
    grant(person=vera, role=Role.CREATOR, team=people.vision, reason="a run", until=week, by=people.tom)
    over = grant(person=vera, role=Role.VIEWER, team=people.speech, reason="once", until=week)
    Grant.objects.filter(pk=over.pk).update(until=timezone.now() - timedelta(seconds=1))
    end_grant(grant(person=people.nina, role=Role.VIEWER, team=people.vision, reason="x"), reason="over")
    grant(person=people.olga, role=Role.VIEWER, team=people.speech, reason="helps")
    return people


@pytest.mark.parametrize("name", NAMES)
def test_the_statement_says_what_the_models_say(name: str, layers: People) -> None:
    person = User.objects.get(username=name)
    key, token = session_of(person), token_of(person)
    expected = facts(active_grants(person))
    with read_once():
        session = read_session(key)
        assert session is not None
        assert columns(session) == columns(Session.objects.get(pk=key))
        assert columns(session.person) == columns(person)
        assert person_in_context(person.pk) is session.person
        assert facts(active_grants(person)) == expected
    with read_once():
        read = read_token(token.pk)
        assert read is not None
        assert columns(read) == columns(ApiToken.objects.get(pk=token.pk))
        assert columns(read.owner) == columns(person)
        assert facts(active_grants(person)) == expected


def test_a_token_of_one_team_knows_the_grants_of_that_team_alone(layers: People) -> None:
    token = token_of(layers.olga)
    with read_once():
        read_token(token.pk)
        limit_to_team(layers.speech.pk)
        assert [(each.role, each.team) for each in active_grants(layers.olga)] == [("viewer", layers.speech)]
    assert len(active_grants(layers.olga)) == 2, "only that request was limited"


def test_whose_account_is_closed_is_not_remembered(people: People) -> None:
    key = session_of(people.ada)
    User.objects.filter(pk=people.ada.pk).update(is_active=False)
    with read_once():
        session = read_session(key)
        assert session is not None
        assert not session.person.is_active
        assert person_in_context(people.ada.pk) is None
        assert active_grants(people.ada) == []


@pytest.mark.parametrize("key", ["", "x", "' OR 1=1 --", "集群", "%s", "k" * 5000, "k\x00" * 20])
def test_a_key_that_is_nobody_s_finds_nobody(key: str, people: People) -> None:
    session_of(people.ada)
    token_of(people.ada)
    with read_once():
        assert read_session(key) is None
        assert read_token(key) is None


def test_nothing_is_remembered_outside_a_request(people: People) -> None:
    assert read_session(session_of(people.ada)) is not None
    assert person_in_context(people.ada.pk) is None
