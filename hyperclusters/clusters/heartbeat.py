"""Heartbeats: which processes are alive, and whether their clocks agree."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import time
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import Max, Q

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import Event
from hyperclusters.audit.readable import values
from hyperclusters.audit.vocabulary import EventType, Outcome

from . import counters
from .models import Heartbeat

log = logging.getLogger(__name__)
EVERY = 5.0  # seconds
WEB_EVERY = 15.0  # a web process opens a connection for each beat
ALIVE = timedelta(seconds=60)
FORGET_AFTER = timedelta(days=1)
SAY_AGAIN = 60.0  # seconds between two log lines about one wrong clock


class _Cache:
    """What this process read last, and what it reported of its clock."""

    last_beat: datetime | None = None
    wrong_host = ""
    looked_at: datetime | None = None
    beats: dict[str, datetime] = {}
    last_seq = 0
    was_off = False
    ahead: float | None = None  # seconds, while the clock is wrong
    logged_at = float("-inf")


_cache = _Cache()


def beat(holder: str, role: str = Heartbeat.WORKER) -> None:
    """Record that this process is alive, and how wrong its clock is. Processes silent for a day are removed."""
    off, host = _seconds_ahead(holder), socket.gethostname()[:128]
    ahead = off if _cache.was_off else None  # twice in a row: a busy machine may look so once
    _cache.was_off = off is not None
    # On SQLite this waits for other writers; the time is right only afterwards.
    with transaction.atomic():
        now = clock.now()
        # One event for each machine. Read before our own beat is written, so that one of two processes always records it.
        is_reported = ahead is None or _cache.ahead is not None or _is_reported(host, now, ahead)
        Heartbeat.objects.update_or_create(
            holder=holder,
            defaults={"at": now, "clock_ahead": ahead},
            create_defaults={"at": now, "started_at": now, "host": host, "role": role, "clock_ahead": ahead},
        )
        Heartbeat.objects.exclude(at__range=(now - FORGET_AFTER, now + FORGET_AFTER)).delete()
        if ahead is not None and not is_reported:
            after = {"seconds_ahead": round(ahead, 1), "of": _reference()}
            record(EventType.CLOCK_WRONG, Outcome.NOTED, on=Subject("host", host[:64], host), after=after)
    _log(ahead)


def beat_in_background() -> None:
    """Beat for a web process for as long as it lives."""
    threading.Thread(target=_beat_for_ever, name="heartbeat", daemon=True).start()


def remove(holder: str) -> None:
    """Remove the heartbeat of a process that stopped in order."""
    Heartbeat.objects.filter(holder=holder).delete()


def is_a_worker_alive() -> bool:
    """Whether any worker reported within the last minute."""
    _read_beats()
    return _is_recent()


def has_worker_beat() -> bool:
    """The same for every page, cached: the database is asked about once a minute. A worker that stopped in order is
    missed when the minute is over."""
    return _is_recent() or is_a_worker_alive()


def host_with_wrong_clock() -> str:
    """A machine with a process that reports a wrong clock, as read with the workers' beats; empty if there is none."""
    return _cache.wrong_host


def seconds_ahead() -> float | None:
    """How far this process's own clock is ahead; None while it agrees."""
    off = clock.difference()
    return off.total_seconds() if abs(off) > clock.TOLERANCE else _cache.ahead


def forget_beats() -> None:
    """Forget the cached beats of this process."""
    _cache.__dict__.clear()


def _read_beats() -> None:
    recent = Heartbeat.objects.filter(clock.within("at", ALIVE))
    totals = recent.aggregate(
        at=Max("at", filter=Q(role=Heartbeat.WORKER)), wrong=Max("host", filter=Q(clock_ahead__isnull=False))
    )
    _cache.last_beat, _cache.wrong_host = totals["at"], totals["wrong"] or ""


def _is_recent() -> bool:
    return _cache.last_beat is not None and clock.is_within(_cache.last_beat, ALIVE)


def _beat_for_ever() -> None:
    holder = secrets.token_hex(8)
    while True:
        try:
            beat(holder, Heartbeat.WEB)
            counters.flush()
        except DatabaseError:
            log.warning("the database took no heartbeat of this web process")
        finally:
            connection.close()
        time.sleep(WEB_EVERY)


def _seconds_ahead(holder: str) -> float | None:
    """How far this process's clock is ahead; None while it agrees."""
    ahead = clock.difference() if connection.vendor == "postgresql" else _ahead_of_others(holder)
    # A wrong clock stays wrong until it is right by a margin, so that the state does not flip all the time.
    least = clock.TOLERANCE if _cache.ahead is None else clock.TOLERANCE / 2
    return ahead.total_seconds() if abs(ahead) > least else None


def _ahead_of_others(holder: str) -> timedelta:
    """SQLite, where each process uses this machine's clock: how far ours is ahead of another process's.

    Rows that are new since the last check were written between the two checks. A new beat is as old as it says; a new
    event may be older, since its transaction takes time. Nobody can tell which clock is right, so each process doubts
    its own.
    """
    now = clock.now()
    beats = dict(Heartbeat.objects.exclude(holder=holder).values_list("holder", "at"))
    seq, at = next(iter(values(Event.objects.order_by("-seq")[:1], "at")), (0, None))
    looked_at, before, last_seq = _cache.looked_at, _cache.beats, _cache.last_seq
    _cache.looked_at, _cache.beats, _cache.last_seq = now, beats, seq
    fresh = [] if looked_at is None else [at for other, at in beats.items() if before.get(other) != at]
    off = [now - at for at in fresh if at > now] + [
        looked_at - at for at in fresh if looked_at and at < looked_at
    ]
    if at and seq > last_seq and at > now:
        off.append(now - at)
    most = max(off, key=abs, default=timedelta())
    if abs(most) > clock.TOLERANCE:
        clock.doubt(f"another process's is {-most.total_seconds():+.0f} s off")
    return most


def _is_reported(host: str, now: datetime, ahead: float) -> bool:
    """Whether a process of this machine has reported it; its beats use its own clock, which may differ from ours."""
    reach = ALIVE + timedelta(seconds=abs(ahead))
    beats = Heartbeat.objects.filter(at__range=(now - reach, now + reach), host=host)
    return beats.filter(clock_ahead__isnull=False).exists()


def _log(ahead: float | None) -> None:
    """Log a line a minute while the clock is wrong."""
    was, _cache.ahead = _cache.ahead, ahead
    if ahead is None:
        if was is not None:
            log.warning("this process's clock is right again")
    elif time.monotonic() - _cache.logged_at > SAY_AGAIN:
        _cache.logged_at = time.monotonic()
        log.warning("this process's clock is wrong: %+.0f s ahead of %s", ahead, _reference())


def _reference() -> str:
    return "the database's" if connection.vendor == "postgresql" else "another process's"
