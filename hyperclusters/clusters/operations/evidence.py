"""What an answer or a list proves about a creation, and how a deletion's cluster is located."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters import breaker
from hyperclusters.clusters.models import (
    EVIDENCE_RANK,
    Cluster,
    ClusterListing,
    Creation,
    Evidence,
    Operation,
    Project,
    State,
)
from hyperclusters.clusters.operations.resolution import Resolution
from hyperclusters.clusters.upstream import other_type
from hyperclusters.modelarts import (
    Answer,
    Client,
    ClusterType,
    Exchange,
    HyperCluster,
    ModelArtsError,
    NotFound,
    Proof,
    canonical_id,
    is_subnet_id,
    proves_absence,
)

SIGNATURE_LIFE = timedelta(minutes=15)  # the gateway refuses older X-Sdk-Dates (vendor's AK/SK signing guide)
ENDED_WITHOUT = (State.FAILED, State.REFUSED, State.CANCELLED)


@dataclass(slots=True)
class Sightings:
    """What one poll saw: clusters listed under the type that was sent (under either, if none was), those under the
    other type that may be the creation's, and IDs from the cloud's answers that could not be looked up."""

    exchanges: list[Exchange]
    clusters: list[HyperCluster]
    under_other_type: list[HyperCluster] = field(default_factory=list)
    unresolved_ids: list[str] = field(default_factory=list)


def horizon(now: datetime) -> datetime:
    """The time after which the cloud can no longer act on anything signed now."""
    bound = settings.UPSTREAM_SKEW_MARGIN + settings.UPSTREAM_PROCESSING_BOUND
    return now + SIGNATURE_LIFE + timedelta(seconds=bound)


def is_past_horizon(operation: Operation, started_at: datetime, *exchanges: Exchange) -> bool:
    """Whether the cloud can no longer act on what was sent, by all clocks: a poll that began at `started_at` was
    answered after the horizon by our clock, which was not in doubt since, and by the cloud's, in each answer that has
    a date.

    A horizon further ahead than possible was written by a wrong clock: a whole one begins now.
    """
    if operation.not_created_after is None or operation.signed_at is None:
        return False
    farthest = horizon(started_at)
    if operation.not_created_after > farthest + clock.TOLERANCE:
        rows = type(operation)._default_manager.filter(pk=operation.pk, version=operation.version)
        rows.update(not_created_after=farthest)
    answered_at = [
        each.server_date - timedelta(seconds=each.elapsed) for each in exchanges if each.server_date
    ]
    last = horizon(operation.signed_at)
    return (
        all(at > last for at in answered_at)
        and started_at > operation.not_created_after
        and clock.is_proved(farthest - started_at)
    )


def of_attempts(creation: Creation) -> Evidence:
    """What the attempts of a waiting creation prove. "Nothing was sent" is only for no attempt, or for attempts that
    provably never left."""
    if not creation.attempts:
        return Evidence.NOT_SENT
    return Evidence(creation.evidence or Evidence.REFUSED)


def of_refusal(creation: Creation, error: ModelArtsError) -> Evidence:
    """What all attempts prove, the last of which ended in this error."""
    never_left = creation.attempts == 1 or creation.evidence == Evidence.NOT_SENT
    return Evidence.NOT_SENT if error.proves == Proof.NOT_SENT and never_left else Evidence.REFUSED


def is_stronger(resolution: Resolution, creation: Creation) -> bool:
    """Whether the resolution's evidence outranks that of the creation's verdict."""
    rank = EVIDENCE_RANK.get(resolution.evidence, 0) if resolution.evidence else 0
    return rank > EVIDENCE_RANK.get(Evidence(creation.evidence), 0)


def contradicts(resolution: Resolution, creation: Creation) -> bool:
    """Whether the resolution contradicts the creation's earlier verdict."""
    if resolution.is_verdict:
        bound = getattr(creation, "cluster", None)
        item = resolution.cluster
        is_same = item is None or (bound is not None and bound.cluster_id == item.id)
        return creation.state != resolution.state or not is_same
    # Not a verdict: not sent, throttled, or unknown.
    if resolution.proves_nothing_done:
        return creation.state == State.CREATED
    names_one = bool(resolution.cluster_ids) and resolution.cause != "known_id"
    return names_one and creation.evidence == Evidence.ABSENT


def is_known(creation: Creation, cluster_id: str, *, before: datetime | None = None) -> bool:
    """Whether this cluster was known already, under any name and in any project, or another creation made it.

    `before`: clusters first seen later do not count.
    """
    others = Cluster.objects.with_ids([cluster_id]).exclude(creation=creation)
    if before is not None:
        others = others.filter(Q(found_at__lt=before) | Q(creation__isnull=False))
    return cluster_id in creation.baseline or others.exists()


def unknown_at_click(creation: Creation, names: dict[str, str]) -> list[str]:
    """Of the clusters with these IDs and names, those of other names that our copy lacked when this was requested."""
    earlier = creation.project.clusters.filter(found_at__lt=creation.requested_at)
    known = set(map(canonical_id, earlier.values_list("cluster_id", flat=True)))
    return [each for each, name in names.items() if name != creation.name and each not in known]


def candidates(creation: Creation, clusters: Iterable[HyperCluster]) -> list[HyperCluster]:
    """The listed clusters that may be this creation's: exactly its name, not in the baseline, not bound to another."""
    bound = Cluster.objects.filter(project=creation.project, creation__isnull=False).exclude(
        creation=creation
    )
    return _once_each(
        item
        for item in clusters
        if item.name == creation.name
        and item.id not in creation.baseline
        and not bound.with_ids([item.id]).exists()
    )


def _once_each(items: Iterable[HyperCluster]) -> list[HyperCluster]:
    """The first of each ID: the cloud may list one cluster under both types."""
    return list({item.id: item for item in reversed(list(items))}.values())[::-1]


def _has_other_network(creation: Creation, item: HyperCluster) -> bool:
    """Whether the cloud says that the cluster does not have the requested subnet.

    A list may leave networks out, and the vendor documents the ID in an answer as a name: both prove nothing.
    """
    subnets = [canonical_id(network.subnet_id) for network in item.networks]
    says_all = bool(subnets) and item.networks_complete and all(map(is_subnet_id, subnets))
    return says_all and bool(creation.subnet_id) and creation.subnet_id not in subnets


def locate(
    project: Project, client: Client, cluster_id: str, kind: ClusterType
) -> tuple[Answer[HyperCluster] | NotFound, ClusterType]:
    """The cluster with this ID under this type, else under the other, and the type; NotFound if it is proved to be
    under neither. Raises ModelArtsError if one of the two could not be asked."""
    for each in (kind, other_type(kind)):
        try:
            answer = client.show(cluster_id=cluster_id, type=each)
        except ModelArtsError as error:
            breaker.record_result(project, error)
            if not isinstance(error, NotFound) or not proves_absence(error):
                raise
            absence = error
        else:
            breaker.record_result(project)
            return answer, each
    return absence, each


def look_up(
    creation: Creation, client: Client, lists: Sequence[Answer[tuple[HyperCluster, ...]]]
) -> Sightings:
    """The lists, and the clusters of reported IDs that they lack, as `show` has them under either type."""
    listed = [item for answer in lists for item in answer.value]
    sightings = Sightings([answer.exchange for answer in lists], listed)
    for cluster_id in set(creation.reported_ids) - {item.id for item in listed}:
        try:
            kind = creation.listed_types[0]
            answer_by_id, type_in_list = locate(creation.project, client, cluster_id, kind)
        except ModelArtsError:
            sightings.unresolved_ids.append(cluster_id)
            continue
        if not isinstance(answer_by_id, NotFound):
            is_own_type = type_in_list in creation.listed_types
            found = sightings.clusters if is_own_type else sightings.under_other_type
            found.append(answer_by_id.value)
    return sightings


def namesakes_of_other_type(creation: Creation, client: Client) -> list[HyperCluster]:
    """New clusters of exactly this name under the type that was not sent. Empty if that list fails: it is no proof."""
    try:
        items = client.list(type=other_type(ClusterType(creation.type))).value
    except ModelArtsError as error:
        breaker.record_result(creation.project, error)
        return []
    return [
        item
        for item in items
        if item.name == creation.name
        and item.id not in creation.reported_ids
        and not is_known(creation, item.id)
    ]


def weigh(creation: Creation, sightings: Sightings, started_at: datetime) -> Resolution | None:
    """What a poll that began at `started_at` proves. None: nothing yet."""
    namesakes = candidates(creation, sightings.clusters)
    doubts = _doubts(creation, sightings, {item.id for item in namesakes})
    certain = [item for item in namesakes if item.id not in doubts]
    seen = _once_each((*sightings.clusters, *sightings.under_other_type))
    doubtful = [item for item in seen if item.id in doubts]
    if len(certain) == 1 and not doubtful and not sightings.unresolved_ids:
        listed = Resolution(State.CREATED, EventType.CREATE_SUCCEEDED, Outcome.DONE, Evidence.LISTED)
        return replace(listed, cluster=certain[0])
    if len(certain) > 1 or doubtful:
        cause = "several_candidates" if certain else doubts[doubtful[0].id]
        return _for_a_person(cause, [*certain, *doubtful])
    if creation.polls < 2 or not is_past_horizon(creation, started_at, *sightings.exchanges):
        return None
    if sightings.unresolved_ids:
        unseen = [
            HyperCluster(each, name="", networks=(), networks_complete=False)
            for each in sightings.unresolved_ids
        ]
        return _for_a_person("id_not_shown", [*certain, *unseen])
    return Resolution(State.NOT_CREATED, EventType.CREATE_ABSENT, Outcome.FAILED, Evidence.ABSENT)


def _doubts(creation: Creation, sightings: Sightings, candidate_ids: set[str]) -> dict[str, str]:
    """The clusters that prove nothing by themselves: the reason (a slug) by ID."""
    doubts = dict.fromkeys((item.id for item in sightings.under_other_type), "other_type")
    for item in sightings.clusters:
        if item.id in creation.reported_ids and item.name != creation.name:
            doubts[item.id] = "other_name"
        elif item.id in candidate_ids.union(creation.reported_ids) and _has_other_network(creation, item):
            doubts[item.id] = "other_network"
        if item.id in candidate_ids and is_known(creation, item.id, before=creation.requested_at):
            doubts[item.id] = "known_id"  # known before the request: it took this name later
    for item in (*sightings.clusters, *sightings.under_other_type):
        if item.id in creation.reported_ids and is_known(creation, item.id):
            doubts[item.id] = "known_id"
    return doubts


def _for_a_person(cause: str, choice: list[HyperCluster]) -> Resolution:
    return Resolution(
        State.NEEDS_ATTENTION,
        EventType.CREATE_UNDECIDED,
        Outcome.UNKNOWN,
        cause=cause,
        candidates=tuple(choice),
    )


def flag_contradictions(source: ClusterListing, items: Sequence[HyperCluster], at: datetime) -> None:
    """Flag creations whose verdict denies these clusters, which the source lists for the first time at `at`.

    By its name, a creation that the cloud refused is flagged until its horizon: after it, the name is free for others.
    """
    named = Q(name__in=[item.name for item in items])
    in_time = named & Q(not_created_after__gt=at, type__in=[source.type, ""])
    refused = Q(state__in=ENDED_WITHOUT, attempts__gt=0) & ~Q(evidence=Evidence.NOT_SENT)
    denies = Q(state=State.NOT_CREATED) & named | refused & in_time
    denies |= (Q(state=State.NOT_CREATED) | refused) & ~Q(reported_ids=[])
    suspects = source.project.creations.filter(denies, conflict_at__isnull=True)
    for creation in suspects.with_related():
        ruled_out = {candidate["id"] for candidate in creation.candidates}.union(creation.baseline)
        for item in items:
            is_named = item.name == creation.name or item.id in creation.reported_ids
            if is_named and item.id not in ruled_out:
                Creation.objects.filter(pk=creation.pk).update(conflict_at=clock.now())
                record(
                    EventType.CREATE_CONTRADICTED,
                    Outcome.FAILED,
                    on=creation,
                    by=creation.requested_by,
                    after={"state": creation.state, "found": item.id},
                    evidence="listed",
                )
                break
