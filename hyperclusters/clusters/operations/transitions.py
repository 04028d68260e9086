"""Transitions of operations: one conditional UPDATE and one event. Also leases and overdue alerts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import Q

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.failpoints import failpoint
from hyperclusters.clusters.models import Operation
from hyperclusters.clusters.models.operation import SENDING, OperationQuerySet
from hyperclusters.clusters.operations.evidence import horizon

WAKE_CHANNEL = "hyperclusters_work"
ERROR_PAUSE = timedelta(seconds=10)  # before an operation whose turn ended in an error is due again
OVERDUE = timedelta(minutes=30)  # after which an open outcome is worth an alert


class StaleState(Exception):
    """Another process has moved this on; nothing was changed."""


def transition(
    operation: Operation,
    to: str,
    event: EventType,
    outcome: Outcome,
    *,
    facts: dict[str, Any],
    **changes: Any,
) -> None:
    """Move an operation from the state and version in which it was read. `facts` are passed to `record`.

    Raises StaleState, having changed nothing, if another process was faster.
    """
    before = operation.state
    rows = type(operation)._default_manager.filter(pk=operation.pk, state=before, version=operation.version)
    with transaction.atomic(savepoint=False):  # if this is stale, an outer transaction is given up as a whole
        if not rows.update(state=to, version=operation.version + 1, **changes):
            raise StaleState(
                f"{operation.KIND} {operation.pk} is not {before} at version {operation.version} any more"
            )
        failpoint("move_updated")
        record(
            event,
            outcome,
            on=operation,
            before={"state": before},
            after={"state": str(to)} | facts.pop("after", {}),
            **{"by": operation.requested_by} | facts,
        )
        failpoint("move_recorded")
    operation.state, operation.version = to, operation.version + 1
    for name, value in changes.items():
        setattr(operation, name, value)


@contextmanager
def release_at_end(operation: Operation) -> Iterator[None]:
    """Release the lease at the end, if it is still ours. After an error the operation is due a little later, so that
    it is not claimed again at once. While a request may be out, the lease is left to lapse."""
    rows = type(operation)._default_manager.filter(pk=operation.pk, lease_holder=operation.lease_holder)
    ours = rows.exclude(state=SENDING)
    try:
        yield
    except Exception:
        with suppress(DatabaseError):  # the first error is the one to raise
            ours.update(run_after=clock.now() + ERROR_PAUSE)
        raise
    finally:
        failpoint("lease_ending")
        if operation.state != SENDING:
            ours.update(lease_holder="", lease_expires_at=None)


def is_overdue() -> Q:
    """Sent more than half an hour ago. Judged by the horizon, which uses our clock: the signature's time uses the
    cloud's."""
    now = clock.now()
    lately = Q(
        not_created_after__gt=horizon(now - OVERDUE), not_created_after__lte=horizon(now) + clock.TOLERANCE
    )
    return Q(not_created_after__isnull=False) & ~lately


def warn_of_overdue(operations: OperationQuerySet[Any], event: EventType) -> None:
    """One alert event for each outcome that has been open for more than half an hour, whatever it waits for."""
    rows = operations.filter(overdue_at__isnull=True)
    for operation in rows.unresolved().filter(is_overdue()).with_related():
        with transaction.atomic():
            if not rows.filter(pk=operation.pk).update(overdue_at=clock.now()):
                continue  # another worker was faster
            failpoint("overdue_marked")
            record(event, Outcome.UNKNOWN, on=operation, by=operation.requested_by)


def wake_workers() -> None:
    """Tell waiting workers that there is work. Where the database cannot, they poll."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {WAKE_CHANNEL}")
