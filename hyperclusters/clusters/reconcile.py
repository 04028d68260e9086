"""What became of a creation whose answer is missing: found out by reading alone, never by sending again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.modelarts import Answer, ClusterType, HyperCluster, ModelArtsError

from . import breaker
from .credentials import UnusableKey
from .failpoints import failpoint
from .inventory import is_bound
from .models import Creation, Evidence, State
from .schedule import look_after
from .upstream import client_for
from .verdicts import Finding, conclude
from .work import Stale, claim, is_past_horizon, leased


def claim_unknown(holder: str) -> Creation | None:
    """Lease the next creation that is to be looked for."""
    return claim(Creation, holder, settings.UPSTREAM_DEADLINE + 10, State.UNKNOWN)


def look(creation: Creation) -> None:
    """Look for a claimed, unknown creation in the cloud's list, and settle it if the list proves something.

    The list of the type that was sent is the only relevant one: the cloud keeps the types apart and we always send it.
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
        try:
            _weigh(creation, answer, started_at)
        except Stale:
            return  # somebody else has come to a verdict meanwhile


def candidates(creation: Creation, listed: Sequence[HyperCluster]) -> list[HyperCluster]:
    """The listed clusters that may be this creation's: its very name, not there before, nobody else's, its subnet."""
    return [
        item
        for item in listed
        if item.name == creation.name
        and item.id not in creation.baseline
        and _has_subnet(creation, item)
        and not is_bound(creation.project, item.id, but=creation)
    ]


def _has_subnet(creation: Creation, item: HyperCluster) -> bool:
    """A cluster listed without its networks stays a candidate: the list may leave them out."""
    subnets = [network.subnet_id for network in item.networks]
    return not creation.subnet_id or not subnets or creation.subnet_id in subnets


def _weigh(creation: Creation, answer: Answer[tuple[HyperCluster, ...]], started_at: datetime) -> None:
    """Judge the creation as it was when this look was claimed. Raises Stale if it has moved on: then this list is about
    an earlier send and proves nothing about the present one."""
    found = candidates(creation, answer.value)
    looks = creation.looks + 1
    failpoint("look_weighed")
    if len(found) == 1:
        listed_now = Finding(
            State.CREATED, Did.CREATE_SUCCEEDED, Outcome.DONE, evidence=Evidence.LISTED, cluster=found[0]
        )
        conclude(creation, listed_now)
    elif found:
        undecided = Finding(
            State.NEEDS_ATTENTION,
            Did.CREATE_UNDECIDED,
            Outcome.UNKNOWN,
            cause="several_candidates",
            candidates=tuple(found),
        )
        conclude(creation, undecided)
    elif looks >= 2 and is_past_horizon(creation, started_at, answer.exchange):
        absent = Finding(State.NOT_CREATED, Did.CREATE_ABSENT, Outcome.FAILED, evidence=Evidence.ABSENT)
        conclude(creation, absent)
    else:
        _look_again(creation, looks=looks)


def _look_again(creation: Creation, *, looks: int, at: datetime | None = None) -> None:
    failpoint("look_in_vain")
    unmoved = Creation.objects.filter(pk=creation.pk, state=State.UNKNOWN, version=creation.version)
    unmoved.update(looks=looks, due_at=at or look_after(looks, creation.horizon_at))
