"""Evidence that contradicts a verdict: a late answer, or a cluster in a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import (
    EVIDENCE_RANK,
    Cluster,
    ClusterListing,
    Creation,
    Deletion,
    DeletionState,
    Evidence,
    Operation,
    State,
)
from hyperclusters.clusters.operations.evidence import is_known, seen_since_click
from hyperclusters.clusters.operations.resolution import Resolution
from hyperclusters.modelarts import HyperCluster, canonical_id

ENDED_WITHOUT = (State.FAILED, State.REFUSED, State.CANCELLED)


def is_stronger(resolution: Resolution, creation: Creation) -> bool:
    """Whether the resolution's evidence outranks that of the creation's verdict."""
    rank = EVIDENCE_RANK.get(resolution.evidence, 0) if resolution.evidence else 0
    return rank > EVIDENCE_RANK.get(Evidence(creation.evidence), 0)


def contradicts(resolution: Resolution, creation: Creation) -> bool:
    """Whether the resolution contradicts the creation's earlier verdict."""
    cluster = getattr(creation, "cluster", None)
    own_id = canonical_id(cluster.cluster_id) if cluster else ""
    if resolution.is_verdict:
        is_same = resolution.cluster is None or resolution.cluster.id == own_id
        is_created, was_created = resolution.state == State.CREATED, creation.state == State.CREATED
        return is_created != was_created or not is_same
    # Not a verdict: not sent, throttled, or unknown.
    if resolution.proves_nothing_done:
        return creation.state == State.CREATED
    if not resolution.cluster_ids or resolution.cause == "known_id" or not resolution.says_done:
        return False
    is_another = bool(own_id) and own_id not in resolution.cluster_ids
    return is_another or creation.evidence == Evidence.ABSENT


def flag_contradictions(source: ClusterListing, items: Sequence[HyperCluster], at: datetime) -> None:
    """Flag creations whose verdict denies these clusters, which the source lists for the first time at `at`.

    By its name, a creation that the cloud refused is flagged until its horizon: after it, the name is free for others.
    """
    has_name = Q(name__in=[item.name for item in items])
    in_time = has_name & Q(not_created_after__gt=at, type__in=[source.type, ""])
    is_refusal = Q(state__in=ENDED_WITHOUT, attempts__gt=0) & ~Q(evidence=Evidence.NOT_SENT)
    denies = Q(state=State.NOT_CREATED) & has_name | is_refusal & in_time
    denies |= (Q(state=State.NOT_CREATED) | is_refusal) & ~Q(reported_ids=[])
    suspects = source.project.creations.filter(denies, conflict_at__isnull=True)
    for creation in suspects.with_related():
        ruled_out = {*creation.baseline}
        if creation.evidence == Evidence.HUMAN:
            ruled_out |= {candidate["id"] for candidate in creation.candidates}
        for item in items:
            is_named = item.name == creation.name or item.id in creation.reported_ids
            if is_named and item.id not in ruled_out:
                _flag(creation, item.id)
                break


def flag_denial(creation: Creation) -> None:
    """Flag a creation that has just ended as not carried out, if a cluster that it may have made was seen."""
    if creation.attempts and creation.evidence == Evidence.REFUSED:
        candidates = [each for each in seen_since_click(creation) if not is_known(creation, each)]
        for cluster_id in candidates[:1]:
            _flag(creation, cluster_id)


def note_return(cluster: Cluster) -> None:
    """Record that a list has a cluster again that was gone; and, if it was deleted here since it was last seen, that
    this contradicts the deletion."""
    record(EventType.CLUSTER_BACK, Outcome.NOTED, on=cluster)
    deletions = Deletion.objects.filter(cluster=cluster, settled_at__gte=cluster.seen_at)
    for deletion in deletions.filter(state=DeletionState.DELETED).with_related()[:1]:
        _contradict(EventType.DELETE_CONTRADICTED, deletion, cluster.cluster_id)


def _flag(creation: Creation, cluster_id: str) -> None:
    Creation.objects.filter(pk=creation.pk).update(conflict_at=clock.now())
    _contradict(EventType.CREATE_CONTRADICTED, creation, cluster_id)


def _contradict(event: EventType, operation: Operation, cluster_id: str) -> None:
    """Record that a list has this cluster, which the operation's verdict denies."""
    record(
        event,
        Outcome.FAILED,
        on=operation,
        by=operation.requested_by,
        after={"state": operation.state, "found": cluster_id},
        evidence="listed",
    )
