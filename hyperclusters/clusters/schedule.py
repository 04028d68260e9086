"""When to try again, and when to look again."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from hyperclusters.audit import clock
from hyperclusters.modelarts import ModelArtsError, Throttled

RESENDS = 3
BACKOFF = (2, 5, 15)  # seconds
RETRY_AFTER_CAP = 60.0
LOOKS = (2, 5, 15, 30)  # seconds before the first looks; then every minute
REST = 60


def backoff(tries: int, error: ModelArtsError) -> datetime:
    """When to try again after so many tries: what the cloud asks for (60 s at most), else growing pauses with jitter."""
    seconds = BACKOFF[min(max(tries, 0), len(BACKOFF) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 -- spreads load
    if isinstance(error, Throttled) and error.retry_after is not None:
        seconds = min(max(error.retry_after, 1.0), RETRY_AFTER_CAP)
    return clock.now() + timedelta(seconds=seconds)


def look_after(looks: int, horizon_at: datetime | None) -> datetime:
    """When to look next, after so many complete looks. One look falls right behind the horizon."""
    now = clock.now()
    due_at = now + timedelta(seconds=LOOKS[looks] if looks < len(LOOKS) else REST)
    return horizon_at + timedelta(seconds=1) if horizon_at and now < horizon_at < due_at else due_at
