"""What can happen to a database while a process uses it, done to this thread's own connection."""

from __future__ import annotations

import resource
import socket
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from django.db import OperationalError, connection
from django.utils import timezone

from hyperclusters.clusters.models import Creation, Deletion
from hyperclusters.clusters.worker import run_due

Disturb = Callable[[Any], None]
ON_SQLITE: dict[str, Disturb] = {}
ON_POSTGRES: dict[str, Disturb] = {}
SHORT = 50  # milliseconds that a lock is waited for
HELD = 0.5  # seconds until the other connection lets go of its lock


def strike(kind: str) -> None:
    """Disturb this thread's connection, from now until the process ends."""
    kinds = ON_SQLITE if connection.vendor == "sqlite" else ON_POSTGRES
    connection.ensure_connection()
    kinds[kind](connection.connection)


def on(*engines: dict[str, Disturb]) -> Callable[[Disturb], Disturb]:
    """Register a disturbance for these engines."""

    def known(function: Disturb) -> Disturb:
        for engine in engines:
            engine[function.__name__] = function
        return function

    return known


@on(ON_SQLITE)
def read_only(raw: Any) -> None:
    raw.execute("PRAGMA query_only = ON")


@on(ON_SQLITE)
def full(raw: Any) -> None:
    raw.execute("PRAGMA max_page_count = 1")


@on(ON_SQLITE)
def no_file_may_grow(raw: Any) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


@on(ON_SQLITE)
def locked(raw: Any) -> None:
    raw.execute(f"PRAGMA busy_timeout = {SHORT}")
    name = connection.settings_dict["NAME"]
    other = sqlite3.connect(name, timeout=0, isolation_level=None, check_same_thread=False)
    threading.Timer(HELD, other.close).start()
    with suppress(sqlite3.OperationalError):  # we are inside a write already: then nobody else gets the lock
        other.execute("BEGIN EXCLUSIVE")


@on(ON_SQLITE)
def closed(raw: Any) -> None:
    raw.close()


@on(ON_SQLITE)
def interrupted(raw: Any) -> None:
    raw.set_progress_handler(lambda: 1, 1)


@on(ON_SQLITE)
def no_right_to_the_audit(raw: Any) -> None:
    def authorize(action: int, table: str | None, *_: Any) -> int:
        is_audit = action == sqlite3.SQLITE_INSERT and table == "audit_event"
        return sqlite3.SQLITE_DENY if is_audit else sqlite3.SQLITE_OK

    raw.set_authorizer(authorize)


@on(ON_SQLITE)
def away(raw: Any) -> None:
    connection.settings_dict["NAME"] = "/nowhere/at/all"
    raw.close()


@on(ON_SQLITE, ON_POSTGRES)
def reply_of_commit_lost(raw: Any) -> None:
    """The next commit succeeds, and the connection breaks before its reply arrives."""

    def commit() -> None:
        del connection._commit  # type: ignore[attr-defined]
        raw.commit()
        raw.close()
        raise OperationalError("server closed the connection unexpectedly")

    connection._commit = commit  # type: ignore[attr-defined]


@on(ON_SQLITE, ON_POSTGRES)
def reply_of_commit_lost_while_others_go_on(raw: Any) -> None:
    """As `reply_of_commit_lost`; before that is noticed, another worker takes up everything that is not at rest."""

    def commit() -> None:
        del connection._commit  # type: ignore[attr-defined]
        raw.commit()
        raw.close()
        others = threading.Thread(target=_others_go_on)
        others.start()
        others.join()
        raise OperationalError("server closed the connection unexpectedly")

    connection._commit = commit  # type: ignore[attr-defined]


def _others_go_on() -> None:
    now = timezone.now()
    try:
        for kind in (Creation, Deletion):
            kind.objects.unresolved().update(run_after=now, lease_expires_at=now)
        run_due(holder="another")
    finally:
        connection.close()


@on(ON_POSTGRES)
def read_only_server(raw: Any) -> None:
    raw.execute("SET default_transaction_read_only = on")
    if connection.in_atomic_block:
        raw.execute("SET transaction_read_only = on")


@on(ON_POSTGRES)
def locked_table(raw: Any) -> None:
    raw.execute(f"SET lock_timeout = {SHORT}")
    other = _other()
    other.autocommit = False
    threading.Timer(HELD, other.close).start()
    other.execute(f"SET lock_timeout = {SHORT}".encode())
    with suppress(
        psycopg.errors.LockNotAvailable
    ):  # we have written to it already: then nobody else gets the lock
        other.execute("LOCK TABLE audit_event IN EXCLUSIVE MODE")


@on(ON_POSTGRES)
def cut_by_the_server(raw: Any) -> None:
    _other().execute("SELECT pg_terminate_backend(%s)", (raw.info.backend_pid,))


@on(ON_POSTGRES)
def cut_on_the_way(raw: Any) -> None:
    with socket.socket(fileno=socket.dup(raw.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


@on(ON_POSTGRES)
def no_right_to_the_ledger(raw: Any) -> None:
    role = f"writer_{raw.info.dbname}"
    other = _other()
    for statement in (
        f"CREATE ROLE {role}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
        f"REVOKE INSERT ON audit_event FROM {role}",
    ):
        with suppress(psycopg.errors.DuplicateObject):
            other.execute(statement.encode())
    raw.execute(f"SET ROLE {role}")


@on(ON_POSTGRES)
def server_away(raw: Any) -> None:
    _other().execute("SELECT pg_terminate_backend(%s)", (raw.info.backend_pid,))
    connection.settings_dict["PORT"] = "1"


def _other() -> psycopg.Connection[Any]:
    """Another connection to the same database."""
    settings = connection.settings_dict
    return psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        dbname=settings["NAME"],
        autocommit=True,
    )
