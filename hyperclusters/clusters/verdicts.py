"""What became known of a creation is written down here, whoever learned it and whenever."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from hyperclusters.access.models import User
from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.modelarts import Exchange, HyperCluster, ModelArtsError, Network, Proof

from .failpoints import failpoint
from .inventory import AlreadyBound, bind
from .models import EVIDENCE_RANK, Cluster, Creation, Evidence, State
from .work import Stale, answer_facts, error_fields, insist, move, request_id_of, sent_facts

OPEN_FINDINGS = {State.UNKNOWN, State.QUEUED, State.NEEDS_ATTENTION}


@dataclass(frozen=True, slots=True)
class Finding:
    """What became known of a creation: the state it means, what that rests on, and where it was learned."""

    state: State
    did: Did
    outcome: Outcome
    evidence: Evidence | None = None
    cluster: HyperCluster | None = None
    exchange: Exchange | None = None
    error: ModelArtsError | None = None
    cause: str = ""
    due_at: datetime | None = None
    candidates: tuple[HyperCluster, ...] = ()
    person: User | None = None  # who decided, where a person did
    reason: str = ""
    send: int = 0  # number of the send whose answer this is; 0 if it was learned in another way

    @property
    def request_id(self) -> str:
        """The cloud's ID of the exchange that this was learned from."""
        return request_id_of(self.exchange, self.error)

    @property
    def cluster_ids(self) -> tuple[str, ...]:
        """The IDs that the cloud's answer to the create named."""
        return self.exchange.cluster_ids if self.exchange else ()


def evidence_so_far(creation: Creation) -> Evidence:
    """What the attempts of a creation that waits prove. "Nothing was sent" is only for none at all, or for attempts
    that provably never left."""
    if not creation.sends:
        return Evidence.NOT_SENT
    return Evidence(creation.evidence or Evidence.REFUSED)


def is_known(creation: Creation, cluster_id: str, *, before: datetime | None = None) -> bool:
    """Whether this cluster was known already, under any name and in any project, or another creation made it.

    `before`: clusters that were first seen later do not count.
    """
    others = Cluster.objects.with_ids([cluster_id]).exclude(creation=creation)
    if before is not None:
        others = others.filter(Q(found_at__lt=before) | Q(creation__isnull=False))
    return cluster_id in creation.baseline or others.exists()


def settle(creation_id: UUID, finding: Finding) -> Creation:
    """Write down what became known, whatever others have written since: a verdict where there is none yet,
    else a confirmation or a contradiction beside the verdict that stands. Returns the creation as it is then."""
    while True:
        creation = Creation.objects.with_people().get(pk=creation_id)
        failpoint("settle_read")
        try:
            if _is_written(creation, finding):
                return creation
            if creation.is_unresolved:
                conclude(creation, finding)
            else:
                _compare(creation, finding)
        except Stale:
            continue  # read again: each round loses only to somebody else's progress
        except AlreadyBound:  # the cloud named one cluster in its answers to two creations
            finding = undecided(finding, "known_id")
            continue
        return creation


def undecided(finding: Finding, cause: str) -> Finding:
    """What is left of a finding whose cluster proves nothing: a person must decide."""
    return replace(
        finding,
        state=State.NEEDS_ATTENTION,
        did=Did.CREATE_UNDECIDED,
        outcome=Outcome.UNKNOWN,
        evidence=None,
        cause=cause,
        candidates=(finding.cluster,) if finding.cluster else finding.candidates,
        cluster=None,
    )


def settle_by(until: datetime | None, creation_id: UUID, finding: Finding) -> None:
    """`settle`, again and again while the database does not answer, until the sender's lease ends.

    A COMMIT whose answer was lost is read back by the next round. Past that time the database error is raised:
    the lease has lapsed, and the outcome is looked for in the cloud.
    """
    insist(until, partial(settle, creation_id, finding))


def _is_written(creation: Creation, finding: Finding) -> bool:
    """Whether this very answer is recorded: its COMMIT was made, only the reply to that was lost, and others may have
    gone on since."""
    return 0 < finding.send <= creation.answered_sends


def conclude(creation: Creation, finding: Finding) -> None:
    """Take an open creation, as it was read, to what was found. Raises Stale if it has been moved since."""
    with transaction.atomic():
        move(
            creation,
            finding.state,
            finding.did,
            finding.outcome,
            facts=_facts(finding),
            evidence=finding.evidence or "",
            upstream_request_id=finding.request_id[:128] or creation.upstream_request_id,
            lease_holder="",
            lease_until=None,
            due_at=finding.due_at or clock.now(),
            settled_at=None if finding.state in OPEN_FINDINGS else clock.now(),
            candidates=[cluster_facts(item) for item in finding.candidates],
            **_answer_fields(creation, finding),
            **error_fields(finding.error, cause=finding.cause),
        )
        failpoint("verdict_moved")
        if finding.state == State.CREATED and finding.cluster:
            bind(creation, finding.cluster)
        failpoint("verdict_bound")


def _answer_fields(creation: Creation, finding: Finding) -> dict[str, Any]:
    """What the row keeps of an answer, whatever the verdict: that it is recorded, and the IDs that it named."""
    return {
        "answered_sends": max(creation.answered_sends, finding.send),
        "reported_ids": list(dict.fromkeys([*creation.reported_ids, *finding.cluster_ids])),
    }


def cluster_facts(cluster: HyperCluster) -> dict[str, Any]:
    """What the ledger keeps of a cluster."""
    networks = [
        {"subnet_id": network.subnet_id, "is_default": network.is_default} for network in cluster.networks
    ]
    return {"id": cluster.id, "name": cluster.name, "networks": networks}


def cluster_from(facts: dict[str, Any]) -> HyperCluster:
    """What `cluster_facts` kept, as the cloud told it."""
    networks = tuple(Network(row["subnet_id"], is_default=row["is_default"]) for row in facts["networks"])
    return HyperCluster(id=facts["id"], name=facts["name"], networks=networks)


def _compare(creation: Creation, finding: Finding) -> None:
    """A finding that comes after the verdict: an extra event, and the stronger evidence stands."""
    if finding.evidence is None or finding.state == State.QUEUED:
        _note_late(creation, finding)
        return
    agrees = creation.state == finding.state and _same_cluster(creation, finding)
    stronger = EVIDENCE_RANK.get(finding.evidence, 0) > EVIDENCE_RANK.get(Evidence(creation.evidence), 0)
    changes: dict[str, Any] = {"evidence": finding.evidence} if stronger else {}
    if not agrees:
        changes["conflict_at"] = clock.now()
    facts = _facts(finding)
    facts["after"]["found"] = str(finding.state)
    to = finding.state if stronger else State(creation.state)
    did, outcome = (
        (Did.CREATE_CONFIRMED, Outcome.NOTED) if agrees else (Did.CREATE_CONTRADICTED, Outcome.FAILED)
    )
    with transaction.atomic():
        move(creation, to, did, outcome, facts=facts, **changes, **_answer_fields(creation, finding))
        if stronger and not agrees and finding.cluster:
            bind(creation, finding.cluster)


def _note_late(creation: Creation, finding: Finding) -> None:
    """An outcome that is no verdict in itself (not sent, throttled, unknown) and comes after one: an extra event."""
    not_made = finding.error is not None and finding.error.proves != Proof.NOTHING
    names_one = creation.evidence == Evidence.ABSENT and finding.cluster_ids and finding.cause != "known_id"
    contradicts = (not_made and creation.state == State.CREATED) or bool(names_one)
    did = Did.CREATE_CONTRADICTED if contradicts else Did.CREATE_CONFIRMED if not_made else finding.did
    changes = {"conflict_at": clock.now()} if contradicts else {}
    outcome = Outcome.FAILED if contradicts else Outcome.NOTED
    changes |= _answer_fields(creation, finding)
    move(creation, creation.state, did, outcome, facts=_facts(finding), **changes)


def _same_cluster(creation: Creation, finding: Finding) -> bool:
    bound = getattr(creation, "cluster", None)
    return finding.cluster is None or (bound is not None and bound.cluster_id == finding.cluster.id)


def _facts(finding: Finding) -> dict[str, Any]:
    after: dict[str, Any] = {}
    if finding.cluster:
        after["cluster"] = cluster_facts(finding.cluster)
    if finding.candidates:
        after["candidates"] = [item.id for item in finding.candidates]
    if finding.cluster_ids:
        after["reported_ids"] = list(finding.cluster_ids)
    if finding.due_at:
        after["due_at"] = finding.due_at.isoformat()
    evidence = None if finding.state == State.QUEUED else finding.evidence  # that one is of all attempts
    facts: dict[str, Any] = {
        "after": after,
        "evidence": str(evidence or finding.cause or (finding.error.cause if finding.error else "")),
        "request": sent_facts(finding.exchange),
        "response": answer_facts(finding.exchange, finding.error),
        "upstream_request_id": finding.request_id,
        "reason": finding.reason,
    }
    return facts | ({"person": finding.person} if finding.person else {})
