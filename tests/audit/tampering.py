"""Somebody with every right on the database, who changes the ledger past its triggers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction

from hyperclusters.audit import triggers
from hyperclusters.audit.chain import COLUMNS, DOCUMENTS, GENESIS, digest
from hyperclusters.audit.raw_rows import NUMBERS

NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
Act = Callable[[], None]


@contextmanager
def undone() -> Iterator[None]:
    """What is done inside is undone at its end; the triggers are off meanwhile."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            sql("SET LOCAL session_replication_role = replica")
        else:
            editor = connection.SchemaEditorClass(connection, collect_sql=True)
            editor.deferred_sql = []
            for step in (triggers.remove_keeping, triggers.remove, triggers.remove_head):
                step(apps, editor)
            for statement in editor.collected_sql:
                sql(statement)
        with unchecked():
            yield
        transaction.set_rollback(True)


@contextmanager
def unchecked() -> Iterator[None]:
    """SQLite's own checks, such as that a document is JSON, are off inside."""
    if connection.vendor != "sqlite":
        yield
        return
    sql("PRAGMA ignore_check_constraints = ON")
    try:
        yield
    finally:
        sql("PRAGMA ignore_check_constraints = OFF")


def replace_key_as_before(key_id: str) -> None:
    """As a release did that knew no activations: after a restart the next events have another key, and no event says so."""
    unguarded(lambda: sql("UPDATE audit_head SET key_id = %s", key_id))


def unguarded(act: Act) -> None:
    """Done for good by somebody who took the triggers off meanwhile."""
    steps = (triggers.remove_keeping, triggers.remove, triggers.remove_head)
    back = (triggers.install_head, triggers.install, triggers.install_keeping)
    with connection.schema_editor() as editor:
        for step in steps:
            step(apps, editor)
    with unchecked():
        act()
    with connection.schema_editor() as editor:
        for step in back:
            step(apps, editor)


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def row(seq: int) -> dict[str, Any]:
    """A row as the database holds it."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {NAMES} FROM audit_event WHERE seq = %s", [seq])
        return dict(zip(COLUMNS, cursor.fetchone(), strict=True))


def row_bytes(seq: int) -> list[Any]:
    """A row to the byte: each value's type and bytes, as far as the database tells them apart."""
    column = "typeof({0}) || hex({0})" if connection.vendor == "sqlite" else "CAST({0} AS text)"
    columns = ", ".join(column.format(f'"{name}"') for name in COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM audit_event WHERE seq = %s", [seq])
        return list(cursor.fetchone())


def put(values: dict[str, Any]) -> None:
    """Insert a row."""
    marks = ", ".join(["%s"] * len(COLUMNS))
    sql(f"INSERT INTO audit_event ({NAMES}) VALUES ({marks})", *(values[name] for name in COLUMNS))


def change(seq: int, /, **values: Any) -> None:
    names = ", ".join(f'"{name}" = %s' for name in values)
    sql(f"UPDATE audit_event SET {names} WHERE seq = %s", *values.values(), seq)


def move(seq: int, to: int) -> None:
    change(seq, seq=to)


def swap(one: int, other: int) -> None:
    move(one, -1)
    move(other, one)
    move(-1, other)


def shift(first: int, last: int, by: int) -> None:
    """Give these rows numbers that are higher or lower by so much."""
    for seq in range(first, last + 1) if by < 0 else range(last, first - 1, -1):
        move(seq, seq + by)


def delete(first: int, last: int) -> None:
    sql("DELETE FROM audit_event WHERE seq BETWEEN %s AND %s", first, last)


def head(seq: int, sealed: str | None = None) -> None:
    """Say that the chain ends there."""
    if sealed is None:
        sealed = row(seq)["digest"] if seq else GENESIS
    sql("UPDATE audit_head SET seq = %s, digest = %s", seq, sealed)


def rechain(first: int, last: int, key_id: str, key: bytes, **changes: Any) -> None:
    """Seal these events again with another key; the first of them with changes."""
    previous = row(first - 1)["digest"] if first > 1 else GENESIS
    for seq in range(first, last + 1):
        told = json.loads(row(seq)["canonical"])
        told |= {"previous": previous, "key": key_id} | (changes if seq == first else {})
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        previous = digest(key, text)
        change(seq, canonical=text, digest=previous, key_id=key_id, **(changes if seq == first else {}))


def fabricated(seq: int, previous: str, key_id: str, key: bytes, **changes: Any) -> dict[str, Any]:
    """A whole row that was never recorded."""
    values = row(lowest()) | {"seq": seq} | changes
    said = {name: json.loads(value) if name in DOCUMENTS else value for name, value in changes.items()}
    told = json.loads(values["canonical"]) | {"previous": previous, "seq": seq, "key": key_id} | said
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return values | {"key_id": key_id, "canonical": text, "digest": digest(key, text)}


def lowest() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(seq) FROM audit_event")
        return int(cursor.fetchone()[0])


def another(name: str, seq: int) -> Any:
    """Another value for this column of this row, of the column's own kind."""
    value = row(seq)[name]
    if name in NUMBERS:
        return (value or 0) + 1
    if name in DOCUMENTS:
        told = json.loads(value) if isinstance(value, str) else value
        return json.dumps((told or {}) | {"more": True})
    others: dict[str, Callable[[], Any]] = {
        "at": lambda: str(datetime.fromisoformat(str(value)).replace(microsecond=7)),
        "digest": lambda: value[:-1] + ("0" if value[-1] != "0" else "1"),
        "canonical": lambda: value.replace("why", "wherefore"),
        "key_id": lambda: next(key_id for key_id, _ in settings.AUDIT_KEYS if key_id != value),
    }
    return others.get(name, lambda: value + "x")()
