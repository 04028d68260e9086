"""Anchors: where the chain ended at a moment, kept in a file outside the database and as a line of the log.

Who rewrites the whole database, or puts back an older one, still has to meet what the anchors saw. Each line is sealed
with the newest key and names the seal of the line before it, and the database remembers how many lines there are.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.utils.dateparse import parse_datetime

from . import clock
from .chain import digest, moment
from .findings import Findings, Kind
from .models import AnchorFile, Head
from .walk import Place

log = logging.getLogger(__name__)
EVERY = timedelta(hours=1)
LAST_LINE = 4096  # bytes; a line has about 400

Line = dict[str, Any]


def anchor() -> Line:
    """Write down where the chain ends now, whether it has moved or not. Raises OSError if the file cannot be written."""
    path: Path = settings.AUDIT_ANCHORS
    with _locked(path) as file:
        before = _last(file)
        head = Head.objects.get()
        line: Line = {
            "file": before["file"] if before else secrets.token_hex(16),
            "line": before["line"] + 1 if before else 1,
            "at": moment(clock.now()),
            "seq": head.seq,
            "digest": head.digest,
            "previous": before["seal"] if before else "",
            "key": settings.AUDIT_KEYS[0][0],
        }
        line["seal"] = _seal(line, settings.AUDIT_KEYS[0][1])
        file.seek(0, os.SEEK_END)
        file.write(json.dumps(line).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    AnchorFile.objects.update_or_create(
        id=line["file"], defaults={"path": str(path)[:500], "lines": line["line"], "at": clock.now()}
    )
    log.info("audit anchor %s", json.dumps(line))
    return line


def anchor_if_due() -> Line | None:
    """Anchor if the last line is an hour old, or of another key, or of a clock that was an hour ahead."""
    path: Path = settings.AUDIT_ANCHORS
    if path.exists():
        with path.open("rb") as file:
            last = _last(file)
        at = parse_datetime(last["at"]) if last else None
        if last and at and last["key"] == settings.AUDIT_KEYS[0][0] and abs(clock.now() - at) < EVERY:
            return None
    return anchor()


def seen(findings: Findings, path: Path | None = None) -> dict[int, Place]:
    """What the anchors saw, by number. What was done to the file itself is added to `findings`.

    Read it before the chain's end is read: an anchor written in between would see more than the end says.
    """
    path = path or settings.AUDIT_ANCHORS
    known = {file.id: file.lines for file in AnchorFile.objects.filter(path=str(path)[:500])}
    places: dict[int, Place] = {}
    expected, previous, file_id = 1, "", ""
    for line in _lines(path):
        if not _is_sealed(line) or (file_id and line["file"] != file_id):
            findings.add(Kind.ANCHOR_EDITED, expected)
            expected, previous = expected + 1, "?"
            continue
        if line["line"] != expected:
            findings.add(Kind.ANCHOR_MISSING, min(expected, line["line"]), max(expected, line["line"]) - 1)
        elif previous not in {"?", line["previous"]}:
            findings.add(Kind.ANCHOR_EDITED, expected)
        file_id, expected, previous = line["file"], line["line"] + 1, line["seal"]
        place = Place(line["seq"], line["digest"], line["key"])
        if places.setdefault(place.seq, place).digest != place.digest:
            findings.add(Kind.ROLLED_BACK, place.seq, detail="two anchors have seen different events")
    lines = known.get(file_id, 0) if file_id else max(known.values(), default=0)
    if lines >= expected:
        findings.add(Kind.ANCHOR_MISSING, expected, lines)
    return {seq: place for seq, place in places.items() if seq}


def lines() -> list[Line]:
    """Every line that carries its seal."""
    return [line for line in _lines(settings.AUDIT_ANCHORS) if _is_sealed(line)]


def latest() -> Place | None:
    """What the last anchor saw, if it can be read."""
    path: Path = settings.AUDIT_ANCHORS
    if not path.exists():
        return None
    with path.open("rb") as file:
        line = _last(file)
    return (
        Place(line["seq"], line["digest"], line["key"]) if line and line["seq"] and _is_sealed(line) else None
    )


def _seal(line: Line, key: bytes) -> str:
    return digest(key, json.dumps({name: line[name] for name in sorted(line.keys() - {"seal"})}))


def _is_sealed(line: Line) -> bool:
    keys = dict(settings.AUDIT_KEYS)
    shape = {
        "file": str,
        "line": int,
        "at": str,
        "seq": int,
        "digest": str,
        "previous": str,
        "key": str,
        "seal": str,
    }
    is_shaped = line.keys() == shape.keys() and all(type(line[name]) is kind for name, kind in shape.items())
    return is_shaped and line["key"] in keys and _seal(line, keys[line["key"]]) == line["seal"]


def _lines(path: Path) -> Iterator[Line]:
    """Each line; one that cannot be read is an empty one. What has no end is no line yet: it is being written, or a power
    cut or a full disk broke it off. A whole one that was cut is missing then: the database knows how many there were."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for text in file:
            if text.endswith(b"\n"):
                yield _parsed(text)


def _parsed(text: bytes) -> Line:
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def _last(file: IO[bytes]) -> Line | None:
    """The last line that was written whole."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - LAST_LINE, 0))
    whole = file.read().rpartition(b"\n")[0].splitlines()
    line = _parsed(whole[-1]) if whole else {}
    return line if {"file", "line", "at", "seq", "digest", "seal", "key"} <= line.keys() else None


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """The file, held against other processes; a line that a power cut left half written is taken off its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - LAST_LINE, 0))
        half = len(file.read().rpartition(b"\n")[2])
        if half:
            file.truncate(size - half)
        yield file
