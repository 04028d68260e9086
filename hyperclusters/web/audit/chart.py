"""How creations ended, day by day, and how many events fit: asked for after the list is shown, and bounded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count
from django.db.models.functions import TruncDate

from hyperclusters.audit import clock
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.models import EventQuerySet
from hyperclusters.audit.paging import NEWEST_FIRST
from hyperclusters.audit.times import EARLIEST, end_of_day, later
from hyperclusters.audit.vocabulary import EventType

DAYS = 30
MOMENT = timedelta(microseconds=1)  # the end of a filter is not part of it
MOST = 10_000  # events that are counted
HEIGHT, STEP, WIDTH = 84, 24, 18  # of the drawing: its bars' height, and each bar's step and width
CREATED, FAILED, UNKNOWN = "created", "failed", "unknown"
ENDS: dict[str, str] = {
    EventType.CREATE_SUCCEEDED: CREATED,
    EventType.CREATE_FAILED: FAILED,
    EventType.CREATE_ABSENT: FAILED,
    EventType.CREATE_REFUSED: FAILED,
    EventType.CREATE_DENIED: FAILED,
    EventType.CREATE_UNKNOWN: UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A day: its numbers, and the places and heights of its three parts, from the ground up."""

    day: date
    created: int
    failed: int
    unknown: int
    x: int
    parts: list[tuple[str, float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """The days, oldest first, and their sums."""

    bars: list[Bar]
    created: int
    failed: int
    unknown: int

    width = STEP * DAYS
    height = HEIGHT
    bar = WIDTH


def chart(event_filter: EventFilter, events: EventQuerySet) -> Chart:
    """The creations among the wanted events, on the last 30 days that the filter's time leaves.

    They end today, or later where the filter says since when and until when.
    """
    now, span = clock.now(), timedelta(days=DAYS - 1)
    end = min(event_filter.until or now, max(now, later(event_filter.since or now, span)))
    last = (end - MOMENT).date() if end > EARLIEST else end.date()
    first = max(last, date.min + span) - span
    since = datetime.combine(first, time(), UTC)
    end = end_of_day(last)
    window = replace(
        event_filter,
        since=max(since, event_filter.since) if event_filter.since else since,
        until=min(end, event_filter.until or end),
    )
    rows = window.apply(events).filter(action__in=ENDS).order_by()
    daily: Counter[tuple[date, str]] = Counter()
    counts = rows.annotate(day=TruncDate("at")).values("day", "action").annotate(n=Count("seq"))
    for row in counts.values_list("day", "action", "n"):
        daily[row[0], ENDS[row[1]]] += row[2]
    return _chart(daily, [first + timedelta(days=number) for number in range(DAYS)])


def count(event_filter: EventFilter, events: EventQuerySet) -> tuple[int, bool]:
    """How many events fit, counted up to a bound; and whether there are more."""
    count = event_filter.apply(events).order_by(*NEWEST_FIRST).values("seq")[: MOST + 1].count()
    return min(count, MOST), count > MOST


def _chart(daily: Counter[tuple[date, str]], days: list[date]) -> Chart:
    most = max((sum(daily[day, how] for how in (CREATED, FAILED, UNKNOWN)) for day in days), default=0) or 1
    bars = [_bar(daily, day, number * STEP, (HEIGHT - 6) / most) for number, day in enumerate(days)]
    return Chart(
        bars,
        created=sum(bar.created for bar in bars),
        failed=sum(bar.failed for bar in bars),
        unknown=sum(bar.unknown for bar in bars),
    )


def _bar(daily: Counter[tuple[date, str]], day: date, x: int, scale: float) -> Bar:
    parts, top = [], float(HEIGHT)
    for how in (CREATED, FAILED, UNKNOWN):
        if number := daily[day, how]:
            height = max(number * scale, 3)  # a single one is still seen
            top -= height
            parts.append((how, round(top, 1), round(height, 1)))
    return Bar(day, daily[day, CREATED], daily[day, FAILED], daily[day, UNKNOWN], x, parts)
