"""Pages of the ledger in the order of its sequence: each costs the same however deep it lies, in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from .models import Event, EventQuerySet
from .readable import values

SIZE = 50


class Line(NamedTuple):
    """What a list shows of an event, under the names that it has there. The rest of it may be large.

    An unreadable event has a number and nothing else: the rest is None."""

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
    """The newest events, or the ones right before or right after a sequence number, of which `after` goes first; `after=0`
    is the last page.

    `alternatives`: queries of which an event must be in one (see Filter). Numbers are looked for first, and then only
    the rows that are shown are read.
    """
    upwards = after is not None
    found = _events(alternatives, None if upwards else before, after)
    # Where one comes from is usually an event that fits: it is read along, and says that there is a way back.
    is_way_back = bool(found) and found[0].seq == (after if upwards else before)
    found = found[is_way_back:]
    is_more = len(found) > SIZE
    shown = found[:SIZE][::-1] if upwards else found[:SIZE]
    if not shown:
        return Page([], None, None)
    first, last = shown[0].seq, shown[-1].seq
    if upwards:
        is_newer, is_older = is_more, is_way_back or (after != 0 and _is_any(alternatives, before=last))
    else:
        is_newer, is_older = (
            is_way_back or (before is not None and _is_any(alternatives, after=first)),
            is_more,
        )
    return Page(shown, first if is_newer else None, last if is_older else None)


def _events(alternatives: Sequence[EventQuerySet], before: int | None, after: int | None) -> list[Line]:
    """A page from the given number on, which counts itself, and one more, in the direction of paging. Only the rows that
    are shown are read whole."""
    order, count = ("seq" if after is not None else "-seq"), SIZE + 2
    wanted: Any
    if len(alternatives) == 1:  # both steps in one query
        wanted = _from(alternatives[0], before, after).order_by(order).values("seq")[:count]
    else:
        wanted = _next(alternatives, count, before, after)
    lines = Event.objects.filter(seq__in=wanted).order_by(order)
    return [Line(*line) for line in values(lines, *Line._fields[1:])]


def _from(rows: EventQuerySet, before: int | None, after: int | None) -> EventQuerySet:
    if before is not None:
        rows = rows.filter(seq__lte=before)
    return rows.filter(seq__gte=after) if after is not None else rows


def _next(
    alternatives: Sequence[EventQuerySet], count: int, before: int | None, after: int | None
) -> list[int]:
    upwards = after is not None
    found: set[int] = set()
    for rows in alternatives:
        ordered = _from(rows, before, after).order_by("seq" if upwards else "-seq")
        found.update(ordered.values_list("seq", flat=True)[:count])
    return sorted(found, reverse=not upwards)[:count]


def _is_any(
    alternatives: Sequence[EventQuerySet], *, before: int | None = None, after: int | None = None
) -> bool:
    ends = (before - 1 if before is not None else None), (after + 1 if after is not None else None)
    return bool(_next(alternatives, 1, *ends))
