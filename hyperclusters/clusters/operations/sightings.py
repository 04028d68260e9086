"""Where an operation's cluster is looked for: in lists, by its ID, and in what other lists showed meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from django.db import transaction

from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters import breaker
from hyperclusters.clusters.models import Cluster, Creation, Project, State
from hyperclusters.clusters.operations.evidence import Sightings, is_known, seen_since_click
from hyperclusters.clusters.operations.resolution import cluster_facts
from hyperclusters.clusters.operations.transitions import StaleState, transition
from hyperclusters.clusters.upstream import other_type
from hyperclusters.modelarts import (
    Answer,
    Client,
    ClockSkew,
    ClusterType,
    CredentialsRefused,
    HyperCluster,
    ModelArtsError,
    NotFound,
    Throttled,
    Unavailable,
    canonical_id,
    proves_absence,
)

# After these a list may be read later: they say nothing of the type that was asked for.
NOT_NOW = (Throttled, Unavailable, CredentialsRefused, ClockSkew)


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
    creation: Creation, client: Client, lists: Sequence[Answer[tuple[HyperCluster, ...]]], *, is_last: bool
) -> Sightings:
    """The lists, and the clusters that they lack, as `show` has them under either type: those that the cloud's answers
    named, and those that were seen since the click. The last poll reads the other type's list as well."""
    sightings = Sightings([item for answer in lists for item in answer.value], is_last=is_last)
    by_answer = {
        each: HyperCluster(each, name="", networks=(), networks_complete=False)
        for each in creation.reported_ids
    }
    since_click = seen_since_click(creation)
    for cluster_id in (by_answer | since_click).keys() - {item.id for item in sightings.clusters}:
        item = since_click.get(cluster_id) or by_answer[cluster_id]
        try:
            answer, kind = locate(creation.project, client, cluster_id, creation.listed_types[0])
        except ModelArtsError:
            sightings.unresolved.append(item)
            continue
        if isinstance(answer, NotFound):
            sightings.vanished += [item] if cluster_id in since_click else []
        elif kind in creation.listed_types:
            sightings.clusters.append(answer.value)
        elif is_last or cluster_id in by_answer:
            sightings.under_other_type.append(answer.value)
    if is_last and creation.type:
        try:
            sightings.under_other_type += _namesakes_of_other_type(creation, client)
        except NOT_NOW:
            sightings.is_last = False
    return sightings


def _namesakes_of_other_type(creation: Creation, client: Client) -> list[HyperCluster]:
    """New clusters of exactly this name under the type that was not sent; none if the cloud refuses to list that type.
    Raises the errors of NOT_NOW."""
    try:
        items = client.list(type=other_type(ClusterType(creation.type))).value
    except ModelArtsError as error:
        breaker.record_result(creation.project, error)
        if isinstance(error, NOT_NOW):
            raise
        return []
    return [
        item
        for item in items
        if item.name == creation.name
        and item.id not in creation.reported_ids
        and not is_known(creation, item.id)
    ]


def is_sought(creation: Creation, item: HyperCluster) -> bool:
    """Whether a cluster that is new in a list may be what this creation made."""
    is_named = item.name == creation.name or item.id in creation.reported_ids
    return is_named and item.id not in creation.baseline


def remember(creation: Creation, item: HyperCluster) -> bool:
    """Keep a sought cluster as a candidate of its open creation, whatever later lists have. Call it in a transaction.

    False if the creation is moving on at this moment: then the next list tells it again. It is not waited for: who moves
    it may wait for what this transaction has locked.
    """
    if any(facts["id"] == item.id for facts in creation.candidates):
        return True
    rows = Creation.objects.filter(pk=creation.pk, version=creation.version)
    if not rows.select_for_update(skip_locked=True, no_key=True).values_list("pk").first():
        return False
    candidates = [*creation.candidates, cluster_facts(item)]
    facts = {"after": {"found": item.id}, "evidence": "listed"}
    event = EventType.CREATE_SIGHTED
    # A new version: a poll that has not seen it reaches no verdict, and no person decides without it.
    transition(creation, creation.state, event, Outcome.NOTED, facts=facts, candidates=candidates)
    return True


def remember_sought(reader: Creation, items: Sequence[HyperCluster]) -> None:
    """Keep what a list that was read for one creation shows of its project's others without an answer: no later list
    may have it. What our copy has is kept already; a creation that moves on at this moment is left out."""
    others = reader.project.creations.filter(state=State.UNKNOWN).exclude(pk=reader.pk).with_related()
    sought = [(creation, item) for creation in others for item in items if is_sought(creation, item)]
    known_ids = {
        canonical_id(each)
        for each in Cluster.objects.with_ids(item.id for _, item in sought).values_list(
            "cluster_id", flat=True
        )
    }
    for creation, item in sought:
        if item.id not in known_ids:
            with transaction.atomic(), suppress(StaleState):
                remember(creation, item)
