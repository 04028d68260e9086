"""The files of anchors: where they are, and what their lines are. A line is one JSON object with a seal of its own."""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from .chain import digest

LAST_LINE = 4096  # bytes; a line has about 400

AnchorRecord = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rollback:
    """A return to event `seq` that somebody acknowledged at `at`: anchors of later events before that time are no
    finding. `lines`: up to which line each file was readable then; the clock of that moment may have been wrong."""

    seq: int
    at: str
    lines: Mapping[str, int] = field(default_factory=dict, hash=False)

    def explains(self, line: AnchorRecord) -> bool:
        """Whether this anchor recorded an event of the history that was given up."""
        if (last := self.lines.get(line.get("file", ""))) is not None:
            return bool(line["seq"] > self.seq and line["line"] <= last)
        return bool(line["seq"] > self.seq and line["at"] <= self.at)


def paths() -> list[Path]:
    """The files that this host writes."""
    return [settings.AUDIT_ANCHORS, *filter(None, [settings.AUDIT_ANCHORS_COPY])]


def host() -> str:
    return platform.node()[:128]


def lines() -> list[AnchorRecord]:
    """Every line with a valid seal."""
    return [line for path in paths() for _, line in lines_of(path) if is_sealed(line)]


def ends() -> list[AnchorRecord]:
    """The last line of each file that can be read here: its file and number."""
    return [{"file": line["file"], "line": line["line"]} for line, _ in _last_lines()]


def latest() -> tuple[AnchorRecord, Path] | None:
    """The newest line with a valid seal that can be read here, and its file."""
    return max(_last_lines(), key=lambda pair: str(pair[0]["at"]), default=None)


def _last_lines() -> Iterator[tuple[AnchorRecord, Path]]:
    """The last line of each file that can be read here, if its seal is valid, and the file."""
    for path in paths():
        with suppress(OSError):
            if (line := last_of(path)) and is_sealed(line):
                yield line, path


def last_of(path: Path) -> AnchorRecord | None:
    if not path.exists():
        return None
    with path.open("rb") as file:
        return last_line(file)


def seal_of(line: AnchorRecord, key: bytes) -> str:
    return digest(key, json.dumps({name: line[name] for name in sorted(line.keys() - {"seal"})}))


def is_sealed(line: AnchorRecord) -> bool:
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
    return is_shaped and line["key"] in keys and seal_of(line, keys[line["key"]]) == line["seal"]


def lines_of(path: Path) -> Iterator[tuple[bytes, AnchorRecord]]:
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


def last_line(file: IO[bytes]) -> AnchorRecord | None:
    """The last whole line."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - LAST_LINE, 0))
    whole = file.read().rpartition(b"\n")[0].splitlines()
    line = _parse(whole[-1]) if whole else {}
    return line if {"file", "line", "at", "seq", "digest", "seal", "key"} <= line.keys() else None


@contextmanager
def lock(path: Path) -> Iterator[IO[bytes]]:
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
