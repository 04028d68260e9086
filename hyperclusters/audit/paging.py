"""Pages of the ledger, newest first: by time, and by number where times are equal. A page costs the same at any
depth, in both directions: it is one range of one index. Nothing is counted before the rows are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import BigIntegerField, DateTimeField, F, Func, Value
from django.db.models.lookups import GreaterThanOrEqual, LessThanOrEqual

from .models import ChainHead, Event, EventQuerySet
from .readable import sealed_fields, values
from .times import EARLIEST, LATEST

SIZE = 50
NEWEST_FIRST, OLDEST_FIRST = ("-at", "-seq"), ("at", "seq")


class EventRow(NamedTuple):
    """What a list shows of an event, under the model's names. An unreadable event has a number and None for the rest."""

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
    object_kind: str
    request_id: str
    reason: str
    response: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Page:
    """Events, newest first. `newer` and `older` are the numbers where the next page begins, None at the end.
    `through_seq`: the newest event that existed, whether it is on the page or not."""

    events: list[EventRow]
    newer: int | None
    older: int | None
    through_seq: int


class Position(NamedTuple):
    """An event's place in the list."""

    at: datetime
    seq: int


class Span(NamedTuple):
    """From (included) and to (not included)."""

    since: datetime | None = None
    until: datetime | None = None


ALWAYS = Span()
OLDEST, NEWEST = Position(EARLIEST, 0), Position(LATEST, 2**63 - 1)  # before and after every event


class Row(Func):
    """A row value such as `(at, seq)`: both databases compare it as a whole, by one range of an index."""

    template = "(%(expressions)s)"
    output_field = DateTimeField()


def page(
    alternatives: Sequence[EventQuerySet],
    *,
    before: int | None = None,
    after: int | None = None,
    span: Span = ALWAYS,
    size: int = SIZE,
) -> Page:
    """The newest events, or those right before or after the event of a number; `after` takes precedence, and
    `after=0` is the last page. `span`: only events in it.

    `alternatives`: queries of which an event must be in one (see EventFilter). Positions are found first, then only
    the rows that are shown are read.
    """
    upwards = after is not None
    return _page(alternatives, _position(after if upwards else before), span, size, upwards=upwards)


def page_at(alternatives: Sequence[EventQuerySet], at: datetime, *, span: Span = ALWAYS) -> Page:
    """The newest events up to this time."""
    return _page(alternatives, NEWEST._replace(at=at), span, SIZE, upwards=False)


def written_after(alternatives: Sequence[EventQuerySet], seq: int, size: int) -> list[int]:
    """The numbers of the first events after this one in the order of the ledger, whatever their times are.

    For who has read up to `seq`: by time, an event that a wrong clock dated may come before others read already.
    """
    parts = (rows.filter(seq__gt=seq).order_by("seq")[:size] for rows in alternatives)
    return sorted({number for part in parts for number in part.values_list("seq", flat=True)})[:size]


def beside(rows: EventQuerySet, event: Event) -> tuple[int | None, int | None]:
    """The numbers of the next older and the next newer event among these rows."""
    here, others = Position(event.at, event.seq), rows.exclude(seq=event.seq)
    older = _from(others, here, ALWAYS, upwards=False)
    newer = _from(others, here, ALWAYS, upwards=True)
    return older.values_list("seq", flat=True).first(), newer.values_list("seq", flat=True).first()


def _page(
    alternatives: Sequence[EventQuerySet], start: Position | None, span: Span, size: int, *, upwards: bool
) -> Page:
    rows, through_seq = _events(alternatives, start, span, size + 2, upwards=upwards)
    # The event that the page continues from usually fits: it is read as well, and shows that there is a page before.
    is_way_back = start is not None and bool(rows) and rows[0].seq == start.seq
    rows = rows[is_way_back:]
    is_more = len(rows) > size
    visible_rows = rows[:size][::-1] if upwards else rows[:size]
    if not visible_rows:
        return Page([], None, None, through_seq)
    first, last = visible_rows[0], visible_rows[-1]
    if upwards:
        is_newer = is_more
        is_older = is_way_back or (start != OLDEST and _is_any(alternatives, last, span, upwards=False))
    else:
        is_newer = is_way_back or (start is not None and _is_any(alternatives, first, span, upwards=True))
        is_older = is_more
    return Page(visible_rows, first.seq if is_newer else None, last.seq if is_older else None, through_seq)


def _position(seq: int | None) -> Position | None:
    """The place of the event with this number; 0 is before every event, and an unused number after them."""
    if not seq:
        return None if seq is None else OLDEST
    rows = values(Event.objects.filter(seq__gte=seq).order_by("seq")[:1], "at")
    return Position(rows[0][1], seq) if rows and rows[0][1] else NEWEST


def _events(
    alternatives: Sequence[EventQuerySet], start: Position | None, span: Span, count: int, *, upwards: bool
) -> tuple[list[EventRow], int]:
    """`count` events from the given position on, included, in the direction of paging. Only these are read whole. Also
    the newest number there is, or 0 if nothing was found."""
    seqs: Any
    if len(alternatives) == 1:  # both steps in one query
        seqs = _from(alternatives[0], start, span, upwards=upwards).values("seq")[:count]
    else:
        seqs = [seq for _at, seq in _next(alternatives, count, start, span, upwards=upwards)]
    order = OLDEST_FIRST if upwards else NEWEST_FIRST
    rows = values(Event.objects.filter(seq__in=seqs).order_by(*order), "canonical", "digest")
    newest = ChainHead.objects.values_list("seq", flat=True).first() if rows else None
    return [_event_row(*row) for row in rows], newest or 0


def _event_row(seq: int, text: str, seal: str) -> EventRow:
    fields = sealed_fields(text, seal)
    if fields is None or fields["seq"] != seq:
        fields = dict.fromkeys(EventRow._fields) | {"seq": seq}
    return EventRow(**{name: fields.get(name, "") for name in EventRow._fields})


def _from(rows: EventQuerySet, start: Position | None, span: Span, *, upwards: bool) -> EventQuerySet:
    """The rows of the span from this position on, included, in the direction of paging. One condition says where the
    index range begins and one where it ends: of two beginnings a database may choose the farther one."""
    here, since = Row(F("at"), F("seq")), span.since
    until = None if span.until == LATEST else span.until  # nothing comes after the last moment
    if upwards:
        if starts := [each for each in (start, Position(since, 0) if since else None) if each]:
            rows = rows.filter(GreaterThanOrEqual(here, _value(max(starts))))
        rows = rows.filter(at__lt=until) if until else rows
        return rows.order_by(*OLDEST_FIRST)
    if starts := [each for each in (start, Position(until, 0) if until else None) if each]:
        rows = rows.filter(LessThanOrEqual(here, _value(min(starts))))
    rows = rows.filter(at__gte=since) if since else rows
    return rows.order_by(*NEWEST_FIRST)


def _value(place: Position) -> Row:
    return Row(Value(place.at, DateTimeField()), Value(place.seq, BigIntegerField()))


def _next(
    alternatives: Sequence[EventQuerySet], count: int, start: Position | None, span: Span, *, upwards: bool
) -> list[tuple[datetime, int]]:
    positions: set[tuple[datetime, int]] = set()
    for rows in alternatives:
        part = _from(rows, start, span, upwards=upwards)[:count]
        positions.update((at or EARLIEST, seq) for seq, at in values(part, "at"))
    return sorted(positions, reverse=not upwards)[:count]


def _is_any(alternatives: Sequence[EventQuerySet], line: EventRow, span: Span, *, upwards: bool) -> bool:
    others = [rows.exclude(seq=line.seq) for rows in alternatives]
    return bool(_next(others, 1, _position(line.seq) or OLDEST, span, upwards=upwards))
