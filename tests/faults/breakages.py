"""Deliberate breakages of the product, applied inside one child, to show that the harness finds each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from hyperclusters.audit import chain
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import Creation, Evidence, State
from hyperclusters.clusters.operations import creation as creation_engine
from hyperclusters.clusters.operations import evidence, transitions
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.operations.resolution import Resolution
from hyperclusters.clusters.operations.transitions import transition
from hyperclusters.clusters.upstream import signing_time
from hyperclusters.modelarts import Answer, Client, ClusterType, HyperCluster, ModelArtsError, OutcomeUnknown

BREAKAGES: dict[str, Callable[[], None]] = {}


def apply(name: str) -> None:
    """Break this process's copy of the product. Empty: change nothing."""
    if name:
        BREAKAGES[name]()


def breakage(function: Callable[[], None]) -> Callable[[], None]:
    """Register a breakage by its name."""
    BREAKAGES[function.__name__] = function
    return function


def _put(place: Any, name: str, value: Callable[..., Any]) -> None:
    setattr(place, name, value)


@breakage
def intent_after_the_post() -> None:
    """The create is sent first and recorded when it has come back."""

    def commit_nothing(creation: Creation) -> bool:
        creation.signed_at = signing_time(creation.project)
        return True

    def post_first(creation: Creation, client: Client) -> None:
        answer = CREATIONS.call(creation, client)
        CREATIONS._begin(creation)
        CREATIONS.apply_result(creation.pk, CREATIONS.success(creation, answer, timezone.now()))

    _put(CREATIONS, "_commit_intent", commit_nothing)
    _put(CREATIONS, "_call", post_first)


@breakage
def sent_again_after_a_read_timeout() -> None:
    """A missing answer counts as "nothing done", so the create is sent again."""
    classify = CREATIONS.failure

    def optimistic(creation: Creation, error: ModelArtsError) -> Resolution:
        if isinstance(error, OutcomeUnknown):
            return Resolution(
                State.QUEUED,
                EventType.CREATE_NOT_SENT,
                Outcome.FAILED,
                error=error,
                run_after=timezone.now() - timedelta(seconds=1),
                attempt=creation.attempts,
            )
        return classify(creation, error)

    _put(CREATIONS, "failure", optimistic)


@breakage
def lapsed_lease_is_failed() -> None:
    """A sender that died counts as one that sent nothing."""

    def sweep() -> int:
        lapsed = Creation.objects.filter(state=State.SENDING, lease_expires_at__lte=timezone.now())
        for creation in lapsed.select_related("project__team", "requested_by"):
            facts = {"evidence": "sender_lost"}
            transition(
                creation,
                State.FAILED,
                EventType.CREATE_FAILED,
                Outcome.FAILED,
                facts=facts,
                evidence=Evidence.NOT_SENT,
            )
        return 0

    _put(CREATIONS, "sweep", sweep)


@breakage
def one_of_two_candidates_is_adopted() -> None:
    """Of several clusters that may be ours the newest is chosen."""
    every = evidence.candidates

    def newest(creation: Creation, listed: Sequence[HyperCluster]) -> list[HyperCluster]:
        return every(creation, listed)[-1:]

    _put(evidence, "candidates", newest)


@breakage
def failed_list_is_empty() -> None:
    """A failed list is read as an empty one."""
    ask = Client.list

    def hopeful(self: Client, *, type: ClusterType) -> Any:  # noqa: A002 -- the vendor's name
        try:
            return ask(self, type=type)
        except ModelArtsError as error:
            return Answer((), error.exchange)  # type: ignore[arg-type]

    _put(Client, "list", hopeful)


@breakage
def no_horizon() -> None:
    """Two lists without the cluster are enough, however young the request is."""
    _put(evidence, "is_past_horizon", lambda *_: True)


@breakage
def transition_without_an_event() -> None:
    """State changes are not recorded in the audit."""
    _put(transitions, "record", lambda *_, **__: None)


@breakage
def sealed_with_another_key() -> None:
    """Events get digests that none of our keys has made."""
    _put(chain, "digest", lambda _key, text: hashlib.sha256(text.encode()).hexdigest())


@breakage
def cluster_owned_by_nobody() -> None:
    """The cluster of a creation is not bound to it."""
    _put(creation_engine, "bind", lambda *_: None)
