"""Exports the ledger: CSV for spreadsheets, JSON Lines for verification without our database.

A line of JSON Lines is `{"digest":"…","event":…}`, where the event is the chained text, byte for byte, so that the
digest can be computed again with the key that the text names. The last line of either format is the manifest
(`manifest.py`), sealed over everything before it. A file without it was cut short. An export occupies one thread of a
web process until its reader has everything.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from array import array
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from django.db import connection
from django.db.models import TextField
from django.db.models.expressions import RawSQL

from .chain import DOCUMENTS, SCALARS, document, timestamp
from .manifest import Manifest, sheet_line
from .models import Event, EventQuerySet
from .readable import UNREADABLE, values
from .spreadsheets import BOM, cell, cell_in_sql, row

CHUNK = 64 * 1024  # bytes sent at once
BATCH = 1000  # rows read at once where the database cannot stream
# All that the sealed text says, so that a line of either format is proved by its digest.
COLUMNS = ("seq", "at", *SCALARS, *DOCUMENTS, "previous", "key_id", "digest")
# These hold only values of this dashboard, and no spreadsheet changes them.
HARMLESS = {
    "seq",
    "at",
    "action",
    "outcome",
    "person_id",
    "team_id",
    "object_kind",
    "source",
    "previous",
    "key_id",
    "digest",
}
UNREADABLE_EVENT = "unreadable: see manage.py verify_audit"
HARMLESS |= set(DOCUMENTS)  # JSON objects: they begin with a brace


class Format(StrEnum):
    """The formats of an export."""

    CSV = "csv"
    JSONL = "jsonl"


def export(rows: EventQuerySet, form: Format, manifest: Manifest) -> Iterator[bytes]:
    """The file in chunks, in the order of the chain. Memory stays flat, and no lock that others wait for is held.

    PostgreSQL writes the lines itself (COPY), in one statement that only reads; SQLite is read in batches.
    """
    rows = rows.filter(seq__lte=manifest.through_seq)
    sha256 = hashlib.sha256()
    buffer = bytearray(head(form))
    first = last = b""
    yield _drain(buffer, sha256)  # the reader sees at once that it begins
    for line in _copy_lines(rows, form) if connection.vendor == "postgresql" else _write_lines(rows, form):
        first = first or bytes(line)
        last = line
        manifest.count += 1
        buffer += line
        if len(buffer) > CHUNK:
            yield _drain(buffer, sha256)
    if manifest.count:
        manifest.first, manifest.last = _place(first, form), _place(bytes(last), form)
    yield _drain(buffer, sha256)
    yield _trailer(form, manifest.as_text(sha256.hexdigest()))


def _drain(buffer: bytearray, sha256: Any) -> bytes:
    """Return and clear the buffer, and add it to the file's digest."""
    chunk = bytes(buffer)
    sha256.update(chunk)
    buffer.clear()
    return chunk


def head(form: Format) -> bytes:
    """The beginning of the file."""
    return f"{BOM}{row(COLUMNS)}".encode() if form == Format.CSV else b""


def _copy_lines(rows: EventQuerySet, form: Format) -> Iterator[bytes]:
    """The lines, written by PostgreSQL."""
    expressions = (
        _csv_columns()
        if form == Format.CSV
        else ["""concat('{"digest":"', digest, '","event":', canonical, '}')"""]
    )
    columns = {f"cell_{place}": RawSQL(sql, [], TextField()) for place, sql in enumerate(expressions)}  # noqa: S611 -- our own words
    query, parameters = rows.order_by("seq").values_list(*columns.values()).query.sql_with_params()
    # With a quote and a delimiter that no JSON text can hold, a line goes out as it is.
    options = (
        "FORMAT csv, FORCE_QUOTE *" if form == Format.CSV else r"FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02'"
    )
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({query}) TO STDOUT WITH ({options})", parameters) as copy,
    ):
        yield from copy


def _csv_columns() -> list[str]:
    def column(name: str) -> str:
        if name == "at":
            return """to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
        if name == "previous":
            return "substr(canonical, 14, 64)"
        if name in HARMLESS:
            return f'"{name}"'
        return cell_in_sql(name, is_address=name == "ip")

    return [column(name) for name in COLUMNS]


def _write_lines(rows: EventQuerySet, form: Format) -> Iterator[bytes]:
    """The same lines, written here."""
    names: tuple[str, ...] = ("seq", "digest", "canonical")
    if form == Format.CSV:
        names = tuple("canonical" if name == "previous" else name for name in COLUMNS)
    seqs = array("q", rows.order_by("seq").values_list("seq", flat=True).iterator(BATCH))
    for start in range(0, len(seqs), BATCH):
        batch = Event.objects.filter(seq__in=list(seqs[start : start + BATCH])).order_by("seq")
        for event_row in values(batch, *names[1:]):
            if event_row[1] is None:
                yield _unreadable(event_row[0], form)
            elif form == Format.JSONL:
                yield f'{{"digest":"{event_row[1]}","event":{event_row[2]}}}\n'.encode()
            else:
                yield row(map(_cell, names, event_row)).encode()


def _unreadable(seq: int, form: Format) -> bytes:
    """The line of an event that cannot be read."""
    if form == Format.CSV:
        return row([str(seq), UNREADABLE_EVENT, *[""] * (len(COLUMNS) - 2)]).encode()
    return json.dumps({"unreadable": UNREADABLE_EVENT, "event": {"seq": seq}}).encode() + b"\n"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "at":
        return timestamp(value)
    if name in DOCUMENTS:
        return document(value)
    if name == "canonical":
        return str(value)[13:77]
    return str(value) if name in HARMLESS else cell(value, is_address=name == "ip")


def _place(line: bytes, form: Format) -> dict[str, Any]:
    """The event that a line holds."""
    if form == Format.CSV:
        cells = next(csv.reader(io.StringIO(line.decode(), newline="")))
        return {"seq": int(cells[0]), "digest": cells[-1]}
    try:
        facts = json.loads(line)
        return {"seq": facts["event"]["seq"], "digest": facts["digest"]}
    except (*UNREADABLE,):
        return {"unreadable": line[:200].decode(errors="replace")}


def _trailer(form: Format, manifest: str) -> bytes:
    if form == Format.JSONL:
        return f"{manifest}\n".encode()
    return sheet_line(manifest, len(COLUMNS)).encode()
