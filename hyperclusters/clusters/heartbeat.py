"""Whether a worker is alive, as all processes see it."""

import socket
from datetime import timedelta

from django.utils import timezone

from .models import Heartbeat

EVERY = 5.0  # seconds
ALIVE = timedelta(seconds=60)


def beat(holder: str) -> None:
    """Say that this worker is alive. Those silent for a day are forgotten."""
    now = timezone.now()
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
    return Heartbeat.objects.filter(at__gt=timezone.now() - ALIVE).exists()
