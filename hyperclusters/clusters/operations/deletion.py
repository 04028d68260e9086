"""What only deletions do: send a delete, and check under both types whether the cluster still exists.

Right before each delete of an HPS cluster the worker lists what is inside. Anything inside refuses the deletion, and so
does a list that cannot be read, unless a team admin overrides that. What comes between these lists and the delete is
not seen. Unlike a creation, no quota is checked, because a delete adds nothing; a poll asks for one ID instead of a
list; and no person decides.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from hyperclusters.access.permissions import Permission
from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters import inside, ownership
from hyperclusters.clusters.errors import ClusterLocked
from hyperclusters.clusters.models import Cluster, Deletion, DeletionState, Evidence
from hyperclusters.clusters.operations.engine import Engine
from hyperclusters.clusters.operations.evidence import is_past_horizon
from hyperclusters.clusters.operations.kind import MayBegin
from hyperclusters.clusters.operations.resolution import Resolution
from hyperclusters.clusters.operations.sightings import locate
from hyperclusters.clusters.operations.transitions import StaleState
from hyperclusters.clusters.upstream import other_type
from hyperclusters.modelarts import (
    Answer,
    Client,
    ClockSkew,
    ClusterType,
    CredentialsRefused,
    ModelArtsError,
    NotFound,
    Throttled,
    proves_absence,
)

# The cause of an unknown outcome: the cloud has no such cluster under the type that was sent.
NOT_SEEN = "not_under_this_type"
# The same: one look has not found the cluster. A second one in a row proves that it is gone.
ABSENT_ONCE = "absent_once"
# Why it was not sent: something is inside; that could not be read.
NOT_EMPTY, UNCHECKED = "not_empty", "inside_unchecked"


class DeletionEngine(Engine[Deletion]):
    """Takes deletions to a verdict."""

    rows = Deletion.objects.all()
    verb = "delete"

    def objection(self, operation: Deletion) -> Resolution | None:
        """Besides: an override needs an admin; the cluster belongs to somebody else by now; it is locked."""
        permission = Permission.DECIDE if operation.override_inside else Permission.CREATE
        if (objection := self.permission_objection(operation, permission)) is not None:
            return objection
        cluster = operation.cluster
        if not ownership.may_delete(operation.requested_by, cluster):
            refusal = self.refusal(operation, "owner_changed")
            return replace(refusal, event=self.event("denied"), outcome=Outcome.DENIED)
        if not cluster.is_locked:
            return None
        changes = {"locked_by": cluster.locked_by, "lock_reason": cluster.lock_reason}
        refusal = self.refusal(operation, ClusterLocked.cause)
        return replace(refusal, changes=changes, after=cluster.lock_as_audit_json())

    def prepare(self, operation: Deletion, client: Client, may_begin: MayBegin) -> Resolution | None:
        """List what is inside. An override lets go what is there, or cannot be read, but not a key or time that is
        refused."""
        operation.blockers, operation.blockers_count = None, None  # not known
        if ClusterType.HPS not in {operation.type, *operation.cluster.listed_as}:
            return None
        project = operation.project
        old_offset = project.clock_offset
        try:
            occupants = inside.read_occupants(project, client, may_begin)
        except ModelArtsError as error:
            if operation.override_inside and not isinstance(
                error, CredentialsRefused | ClockSkew | Throttled
            ):
                return None
            resolution = self.not_listed(operation, error, old_offset, UNCHECKED)
            why = {"inside_failure_cause": error.cause}
            return replace(resolution, changes=resolution.changes | why)
        rows = inside.as_rows(occupants or (), operation.cluster.cluster_id)
        operation.blockers, operation.blockers_count = inside.first_rows(rows)
        if not rows or operation.override_inside:
            return None
        columns = _blockers(operation)
        return replace(self.refusal(operation, NOT_EMPTY), changes=columns, after=columns)

    def final_objection(self, operation: Deletion) -> Resolution | None:
        """The same, by the project's team now, and with the cluster's row locked: a lock or a hand-over comes before the
        intent, or waits for it."""
        if not operation.project.has_same_key():
            raise StaleState("the project's key was replaced")
        operation.project.refresh_from_db(fields=["team"])
        rows = Cluster.objects.select_for_update(no_key=True)
        operation.cluster.refresh_from_db(fields=ownership.FIELDS, from_queryset=rows)
        return self.objection(operation)

    def intent(self, operation: Deletion) -> tuple[dict[str, Any], dict[str, Any]]:
        """The type under which it is deleted, and what an override deletes with it."""
        facts: dict[str, Any] = {"type": operation.type}
        if operation.override_inside:
            facts |= {"override_inside": True} | _blockers(operation)
        return _blockers(operation), facts

    def call(self, operation: Deletion, client: Client) -> Answer[None]:
        return client.delete(
            cluster_id=operation.cluster.cluster_id,
            type=ClusterType(operation.type),
            signed_at=operation.signed_at,
        )

    def success(self, operation: Deletion, answer: Answer[None], began_at: datetime) -> Resolution:  # noqa: ARG002
        """The cluster is gone."""
        return Resolution(
            DeletionState.DELETED,
            EventType.DELETE_SUCCEEDED,
            Outcome.DONE,
            evidence=Evidence.REPLY,
            exchange=answer.exchange,
        )

    def failure(self, operation: Deletion, error: ModelArtsError) -> Resolution:
        """ "No such cluster" under one type is no verdict yet: it may live under the other. Somebody else's 404 proves
        nothing."""
        if not isinstance(error, NotFound):
            return super().failure(operation, error)
        if proves_absence(error):
            return replace(self.unknown_outcome(operation, NOT_SEEN, error), run_after=clock.now())
        return self.unknown_outcome(operation, error.cause, error)

    def observe(self, operation: Deletion, client: Client, started_at: datetime) -> Resolution | None:
        """Check whether the cluster still exists, under either type. It is gone if two answers in a row say so: two looks,
        or the delete's and one look."""
        kind = ClusterType(operation.type)
        try:
            answer, type_in_list = locate(operation.project, client, operation.cluster.cluster_id, kind)
        except ModelArtsError:
            return None
        operation.polls += 1
        if isinstance(answer, NotFound):
            if operation.cause not in {NOT_SEEN, ABSENT_ONCE}:
                operation.cause = ABSENT_ONCE
                return None
            success = Resolution(DeletionState.DELETED, EventType.DELETE_SUCCEEDED, Outcome.DONE)
            return replace(success, exchange=answer.exchange, error=answer)
        if operation.cause == ABSENT_ONCE:
            operation.cause = ""
        if not operation.other_type and (type_in_list != kind or operation.cause == NOT_SEEN):
            # It exists, but not under the type that was sent: delete it under the other one, as an attempt of its own.
            other = other_type(kind)
            return Resolution(
                DeletionState.QUEUED,
                EventType.DELETE_NOT_SENT,
                Outcome.FAILED,
                cause="other_type",
                run_after=clock.now(),
                changes={"other_type": other},
                after={"type": str(other)},
            )
        if operation.polls > 1 and is_past_horizon(operation, started_at, answer.exchange):
            return Resolution(
                DeletionState.FAILED, EventType.DELETE_FAILED, Outcome.FAILED, cause="still_there"
            )
        return None

    def progress(self, operation: Deletion) -> dict[str, Any]:
        """Whether the last look has not found it."""
        return super().progress(operation) | {"cause": operation.cause}

    def follow(self, operation: Deletion, resolution: Resolution) -> None:
        """Mark a deleted cluster as gone."""
        if resolution.state == DeletionState.DELETED:
            Cluster.objects.filter(pk=operation.cluster_id, gone_at__isnull=True).update(gone_at=clock.now())


def _blockers(operation: Deletion) -> dict[str, Any]:
    """What is inside, as its row and the ledger store it."""
    return {"blockers": operation.blockers, "blockers_count": operation.blockers_count}


DELETIONS = DeletionEngine()
