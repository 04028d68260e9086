"""Checks of the database that run at each start, and with `check --database default`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError, connection

OWNS = """
    SELECT pg_has_role(current_user, tableowner, 'USAGE') FROM pg_tables
    WHERE schemaname = current_schema() AND tablename = 'audit_event'
"""


@register(Tags.database)
def database_keeps_every_text(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """A PostgreSQL database must be encoded in UTF-8: others cannot store the first Chinese word."""
    row = _ask("SHOW server_encoding") if databases else None
    if row in {None, "UTF8"}:
        return []
    return [
        checks.Error(
            f"The database's encoding is {row}; it must be UTF8.",
            hint="Create the database with ENCODING 'UTF8' TEMPLATE template0.",
            id="audit.E001",
        )
    ]


@register(Tags.database, deploy=True)
def serving_role_only_adds_events(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """On PostgreSQL the serving role must not own the audit's table: an owner can change and delete events."""
    if not databases or not _ask(OWNS):
        return []
    return [
        checks.Warning(
            "DATABASE_URL names the owner of the audit's table, who can remove its triggers and change events.",
            hint="Serve as the role that manage.py database_roles makes; only migrate as the owner.",
            id="audit.W002",
        )
    ]


def _ask(query: str) -> Any:
    """The single value that PostgreSQL answers; None on SQLite, and if it does not answer: other checks report that."""
    if connection.vendor != "postgresql":
        return None
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
    except DatabaseError:
        return None
    return row[0] if row else None
