"""Rows that several workers compete for. A lease gives a row to one worker until it is released or lapses."""

from __future__ import annotations

from datetime import timedelta
from typing import Self, TypeVar

from django.db import models
from django.db.models import Q

from . import clock

L = TypeVar("L", bound="LeaseModel")
CLAIM_TRIES = 20  # rows that others may take first


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

    def claim(self, holder: str, among: Self | None = None) -> L | None:
        """Lease the row that has been due longest. Several workers may call this at once: each row goes to one.

        `among`: due rows to choose from, by conditions on other tables too. These are asked once, when the row is read.
        """
        rows = (self.due() if among is None else among).with_related()
        for _ in range(CLAIM_TRIES):
            row = rows.first()
            if row is None or self.take(row, holder):
                return row
        return None

    def take(self, row: L, holder: str) -> bool:
        """Lease this row, as it was read. False if another worker was faster, or it has moved on."""
        free = self.filter(
            pk=row.pk,
            run_after=row.run_after,
            lease_holder=row.lease_holder,
            lease_expires_at=row.lease_expires_at,
        )
        lease_expires_at = clock.now() + self.lease_length
        if not free.update(lease_holder=holder, lease_expires_at=lease_expires_at):
            return False
        row.lease_holder, row.lease_expires_at = holder, lease_expires_at
        return True


class LeaseModel(models.Model):
    """A row that one worker at a time works on. Columns keep the names of the release before."""

    run_after = models.DateTimeField(default=clock.now, db_column="due_at")
    lease_holder = models.CharField(max_length=32, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True, db_column="held_until")

    class Meta:
        abstract = True
