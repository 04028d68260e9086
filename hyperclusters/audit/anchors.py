"""Anchors: the end of the chain at a moment, kept in files outside the database and as lines of the log.

Each worker writes one every hour, also when nothing happened. Somebody who rewrites the whole database, or puts
back an older one, still contradicts the anchors; only what came after the last anchor and the last verification
can be cut off unnoticed. Each line is sealed with the current key and names the seal of the line before it, and
the database remembers how many lines there are. Consecutive lines of one file are a series; where a file was lost
or cut, a new series begins in its place, and the loss of the old one stays known until it is acknowledged.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from math import inf
from pathlib import Path

from django.utils.dateparse import parse_datetime

from . import clock
from .acknowledgements import acknowledgements
from .anchor_files import AnchorRecord, host, is_sealed, last_line, last_of, lock, paths, seal_of
from .chain import current_key, timestamp
from .models import AnchorFile, ChainHead

log = logging.getLogger(__name__)
EVERY = timedelta(hours=1)
_last_lines: dict[
    Path, tuple[str, float]
] = {}  # this process's last line and when, by the clock that nobody sets


class EventsGone(Exception):
    """A file's last line has seen an event that the ledger does not have; the next line would hide that."""


def anchor() -> AnchorRecord:
    """Write the chain's end to each file, whether it has moved or not; return the line of the first file.

    Raises OSError if a file cannot be written, and EventsGone, after writing the others.
    """
    return _anchor_in(paths())[0]


def anchor_if_due() -> AnchorRecord | None:
    """Anchor if the last line is an hour old, has another key, comes from a clock that was an hour ahead, or is lost.
    Where events are gone that it has seen, it stays the last one: verifications name it until somebody acknowledges
    that."""
    key_id, _ = current_key()
    records = []
    with suppress(EventsGone):
        records = _anchor_in([path for path in paths() if _is_due(path, key_id)])
    return records[0] if records else None


def _anchor_in(files: Sequence[Path]) -> list[AnchorRecord]:
    records: list[AnchorRecord] = []
    errors: list[OSError | EventsGone] = []
    for path in files:
        try:
            records.append(_append_to(path))
        except (OSError, EventsGone) as error:
            errors.append(error)
    if errors:
        raise next((each for each in errors if isinstance(each, OSError)), errors[0])
    return records


def _append_to(path: Path) -> AnchorRecord:
    key_id, key = current_key()
    with lock(path) as file:
        before, head = last_line(file), ChainHead.objects.get()
        if before and (not is_sealed(before) or before["line"] < _lines_known(before["file"])):
            before = (
                None  # the file was edited or cut: a new series, so that what is lost is not counted again
            )
        if before and before["seq"] > head.seq and not _is_explained(before):
            raise EventsGone(
                f"{path.name}: its last anchor has seen event {before['seq']}, and the ledger ends with event {head.seq}. "
                "Nothing is added to it until the finding of verify_audit is acknowledged."
            )
        line: AnchorRecord = {
            "file": before["file"] if before else secrets.token_hex(16),
            "line": before["line"] + 1 if before else 1,
            "at": timestamp(clock.now()),
            "seq": head.seq,
            "digest": head.digest,
            "previous": before["seal"] if before else "",
            "key": key_id,
        }
        line["seal"] = seal_of(line, key)
        file.seek(0, os.SEEK_END)
        file.write(json.dumps(line).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    _last_lines[path] = line["seal"], time.monotonic()
    AnchorFile.objects.update_or_create(
        id=line["file"],
        defaults={"path": str(path)[:500], "lines": line["line"], "at": clock.now(), "host": host()},
    )
    log.info("audit anchor", extra={"anchor": line})
    return line


def _is_explained(line: AnchorRecord) -> bool:
    return any(each.rollback and each.rollback.explains(line) for each in acknowledgements())


def _is_due(path: Path, key_id: str) -> bool:
    last = last_of(path)
    at = parse_datetime(last["at"]) if last else None
    if not last or not at or last["key"] != key_id:
        return True
    age = clock.now() - at
    if age <= -EVERY:
        # By a clock that was ahead: ours, or that of another process, to which every line of ours looks old. Two that
        # disagree write one line each in an hour.
        seal, when = _last_lines.get(path, ("", -inf))
        return bool(last["seal"] == seal or time.monotonic() - when >= EVERY.total_seconds())
    return bool(age >= EVERY or last["line"] < _lines_known(last["file"]))


def _lines_known(series: str) -> int:
    return AnchorFile.objects.filter(id=series).values_list("lines", flat=True).first() or 0
