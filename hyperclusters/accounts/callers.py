"""Who calls: a session or an API token, its person, and their grants with teams, by one statement.

Every request asks for these. Three queries by the ORM cost several milliseconds of CPU, most of it to build SQL that
never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models.expressions import Col

from hyperclusters.access.models import Grant, Team, User
from hyperclusters.access.permissions import remember

from .models import ApiToken, Session

Row = TypeVar("Row", bound=models.Model)
Caller = TypeVar("Caller", Session, ApiToken)


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
