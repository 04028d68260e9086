"""When to send again, when to poll again, and how long to try to record a result."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, connection

from hyperclusters.audit import clock
from hyperclusters.clusters.models import Operation
from hyperclusters.modelarts import ClockSkew, ModelArtsError, Throttled, Unavailable

RESENDS = 3
BACKOFF = (2, 5, 15)  # seconds
RETRY_AFTER_CAP = 60.0  # seconds
POLLS = (2, 5, 15, 30)  # seconds before the first polls
POLL_INTERVAL = 60  # seconds between later ones
SAME_CLOCK = timedelta(seconds=5)  # what two readings of one clock may differ by
WRITE_PAUSE = 0.5  # seconds


def backoff(tries: int, error: ModelArtsError) -> datetime:
    """When to try again after so many tries: when the cloud says (60 s at most), else after growing pauses with
    jitter."""
    seconds = BACKOFF[min(max(tries, 0), len(BACKOFF) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 -- spreads load
    if isinstance(error, Throttled) and error.retry_after is not None:
        seconds = min(max(error.retry_after, 1.0), RETRY_AFTER_CAP)
    return clock.now() + timedelta(seconds=seconds)


def resend_at(operation: Operation, error: ModelArtsError) -> datetime | None:
    """When to send again after an error that proves that nothing was done. None: not again."""
    if isinstance(error, ClockSkew):  # once, by the cloud's clock
        return clock.now() if operation.attempts == 1 and error.offset is not None else None
    if isinstance(error, Throttled | Unavailable) and operation.attempts <= RESENDS:
        return backoff(operation.attempts - 1, error)
    return None


def list_again_at(operation: Operation, error: ModelArtsError, old_offset: timedelta) -> datetime | None:
    """When to list again before a call that must follow a list: later, or at once by the cloud's clock if that offset
    is new. None: not again."""
    may_retry = operation.delays < len(BACKOFF)
    if isinstance(error, ClockSkew):
        is_news = error.offset is not None and abs(error.offset - old_offset) > SAME_CLOCK
        return clock.now() if operation.delays == 0 or (is_news and may_retry) else None
    if isinstance(error, Throttled | Unavailable) and may_retry:
        return backoff(operation.delays, error)
    return None


def poll_at(polls: int, not_created_after: datetime | None) -> datetime:
    """When to poll next, after so many complete polls. One poll falls right after the horizon."""
    now = clock.now()
    next_at = now + timedelta(seconds=POLLS[polls] if polls < len(POLLS) else POLL_INTERVAL)
    return (
        not_created_after + timedelta(seconds=1)
        if not_created_after and now < not_created_after < next_at
        else next_at
    )


def retry_write(deadline: datetime | None, write: Callable[[], object]) -> None:
    """Write a result, again and again while the database does not answer, until the deadline.

    Raises the database error after it. `write` must find out by itself whether an earlier try was committed.
    """
    while True:
        try:
            write()
        except (OperationalError, InterfaceError):
            connection.close()
            if deadline is None or clock.now() > deadline or connection.in_atomic_block:
                raise
            time.sleep(WRITE_PAUSE)
        else:
            return
