"""What the pages of the audit show of archives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.http import QueryDict

from hyperclusters.access.permissions import AuditScope
from hyperclusters.audit import clock
from hyperclusters.audit.archive_checks import sealed_checks
from hyperclusters.audit.archive_events import ArchivePage, Cursor, search
from hyperclusters.audit.archive_files import size_of
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.findings import IntegrityIssue, IssueKind
from hyperclusters.audit.matching import matcher
from hyperclusters.audit.models import Event, Segment, SegmentCheck
from hyperclusters.audit.readable import events
from hyperclusters.audit.segments import archives_between, archives_since
from hyperclusters.audit.times import later
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.web.audit.event_rows import days, rows
from hyperclusters.web.audit.query import AuditQuery
from hyperclusters.web.shared.listing import address


def search_context(query: AuditQuery, scope: AuditScope, parameters: QueryDict) -> dict[str, Any]:
    """One page of archived events for this query, or nothing where it was not understood."""
    if query.filter is None:
        return {}
    event_filter = _up_to_jump(query, query.filter)
    page = search(
        archives_between(event_filter.since, event_filter.until),
        matcher(event_filter, scope.teams),
        cursor=Cursor.parse(parameters.get("page", "")),
        shows_damage=scope.teams is None,
    )
    return {
        "days": days(rows(_by_time(page))),
        "page": page,
        "newest": address(parameters) if parameters.get("page") else "",
        "to_continue": address(parameters, page=str(page.cursor or "")),
    }


def link_context(query: AuditQuery, scope: AuditScope, parameters: QueryDict) -> dict[str, Any]:
    """The line that leads from the ledger's list to the same search in archives; nothing where none can match."""
    event_filter = query.filter
    archives = archives_between(event_filter.since, event_filter.until) if event_filter else []
    if not archives:
        return {}
    return {
        "to_archive": address(parameters, reads=parameters.get("reads") or "0"),
        "archived_count": sum(each.count for each in archives) if scope.teams is None else None,
        "archived_until": archives[-1].last_at or archives[-1].moved_at,
    }


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """An archive with its last verification. `state`: `never`, `verified`, `missing` or `damaged`. `is_waiting`: a
    verification is asked for; `share`: how much of it is done, in percent, None before it begins."""

    segment: Segment
    archived_by: str
    state: str
    check: SegmentCheck | None = None
    issues: Sequence[tuple[IntegrityIssue, str]] = ()
    is_waiting: bool = False
    share: int | None = None

    @property
    def size(self) -> int | None:
        """The file's bytes, if it is here."""
        return size_of(self.segment.file)

    @property
    def damaged_from(self) -> int:
        """The first event that is not as it was; of a finding about the file as a whole, its first."""
        of_file = IssueKind.ARCHIVE_EDITED
        return min(
            (each.first for each, _ in self.issues if each.kind != of_file), default=self.segment.first
        )


def segment_rows() -> list[SegmentRow]:
    """Every archive, the newest first."""
    segments, checks = archives_since()[::-1], sealed_checks()
    moves = Event.objects.filter(
        action=EventType.AUDIT_ARCHIVED, object_name__in=[each.file for each in segments]
    )
    people = {event.object_name: event.person_name for _, event in events(moves) if event}
    return [_segment_row(each, people.get(each.file, ""), checks.get(each.first)) for each in segments]


def _segment_row(segment: Segment, person: str, check: SegmentCheck | None) -> SegmentRow:
    if check is None:
        return SegmentRow(segment, person, "never")
    state = "verified" if check.at else "never"
    if check.issues:
        kinds = {each.kind for each in check.issues}
        state = "missing" if IssueKind.ARCHIVE_MISSING in kinds else "damaged"
    is_begun = check.requested_at and check.lease_expires_at and clock.now() < check.lease_expires_at
    share = 100 * check.count // segment.count
    return SegmentRow(
        segment,
        person,
        state,
        check,
        [(each, str(IssueKind(each.kind).label)) for each in check.issues],
        is_waiting=check.requested_at is not None,
        share=min(share, 100) if is_begun else None,
    )


def _up_to_jump(query: AuditQuery, event_filter: EventFilter) -> EventFilter:
    """Only the events up to the moment to jump to."""
    if not query.jump:
        return event_filter
    end = later(query.jump, timedelta(microseconds=1))
    return replace(event_filter, until=min(end, event_filter.until or end))


def _by_time(page: ArchivePage) -> list[Event]:
    """The events of a page by time, as the ledger's list has them; what fails verification comes first."""
    readable = [event for _, event in page.events if event]
    unreadable = [Event(seq=seq) for seq, event in page.events if event is None]
    return unreadable + sorted(readable, key=lambda event: (event.at, event.seq), reverse=True)
