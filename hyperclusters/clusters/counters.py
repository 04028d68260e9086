"""Counts of calls to the cloud and of web requests, how they ended and how long they took, over all processes.

Counted in memory and written with each heartbeat, so that counting costs no write of its own; a killed process loses
the counts of its last seconds.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from django.db import transaction
from django.db.models import F

from hyperclusters.modelarts import Exchange, ModelArtsError

from .models import CallCounter, RequestCounter, TimedCounter

Labels = tuple[str | int, ...]
_lock = threading.Lock()
_counts: dict[tuple[type[TimedCounter], Labels], dict[str, float]] = defaultdict(lambda: defaultdict(float))


def count_call(exchange: Exchange, error: ModelArtsError | None) -> None:
    """Count a call to the cloud. Its labels have a few known values, whatever the cloud says."""
    status = exchange.status if exchange.status is not None and 100 <= exchange.status < 600 else 0
    result = type(error).__name__ if error else "Answer"
    _count(CallCounter, (exchange.request.call, result, status), exchange.elapsed)


def count_request(view: str, method: str, status: int, seconds: float) -> None:
    """Count a web request. `view`: the name of its URL pattern, empty if it has none."""
    method = method if method in {"GET", "HEAD", "POST", "DELETE", "OPTIONS"} else "other"
    _count(RequestCounter, (view[:64], method, status), seconds)


def flush() -> None:
    """Write what was counted since the last time. Raises DatabaseError; the counts are lost then."""
    with _lock:
        counts = {key: dict(values) for key, values in _counts.items()}
        _counts.clear()
    if not counts:
        return
    with transaction.atomic():
        for (model, labels), values in sorted(
            counts.items(), key=str
        ):  # one order, so that no two wait for each other
            rows = model._default_manager
            names: dict[str, Any] = dict(zip(model.LABELS, labels, strict=True))
            row, _ = rows.get_or_create(**names)
            rows.filter(pk=row.pk).update(**{name: F(name) + value for name, value in values.items()})


def _count(model: type[TimedCounter], labels: Labels, seconds: float) -> None:
    with _lock:
        values = _counts[model, labels]
        values["count"] += 1
        values["seconds"] += seconds
        for name, limit in model.BOUNDS.items():
            values[name] += seconds <= limit
