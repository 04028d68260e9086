"""The ledger as a file: CSV for spreadsheets, JSON Lines for whoever wants to verify it without our database.

A line of JSON Lines is `{"digest":"…","event":…}`, where the event is the very text that was chained, byte for byte, so
that the digest can be computed again with the key that the text names. The last line of either format is the manifest:
what was asked for, how many events there are, the first and the last of them. A file without it was cut short.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import connection
from django.db.models import TextField
from django.db.models.expressions import RawSQL

from .chain import DOCUMENTS, SCALARS, document, moment
from .models import EventQuerySet
from .readable import UNREADABLE, values

CHUNK = 64 * 1024  # bytes that go out at once
BATCH = 1000  # rows that are read at once where the database cannot stream
COLUMNS = ("seq", "at", *SCALARS, *DOCUMENTS, "key_id", "digest")
# What a cell must not begin with, lest a spreadsheet takes it for a formula; `-2` is a valid name of a cluster.
RISKY = "=+-@\t\r\n |%％＝＋－＠\xa0"
# These hold only what this dashboard itself puts there.
HARMLESS = {
    "seq",
    "at",
    "action",
    "outcome",
    "person_id",
    "team_id",
    "object_kind",
    "source",
    "key_id",
    "digest",
}
HARMLESS |= set(DOCUMENTS)  # JSON objects: they begin with a brace


class Format(StrEnum):
    """What can be asked for."""

    CSV = "csv"
    JSONL = "jsonl"


@dataclass(slots=True)
class Manifest:
    """What a file holds; complete once its last event has gone out."""

    filter: dict[str, Any]
    until: int  # no later event is in it, whatever was recorded while it was written
    by: str
    at: str
    count: int = 0
    first: dict[str, Any] | None = None
    last: dict[str, Any] | None = None

    def facts(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {name: getattr(self, name) for name in self.__slots__}


def export(rows: EventQuerySet, form: Format, manifest: Manifest) -> Iterator[bytes]:
    """The file in chunks, oldest event first. Memory stays flat, and nothing that others wait for is held.

    PostgreSQL writes the lines itself (COPY), in one statement that only reads; elsewhere they are read by batches.
    """
    rows = rows.filter(seq__lte=manifest.until)
    buffer = bytearray(head(form))
    yield bytes(buffer)  # whoever waits sees at once that it begins
    buffer.clear()
    first = last = b""
    for line in _copied(rows, form) if connection.vendor == "postgresql" else _written(rows, form):
        first = first or bytes(line)
        last = line
        manifest.count += 1
        buffer += line
        if len(buffer) > CHUNK:
            yield bytes(buffer)
            buffer.clear()
    if manifest.count:
        manifest.first, manifest.last = _place(first, form), _place(bytes(last), form)
    yield bytes(buffer) + _trailer(form, manifest)


def head(form: Format) -> bytes:
    """How the file begins."""
    return _cells(COLUMNS) if form == Format.CSV else b""


def _copied(rows: EventQuerySet, form: Format) -> Iterator[bytes]:
    """Lines as PostgreSQL writes them."""
    wanted = (
        _csv_columns()
        if form == Format.CSV
        else ["""concat('{"digest":"', digest, '","event":', canonical, '}')"""]
    )
    named = {f"cell_{place}": RawSQL(sql, [], TextField()) for place, sql in enumerate(wanted)}  # noqa: S611 -- our own words
    query, parameters = rows.order_by("seq").values_list(*named.values()).query.sql_with_params()
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
        if name in HARMLESS:
            return f'"{name}"'
        codes = ", ".join(str(ord(character)) for character in RISKY)
        return f"CASE WHEN ascii({name}) IN ({codes}) THEN '''' || {name} ELSE {name} END"

    return [column(name) for name in COLUMNS]


def _written(rows: EventQuerySet, form: Format) -> Iterator[bytes]:
    """The same lines, written here."""
    after = -1
    names = COLUMNS if form == Format.CSV else ("seq", "digest", "canonical")
    while batch := values(rows.filter(seq__gt=after).order_by("seq")[:BATCH], *names[1:]):
        after = batch[-1][0]
        for row in batch:
            if row[1] is None:
                yield _unreadable(row[0], form)
            elif form == Format.JSONL:
                yield f'{{"digest":"{row[1]}","event":{row[2]}}}\n'.encode()
            else:
                yield _cells([_cell(name, value) for name, value in zip(names, row, strict=True)])


def _unreadable(seq: int, form: Format) -> bytes:
    """The line of an event that cannot be read."""
    told = "unreadable: see manage.py verify_audit"
    if form == Format.CSV:
        return _cells([seq, told, *[""] * (len(COLUMNS) - 2)])
    return json.dumps({"unreadable": told, "event": {"seq": seq}}).encode() + b"\n"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "at":
        return moment(value)
    if name in DOCUMENTS:
        return document(value)
    text = str(value)
    return text if name in HARMLESS else shown_as_text(text)


def shown_as_text(text: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet might calculate."""
    return f"'{text}" if text and text[0] in RISKY else text


def _cells(values: Iterable[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(values)
    return line.getvalue().encode()


def _place(line: bytes, form: Format) -> dict[str, Any]:
    """Which event a line holds."""
    if form == Format.CSV:
        cells = next(csv.reader(io.StringIO(line.decode(), newline="")))
        return {"seq": int(cells[0]), "digest": cells[-1]}
    try:
        facts = json.loads(line)
        return {"seq": facts["event"]["seq"], "digest": facts["digest"]}
    except (*UNREADABLE,):
        return {"unreadable": line[:200].decode(errors="replace")}


def _trailer(form: Format, manifest: Manifest) -> bytes:
    told = json.dumps({"manifest": manifest.facts()}, ensure_ascii=False)
    if form == Format.JSONL:
        return f"{told}\n".encode()
    return _cells(["manifest", told, *[""] * (len(COLUMNS) - 2)])
