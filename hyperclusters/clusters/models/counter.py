"""Counters that all processes add to; `/metrics` reads them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class TimedCounter(models.Model):
    """How many ended in one way and how long they took, over all processes since the beginning."""

    count = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)

    LABELS: ClassVar[tuple[str, ...]]
    BOUNDS: ClassVar[dict[str, float]]  # field: how many took at most so many seconds

    class Meta:
        abstract = True

    def __str__(self) -> str:
        labels = " ".join(str(getattr(self, name)) for name in self.LABELS)
        return f"{labels}: {self.count}"


class CallCounter(TimedCounter):
    """Calls to the cloud."""

    call = models.CharField(max_length=16)  # as `modelarts.Request.call`
    result = models.CharField(max_length=24)  # Answer, or the name of the error
    status = models.PositiveSmallIntegerField()  # 0 where there was no answer
    within_300ms = models.PositiveBigIntegerField(default=0)
    within_1s = models.PositiveBigIntegerField(default=0)
    within_3s = models.PositiveBigIntegerField(default=0)
    within_10s = models.PositiveBigIntegerField(default=0)

    LABELS = ("call", "result", "status")
    BOUNDS = {"within_300ms": 0.3, "within_1s": 1.0, "within_3s": 3.0, "within_10s": 10.0}

    class Meta:
        ordering = ["call", "result", "status"]
        db_table = "clusters_calltally"
        constraints = [models.UniqueConstraint(fields=["call", "result", "status"], name="call_tally_once")]


class RequestCounter(TimedCounter):
    """Web requests, without probes and static files."""

    view = models.CharField(max_length=64)  # the name of the URL pattern; empty if none fits
    method = models.CharField(max_length=8)
    status = models.PositiveSmallIntegerField()
    within_50ms = models.PositiveBigIntegerField(default=0)
    within_100ms = models.PositiveBigIntegerField(default=0)
    within_300ms = models.PositiveBigIntegerField(default=0)
    within_1s = models.PositiveBigIntegerField(default=0)
    within_3s = models.PositiveBigIntegerField(default=0)

    LABELS = ("view", "method", "status")
    BOUNDS = {
        "within_50ms": 0.05,
        "within_100ms": 0.1,
        "within_300ms": 0.3,
        "within_1s": 1.0,
        "within_3s": 3.0,
    }

    class Meta:
        ordering = ["view", "method", "status"]
        constraints = [
            models.UniqueConstraint(fields=["view", "method", "status"], name="request_counter_once")
        ]
