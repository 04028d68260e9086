"""Reads events out of archives, newest first, each verified by its seal before anybody sees it.

Events come as the same objects as those of the ledger (see `readable.events`): an event, or None where the file holds
something that none of our keys has sealed for this archive. Files are read block by block from their end, for a
limited time; a cursor continues where a search stopped.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, NamedTuple

from .archive_files import LINE_AT_MOST, Unavailable, lines_backwards, open_archive
from .chain import from_jsonl, seq_of
from .matching import Fields, Matches
from .models import Event, Segment
from .paging import SIZE
from .readable import event_of, sealed_fields
from .segments import archives_since

SECONDS = 2.0  # of reading in one request
PAGE_SECONDS = 1.0  # for a page that shows more than archived events
MANY = 500  # archived events of one thing
NEAR = 1 << 18  # bytes that are read line by line to find one event


class Cursor(NamedTuple):
    """Where to continue: before this byte of the archive that begins with event `first`."""

    first: int
    end: int

    def __str__(self) -> str:
        return f"{self.first}.{self.end}"

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """The cursor that `str` writes like this, if it is one."""
        match = re.fullmatch(r"([0-9]{1,18})\.([0-9]{1,18})", text)
        return cls(int(match[1]), int(match[2])) if match else None


@dataclass(slots=True)
class ArchivePage:
    """What was found, newest first, each with its number (0 if unknown). `cursor`: where to continue; None at the end.
    `unavailable`: archives whose files cannot be read here. `damage_count`: 0 if every row stands in its
    place, and those that were wanted are genuine."""

    events: list[tuple[int, Event | None]] = field(default_factory=list)
    cursor: Cursor | None = None
    unavailable: list[Segment] = field(default_factory=list)
    damage_count: int = 0
    through_at: datetime | None = None  # read back to this event's time


class Past(NamedTuple):
    """Archived events, newest first, and the archives that may have more: not here, damaged, or too long to read."""

    events: list[Event]
    unread: list[Segment]


def search(
    segments: Sequence[Segment],
    matches: Matches,
    *,
    needles: Sequence[bytes] = (),
    cursor: Cursor | None = None,
    size: int = SIZE,
    seconds: float = SECONDS,
    shows_damage: bool = False,
) -> ArchivePage:
    """Read matching events of these archives (oldest archive first), at most `size` and no longer than `seconds`.

    `needles`: bytes of which every wanted line has some; other lines are skipped without a look. `shows_damage`: rows that fail
    verification are among the results, since nobody can tell whether they match.
    """
    page, deadline = ArchivePage(), time.monotonic() + seconds
    for segment in reversed(segments):
        if cursor and segment.first > cursor.first:
            continue
        try:
            with open_archive(segment.file) as file:
                end = _end(file, segment, cursor)
                next_seq = _seq_behind(file, segment, end)
                for at, line in lines_backwards(file, end):
                    number = _claimed_seq(line, segment)
                    # Else some are missing, stand twice or are no event.
                    page.damage_count += next_seq is not None and number != next_seq - 1
                    next_seq = number or (next_seq and next_seq - 1)
                    if not needles or any(each in line for each in needles):
                        _take(page, segment, line, matches, shows_damage=shows_damage)
                    if len(page.events) >= size or time.monotonic() > deadline:
                        page.damage_count += at == 0 and next_seq != segment.first
                        page.cursor = Cursor(segment.first, at)
                        return _without_end(page, segments)
                page.damage_count += next_seq != segment.first
        except Unavailable:
            page.unavailable.append(segment)
    return page


def past(since: datetime | None, matches: Matches, *, needles: Sequence[bytes], size: int = MANY) -> Past:
    """The newest archived events for a page that shows them with those of the ledger. Only archives with events since
    this time are read."""
    segments = archives_since(since)
    if not segments or size <= 0:
        return Past([], segments)
    page = search(segments, matches, needles=needles, size=size, seconds=PAGE_SECONDS)
    unread = list(page.unavailable)
    if page.damage_count:
        unread = segments
    elif page.cursor and len(page.events) < size:
        unread += [each for each in segments if each.first <= page.cursor.first]
    return Past([event for _, event in page.events if event], unread)


def needle(**fields: object) -> bytes:
    """The bytes by which an event's text says that a field has this value, such as `"object_id":"7",`."""
    ((name, value),) = fields.items()
    return f"{json.dumps({name: value}, ensure_ascii=False, separators=(',', ':'))[1:-1]},".encode()


def find(segment: Segment, seq: int) -> Event | None:
    """One event of this archive; None if the file lacks it or it fails verification. Raises Unavailable."""
    deadline, number = time.monotonic() + SECONDS, needle(seq=seq)
    with open_archive(segment.file) as file:
        # The numbers that damaged rows claim may mislead: then all of the file.
        for start, end in (_around(file, seq), (0, file.seek(0, 2))):
            for at, line in lines_backwards(file, end):
                if at < start or time.monotonic() > deadline:
                    break
                fields = _genuine(line, segment) if number in line else None
                if fields and fields["seq"] == seq:
                    return _event(fields, line)
    return None


def _take(page: ArchivePage, segment: Segment, line: bytes, matches: Matches, *, shows_damage: bool) -> None:
    fields = _genuine(line, segment)
    if fields is None:
        page.damage_count += 1
        if shows_damage:
            page.events.append((_claimed_seq(line, segment), None))
        return
    page.through_at = fields["at"]
    if matches(fields):
        page.events.append((fields["seq"], _event(fields, line)))


def _without_end(page: ArchivePage, segments: Sequence[Segment]) -> ArchivePage:
    """Without a cursor that stands before the first byte of all."""
    if page.cursor == Cursor(segments[0].first, 0):
        page.cursor = None
    return page


def _genuine(line: bytes, segment: Segment) -> Fields | None:
    """The fields of an event that one of our keys has sealed, with a number of this archive; else None."""
    try:
        fields = sealed_fields(*from_jsonl(line.decode()))
    except UnicodeDecodeError:
        return None
    return fields if fields and segment.first <= fields["seq"] <= segment.last else None


def _event(fields: Fields, line: bytes) -> Event:
    event = event_of(fields, *from_jsonl(line.decode()))
    event.is_archived = True
    return event


def _claimed_seq(line: bytes, segment: Segment) -> int:
    """The number that a damaged row claims, if it is one of this archive."""
    try:
        seq = seq_of(line[:200].decode(errors="replace"))
    except ValueError:
        return 0
    return seq if segment.first <= seq <= segment.last else 0


def _end(file: IO[bytes], segment: Segment, cursor: Cursor | None) -> int:
    """The byte to read back from: the file's end, or the cursor's place if a line begins there."""
    size = file.seek(0, 2)
    if cursor is None or cursor.first != segment.first or cursor.end >= size:
        return size
    if cursor.end:
        file.seek(cursor.end - 1)
        return cursor.end if file.read(1) == b"\n" else size
    return 0


def _seq_behind(file: IO[bytes], segment: Segment, end: int) -> int | None:
    """The number of the event behind this byte; None if the line there is none."""
    if end == file.seek(0, 2):
        return segment.last + 1
    file.seek(end)
    return _claimed_seq(file.readline(LINE_AT_MOST), segment) or None


def _around(file: IO[bytes], seq: int) -> tuple[int, int]:
    """Bytes between which an event's line is, by bisection over the numbers that lines claim."""
    start, end = 0, file.seek(0, 2)
    while end - start > NEAR:
        file.seek((start + end) // 2)
        file.readline(LINE_AT_MOST)
        here = file.tell()
        try:
            number = seq_of(file.readline(200).decode(errors="replace"))
        except ValueError:
            break
        if not start < here < end:
            break
        start, end = (here, end) if number <= seq else (start, here)
    return start, end
