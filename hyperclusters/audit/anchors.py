"""Anchors: the end of the chain at a moment, kept in files outside the database and as lines of the log.

Each worker writes one every hour, also when nothing happened. Somebody who rewrites the whole database, or puts back
an older one, still contradicts the anchors; only what came after the last anchor can be cut off unnoticed. Each line
is sealed with the current key and names the seal of the line before it, and the database remembers how many lines
there are. Consecutive lines of one file are a series; where a file was lost or cut, a new series begins in its place,
and the loss of the old one stays known until it is acknowledged.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import platform
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.utils.dateparse import parse_datetime

from . import clock
from .chain import current_key, digest, timestamp
from .chain_verifier import ChainPosition
from .findings import IntegrityIssues, IssueKind
from .models import AnchorFile, ChainHead

log = logging.getLogger(__name__)
EVERY = timedelta(hours=1)
# A file of another host is not visible here. After so long without a line it counts as lost.
SILENT = timedelta(days=3)
LAST_LINE = 4096  # bytes; a line has about 400

AnchorRecord = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rollback:
    """A return to event `seq` that somebody acknowledged at `at`: anchors of later events before that time are no
    finding."""

    seq: int
    at: str

    def explains(self, line: AnchorRecord) -> bool:
        """Whether this anchor recorded an event of the history that was given up."""
        return bool(line["seq"] > self.seq and line["at"] <= self.at)


def paths() -> list[Path]:
    """The files that this host writes."""
    return [settings.AUDIT_ANCHORS, *filter(None, [settings.AUDIT_ANCHORS_COPY])]


def anchor() -> AnchorRecord:
    """Write the chain's end to each file, whether it has moved or not; return the line of the first file.

    Raises OSError if a file cannot be written, after writing the others.
    """
    return _anchor_in(paths())[0]


def anchor_if_due() -> AnchorRecord | None:
    """Anchor if the last line is an hour old, has another key, comes from a clock that was an hour ahead, or is lost."""
    key_id, _ = current_key()
    written = _anchor_in([path for path in paths() if _is_due(path, key_id)])
    return written[0] if written else None


def _anchor_in(files: Sequence[Path]) -> list[AnchorRecord]:
    written: list[AnchorRecord] = []
    errors: list[OSError] = []
    for path in files:
        try:
            written.append(_append_to(path))
        except OSError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return written


def _append_to(path: Path) -> AnchorRecord:
    key_id, key = current_key()
    with _lock(path) as file:
        before = _last(file)
        if before and (not _is_sealed(before) or before["line"] < _lines_known(before["file"])):
            before = (
                None  # the file was edited or cut: a new series, so that what is lost is not counted again
            )
        head = ChainHead.objects.get()
        line: AnchorRecord = {
            "file": before["file"] if before else secrets.token_hex(16),
            "line": before["line"] + 1 if before else 1,
            "at": timestamp(clock.now()),
            "seq": head.seq,
            "digest": head.digest,
            "previous": before["seal"] if before else "",
            "key": key_id,
        }
        line["seal"] = _seal(line, key)
        file.seek(0, os.SEEK_END)
        file.write(json.dumps(line).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    AnchorFile.objects.update_or_create(
        id=line["file"],
        defaults={"path": str(path)[:500], "lines": line["line"], "at": clock.now(), "host": _host()},
    )
    log.info("audit anchor", extra={"anchor": line})
    return line


def _is_due(path: Path, key_id: str) -> bool:
    last = _last_of(path)
    at = parse_datetime(last["at"]) if last else None
    if not last or not at or last["key"] != key_id or abs(clock.now() - at) >= EVERY:
        return True
    return bool(last["line"] < _lines_known(last["file"]))


def _lines_known(series: str) -> int:
    return AnchorFile.objects.filter(id=series).values_list("lines", flat=True).first() or 0


def _host() -> str:
    return platform.node()[:128]


@dataclass(slots=True)
class _Reader:
    """Reads files of anchors: what they recorded, and how many lines each series has."""

    findings: IntegrityIssues
    rollbacks: Sequence[Rollback]
    places: dict[int, ChainPosition] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)

    def file(self, path: Path) -> None:
        expected, previous, series = 1, "", ""
        for raw, line in _lines(path):
            begins = _is_sealed(line) and (line["line"], line["previous"]) == (1, "")
            if not _is_sealed(line) or (series and line["file"] != series and not begins):
                content = hashlib.sha256(raw).hexdigest()
                self.findings.add(IssueKind.ANCHOR_EDITED, expected, detail=path.name, content=content)
                expected, previous = expected + 1, "?"
                continue
            if series and line["file"] != series:
                self.read[series] = expected - 1
                expected, previous = 1, ""
            if line["line"] != expected:
                first, last = sorted((expected, line["line"]))
                self.findings.add(IssueKind.ANCHOR_MISSING, first, last - 1, _series_name(path, line["file"]))
            elif previous not in {"?", line["previous"]}:
                self.findings.add(IssueKind.ANCHOR_EDITED, expected, detail=path.name, content=line["seal"])
            series, expected, previous = line["file"], line["line"] + 1, line["seal"]
            self._compare(line)
        if series:
            self.read[series] = max(expected - 1, self.read.get(series, 0))

    def _compare(self, line: AnchorRecord) -> None:
        if not line["seq"] or any(each.explains(line) for each in self.rollbacks):
            return
        position = ChainPosition(line["seq"], line["digest"], line["key"])
        if self.places.setdefault(position.seq, position).digest != position.digest:
            detail = "two anchors have seen different events"
            self.findings.add(IssueKind.ROLLED_BACK, position.seq, detail=detail)


def compare_anchors(
    findings: IntegrityIssues, rollbacks: Sequence[Rollback] = ()
) -> dict[int, ChainPosition]:
    """What the anchors recorded, by number. Findings about the files themselves are added to `findings`.

    Read it before the chain's end: an anchor written in between would know more than the end says.
    """
    files = list(AnchorFile.objects.order_by("at"))
    reader = _Reader(findings, rollbacks)
    ours = [
        Path(file.path) for file in files if file.host == _host()
    ]  # a setting may have named another path before
    for path in dict.fromkeys([*paths(), *ours]):
        try:
            reader.file(path)
        except OSError:
            if path in paths():  # another one is known from the database, and its lines are missing then
                raise
    for file in files:
        lines = reader.read.get(file.id, 0)
        if file.lines > lines and (lines or _is_lost(file, files)):
            findings.add(
                IssueKind.ANCHOR_MISSING, lines + 1, file.lines, _series_name(Path(file.path), file.id)
            )
    return reader.places


def _is_lost(file: AnchorFile, files: Sequence[AnchorFile]) -> bool:
    """Whether a file without any readable line is lost, or may be on a host that is not looked at now."""
    if file.host:
        return file.host == _host() or clock.now() - file.at > SILENT
    # From a release that did not note the host: only the last one of a path where there is nothing else.
    others = [each for each in files if each.path == file.path]
    return Path(file.path) in paths() and others[-1] is file and not any(_lines(Path(file.path)))


def _series_name(path: Path, series: str) -> str:
    return f"{path.name} {series[:8]}"


def lines() -> list[AnchorRecord]:
    """Every line with a valid seal."""
    return [line for path in paths() for _, line in _lines(path) if _is_sealed(line)]


def latest(rollbacks: Sequence[Rollback] = ()) -> ChainPosition | None:
    """The last anchor, if it is readable."""
    records = [line for path in paths() if (line := _last_of(path)) and _is_sealed(line) and line["seq"]]
    valid = [line for line in records if not any(each.explains(line) for each in rollbacks)]
    if not valid:
        return None
    line = max(valid, key=lambda each: each["at"])
    return ChainPosition(line["seq"], line["digest"], line["key"])


def _last_of(path: Path) -> AnchorRecord | None:
    if not path.exists():
        return None
    with path.open("rb") as file:
        return _last(file)


def _seal(line: AnchorRecord, key: bytes) -> str:
    return digest(key, json.dumps({name: line[name] for name in sorted(line.keys() - {"seal"})}))


def _is_sealed(line: AnchorRecord) -> bool:
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


def _lines(path: Path) -> Iterator[tuple[bytes, AnchorRecord]]:
    """Each line as it is stored and as it is read; an unreadable one is empty. A line without an end does not count:
    it is being written, or a power cut or a full disk broke it off. A whole line that was cut is missing then: the
    database knows how many there were."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for text in file:
            if text.endswith(b"\n"):
                yield text, _parse(text)


def _parse(text: bytes) -> AnchorRecord:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return line if isinstance(line, dict) else {}


def _last(file: IO[bytes]) -> AnchorRecord | None:
    """The last whole line."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - LAST_LINE, 0))
    whole = file.read().rpartition(b"\n")[0].splitlines()
    line = _parse(whole[-1]) if whole else {}
    return line if {"file", "line", "at", "seq", "digest", "seal", "key"} <= line.keys() else None


@contextmanager
def _lock(path: Path) -> Iterator[IO[bytes]]:
    """The file, locked against other processes; a half-written line at its end is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - LAST_LINE, 0))
        half = len(file.read().rpartition(b"\n")[2])
        if half:
            file.truncate(size - half)
        yield file
