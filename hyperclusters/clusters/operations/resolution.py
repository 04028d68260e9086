"""A resolution: the result of an operation, from whatever source."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hyperclusters.access.models import User
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import Evidence, State
from hyperclusters.clusters.operations.facts import answer_facts, sent_facts
from hyperclusters.modelarts import Exchange, HyperCluster, ModelArtsError, Network, Proof


@dataclass(frozen=True, slots=True)
class Resolution:
    """The result of an operation: the next state, its evidence, and its source."""

    state: str
    event: EventType
    outcome: Outcome
    evidence: Evidence | None = None
    cluster: HyperCluster | None = None
    exchange: Exchange | None = None  # the operation's own call, or the poll that proves it
    error: ModelArtsError | None = None
    cause: str = ""
    run_after: datetime | None = None
    candidates: tuple[HyperCluster, ...] = ()
    person: User | None = None  # who decided, if a person did
    reason: str = ""
    attempt: int = 0  # number of the attempt that this answers; 0 if it comes from another source
    changes: dict[str, Any] = field(default_factory=dict)  # further columns of the row
    after: dict[str, Any] = field(default_factory=dict)  # further facts of the event

    @property
    def request_id(self) -> str:
        """The cloud's ID of the exchange; empty if it gave none."""
        return (self.error.request_id if self.error else "") or (
            self.exchange.request_id if self.exchange else ""
        )

    @property
    def cluster_ids(self) -> tuple[str, ...]:
        """The IDs that the cloud's answer to a create named."""
        return self.exchange.cluster_ids if self.exchange else ()

    @property
    def says_done(self) -> bool:
        """Whether the answer's status says that the request was carried out: an error's IDs may be those of anything."""
        return self.exchange is not None and (self.exchange.status or 0) // 100 == 2

    @property
    def is_verdict(self) -> bool:
        """Whether it settles an operation by evidence: not if it is to be sent again, or is unclear."""
        return self.evidence is not None and self.state != State.QUEUED

    @property
    def proves_nothing_done(self) -> bool:
        """Whether its error proves that nothing was done."""
        return self.error is not None and self.error.proves != Proof.NOTHING

    def as_audit_json(self) -> dict[str, Any]:
        """The resolution, as the ledger stores it."""
        after = dict(self.after)
        if self.cluster:
            after["cluster"] = cluster_facts(self.cluster)
        if self.candidates:
            after["candidates"] = [item.id for item in self.candidates]
        if self.cluster_ids:
            after["reported_ids"] = list(self.cluster_ids)
        if self.run_after:
            after["due_at"] = self.run_after.isoformat()
        of_all_attempts = self.state in {State.QUEUED, State.REFUSED}  # then it says nothing of this event
        evidence = "" if of_all_attempts else self.evidence
        facts = {
            "after": after,
            "evidence": str(evidence or self.cause or (self.error.cause if self.error else "")),
            "request": sent_facts(self.exchange),
            "response": answer_facts(
                self.exchange or (self.error.exchange if self.error else None), self.error
            ),
            "upstream_request_id": self.request_id,
            "reason": self.reason,
        }
        return facts | ({"by": self.person} if self.person else {})


def as_undecided(resolution: Resolution, cause: str) -> Resolution:
    """The resolution without its cluster, which proves nothing: a person must decide."""
    return replace(
        resolution,
        state=State.NEEDS_ATTENTION,
        event=EventType.CREATE_UNDECIDED,
        outcome=Outcome.UNKNOWN,
        evidence=None,
        cause=cause,
        candidates=(resolution.cluster,) if resolution.cluster else resolution.candidates,
        cluster=None,
    )


def cluster_facts(cluster: HyperCluster) -> dict[str, Any]:
    """A cluster, as the ledger stores it."""
    networks = [
        {"subnet_id": network.subnet_id, "is_default": network.is_default} for network in cluster.networks
    ]
    return {"id": cluster.id, "name": cluster.name, "networks": networks}


def cluster_from(facts: dict[str, Any]) -> HyperCluster:
    """The cluster that `cluster_facts` stored."""
    networks = tuple(Network(row["subnet_id"], is_default=row["is_default"]) for row in facts["networks"])
    return HyperCluster(id=facts["id"], name=facts["name"], networks=networks)
