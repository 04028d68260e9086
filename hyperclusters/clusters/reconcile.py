"""What became of a creation whose answer is missing: found out by reading alone, never by sending again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings

from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.modelarts import (
    Answer,
    Client,
    ClusterType,
    Exchange,
    HyperCluster,
    ModelArtsError,
    NotFound,
    canonical_id,
    is_subnet_id,
    proves_absence,
)

from . import breaker
from .credentials import UnusableKey
from .failpoints import failpoint
from .inventory import AlreadyBound, is_bound
from .models import Creation, Evidence, State
from .models.work import LEASE_MARGIN
from .schedule import look_after
from .upstream import client_for, other_type
from .verdicts import Finding, conclude, is_known
from .work import Stale, claim, is_past_horizon, leased


@dataclass(slots=True)
class Sightings:
    """What one look saw in the list of this exchange: the clusters that the cloud has under the type that was sent,
    those under the other type that may be the creation's, and IDs that the cloud's answers named and that could not be
    looked up."""

    exchange: Exchange
    clusters: list[HyperCluster]
    under_other_type: list[HyperCluster] = field(default_factory=list)
    unresolved_ids: list[str] = field(default_factory=list)


def claim_unknown(holder: str) -> Creation | None:
    """Lease the next creation that is to be looked for."""
    return claim(Creation, holder, 2 * settings.UPSTREAM_DEADLINE + LEASE_MARGIN, State.UNKNOWN)


def look(creation: Creation) -> None:
    """Look for a claimed, unknown creation in the cloud's list, and settle it if the list proves something.

    The list of the type that was sent is the proof: the cloud keeps the types apart and we always send it. IDs that an
    answer named are asked for one by one where that list has not got them, and before a creation is called absent the
    other type's list is read as well.
    """
    with leased(creation):
        failpoint("look_begun")
        started_at = clock.now()
        try:
            client = client_for(creation.project)
            if (later := breaker.when_to_call(creation.project)) is not None:
                _look_again(creation, looks=creation.looks, at=later)
                return
            answer = client.list(type=ClusterType(creation.type))
        except UnusableKey:
            _look_again(creation, looks=creation.looks)
            return
        except ModelArtsError as error:  # a list that failed proves nothing
            breaker.note_failure(creation.project, error)
            _look_again(creation, looks=creation.looks)
            return
        breaker.note_answer(creation.project)
        failpoint("look_listed")
        seen = _look_up(creation, client, answer)
        if creation.looks and is_past_horizon(creation, started_at, answer.exchange):
            seen.under_other_type += _namesakes_of_other_type(creation, client)
        try:
            _weigh(creation, seen, started_at)
        except (Stale, AlreadyBound):
            return  # somebody else has come to a verdict meanwhile, or another creation to this cluster


def _look_up(creation: Creation, client: Client, answer: Answer[tuple[HyperCluster, ...]]) -> Sightings:
    """The list, and the clusters of the named IDs that it leaves out, as `show` has them under either type."""
    seen = Sightings(answer.exchange, list(answer.value))
    kind = ClusterType(creation.type)
    for cluster_id in set(creation.reported_ids) - {item.id for item in answer.value}:
        try:
            if item := _show(client, cluster_id, kind):
                seen.clusters.append(item)
            elif item := _show(client, cluster_id, other_type(kind)):
                seen.under_other_type.append(item)
        except ModelArtsError as error:
            breaker.heard(creation.project, error)
            seen.unresolved_ids.append(cluster_id)
    return seen


def _namesakes_of_other_type(creation: Creation, client: Client) -> list[HyperCluster]:
    """New clusters of the very name under the type that was not sent. None if that list fails: it is no proof."""
    try:
        items = client.list(type=other_type(ClusterType(creation.type))).value
    except ModelArtsError as error:
        breaker.heard(creation.project, error)
        return []
    return [
        item
        for item in items
        if item.name == creation.name
        and item.id not in creation.reported_ids
        and not is_known(creation, item.id)
    ]


def _show(client: Client, cluster_id: str, kind: ClusterType) -> HyperCluster | None:
    """The cluster of this ID under this type, None if the cloud says that there is none. Raises ModelArtsError."""
    try:
        return client.show(cluster_id=cluster_id, type=kind).value
    except NotFound as error:
        if proves_absence(error):
            return None
        raise


def candidates(creation: Creation, listed: Sequence[HyperCluster]) -> list[HyperCluster]:
    """The listed clusters that may be this creation's: its very name, not there before, nobody else's."""
    return [
        item
        for item in listed
        if item.name == creation.name
        and item.id not in creation.baseline
        and not is_bound(creation.project, item.id, but=creation)
    ]


def _has_other_network(creation: Creation, item: HyperCluster) -> bool:
    """Whether the cloud says that the subnet that was asked for is not the cluster's.

    A list may leave networks out, and the vendor documents the ID in an answer as a name: both say nothing.
    """
    subnets = [canonical_id(network.subnet_id) for network in item.networks]
    says_all = bool(subnets) and item.networks_complete and all(map(is_subnet_id, subnets))
    return says_all and bool(creation.subnet_id) and creation.subnet_id not in subnets


def _doubts(creation: Creation, seen: Sightings) -> dict[str, str]:
    """The clusters that prove nothing by themselves, each with the reason: by ID, a slug."""
    doubts = dict.fromkeys((item.id for item in seen.under_other_type), "other_type")
    namesakes = {item.id for item in candidates(creation, seen.clusters)}
    for item in seen.clusters:
        if item.id in creation.reported_ids and item.name != creation.name:
            doubts[item.id] = "other_name"
        elif item.id in namesakes.union(creation.reported_ids) and _has_other_network(creation, item):
            doubts[item.id] = "other_network"
    for item in (*seen.clusters, *seen.under_other_type):
        if item.id in creation.reported_ids and is_known(creation, item.id):
            doubts[item.id] = "known_id"
    return doubts


def _weigh(creation: Creation, seen: Sightings, started_at: datetime) -> None:
    """Judge the creation as it was when this look was claimed. Raises Stale if it has moved on: then this list is about
    an earlier send and proves nothing about the present one."""
    doubts = _doubts(creation, seen)
    found = [item for item in candidates(creation, seen.clusters) if item.id not in doubts]
    doubtful = [item for item in (*seen.clusters, *seen.under_other_type) if item.id in doubts]
    looks = creation.looks + 1
    failpoint("look_weighed")
    if len(found) == 1 and not doubtful and not seen.unresolved_ids:
        listed_now = Finding(
            State.CREATED, Did.CREATE_SUCCEEDED, Outcome.DONE, evidence=Evidence.LISTED, cluster=found[0]
        )
        conclude(creation, listed_now)
    elif len(found) > 1 or doubtful:
        cause = "several_candidates" if found else doubts[doubtful[0].id]
        _leave_to_a_person(creation, cause, [*found, *doubtful])
    elif looks < 2 or not is_past_horizon(creation, started_at, seen.exchange):
        _look_again(creation, looks=looks)
    elif seen.unresolved_ids:
        unseen = [
            HyperCluster(id=each, name="", networks=(), networks_complete=False)
            for each in seen.unresolved_ids
        ]
        _leave_to_a_person(creation, "id_not_shown", [*found, *unseen])
    else:
        absent = Finding(State.NOT_CREATED, Did.CREATE_ABSENT, Outcome.FAILED, evidence=Evidence.ABSENT)
        conclude(creation, absent)


def _leave_to_a_person(creation: Creation, cause: str, choice: list[HyperCluster]) -> None:
    undecided = Finding(
        State.NEEDS_ATTENTION,
        Did.CREATE_UNDECIDED,
        Outcome.UNKNOWN,
        cause=cause,
        candidates=tuple(choice),
    )
    conclude(creation, undecided)


def _look_again(creation: Creation, *, looks: int, at: datetime | None = None) -> None:
    failpoint("look_in_vain")
    unmoved = Creation.objects.filter(pk=creation.pk, state=State.UNKNOWN, version=creation.version)
    unmoved.update(looks=looks, due_at=at or look_after(looks, creation.horizon_at))
