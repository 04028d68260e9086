"""Whether a worker is alive, as all processes see it."""

import socket
from datetime import datetime, timedelta

from django.db.models import Max

from hyperclusters.audit import clock

from .models import Heartbeat

EVERY = 5.0  # seconds
ALIVE = timedelta(seconds=60)
_heard: list[datetime] = []  # the last beat that this process read


def beat(holder: str) -> None:
    """Say that this worker is alive. Those silent for a day are forgotten."""
    now = clock.now()
    Heartbeat.objects.update_or_create(
        holder=holder,
        defaults={"at": now},
        create_defaults={"at": now, "started_at": now, "host": socket.gethostname()[:128]},
    )
    Heartbeat.objects.filter(at__lt=now - timedelta(days=1)).delete()


def stopped(holder: str) -> None:
    """This worker has ended in order."""
    Heartbeat.objects.filter(holder=holder).delete()


def is_a_worker_alive() -> bool:
    """Whether any worker was heard of within the last minute."""
    last = Heartbeat.objects.aggregate(at=Max("at"))["at"]
    _heard[:] = [last] if last else []
    return _is_recent()


def was_a_worker_heard() -> bool:
    """The same for every page. A beat is good for its minute, so the database is asked about once a minute; a worker that
    ended in order is missed when the minute is over."""
    return _is_recent() or is_a_worker_alive()


def forget_heard() -> None:
    """As if this process had asked for no beat yet."""
    _heard.clear()


def _is_recent() -> bool:
    now = clock.now()
    return any(now - ALIVE < at <= now + ALIVE for at in _heard)
