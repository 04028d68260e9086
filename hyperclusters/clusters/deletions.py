"""Requests a deletion. The worker does the rest."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, require
from hyperclusters.audit import request_context
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from . import ownership
from .errors import (
    AlreadyGone,
    Blocked,
    ClusterLocked,
    DeletionOpen,
    NameUnresolved,
    OverrideUnexplained,
    TokenUsed,
    WrongName,
    record_refusal,
)
from .models import Cluster, Deletion, Project
from .operations.transitions import wake_workers
from .readback import hold_until_commit, read_back


def request_deletion(
    *,
    person: User,
    cluster: Cluster,
    typed_name: str,
    reason: str = "",
    override_inside: bool = False,
    token: UUID | None = None,
) -> Deletion:
    """Commit the intent to delete and its audit event; the worker does the rest. The same token again gives the same row.

    Creators delete clusters that they own; admins of the team delete all. A locked one nobody deletes.
    `override_inside`: delete it whatever is inside. That needs an admin of the team, and a reason.
    Raises NotPermitted or CreationRefused: each has its audit event, and nothing was sent.
    """
    facts: dict[str, Any] = {"by": person, "reason": reason}
    with (
        record_refusal(
            denial_event=EventType.DELETE_DENIED, refusal_event=EventType.DELETE_REFUSED, on=cluster, **facts
        ),
        transaction.atomic(durable=True),
    ):
        hold_until_commit(cluster.pk)
        project = Project.objects.select_related("team").get(pk=cluster.project_id)
        require(person, Permission.CREATE, project.team)
        if override_inside:
            require(person, Permission.DECIDE, project.team)
        if token and (earlier := Deletion.objects.filter(token=token).first()):
            return _same_or_refuse(earlier, cluster, typed_name, reason, override_inside)
        cluster.refresh_from_db(fields=["name", "gone_at", *ownership.FIELDS])
        if cluster.owner_id != person.pk:
            require(person, Permission.MANAGE, project.team)
        _require_deletable(project, cluster, typed_name)
        if override_inside and not reason.strip():
            raise OverrideUnexplained
        request = {"confirmed_name": typed_name, "reason": reason, "override_inside": override_inside}
        return _accept(cluster=cluster, requested_by=person, token=token, **request)


def _accept(**columns: Any) -> Deletion:
    """Save the request with its event, and wake the workers."""
    deletion = Deletion.objects.create(request_id=request_context.current().request_id, **columns)
    owner = deletion.cluster.owner
    after: dict[str, Any] = {
        "state": deletion.state,
        "cluster_id": deletion.cluster.cluster_id,
        "owner": owner.username if owner else "",
    }
    if deletion.override_inside:
        after["override_inside"] = True
    facts: dict[str, Any] = {"by": deletion.requested_by, "reason": deletion.reason, "after": after}
    record(EventType.DELETE_REQUESTED, Outcome.ACCEPTED, on=deletion, **facts)
    wake_workers()
    return deletion


def find_recorded(*, person: User, cluster: Cluster) -> Deletion | None:
    """The deletion that this web request recorded, read after a COMMIT without an answer.

    Waits a while for a transaction that is still open. Raises DatabaseError if it cannot be known yet.
    """
    request_id = request_context.current().request_id
    mine = Deletion.objects.filter(cluster=cluster, requested_by=person, request_id=request_id)
    return read_back(cluster.pk, mine.first)


def find_same(
    *,
    person: User,
    cluster: Cluster,
    typed_name: str,
    reason: str,
    token: UUID,
    override_inside: bool = False,
) -> Deletion | None:
    """The deletion of this token, read after a COMMIT without an answer. Raises TokenUsed if it asked for another thing."""
    earlier = read_back(cluster.pk, Deletion.objects.filter(token=token, requested_by=person).first)
    return _same_or_refuse(earlier, cluster, typed_name, reason, override_inside) if earlier else None


def _same_or_refuse(
    earlier: Deletion, cluster: Cluster, typed_name: str, reason: str, override_inside: bool
) -> Deletion:
    before = (
        earlier.cluster_id,
        earlier.confirmed_name or earlier.name,
        earlier.reason,
        earlier.override_inside,
    )
    if before != (cluster.pk, typed_name, reason, override_inside):
        raise TokenUsed(None)
    return earlier


def _require_deletable(project: Project, cluster: Cluster, typed_name: str) -> None:
    """Nothing stands in the way of deleting this cluster, as it is now. Raises CreationRefused."""
    if cluster.is_locked:
        raise ClusterLocked(cluster)
    if typed_name != cluster.name:
        raise WrongName(typed_name)
    if cluster.gone_at is not None:
        raise AlreadyGone(cluster.cluster_id)
    if creation := project.creations.unresolved().filter(name=cluster.name).first():
        raise NameUnresolved(creation)
    if deletion := Deletion.objects.unresolved().filter(cluster=cluster).first():
        raise DeletionOpen(deletion)
    if project.is_blocked():
        raise Blocked(project)
