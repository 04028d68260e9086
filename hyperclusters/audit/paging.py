"""Pages of the ledger in the order of its sequence: each costs the same however deep it lies, in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from .models import Event, EventQuerySet

SIZE = 50


class Line(NamedTuple):
    """What a list shows of an event, under the names that it has there. The rest of it may be large."""

    seq: int
    at: datetime
    action: str
    outcome: str
    person_name: str
    team_name: str
    object_id: str
    object_name: str
    evidence: str
    source: str
    upstream_request_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """Events, newest first. `newer` and `older` are the numbers from which the next page begins, None at the end."""

    events: list[Line]
    newer: int | None
    older: int | None


def page(
    alternatives: Sequence[EventQuerySet], *, before: int | None = None, after: int | None = None
) -> Page:
    """The newest events, or the ones right before or right after a sequence number. `after=0` is the last page.

    `alternatives`: queries of which an event must be in one (see Filter). Numbers are looked for first, and then only
    the rows that are shown are read.
    """
    upwards = after is not None
    found = _events(alternatives, before, after)
    is_more = len(found) > SIZE
    shown = found[:SIZE][::-1] if upwards else found[:SIZE]
    if not shown:
        return Page([], None, None)
    behind = _next(alternatives, 1, before=shown[-1].seq) if upwards else []
    ahead = _next(alternatives, 1, after=shown[0].seq) if before is not None else []
    newer = shown[0].seq if (is_more if upwards else ahead) else None
    older = shown[-1].seq if (behind if upwards else is_more) else None
    return Page(shown, newer, older)


def _events(alternatives: Sequence[EventQuerySet], before: int | None, after: int | None) -> list[Line]:
    """One more than a page has room for, in the direction of paging. Only the rows that are shown are read whole."""
    order = "seq" if after is not None else "-seq"
    wanted: Any
    if len(alternatives) == 1:  # both steps in one query
        wanted = _beyond(alternatives[0], before, after).order_by(order).values("seq")[: SIZE + 1]
    else:
        wanted = _next(alternatives, SIZE + 1, before=before, after=after)
    lines = Event.objects.filter(seq__in=wanted).order_by(order).values_list(*Line._fields)
    return [Line(*line) for line in lines]


def _beyond(rows: EventQuerySet, before: int | None, after: int | None) -> EventQuerySet:
    if before is not None:
        rows = rows.filter(seq__lt=before)
    return rows.filter(seq__gt=after) if after is not None else rows


def _next(
    alternatives: Sequence[EventQuerySet], count: int, *, before: int | None = None, after: int | None = None
) -> list[int]:
    upwards = after is not None
    found: set[int] = set()
    for rows in alternatives:
        ordered = _beyond(rows, before, after).order_by("seq" if upwards else "-seq")
        found.update(ordered.values_list("seq", flat=True)[:count])
    return sorted(found, reverse=not upwards)[:count]
