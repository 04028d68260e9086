"""Who answers for a cluster, and locks against deleting it.

The owner is who created the cluster here, or for whom an auditor claimed it, until it is handed over. A lock stops every
deletion whose request has not gone out: requests are refused, and the worker asks again when it commits the intent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from hyperclusters.access import rules
from hyperclusters.access.models import Grant, Team, User
from hyperclusters.access.models.grant import GrantQuerySet
from hyperclusters.access.permissions import Permission, active_grants, may, require
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .errors import (
    AlreadyGone,
    ClusterLocked,
    NotInTeam,
    NotLocked,
    OwnerAlready,
    ReasonRequired,
    record_refusal,
)
from .models import Cluster

FIELDS = ["owner", "locked_at", "locked_by", "lock_reason"]


def may_delete(person: User, cluster: Cluster) -> bool:
    """Whether this person may delete the cluster while it is not locked."""
    team = cluster.project.team
    is_own = cluster.owner_id == person.pk and may(person, Permission.CREATE, team)
    return is_own or may(person, Permission.MANAGE, team)


def may_hand_over(person: User, cluster: Cluster) -> bool:
    """Whether this person may hand the cluster over."""
    team = cluster.project.team
    is_in_team = any(grant.team_id == team.pk for grant in active_grants(person))
    is_own = cluster.owner_id == person.pk and is_in_team and person.service_team_id is None
    return is_own or may(person, Permission.MANAGE, team)


def people_of(team: Team) -> GrantQuerySet:
    """The people in a team, each by the grant that counts, without service identities: who can own its clusters."""
    grants = Grant.objects.active().effective().filter(team=team, person__service_team__isnull=True)
    return grants.select_related("person").order_by("person__username")


def hand_over(*, by: User, cluster: Cluster, to: str, reason: str) -> Cluster:
    """Make the person with this user name the owner. They must be in the team.

    Raises NotPermitted unless `by` is the owner and in the team, or its admin; CreationRefused.
    """
    with _change(cluster, by, reason, refusal_event=EventType.OWNER_REFUSED, request={"owner": to}) as row:
        team = row.project.team
        if row.owner_id != by.pk or not people_of(team).filter(person=by).exists():
            require(by, Permission.MANAGE, team)
        _require_reason(reason)
        grant = people_of(team).filter(person__in=User.objects.by_username(to)).first()
        if grant is None:
            raise NotInTeam(to, team)
        if grant.person == row.owner:
            raise OwnerAlready(to)
        before, row.owner = row.owner, grant.person
        row.save(update_fields=["owner"])
        record(
            EventType.OWNER_CHANGED,
            Outcome.DONE,
            on=row,
            by=by,
            reason=reason,
            before={"owner": before.username if before else ""},
            after={"owner": grant.person.username, "cluster_id": row.cluster_id},
        )
    return row


def lock(*, by: User, cluster: Cluster, reason: str) -> Cluster:
    """Stop every deletion that is not sent yet. Raises NotPermitted; CreationRefused."""
    with _change(cluster, by, reason, refusal_event=EventType.LOCK_REFUSED) as row:
        require(by, Permission.LOCK, row.project.team)
        _require_reason(reason)
        if row.is_locked:
            raise ClusterLocked(row)
        _save_lock(row, by, reason)
        record(
            EventType.LOCKED,
            Outcome.DONE,
            on=row,
            by=by,
            reason=reason,
            after={"cluster_id": row.cluster_id} | row.lock_as_audit_json(),
        )
    return row


def unlock(*, by: User, cluster: Cluster, reason: str = "") -> Cluster:
    """Let it be deleted again. Raises NotPermitted unless `by` is an admin of the team; CreationRefused."""
    with _change(cluster, by, reason, refusal_event=EventType.LOCK_REFUSED) as row:
        require(by, Permission.UNLOCK, row.project.team)
        if not row.is_locked:
            raise NotLocked(row.cluster_id)
        before = row.lock_as_audit_json()
        _save_lock(row, None, "")
        record(
            EventType.UNLOCKED,
            Outcome.DONE,
            on=row,
            by=by,
            reason=reason,
            before=before,
            after={"cluster_id": row.cluster_id},
        )
    return row


@contextmanager
def _change(
    cluster: Cluster,
    by: User,
    reason: str,
    *,
    refusal_event: EventType,
    request: dict[str, Any] | None = None,
) -> Iterator[Cluster]:
    """The cluster as it is now, locked; what is refused inside is recorded.

    The team is locked before it: nobody is deactivated and no access ends between the check and the COMMIT.
    """
    facts = {"on": cluster, "by": by, "reason": reason, "request": request}
    with (
        record_refusal(denial_event=refusal_event, refusal_event=refusal_event, **facts),
        transaction.atomic(),
    ):
        rules.lock(cluster.project.team)
        rows = Cluster.objects.select_for_update(of=("self",), no_key=True)
        row = rows.select_related("project__team", "owner", "locked_by").get(pk=cluster.pk)
        if row.gone_at is not None:
            raise AlreadyGone(row.cluster_id)
        yield row


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise ReasonRequired("no reason")


def _save_lock(row: Cluster, by: User | None, reason: str) -> None:
    row.locked_by, row.lock_reason, row.locked_at = by, reason, clock.now() if by else None
    row.save(update_fields=["locked_by", "lock_reason", "locked_at"])
