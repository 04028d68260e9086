"""Reads back what a COMMIT recorded whose reply was lost, also while that transaction is still open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from django.db import connection, transaction

PATIENCE = 5  # seconds to wait for an open transaction

T = TypeVar("T")


def hold_until_commit(key: UUID) -> None:
    """Lock `key` until this transaction ends, so that `read_back` can wait for that. Call it before writing anything.

    Only PostgreSQL needs it: a proxy in between can hold a COMMIT back and end the client's connection, and the
    transaction commits later. SQLite rolls back what its own process has not committed.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_number(key)])


def read_back(key: UUID, query: Callable[[], T]) -> T:
    """What `query` finds once no transaction holds `key` any more. After a database error, close the connection first.

    Raises DatabaseError if one still does after `PATIENCE` seconds, or if the database does not answer.
    """
    if connection.vendor != "postgresql":
        return query()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}s'")
        hold_until_commit(key)
        result = query()
        transaction.set_rollback(True)  # nothing was written, and a COMMIT may fail again
        return result


def _number(key: UUID) -> int:
    """The key as PostgreSQL's advisory locks need it: 64 bits, signed."""
    return int.from_bytes(key.bytes[:8], "big", signed=True)
