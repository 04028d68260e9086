"""Verifies an exported file (JSON Lines) by itself: no database is asked, only the keys are needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .chain import digest

LINE = re.compile(
    r'\{"digest":"([0-9a-f]{64})","event":(\{"previous":"([0-9a-f]{64})","seq":(\d+),"key":"([^"]*)",.*\})\}'
)


def troubles(lines: Iterable[str], keys: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with the file, in words; nothing if it is as it was written.

    Each event is proved by its own digest. That none is missing between two is proved where their numbers follow one
    another, since each names the digest before it; an export that was filtered has gaps, which only the count in its
    manifest speaks of.
    """
    count, first, last = 0, None, None
    manifest: dict[str, Any] | None = None
    for number, line in enumerate(lines, 1):
        if manifest is not None:
            yield f"line {number}: something follows the manifest"
        if (found := LINE.fullmatch(line.rstrip("\n"))) is None:
            manifest = _manifest(line)
            if manifest is None:
                yield f"line {number}: not a line of an export"
            continue
        told, text, previous, seq, key_id = found.groups()
        place = {"seq": int(seq), "digest": told}
        if key_id not in keys:
            yield f"line {number}: event {seq} names the key {key_id!r}, which is not among AUDIT_KEYS"
        elif digest(keys[key_id], text) != told:
            yield f"line {number}: event {seq} was edited"
        if last and int(seq) <= last["seq"]:
            yield f"line {number}: event {seq} stands out of its order"
        elif last and int(seq) == last["seq"] + 1 and previous != last["digest"]:
            yield f"line {number}: event {seq} does not follow the event before it"
        first, last, count = first or place, place, count + 1
    yield from _compared(manifest, count, first, last)


def _manifest(line: str) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads(line)["manifest"]
    except (ValueError, KeyError, TypeError):
        return None
    return facts


def _compared(manifest: dict[str, Any] | None, count: int, first: Any, last: Any) -> Iterator[str]:
    if manifest is None:
        yield "the manifest is missing: the file was cut short"
        return
    if manifest["count"] != count:
        yield f"the manifest speaks of {manifest['count']} events, and {count} are here"
    for name, found in (("first", first), ("last", last)):
        if manifest[name] != found:
            yield f"the manifest names another {name} event"
