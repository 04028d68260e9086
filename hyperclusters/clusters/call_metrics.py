"""Counts of calls to the cloud, how they ended and how long they took, summed over all processes.

Counted in memory and written with each heartbeat, so that a call costs no write of its own; a killed worker loses the
counts of its last seconds.
"""

from __future__ import annotations

import threading
from collections import defaultdict

from django.db.models import F

from hyperclusters.modelarts import Exchange, ModelArtsError

from .models import CallCounter

BOUNDS = {"within_300ms": 0.3, "within_1s": 1.0, "within_3s": 3.0, "within_10s": 10.0}  # seconds

Key = tuple[str, str, int]
_lock = threading.Lock()
_calls: dict[Key, dict[str, float]] = defaultdict(lambda: defaultdict(float))


def note(exchange: Exchange, error: ModelArtsError | None) -> None:
    """Count one call. Its labels have a few known values, whatever the cloud says."""
    status = exchange.status if exchange.status is not None and 100 <= exchange.status < 600 else 0
    key = (exchange.request.call, type(error).__name__ if error else "Answer", status)
    with _lock:
        counts = _calls[key]
        counts["count"] += 1
        counts["seconds"] += exchange.elapsed
        for name, bound in BOUNDS.items():
            counts[name] += exchange.elapsed <= bound


def flush() -> None:
    """Write what was counted since the last time."""
    with _lock:
        calls = {key: dict(counts) for key, counts in _calls.items()}
        _calls.clear()
    for (call, result, status), counts in calls.items():
        row, _ = CallCounter.objects.get_or_create(call=call, result=result, status=status)
        CallCounter.objects.filter(pk=row.pk).update(
            **{name: F(name) + value for name, value in counts.items()}
        )
