"""Parses times from people and commands, always in UTC, in one way for pages, forms and commands."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
SHAPE = re.compile(
    rf"{DATE.pattern}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}})?)?(Z|[+-][0-9]{{2}}:[0-9]{{2}})?)?"
)


def parse_time(text: str, *, is_end: bool = False) -> datetime:
    """The UTC time of a text such as `2026-11-25` or `2026-11-25T22:30`; an offset such as `+08:00` counts.

    A date alone is the beginning of that day or, with `is_end`, its end. Raises ValueError.
    """
    text = text.strip()
    if not SHAPE.fullmatch(text):
        raise ValueError("a time is written as 2026-11-25 or 2026-11-25T22:30")
    at = datetime.fromisoformat(text)
    if is_end and DATE.fullmatch(text):
        return end_of_day(at)
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time is outside the years 1 to 9999") from None


def end_of_day(day: date) -> datetime:
    """The first moment after a day in UTC, or the latest time there is."""
    return later(datetime.combine(day, time.min, UTC), timedelta(days=1))


def later(at: datetime, span: timedelta) -> datetime:
    """The time plus a span, or the latest (for a negative span the earliest) time there is."""
    if span > LATEST - at:
        return LATEST
    return at + span if span >= EARLIEST - at else EARLIEST
