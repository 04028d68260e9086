"""What the pages of the audit show of archives."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.http import QueryDict

from hyperclusters.access.permissions import AuditScope
from hyperclusters.audit.archived import ArchivePage, Cursor, search
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.matching import matcher
from hyperclusters.audit.models import Event, Segment
from hyperclusters.audit.segments import archives_between
from hyperclusters.web.audit.event_rows import days, rows
from hyperclusters.web.audit.query import AuditQuery
from hyperclusters.web.shared.listing import address


def search_context(query: AuditQuery, scope: AuditScope, parameters: QueryDict) -> dict[str, Any]:
    """One page of archived events for this query, or nothing where it was not understood."""
    if query.filter is None:
        return {}
    event_filter = _up_to_jump(query, query.filter)
    found = search(
        archives_between(event_filter.since, event_filter.until),
        matcher(event_filter, scope.teams),
        cursor=Cursor.parse(parameters.get("page", "")),
        shows_damage=scope.teams is None,
    )
    return {
        "days": days(rows(_by_time(found))),
        "found": found,
        "newest": address(parameters) if parameters.get("page") else "",
        "to_continue": address(parameters, page=found.cursor or ""),
    }


def link_context(query: AuditQuery, scope: AuditScope, parameters: QueryDict) -> dict[str, Any]:
    """The line that leads from the ledger's list to the same search in archives; nothing where none can match."""
    event_filter = query.filter
    archives = archives_between(event_filter.since, event_filter.until) if event_filter else []
    if not archives:
        return {}
    return {
        "to_archive": address(parameters, reads=parameters.get("reads") or "0"),
        "archived_count": count(archives) if scope.teams is None else None,
        "archived_until": archives[-1].last_at or archives[-1].archived_at,
    }


def count(archives: list[Segment]) -> int:
    """The number of events in these archives."""
    return sum(each.last - each.first + 1 for each in archives)


def _up_to_jump(query: AuditQuery, event_filter: EventFilter) -> EventFilter:
    """Only the events up to the moment to jump to."""
    if not query.jump:
        return event_filter
    ends = [query.jump + timedelta(microseconds=1), *([event_filter.until] if event_filter.until else [])]
    return replace(event_filter, until=min(ends))


def _by_time(found: ArchivePage) -> list[Event]:
    """The events of a page by time, as the ledger's list has them; what fails verification comes first."""
    readable = [event for _, event in found.events if event]
    damaged = [Event(seq=seq) for seq, event in found.events if event is None]
    return damaged + sorted(readable, key=lambda event: (event.at, event.seq), reverse=True)
