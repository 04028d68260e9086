"""How long ago something was, or how long it is until then, in the words that app.js goes on with."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache

from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from hyperclusters.audit import clock

HOUR, DAY = 60, 24 * 60  # minutes
WEEK, YEAR = 7, 365.25  # days
NOW = 10  # seconds
UNITS = (1, 60, 3600, 86400, 604800, 2629800, 31557600)  # from a second to a year, in seconds, as in app.js


def ago(at: datetime, now: datetime | None = None, language: str | None = None) -> str:
    """ "3 hours ago", in the reader's language. To the minute at most, so that what is drawn with it can be kept.

    A list has many of these: it asks once what the time and the language are.
    """
    return _ago(_minutes((now or clock.now()) - at), language or get_language())


def duration(at: datetime, now: datetime | None = None, language: str | None = None) -> str:
    """ "3 hours" since then, in the reader's language; empty within the first minute."""
    return _duration(_minutes((now or clock.now()) - at), language or get_language())


def when(at: datetime) -> str:
    """ "20 seconds ago", "3 hours ago", "in a moment", "in 4 days", in the reader's language.

    What is past is told in whole units, what lies ahead in the nearest: what was given for a week ends in 1 week.
    """
    span = at - clock.now()
    past = span < timedelta()
    seconds = int(-span.total_seconds()) if past else _nearest(span.total_seconds())
    if seconds < NOW:
        return _("just now") if past or not seconds else _("in a moment")
    if past:
        if seconds < 60:
            return ngettext("%(n)d second ago", "%(n)d seconds ago", seconds) % {"n": seconds}
        return _ago(_minutes(-span), get_language())
    if seconds < 60:
        return ngettext("in %(n)d second", "in %(n)d seconds", seconds) % {"n": seconds}
    return _("in %(span)s") % {"span": _span(seconds // 60)}


def is_any_moment(at: datetime) -> bool:
    """Whether this is now or about to be."""
    return at < clock.now() + timedelta(seconds=NOW)


def _nearest(seconds: float) -> int:
    """Seconds that are a whole number of the largest unit that fits; 59.7 minutes are an hour."""
    whole = 0
    for size in UNITS:
        if max(seconds, whole) >= size:
            whole = int(seconds / size + 0.5) * size
    return whole


def _minutes(span: timedelta) -> int:
    """As many of them as somebody is told."""
    minutes = max(int(span.total_seconds()) // 60, 0)
    step = 1 if minutes < HOUR else HOUR if minutes < DAY else DAY
    return minutes // step * step


@lru_cache(4096)
def _ago(minutes: int, language: str | None) -> str:  # the language is part of the key
    if not minutes:
        return _("just now")
    return _("%(past)s ago") % {"past": _span(minutes)}


@lru_cache(4096)
def _duration(minutes: int, language: str | None) -> str:  # the language is part of the key
    return _span(minutes) if minutes else ""


def _span(minutes: int) -> str:
    """In the largest unit that fits; a month is a twelfth of a year of 365.25 days, as in app.js."""
    days = minutes / DAY
    if days >= YEAR:
        n = int(days / YEAR)
        return ngettext("%(n)d year", "%(n)d years", n) % {"n": n}
    if days >= YEAR / 12:
        n = int(days / (YEAR / 12))
        return ngettext("%(n)d month", "%(n)d months", n) % {"n": n}
    if days >= WEEK:
        n = int(days / WEEK)
        return ngettext("%(n)d week", "%(n)d weeks", n) % {"n": n}
    if days >= 1:
        return ngettext("%(n)d day", "%(n)d days", int(days)) % {"n": int(days)}
    if minutes >= HOUR:
        return ngettext("%(n)d hour", "%(n)d hours", minutes // HOUR) % {"n": minutes // HOUR}
    return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
