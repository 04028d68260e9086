"""What auditors do: review creations, and account for clusters made outside this dashboard."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, require
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .errors import NotInTeam
from .models import Cluster, Creation, Judgement, Review
from .ownership import people_of


class NoteRequired(ValueError):
    """A follow-up needs a note, and an acceptance a reason."""


def review(*, by: User, creations: Iterable[UUID], judgement: Judgement, note: str = "") -> int:
    """Mark these settled creations, with one event each. Returns how many were marked.

    One that is not settled, or has this mark already, stays as it is. All are marked, or none. Raises NotPermitted;
    NoteRequired for a follow-up without a note.
    """
    require(by, Permission.REVIEW)
    if judgement == Judgement.FOLLOW_UP and not note:
        raise NoteRequired("a follow-up needs a note")
    rows = Creation.objects.visible_to(by).filter(pk__in=list(creations), settled_at__isnull=False)
    count = 0
    with transaction.atomic():
        # In one order, so that two auditors who mark the same creations wait for each other.
        for creation in rows.select_for_update(of=("self",)).select_related("project__team").order_by("pk"):
            before = Review.objects.filter(creation=creation).first()
            if before and (before.judgement, before.note) == (judgement, note):
                continue
            values: dict[str, Any] = {"judgement": judgement, "note": note, "by": by, "at": clock.now()}
            Review.objects.update_or_create(creation=creation, defaults=values)
            record(
                EventType.CREATE_REVIEWED if judgement == Judgement.REVIEWED else EventType.CREATE_FLAGGED,
                Outcome.DONE,
                on=creation,
                by=by,
                reason=note,
                before={"review": before.judgement, "note": before.note} if before else None,
                after={"review": judgement.value},
            )
            count += 1
    return count


def account_for_all(*, by: User, clusters: Iterable[Cluster], owner: User | None, reason: str) -> int:
    """As `account_for`, for several clusters with one owner or reason: all or none. Returns how many were noted.

    Raises as `account_for`; NotInTeam if the owner has no access to the team of one of them.
    """
    count = 0
    with transaction.atomic():
        # In one order, so that two auditors who choose the same clusters wait for each other.
        for cluster in sorted(clusters, key=lambda each: each.pk):
            team = cluster.project.team
            if owner is not None and not people_of(team).filter(person=owner).exists():
                raise NotInTeam(owner.username, team)
            count += account_for(by=by, cluster=cluster, claimed_for=owner, reason=reason)
    return count


def account_for(*, by: User, cluster: Cluster, claimed_for: User | None = None, reason: str = "") -> bool:
    """Record the owner of a cluster made outside, or why it may stay. False if it turned out to be made here.

    Whoever it was handed to since the last claim stays its owner.

    Raises NotPermitted; NoteRequired if it is neither claimed for a person nor accepted with a reason.
    """
    require(by, Permission.REVIEW, cluster.project.team)
    if claimed_for is None and not reason:
        raise NoteRequired("an acceptance needs a reason")
    judgement = Judgement.CLAIMED if claimed_for else Judgement.ACCEPTED
    with transaction.atomic():
        rows = Cluster.objects.select_for_update(of=("self",)).select_related("owner")
        outside = rows.filter(pk=cluster.pk, creation__isnull=True).first()
        if outside is None:
            return False
        before = Review.objects.filter(cluster=cluster).first()
        values = {"note": reason, "claimed_for": claimed_for, "by": by, "at": clock.now()}
        Review.objects.update_or_create(cluster=cluster, defaults=values | {"judgement": judgement})
        old_owner = outside.owner
        if outside.owner_id == (before.claimed_for_id if before else None):
            outside.owner = claimed_for
            outside.save(update_fields=["owner"])
        record(
            EventType.CLUSTER_CLAIMED if claimed_for else EventType.CLUSTER_ACCEPTED,
            Outcome.DONE,
            on=cluster,
            by=by,
            reason=reason,
            before={"review": before.judgement if before else "", "owner": _username(old_owner)},
            after={
                "cluster_id": cluster.cluster_id,
                "claimed_for": _username(claimed_for),
                "owner": _username(outside.owner),
            },
        )
    return True


def _username(person: User | None) -> str:
    return person.username if person else ""
