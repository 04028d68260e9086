"""What proves that nobody edited the ledger: anchors, verifications, and archives with theirs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Q

from hyperclusters.audit.chain import digest, timestamp
from hyperclusters.audit.findings import IntegrityIssue
from hyperclusters.audit.leases import LeasedQuerySet, LeaseModel


class AnchorFile(models.Model):
    """What the database remembers of a file of anchors: how many lines it must have."""

    id = models.CharField(max_length=32, primary_key=True)
    path = models.CharField(max_length=500)
    lines = models.PositiveIntegerField()
    at = models.DateTimeField()
    host = models.CharField(max_length=128, blank=True, default="", db_default="")  # that wrote the last line

    def __str__(self) -> str:
        return self.path


class Verification(models.Model):
    """The result of the last verification: of the whole ledger, and of what was new since then."""

    kind = models.CharField(max_length=8, primary_key=True)  # whole, new
    at = models.DateTimeField()
    seconds = models.FloatField()
    count = models.BigIntegerField()
    seq = models.BigIntegerField()  # verified up to here, with this digest
    digest = models.CharField(max_length=64)
    findings = models.JSONField(default=list)
    chain_key_id = models.CharField(max_length=16, default="", db_default="")  # current behind `seq`
    # Anybody with rights on the database can edit this row, so it counts only with its seal.
    seal_key_id = models.CharField(max_length=16, default="", db_default="")
    seal = models.CharField(max_length=64, default="", db_default="")

    def __str__(self) -> str:
        return f"{self.kind}: {'broken' if self.findings else 'intact'} up to {self.seq}"


class Segment(models.Model):
    """Events that were moved to an archive: the chain continues across the gap from `previous` to `digest`."""

    first = models.BigIntegerField(primary_key=True)
    last = models.BigIntegerField(unique=True)
    previous = models.CharField(max_length=64)  # the digest before the first
    digest = models.CharField(max_length=64)  # of the last
    file = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)  # of the file
    archived_at = models.DateTimeField()
    key_id = models.CharField(max_length=16)
    seal = models.CharField(max_length=64)  # HMAC over all of this; until 0.2 not over `archived_at`
    # Younger columns, which the seal covers where one of them is set.
    first_at = models.DateTimeField(null=True)  # the times of the first and the last event
    last_at = models.DateTimeField(null=True)
    # The current key behind the last event, where `ChainVerifier.is_strict` says that it is known.
    end_key_id = models.CharField(max_length=16, blank=True, default="", db_default="")
    acknowledged = models.JSONField(null=True)  # the acknowledgements among these events

    moved_at: datetime | None = None  # `archived_at` if the seal covers it; set by `segments.is_sealed`

    class Meta:
        ordering = ["first"]

    def __str__(self) -> str:
        return self.file

    @property
    def count(self) -> int:
        """The number of events."""
        return self.last - self.first + 1

    def sealed_with(self, key: bytes, *, is_dated: bool = True) -> str:
        """The seal that this record must have. A record of an earlier release has none of the newer columns, and no
        sealed `archived_at`."""
        values: list[Any] = [self.first, self.last, self.previous, self.digest, self.file, self.sha256]
        younger = (self.first_at, self.last_at, self.end_key_id, self.acknowledged)
        if any(younger):
            times = [timestamp(at) if at else "" for at in (self.first_at, self.last_at)]
            values += [*times, self.end_key_id, json.dumps(self.acknowledged)]
        if is_dated:
            values.append(timestamp(self.archived_at))
        return digest(key, "\n".join(map(str, values)))


class SegmentCheckQuerySet(LeasedQuerySet["SegmentCheck"]):
    lease_length = timedelta(minutes=2)  # a worker renews it every few seconds
    longest_wait = timedelta(minutes=1)  # after an error

    def with_related(self) -> Self:
        """No former result: it may be one that cannot be read."""
        return self.only("first", "lease_holder")

    def is_time(self) -> Q:
        """Only checks that somebody asked for."""
        return Q(requested_at__isnull=False) & super().is_time()


class SegmentCheck(LeaseModel):
    """The verification of an archive's file: one that is asked for, and the result of the last one."""

    first = models.BigIntegerField(primary_key=True)  # of the archive
    requested_at = models.DateTimeField(null=True)  # None: nothing is asked for
    count = models.BigIntegerField(default=0)  # events verified so far
    at = models.DateTimeField(null=True)  # the last one ended
    findings = models.JSONField(default=list)
    seal_key_id = models.CharField(max_length=16, blank=True)
    seal = models.CharField(max_length=64, blank=True)

    issues: Sequence[IntegrityIssue] = ()  # the findings, once the seal has been checked
    objects = SegmentCheckQuerySet.as_manager()

    def __str__(self) -> str:
        return f"archive from event {self.first}"
