"""One clock for everything that is judged by time: the database's on PostgreSQL, this machine's on SQLite.

Processes on several machines share one database, and their own clocks may disagree by hours. A process reads the
database's clock every few seconds and counts on from there by its monotonic clock, which nobody sets.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg
from django.db import DatabaseError, connection
from django.utils import timezone
from psycopg.pq import TransactionStatus

FRESH = 5.0  # seconds for which one reading is good


class Reading(NamedTuple):
    """The database's time, and this process's monotonic time at that moment."""

    at: datetime
    monotonic: float


_readings: list[Reading] = []  # the last one


def now() -> datetime:
    """The time by which rows are judged, aware, in UTC. While the database does not answer it goes on from the last reading."""
    if connection.vendor != "postgresql":
        return timezone.now()
    if not _readings or time.monotonic() - _readings[0].monotonic > FRESH:
        _readings[:] = [reading] if (reading := _read()) else _readings
    if not _readings:
        return timezone.now()
    at, monotonic = _readings[0]
    return at + timedelta(seconds=time.monotonic() - monotonic)


def difference() -> timedelta:
    """By how much this machine's clock is ahead of the clock that rows are judged by."""
    return timezone.now() - now()


def _read() -> Reading | None:
    """The database's clock; None if it cannot be asked now. Asked below Django, so that it is in nobody's way."""
    try:
        connection.ensure_connection()
        server = connection.connection
        if server.info.transaction_status not in {TransactionStatus.IDLE, TransactionStatus.INTRANS}:
            return None  # in an aborted transaction, or in the middle of a COPY
        before = time.monotonic()
        at = server.execute("SELECT clock_timestamp()").fetchone()[0]
    except (DatabaseError, psycopg.Error):
        return None
    return Reading(at, (before + time.monotonic()) / 2)
