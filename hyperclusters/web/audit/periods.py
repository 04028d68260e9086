"""The times that people choose by a word, such as last week. Days and weeks are those of UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from django.utils.formats import date_format
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _

from hyperclusters.audit import clock

DAY = timedelta(days=1)
PERIODS = {
    "1h": _("Last hour"),
    "24h": _("Last 24 hours"),
    "today": _("Today"),
    "yesterday": _("Yesterday"),
    "7d": _("Last 7 days"),
    "last-week": _("Last week"),
    "30d": _("Last 30 days"),
    "this-month": _("This month"),
}
SPANS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}


class Period(NamedTuple):
    """From (included) and until (not included; None: without an end)."""

    since: datetime
    until: datetime | None


def period(name: str) -> Period:
    """What the word means now."""
    now = clock.now()
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    monday = today - today.weekday() * DAY
    if name in SPANS:
        return Period(now - SPANS[name], None)
    return {
        "today": Period(today, today + DAY),
        "yesterday": Period(today - DAY, today),
        "last-week": Period(monday - 7 * DAY, monday),
        "this-month": Period(today.replace(day=1), (today.replace(day=1) + 32 * DAY).replace(day=1)),
    }[name]


def dates(name: str) -> str:
    """The days of a period, as "16–22 Nov"; nothing for those that are counted back from now."""
    since, until = period(name)
    return day_range(since, until - DAY) if until else ""


def day_range(first: datetime, last: datetime) -> str:
    """Two days, in English with the month once where it is the same."""
    end = date_format(last, gettext("j M"))
    if first.date() == last.date():
        return end
    start = (
        pgettext("first day of a range within one month", "j")
        if first.month == last.month
        else gettext("j M")
    )
    return f"{date_format(first, start)}–{end}"


def moment(at: datetime) -> str:
    """A moment to the minute, such as 25 Nov 2026, 22:30."""
    return date_format(at, gettext("j M Y, H:i"))


def exact_moment(at: datetime) -> str:
    """A moment to the millisecond, such as 25 Nov 2026, 22:30:05.123 UTC."""
    second = date_format(at, gettext("j M Y, H:i:s"))
    return f"{second}.{at.microsecond // 1000:03d} UTC"


@dataclass(frozen=True, slots=True)
class PeriodChoice:
    """One entry of the menu of times."""

    word: str
    dates: str
    url: str
    is_current: bool
