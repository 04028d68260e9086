"""Verifies an exported file without the database; only the keys are needed."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, product
from types import SimpleNamespace
from typing import Any

from . import manifest
from .chain import DOCUMENTS, SCALARS, digest, payload, timestamp
from .export import COLUMNS, HARMLESS, UNREADABLE_EVENT
from .raw_rows import NUMBERS
from .spreadsheets import BOM, cell

LINE = re.compile(
    r'\{"digest":"([0-9a-f]{64})","event":(\{"previous":"([0-9a-f]{64})","seq":([0-9]{1,19}),"key":"([^"]*)",.*\})\}'
)
CELL_AT_MOST = 8 << 20  # characters
ALTERNATIVES = 1024  # of one line
NO_MANIFEST = "the manifest is missing: the file was cut short"


def troubles(lines: Iterable[str], keys: Mapping[str, bytes], *, without_seal: bool = False) -> Iterator[str]:
    """What is wrong with a file of JSON Lines, in words; empty if it is as it was written.

    Each event is proved by its digest; the seal of the manifest proves that none is missing, added or moved. A file
    without a seal (`without_seal`) proves less: no event is missing between two consecutive numbers, since each names the
    digest before it; for the gaps that a filter leaves there is only the count in the manifest.
    """
    sha256 = hashlib.sha256()
    sequence = _Sequence()
    facts: dict[str, Any] | None = None
    end = ""
    for number, line in enumerate(lines, 1):
        if facts is not None:
            yield f"line {number}: something follows the manifest"
        if (parts := LINE.fullmatch(line.rstrip("\n"))) is None:
            facts, end = manifest.read(line), line
            if facts is None:
                yield f"line {number}: not a line of an export"
            continue
        sha256.update(line.encode())
        seal, text, previous, seq, key_id = parts.groups()
        if key_id not in keys:
            yield f"line {number}: event {seq} names the key {key_id!r}, which is not among AUDIT_KEYS"
        elif digest(keys[key_id], text) != seal:
            yield f"line {number}: event {seq} was edited"
        yield from sequence.add(number, int(seq), previous, seal)
    if facts is None:
        yield NO_MANIFEST
        return
    yield from manifest.problems(end.rstrip("\n"), facts, sha256.hexdigest(), keys, without_seal=without_seal)
    yield from sequence.differences(facts)


@dataclass(slots=True)
class _Sequence:
    """The events of a file in the order of its lines."""

    count: int = 0
    first: dict[str, Any] | None = None
    last: dict[str, Any] | None = None

    def add(self, line: int, seq: int, previous: str, seal: str) -> Iterator[str]:
        """The next event; what is wrong with its place."""
        if self.last and seq <= self.last["seq"]:
            yield f"line {line}: event {seq} stands out of its order"
        elif self.last and seq == self.last["seq"] + 1 and previous != self.last["digest"]:
            yield f"line {line}: event {seq} does not follow the event before it"
        self.last = {"seq": seq, "digest": seal}
        self.first, self.count = self.first or self.last, self.count + 1

    def differences(self, facts: dict[str, Any]) -> Iterator[str]:
        """What the manifest says otherwise."""
        if facts.get("count") != self.count:
            yield f"the manifest speaks of {facts.get('count')} events, and {self.count} are here"
        for name, place in (("first", self.first), ("last", self.last)):
            if facts.get(name) != place:
                yield f"the manifest names another {name} event"


def verify_sheet(
    lines: Iterable[str], keys: Mapping[str, bytes], *, without_seal: bool = False
) -> Iterator[str]:
    """What is wrong with a CSV file. A spreadsheet that saved it has changed it.

    Each event is proved by its digest. In a file of a release before, without the column `previous`, only the seal proves
    anything, and without that (`without_seal`) nothing but that the file has an end.
    """
    sha256, sequence = hashlib.sha256(), _Sequence()
    end = ""

    def read() -> Iterator[str]:
        nonlocal end
        for line in lines:
            sha256.update(end.encode())
            end = line
            yield line.removeprefix(BOM)  # of the first

    csv.field_size_limit(CELL_AT_MOST)
    sheet = csv.reader(read())
    try:
        names = next(sheet, [])
        cells = yield from _problems_of_rows(sheet, names, sequence, keys)
    except csv.Error as error:
        yield f"line {sheet.line_num}: {error}"
        return
    text = [*cells, "", ""][1]
    if (facts := manifest.read(text)) is None:
        yield NO_MANIFEST
        return
    if end != manifest.sheet_line(text, len(names)):
        yield "the last line holds more than the manifest, or was written again"
    yield from manifest.problems(text, facts, sha256.hexdigest(), keys, without_seal=without_seal)
    if "previous" in names:
        yield from sequence.differences(facts)


def _problems_of_rows(
    sheet: Any, names: list[str], sequence: _Sequence, keys: Mapping[str, bytes]
) -> Generator[str, None, list[str]]:
    """What is wrong with the events; returns the last row. Raises csv.Error."""
    cells: list[str] = []
    for cells in sheet:
        if cells[:1] == ["manifest"] or "previous" not in names:
            continue
        event = dict(zip(names, cells, strict=False))
        yield from _problems_of(event, keys)
        if re.fullmatch("[0-9]{1,19}", seq := event.get("seq", "")) and event.get("digest"):
            place = int(seq), event.get("previous", ""), event.get("digest", "")
            yield from sequence.add(sheet.line_num, *place)
    return cells


def _problems_of(cells: Mapping[str, str], keys: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with an event's line."""
    seq, key_id = cells.get("seq", ""), cells.get("key_id", "")
    if cells.get("at") == UNREADABLE_EVENT:
        yield f"event {seq} was unreadable when it was exported"
    elif key_id not in keys:
        yield f"event {seq} names the key {key_id!r}, which is not among AUDIT_KEYS"
    elif not _is_sealed(cells, keys[key_id]):
        yield f"event {seq} was edited, here or before the export"


def _is_sealed(cells: Mapping[str, str], key: bytes) -> bool:
    try:
        return any(digest(key, text) == cells["digest"] for text in _texts(cells))
    except (ValueError, KeyError, RecursionError):
        return False


def _texts(cells: Mapping[str, str]) -> Iterator[str]:
    """The texts of which an export makes these cells: more than one where an apostrophe may be the spreadsheet's or the
    value's. Raises ValueError, KeyError or RecursionError."""
    at = datetime.fromisoformat(cells["at"])
    if timestamp(at) != cells["at"]:
        return
    others = {name: int(cells[name]) if cells[name] else None for name in NUMBERS}
    if len(cells) != len(COLUMNS) or any(
        value is not None and str(value) != cells[name] for name, value in others.items()
    ):
        return
    names = [name for name in SCALARS if name not in NUMBERS]
    readings = [_values(name, cells[name]) for name in names] + [
        _documents(cells[name]) for name in DOCUMENTS
    ]
    names += DOCUMENTS
    for values in islice(product(*readings), ALTERNATIVES):
        event = SimpleNamespace(at=at, **others, **dict(zip(names, values, strict=True)))
        yield f'{{"previous":"{cells["previous"]}","seq":{cells["seq"]},"key":"{cells["key_id"]}",{payload(event)}'


def _documents(text: str) -> Iterator[Any]:
    """A document, with each long whole number also as the float that PostgreSQL may have written like this."""
    if not text:
        yield None
        return
    long_count = len(re.findall("[0-9]{17,}", text))
    for kinds in islice(product((int, float), repeat=long_count), ALTERNATIVES):
        next_kind = iter(kinds)

        def number(digits: str, next_kind: Iterator[Any] = next_kind) -> Any:
            return next(next_kind, int)(digits) if len(digits) > 16 else int(digits)

        yield json.loads(text, object_pairs_hook=_without_repetition, parse_int=number)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(names := dict(pairs)) != len(pairs):
        raise ValueError("a name stands twice")
    return names


def _values(name: str, text: str) -> Iterator[str]:
    for value in {text, text.removeprefix("'")}:
        if name in HARMLESS or cell(value, is_address=name == "ip") == text:
            yield value


def verify_report(text: str, keys: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with a monthly report."""
    if (facts := manifest.read(text, "report")) is None:
        yield "it is no report"
    else:
        yield from manifest.seal_problems("report", text, facts, keys)
