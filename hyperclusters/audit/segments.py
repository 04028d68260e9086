"""The sealed records that archives leave in the database: up to which event, and in which file."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q, QuerySet

from . import clock
from .chain_verifier import ChainPosition
from .findings import IntegrityIssues, IssueKind
from .models import Event, Segment
from .raw_rows import MOST, is_about_a_value, savepoint
from .readable import UNREADABLE

UNREADABLE_RECORDS = "the records of archives"


def records(rows: QuerySet[Segment] | None = None) -> list[Segment] | None:
    """The records, the oldest events first; None if a stored value makes them unreadable."""
    try:
        with savepoint():
            return list((Segment.objects.all() if rows is None else rows).order_by("first"))
    except (DatabaseError, *UNREADABLE) as error:
        if not is_about_a_value(error):
            raise
        return None


def archived_through(findings: IntegrityIssues) -> ChainPosition:
    """The place up to which events were moved to archives. Findings about their records are added to `findings`."""
    position = ChainPosition()
    rows = records()
    if rows is None:
        findings.add(IssueKind.UNREADABLE, 0, detail=UNREADABLE_RECORDS)
    for segment in rows or []:
        if [type(segment.first), type(segment.last), type(segment.digest)] != [int, int, str]:
            findings.add(IssueKind.UNREADABLE, 0, detail=UNREADABLE_RECORDS)
            continue
        seal = _seal_of(segment)
        if seal != segment.seal or segment.first != position.seq + 1 or segment.previous != position.digest:
            content = hashlib.sha256(f"{seal} {segment.seal}".encode()).hexdigest()
            findings.add(
                IssueKind.ARCHIVE_EDITED, segment.first, segment.last, "the record of an archive", content
            )
        if segment.last < MOST:  # behind that number nothing could be asked for
            position = ChainPosition(segment.last, segment.digest, segment.end_key_id)
    return position


def archive_of(seq: int) -> Segment | None:
    """The record of the archive that holds this event, if it was moved."""
    return next(filter(is_sealed, records(Segment.objects.filter(first__lte=seq, last__gte=seq)) or []), None)


def archive_from(first: int) -> Segment | None:
    """The record of the archive that begins with this event."""
    return next(filter(is_sealed, records(Segment.objects.filter(first=first)) or []), None)


def archives_since(at: datetime | None = None) -> list[Segment]:
    """The records of the archives that hold events from this time on, oldest first; all without a time."""
    later = Q(last_at__gte=at) | Q(last_at__isnull=True) if at else Q()
    return [each for each in records(Segment.objects.filter(later)) or [] if is_sealed(each)]


def archives_between(since: datetime | None, until: datetime | None) -> list[Segment]:
    """The records of the archives that may hold events of this span, oldest first."""
    return [
        each for each in archives_since(since) if not (until and each.first_at and each.first_at >= until)
    ]


def archived_until(since: datetime | None, until: datetime | None) -> datetime | None:
    """Up to when events of this span may be in archives; None if none are."""
    archives = archives_between(since, until)
    return (archives[-1].last_at or archives[-1].moved_at or clock.now()) if archives else None


def has_gap() -> bool:
    """Whether records of archives were edited or are missing: then events may be in archives that nobody finds."""
    findings = IntegrityIssues()
    through = archived_through(findings).seq
    later = Event.objects.filter(seq__gt=through).order_by("seq").values_list("seq", flat=True).first()
    if findings.issues or later in {None, through + 1}:
        return bool(findings.issues)
    # Unless an archive was made between the two reads.
    return archived_through(IntegrityIssues()).seq == through


def is_sealed(segment: Segment) -> bool:
    """Whether one of our keys made its seal."""
    return bool(seal := _seal_of(segment)) and seal == segment.seal


def _seal_of(segment: Segment) -> str:
    """The seal that it must have; none if it names none of our keys, or has a value that cannot be sealed. A record of
    an earlier release may have the seal of then. Sets `moved_at`."""
    key = dict(settings.AUDIT_KEYS).get(segment.key_id)
    if not key:
        return ""
    try:
        if (older := segment.sealed_with(key, is_dated=False)) == segment.seal:
            return older
        seal = segment.sealed_with(key)
    except UNREADABLE:
        return ""
    segment.moved_at = segment.archived_at if seal == segment.seal else None
    return seal
