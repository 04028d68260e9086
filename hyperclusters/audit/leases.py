"""Rows that several workers compete for. A lease gives a row to one worker until it is released or lapses."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Self, TypeVar

from django.db import models
from django.db.models import Q

from . import clock

L = TypeVar("L", bound="LeaseModel")
CLAIM_AMONG = 20  # rows read in one query; those that others take meanwhile are skipped
RENEW_EVERY = 2.0  # seconds


class LeasedQuerySet(models.QuerySet[L]):
    """Queries that claim rows. A model's query set says how long its leases and its waits can be."""

    @property
    def lease_length(self) -> timedelta:
        """The longest time that a worker may need for one row."""
        raise NotImplementedError

    @property
    def longest_wait(self) -> timedelta:
        """The longest time that a row may wait until it is due. As long as a lease, unless a model says otherwise."""
        return self.lease_length

    def with_related(self) -> Self:
        """Select what a worker needs of other tables."""
        return self

    def lapsed(self) -> Self:
        """Rows whose lease has lapsed."""
        return self.filter(clock.due("lease_expires_at", self.lease_length))

    def is_time(self) -> Q:
        """Whether a row's time has come."""
        return clock.due("run_after", self.longest_wait)

    def due(self) -> Self:
        """Rows that a worker may claim now, oldest first: due, and without a lease or with one that lapsed."""
        is_time = self.is_time()
        is_free = Q(lease_expires_at__isnull=True) | clock.due("lease_expires_at", self.lease_length)
        return self.filter(is_free, is_time).order_by("run_after", "pk")

    def claim(
        self, holder: str, among: models.QuerySet[L] | None = None, length: timedelta | None = None
    ) -> L | None:
        """Lease the row that has been due longest. Several workers may call this at once: each row goes to one.

        `among`: due rows to choose from, by conditions on other tables too. These decide about no row that is taken:
        PostgreSQL does not ask them again after it has waited for another worker. `length`: of the lease, if it is
        shorter than others.
        """
        rows = self.due() if among is None else among
        for pk in rows.values_list("pk", flat=True)[:CLAIM_AMONG]:
            if self.take(pk, holder, length):
                # None if another process has just moved it on.
                return self.with_related().filter(pk=pk, lease_holder=holder).first()
        return None

    def take(self, pk: Any, holder: str, length: timedelta | None = None) -> bool:
        """Lease this row. False if it is no longer due, or another worker was faster."""
        free = self.due().order_by().filter(pk=pk)
        lease_expires_at = clock.now() + (length or self.lease_length)
        return bool(free.update(lease_holder=holder, lease_expires_at=lease_expires_at))

    def renewal(self, row: L, length: timedelta | None = None) -> Callable[..., bool]:
        """A function that the row's worker calls often: it renews the lease every few seconds, and writes the given
        columns with it. False if another worker has the row."""
        ours = self.filter(pk=row.pk, lease_holder=row.lease_holder)
        renewed_at = time.monotonic()

        def renew(**columns: Any) -> bool:
            nonlocal renewed_at
            if time.monotonic() - renewed_at < RENEW_EVERY:
                return True
            renewed_at = time.monotonic()
            expires_at = clock.now() + (length or self.lease_length)
            return bool(ours.update(lease_expires_at=expires_at, **columns))

        return renew


class LeaseModel(models.Model):
    """A row that one worker at a time works on. Columns keep the names of the release before."""

    run_after = models.DateTimeField(default=clock.now, db_column="due_at")
    lease_holder = models.CharField(max_length=32, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True, db_column="held_until")

    class Meta:
        abstract = True
