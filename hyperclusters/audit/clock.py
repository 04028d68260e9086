"""The clock that rows are judged by: the database's on PostgreSQL, this machine's on SQLite.

Processes on several machines share one database, and their own clocks may differ by hours. A process reads the
database's clock every few seconds and counts on from there by its monotonic clock, which nobody sets.

A stored time can be ahead of now: the clock was set back, or a process wrote the time by a wrong clock. `due` and
`within` keep such a row from waiting until real time has caught up.

Some things still use the machine's own clock, and may: log lines and file names, TLS, the 180 days of a known
browser, allauth's rate limits. One-time codes use it too, so a process whose clock is wrong accepts none.

The demo writes a history of weeks in seconds: `replay` gives its ledger a clock of its own. Nothing else can open it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import psycopg
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Q
from django.utils import timezone
from psycopg.pq import TransactionStatus

log = logging.getLogger(__name__)
FRESH = 5.0  # seconds for which one reading is good
SLOW = 2.0  # a reading that takes longer is not precise enough to replace another
TOLERANCE = timedelta(seconds=5)  # clocks that differ by no more than this agree
DRIFT = 0.001  # how much faster or slower than the monotonic clock a clock may run


class ClockReading(NamedTuple):
    """The time that rows are judged by, and this process's monotonic time at that moment."""

    at: datetime
    monotonic: float


class _State:
    """What this process knows about the clock."""

    reading: ClockReading | None = None
    tried_at = float("-inf")  # monotonic; a database that does not answer is not asked at every call
    doubted_at = float("-inf")  # monotonic
    replay: ClockReading | None = None  # while the demo writes its history: the time that it set last


_state = _State()


def now() -> datetime:
    """The time that rows are judged by, aware, in UTC. Counts on from the last reading while the database does not
    answer."""
    monotonic = time.monotonic()
    if _state.replay is not None:
        return _state.replay.at + timedelta(seconds=monotonic - _state.replay.monotonic)
    if connection.vendor != "postgresql":
        reading = ClockReading(timezone.now(), monotonic)
        if _state.reading is None or monotonic - _state.reading.monotonic > FRESH:
            _keep(reading)
        return reading.at
    if _state.reading is None or monotonic - _state.tried_at > FRESH:
        _state.tried_at = monotonic
        if fresh := _read_database_clock():
            _keep(fresh)
    if _state.reading is None:
        return timezone.now()
    at, since = _state.reading
    return at + timedelta(seconds=time.monotonic() - since)


def today() -> date:
    """The day that it is in UTC."""
    return now().astimezone(UTC).date()


@contextmanager
def replay(start: datetime) -> Iterator[Callable[[datetime], None]]:
    """Let the demo write its history: inside, `now` runs on from `start`, and from each time that the yielded function
    is given.

    Raises RuntimeError unless this is the demo, on SQLite, and its ledger has no event yet: no other installation can
    record an invented time, and the demo cannot once something real is in its ledger. Time never runs back, nor ahead
    of the real one: ValueError.
    """
    if not settings.DEMO or connection.vendor != "sqlite" or _has_events():
        raise RuntimeError("Only the demo writes a history, before the first event of its ledger.")

    def set_to(at: datetime) -> None:
        if not now() <= at <= timezone.now():
            raise ValueError("time runs forward, up to the real time")
        _state.replay = ClockReading(at, time.monotonic())

    _state.replay = ClockReading(start, time.monotonic())
    try:
        yield set_to
    finally:
        _state.replay = None


def _has_events() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq FROM audit_head WHERE id = 1")
        row = cursor.fetchone()
    return row is None or row[0] != 0


def difference() -> timedelta:
    """How far this machine's clock is ahead of the clock that rows are judged by: zero on SQLite."""
    return timezone.now() - now() if connection.vendor == "postgresql" else timedelta()


def is_wrong() -> bool:
    """Whether this machine's clock is too far off for what libraries judge by it, such as one-time codes."""
    return abs(difference()) > TOLERANCE


def due(field: str, longest: timedelta) -> Q:
    """Rows whose time has come. Nothing may wait for more than `longest`: a time further ahead is due as well."""
    at = now()
    return Q(**{f"{field}__lte": at}) | Q(**{f"{field}__gt": at + longest + TOLERANCE})


def is_due(at: datetime, longest: timedelta) -> bool:
    """`due` for one time."""
    return not timedelta(0) < at - now() <= longest + TOLERANCE


def within(field: str, span: timedelta) -> Q:
    """Rows of the last `span`, up to now. A time ahead of now was written by a wrong clock and proves nothing."""
    at = now()
    return Q(**{f"{field}__gt": at - span, f"{field}__lte": at + TOLERANCE})


def is_within(at: datetime, span: timedelta) -> bool:
    """`within` for one time."""
    return -TOLERANCE <= now() - at < span


def since(field: str, start: datetime) -> Q:
    """Rows after `start`, up to now. A time ahead of now was written by a wrong clock and proves nothing."""
    return Q(**{f"{field}__gt": start, f"{field}__lte": now() + TOLERANCE})


def is_since(at: datetime | None, start: datetime) -> bool:
    """`since` for one time; False for None."""
    return at is not None and start < at <= now() + TOLERANCE


def doubt(reason: str) -> None:
    """Doubt the clock from now on: a length of time that began before is no longer proved."""
    if time.monotonic() - _state.doubted_at > 60:
        log.warning("the clock is in doubt: %s", reason)
    _state.doubted_at = time.monotonic()


def is_proved(span: timedelta) -> bool:
    """Whether a length of time that has passed by the clock has certainly passed: not if the clock was in doubt
    meanwhile."""
    return time.monotonic() - _state.doubted_at > span.total_seconds()


def forget() -> None:
    """Forget every reading, as if this process had just begun."""
    _state.__dict__.clear()


def _keep(measurement: ClockReading) -> None:
    """Store the reading. A clock that was set, unlike one that drifts, jumps against the monotonic clock."""
    before, _state.reading = _state.reading, measurement
    if before is not None:
        seconds = measurement.monotonic - before.monotonic
        jump = (measurement.at - before.at).total_seconds() - seconds
        if abs(jump) > TOLERANCE.total_seconds() + DRIFT * seconds:
            doubt(f"it was set {jump:+.0f} s")


def _read_database_clock() -> ClockReading | None:
    """The database's clock, or None if it does not answer. Bypasses Django, so that no transaction is in its way."""
    try:
        connection.ensure_connection()
        server = connection.connection
        if server.info.transaction_status not in {TransactionStatus.IDLE, TransactionStatus.INTRANS}:
            return None  # in an aborted transaction, or in the middle of a COPY
        before = time.monotonic()
        at = server.execute("SELECT clock_timestamp()").fetchone()[0]
    except (DatabaseError, psycopg.Error):
        return None
    after = time.monotonic()
    if after - before > SLOW and _state.reading is not None:
        return None
    return ClockReading(at, (before + after) / 2)
