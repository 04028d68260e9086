"""Reads the ledger's rows for a walk, and whether their columns say the same as their texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC
from typing import Any

from django.db import connection
from django.utils.dateparse import parse_datetime

from .chain import COLUMNS, DOCUMENTS, SCALARS, moment
from .findings import Finding, Kind
from .walk import Place, Row

AT_ONCE = 5000
LEAST = -(2**63)
NUMBERS = ("person_id", "team_id")
AT = {
    "postgresql": """to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    "sqlite": "substr(at, 1, 10) || 'T' || substr(at, 12) || CASE length(at) WHEN 19 THEN '.000000Z' ELSE 'Z' END",
}
JOIN = {"postgresql": "format", "sqlite": "printf"}


def _columns() -> tuple[str, ...]:
    documents = (f"""coalesce(CAST("{name}" AS text), 'null')""" for name in DOCUMENTS)
    scalars = (f"coalesce(CAST({name} AS text), 'null')" if name in NUMBERS else name for name in SCALARS)
    return ("substr(canonical, 14, 64)", "seq", "key_id", AT[connection.vendor], *scalars, *documents)


def _pattern() -> str:
    scalars = ",".join(f'"{name}":%%s' if name in NUMBERS else f'"{name}":"%%s"' for name in SCALARS)
    documents = ",".join(f'"{name}":%%s' for name in DOCUMENTS)
    return f'{{"previous":"%%s","seq":%%s,"key":"%%s","at":"%%s",{scalars},{documents}}}'


def agreement() -> str:
    """SQL that is true where the row's columns, put together as `chain` does, are its text. The other way round it
    proves nothing (a quotation mark in a name is written otherwise in the text): then `differing` looks closer."""
    return f"canonical = {JOIN[connection.vendor]}('{_pattern()}', {', '.join(_columns())})"


def rows(after: int, until: int) -> Iterator[list[Row]]:
    """The rows numbered above `after` up to `until`, some at a time, so that memory stays flat and no lock is kept."""
    query = (
        f"SELECT seq, key_id, digest, canonical, {agreement()} FROM audit_event "  # noqa: S608 -- names of columns
        f"WHERE seq > %s AND seq <= %s ORDER BY seq LIMIT {AT_ONCE}"
    )
    while True:
        with connection.cursor() as cursor:
            cursor.execute(query, [after, until])
            found = cursor.fetchall()
        if not found:
            return
        yield found
        after = found[-1][0]


def ahead(batches: Iterator[list[Row]]) -> Iterator[list[Row]]:
    """The same, with the next batch being read while one is looked at: the database works on another core."""
    with ThreadPoolExecutor(1, thread_name_prefix="audit-rows") as reader:
        coming: Future[list[Row]] = reader.submit(next, batches, [])
        try:
            while batch := coming.result():
                coming = reader.submit(next, batches, [])
                yield batch
        finally:
            reader.submit(lambda: connection.close())  # noqa: PLW0108 -- the connection of that thread


def ends() -> tuple[Place | None, int]:
    """Where the chain says that it ends, and the highest number there is, as of one moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT seq, digest, (SELECT max(seq) FROM audit_event) FROM (SELECT 1) one "
            "LEFT JOIN audit_head ON id = 1"
        )
        seq, digest, highest = cursor.fetchone()
    return (None if seq is None else Place(seq, digest)), highest or 0


def differing(number: int, text: str) -> list[str]:
    """The columns of this row whose meaning is not what its text says. Order of keys and ways of writing times don't count."""
    with connection.cursor() as cursor:
        # The time as text: drivers stumble over one that is none, or read it in the session's own zone.
        at = "CAST(at AS text)" if connection.vendor == "sqlite" else AT[connection.vendor]
        names = ", ".join(at if name == "at" else f'"{name}"' for name in COLUMNS)
        cursor.execute(f"SELECT {names} FROM audit_event WHERE seq = %s", [number])  # noqa: S608 -- names of columns
        found = cursor.fetchone()
    stored = dict(zip(COLUMNS, found, strict=True))
    told = json.loads(text)
    told["key_id"] = told.pop("key")
    stored["at"] = _moment(stored["at"])
    for name in DOCUMENTS:
        stored[name] = _parsed(stored[name])
    return [name for name in COLUMNS[:-2] if not _same(stored[name], told.get(name))]


def with_contents(findings: Iterable[Finding]) -> list[Finding]:
    """The findings with what stands at their places now: other content is another finding."""
    standing = (Kind.EDITED, Kind.INSERTED, Kind.REORDERED, Kind.RESEALED, Kind.ROLLED_BACK)
    return [
        replace(each, content=fingerprint(each.first, each.last)) if each.kind in standing else each
        for each in findings
    ]


def fingerprint(first: int, last: int) -> str:
    """A digest of what the database holds in these rows, byte for byte and type for type."""
    form = (
        "typeof({0}) || ':' || hex({0})"
        if connection.vendor == "sqlite"
        else "quote_nullable(CAST({0} AS text))"
    )
    columns = " || ',' || ".join(form.format(f'"{name}"') for name in COLUMNS)
    content = hashlib.sha256()
    with connection.cursor() as cursor:
        query = f"SELECT {columns} FROM audit_event WHERE seq BETWEEN %s AND %s ORDER BY seq"  # noqa: S608 -- names of columns
        cursor.execute(query, [first, last])
        while found := cursor.fetchmany(AT_ONCE):
            for (text,) in found:
                content.update(text.encode())
    return content.hexdigest()


def _moment(at: str | None) -> str:
    try:
        found = parse_datetime(at or "")
    except ValueError:
        found = None
    if found is None:
        return ""
    return moment(found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC))


def _parsed(document: Any) -> Any:
    if not isinstance(document, str | bytes):
        return document
    try:
        return json.loads(document)
    except ValueError:
        return ...  # nothing that a text can say


def _same(one: Any, other: Any) -> bool:
    """Equal in value and in kind: 1 is 1.0, but neither is True."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
