"""What an answer or a list proves about a creation, and how a deletion's cluster is located."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.audit.readable import events
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import (
    Cluster,
    Creation,
    Evidence,
    Operation,
    State,
)
from hyperclusters.clusters.operations.resolution import Resolution, cluster_from
from hyperclusters.modelarts import (
    Exchange,
    HyperCluster,
    ModelArtsError,
    Proof,
    canonical_id,
    is_subnet_id,
)

SIGNATURE_LIFE = timedelta(minutes=15)  # the gateway refuses older X-Sdk-Dates (vendor's AK/SK signing guide)


@dataclass(slots=True)
class Sightings:
    """What one poll saw: clusters listed under the type that was sent (under either, if none was), those under the
    other type that may be the creation's, those that could not be looked up, and those that were there and are not.

    `is_last`: it is the second poll at least, began after the horizon, and no list that it needs failed for the moment:
    what it did not see is not there."""

    clusters: list[HyperCluster]
    is_last: bool
    under_other_type: list[HyperCluster] = field(default_factory=list)
    unresolved: list[HyperCluster] = field(default_factory=list)
    vanished: list[HyperCluster] = field(default_factory=list)


def horizon(now: datetime) -> datetime:
    """The time after which the cloud can no longer act on anything signed now."""
    margin = settings.UPSTREAM_SKEW_MARGIN + settings.UPSTREAM_PROCESSING_BOUND
    return now + SIGNATURE_LIFE + timedelta(seconds=margin)


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


def is_known(creation: Creation, cluster_id: str, *, before: datetime | None = None) -> bool:
    """Whether this cluster was known already, under any name and in any project, or another creation made it, or one
    of this project had its ID in an answer.

    `before`: clusters first seen later do not count; otherwise those first seen since the click. An answer counts always.
    """
    others = Cluster.objects.with_ids([cluster_id]).exclude(creation=creation)
    earlier = Q(found_at__lt=before or creation.requested_at) | Q(creation__isnull=False)
    return (
        cluster_id in creation.baseline
        or others.filter(earlier).exists()
        or _is_reported_to_another(creation, cluster_id)
    )


def _is_reported_to_another(creation: Creation, cluster_id: str) -> bool:
    """Whether the cloud named this cluster in an answer to another creation, which has no cluster."""
    others = creation.project.creations.filter(cluster=None).exclude(Q(pk=creation.pk) | Q(reported_ids=[]))
    return any(cluster_id in ids for ids in others.values_list("reported_ids", flat=True))


def unknown_at_click(creation: Creation, names: dict[str, str]) -> list[str]:
    """Of the clusters with these IDs and names, those of other names that our copy lacked when this was requested."""
    earlier = creation.project.clusters.filter(found_at__lt=creation.requested_at)
    ids = set(map(canonical_id, earlier.values_list("cluster_id", flat=True)))
    return [each for each, name in names.items() if name != creation.name and each not in ids]


def candidates(creation: Creation, clusters: Iterable[HyperCluster]) -> list[HyperCluster]:
    """The listed clusters that may be this creation's: exactly its name, and not in the baseline. One that another
    creation made is a contradiction that a person must solve."""
    return _once_each(
        item for item in clusters if item.name == creation.name and item.id not in creation.baseline
    )


def seen_since_click(creation: Creation) -> dict[str, HyperCluster]:
    """Clusters that may be this creation's, by ID, as any list or answer since the click had them: those that it has
    as candidates, and those of our copy. One that no list has any more was there all the same."""
    is_named = Q(name=creation.name) | Q(cluster_id__in=creation.reported_ids)
    since = creation.project.clusters.filter(is_named, creation=None, found_at__gte=creation.requested_at)
    rows = [
        HyperCluster(canonical_id(row.cluster_id), row.name, (), networks_complete=False) for row in since
    ]
    items = [*rows, *map(cluster_from, creation.candidates)]
    return {item.id: item for item in items if item.id not in creation.baseline}


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


def weigh(creation: Creation, sightings: Sightings) -> Resolution | None:
    """What a poll proves. None: nothing yet."""
    namesakes = candidates(creation, sightings.clusters)
    doubts = _doubts(creation, sightings, {item.id for item in namesakes})
    certain = [item for item in namesakes if item.id not in doubts]
    items = _once_each((*sightings.clusters, *sightings.under_other_type))
    doubtful = [item for item in items if item.id in doubts]
    unseen = [*sightings.unresolved, *sightings.vanished]
    if len(certain) == 1 and not doubtful and not unseen:
        success = Resolution(State.CREATED, EventType.CREATE_SUCCEEDED, Outcome.DONE, Evidence.LISTED)
        return replace(success, cluster=certain[0])
    if len(certain) > 1 or doubtful or (certain and sightings.vanished):
        cause = "several_candidates" if certain else doubts[doubtful[0].id]
        return _for_a_person(cause, [*certain, *doubtful, *sightings.vanished])
    if not sightings.is_last:
        return None
    if unseen:
        return _for_a_person("id_not_shown" if sightings.unresolved else "vanished", [*certain, *unseen])
    cause, choice = _doubts_of_absence(creation, items)
    if cause:
        return _for_a_person(cause, choice)
    return Resolution(State.NOT_CREATED, EventType.CREATE_ABSENT, Outcome.FAILED, Evidence.ABSENT)


def _doubts_of_absence(creation: Creation, items: list[HyperCluster]) -> tuple[str, list[HyperCluster]]:
    """Why the creation may have a cluster that no list has under its name (a slug, empty if it has none), and which."""
    if alike := _in_other_spelling(creation, items):
        return "other_spelling", alike
    if any(is_known(creation, each) for each in creation.reported_ids):
        return "known_id", []
    new = _new_clusters(creation, items) if _is_accepted(creation) else []
    return "unread_answer" if new else "", new


def _in_other_spelling(creation: Creation, items: list[HyperCluster]) -> list[HyperCluster]:
    """New clusters whose names differ from the requested one by case or blanks alone: the cloud may spell it so."""
    name = creation.name.casefold()
    return [
        item for item in items if item.name.strip().casefold() == name and not is_known(creation, item.id)
    ]


def _is_accepted(creation: Creation) -> bool:
    """Whether an answer to one of its attempts had a status of success, and could not be read."""
    about = Event.objects.for_object(creation.KIND, creation.pk).filter(action=EventType.CREATE_UNKNOWN)
    answers = [event.response or {} for _, event in events(about) if event]
    return any((answer.get("status") or 0) // 100 == 2 for answer in answers)


def _new_clusters(creation: Creation, items: list[HyperCluster]) -> list[HyperCluster]:
    """The new clusters that no other creation made or, by their names, may have made."""
    new_ids = unknown_at_click(creation, {item.id: item.name for item in items})
    others = set(
        creation.project.creations.unresolved().exclude(pk=creation.pk).values_list("name", flat=True)
    )
    return [
        item
        for item in items
        if item.id in new_ids
        and item.id not in creation.baseline
        and item.name not in others
        and not is_known(creation, item.id)
    ]


def _doubts(creation: Creation, sightings: Sightings, candidate_ids: set[str]) -> dict[str, str]:
    """The clusters that prove nothing by themselves: the reason (a slug) by ID."""
    doubts = dict.fromkeys((item.id for item in sightings.under_other_type), "other_type")
    own_ids = {*creation.reported_ids, *(facts["id"] for facts in creation.candidates)}
    for item in sightings.clusters:
        if item.id in own_ids and item.name != creation.name:
            doubts[item.id] = "other_name"
        elif item.id in candidate_ids | own_ids and _has_other_network(creation, item):
            doubts[item.id] = "other_network"
        if item.id in candidate_ids and is_known(creation, item.id):
            doubts[item.id] = "known_id"  # known before the request, or another creation's
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
