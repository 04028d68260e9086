"""Authenticates by password, and finds who calls: a session or an API token, its person, and their grants with teams."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, TypeVar

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.db import connection, models
from django.db.models.expressions import Col
from django.http import HttpRequest

from hyperclusters.access.models import SITE_ROLES, Grant, Team, User
from hyperclusters.access.permissions import active_grants, person_in_context, remember

from .models import FACTORS, ApiToken, Session

Row = TypeVar("Row", bound=models.Model)
Caller = TypeVar("Caller", Session, ApiToken)


class ActivePeople(BaseBackend):
    """Active people with the right password. Unknown names take as long as known ones."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:  # noqa: ARG002
        """The person of `username` and `password`, or None. Unknown names cost the same work, so time reveals
        nothing."""
        username, password = credentials.get("username"), credentials.get("password")
        if not username or password is None:
            return None
        try:
            person = User.objects.get_by_natural_key(username)
        except User.DoesNotExist:
            User().set_password(password)
            return None
        return person if person.check_password(password) and person.is_active else None

    def get_user(self, user_id: int) -> User | None:
        """The signed-in person, while active: deactivation ends sessions at the next request."""
        return User.objects.filter(pk=user_id, is_active=True).first()


class SignedInPeople(ActivePeople):
    """As for a password; also whether the person lacks a required second factor."""

    def get_user(self, user_id: int) -> User | None:
        person = person_in_context(user_id) or super().get_user(user_id)
        # The page needs the grants as well: they are read once per request.
        if (
            person
            and settings.SECOND_FACTOR
            and any(grant.role in SITE_ROLES for grant in active_grants(person))
        ):
            factors = Authenticator.objects.filter(user=person, type__in=FACTORS)
            person.owes_second_factor = not factors.exists()
        return person


def read_session(key: str) -> Session | None:
    """The session of this key, expired or not, with its person. The rest of the request knows their grants."""
    return _caller(Session, "person", key)


def read_token(pk: str) -> ApiToken | None:
    """The token of this ID, usable or not, with its owner. The rest of the request knows their grants."""
    return _caller(ApiToken, "owner", pk)


def _caller(model: type[Caller], owner: str, key: str) -> Caller | None:
    if "\x00" in key:  # which PostgreSQL's text cannot hold
        return None
    sql, _, (of_caller, of_person, of_grant, of_team) = _statement(model, owner)
    with connection.cursor() as cursor:
        cursor.execute(sql, [key])
        rows = [list(row) for row in cursor.fetchall()]
    if not rows:
        return None
    for position, (functions, column) in _converters(model, owner, connection.vendor).items():
        for row in rows:
            for function in functions:
                row[position] = function(row[position], column, connection)
    caller, person = _instance(model, rows[0][of_caller]), _instance(User, rows[0][of_person])
    setattr(caller, owner, person)
    grants = []
    for row in rows:
        if row[of_grant.start] is None:
            continue  # the one row of a person without a grant
        grant = _instance(Grant, row[of_grant])
        grant.person, grant.team = person, _instance(Team, row[of_team]) if grant.team_id else None
        grants.append(grant)
    remember(person, grants)
    return caller


@cache
def _converters(model: type[models.Model], owner: str, _vendor: str) -> dict[int, tuple[list[Any], Col]]:
    """What makes Python's values of the database's, by the place of their column: it takes as long to find as the rows."""
    compiler: Any = model._default_manager.all().query.get_compiler(connection=connection)
    converters: dict[int, tuple[list[Any], Col]] = compiler.get_converters(_statement(model, owner)[1])
    return converters


def _instance(model: type[Row], values: Sequence[Any]) -> Row:
    return model.from_db(connection.alias, [field.attname for field in model._meta.concrete_fields], values)


@cache
def _statement(model: type[models.Model], owner: str) -> tuple[str, list[Col], list[slice]]:
    """The text, its columns in order, and which of them belong to the caller, the person, the grant and the team."""
    tables: dict[str, type[models.Model]] = {"caller": model, "person": User, "access": Grant, "team": Team}
    fields = {alias: each._meta.concrete_fields for alias, each in tables.items()}
    columns = [field.get_col(alias) for alias in fields for field in fields[alias]]
    ends = accumulate(map(len, fields.values()), initial=0)
    names = ", ".join(f"{column.alias}.{column.target.column}" for column in columns)
    link: Any = model._meta.get_field(owner)
    text = f"""
        SELECT {names} FROM {model._meta.db_table} caller
        JOIN {User._meta.db_table} person ON person.id = caller.{link.column}
        LEFT JOIN {Grant._meta.db_table} access ON access.person_id = person.id AND access.ended_at IS NULL
        LEFT JOIN {Team._meta.db_table} team ON team.id = access.team_id
        WHERE caller.{model._meta.pk.column} = %s"""  # noqa: S608 -- names of the models alone
    return text, columns, [slice(*pair) for pair in pairwise(ends)]
