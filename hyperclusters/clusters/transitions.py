"""How a creation changes state: one conditional UPDATE and one event, committed together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.modelarts import Exchange, HyperCluster, ModelArtsError

from .failpoints import failpoint
from .inventory import bind
from .models import EVIDENCE_RANK, Creation, Evidence, State


class Stale(Exception):
    """Somebody else has moved this creation on; nothing was changed."""


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


def subject(creation: Creation) -> Subject:
    """The creation as the ledger names it."""
    return Subject("creation", str(creation.pk), creation.name)


def sent_facts(exchange: Exchange | None) -> dict[str, Any] | None:
    """What the ledger keeps of a request: everything that the cloud saw but the signature and the keys."""
    if exchange is None:
        return None
    return {
        "method": exchange.request.method,
        "url": exchange.endpoint + exchange.request.path,
        "query": dict(exchange.request.query),
        "body": exchange.request.body.decode(),
        "signed_at": exchange.signed_at.isoformat(),
    }


def answer_facts(exchange: Exchange | None, error: ModelArtsError | None = None) -> dict[str, Any] | None:
    """What the ledger keeps of an answer, or of its absence."""
    if exchange is None and error is None:
        return None
    facts: dict[str, Any] = {}
    if exchange is not None:
        facts |= {"status": exchange.status, "body": exchange.body, "seconds": round(exchange.elapsed, 3)}
    if error is not None:
        facts |= {
            "cause": error.cause,
            "code": error.code,
            "message": error.message,
            "proves": str(error.proves),
        }
    return facts


def move(
    creation: Creation, to: State, did: Did, outcome: Outcome, *, facts: dict[str, Any], **changes: Any
) -> None:
    """Take `creation` from the state and version it was read in to another state. `facts` go to `record` as they are.

    Raises Stale, having changed nothing, if another process was faster.
    """
    before = creation.state
    with transaction.atomic():
        moved = Creation.objects.filter(pk=creation.pk, state=before, version=creation.version).update(
            state=to, version=creation.version + 1, **changes
        )
        if not moved:
            raise Stale(f"creation {creation.pk} is not {before} at version {creation.version} any more")
        failpoint("move_updated")
        facts.setdefault("person", creation.requested_by)
        record(
            did,
            outcome,
            team=creation.project.team,
            subject=subject(creation),
            before={"state": before},
            after={"state": str(to)} | facts.pop("after", {}),
            **facts,
        )
        failpoint("move_recorded")
    creation.state, creation.version = to, creation.version + 1
    for name, value in changes.items():
        setattr(creation, name, value)


def settle(creation_id: UUID, finding: Finding) -> Creation:
    """Write down what became known, whatever others have written since: a verdict where there is none yet,
    else a confirmation or a contradiction beside the verdict that stands. Returns the creation as it is then."""
    while True:
        creation = Creation.objects.select_related("project__team", "requested_by").get(pk=creation_id)
        failpoint("settle_read")
        try:
            if creation.is_unresolved:
                _conclude(creation, finding)
            else:
                _compare(creation, finding)
        except Stale:
            continue  # read again: each round loses only to somebody else's progress
        return creation


def _conclude(creation: Creation, finding: Finding) -> None:
    error, exchange = finding.error, finding.exchange
    request_id = (error.request_id if error else "") or (exchange.request_id if exchange else "")
    final = finding.state not in {State.UNKNOWN, State.QUEUED, State.NEEDS_ATTENTION}
    with transaction.atomic():
        move(
            creation,
            finding.state,
            finding.did,
            finding.outcome,
            facts=_facts(finding, request_id),
            evidence=finding.evidence or "",
            cause=finding.cause or (error.cause if error else ""),
            code=(error.code if error else "")[:64],
            message=error.message if error else "",
            upstream_request_id=request_id[:128] or creation.upstream_request_id,
            lease_holder="",
            lease_until=None,
            due_at=finding.due_at or timezone.now(),
            settled_at=timezone.now() if final else None,
        )
        failpoint("verdict_moved")
        if finding.state == State.CREATED and finding.cluster:
            bind(creation, finding.cluster)
        failpoint("verdict_bound")


def _compare(creation: Creation, finding: Finding) -> None:
    """A finding that comes after the verdict: an extra event, and the stronger evidence stands."""
    if finding.evidence is None:
        return
    agrees = creation.state == finding.state and _same_cluster(creation, finding)
    stronger = EVIDENCE_RANK.get(finding.evidence, 0) > EVIDENCE_RANK.get(Evidence(creation.evidence), 0)
    did = Did.CREATE_CONFIRMED if agrees else Did.CREATE_CONTRADICTED
    changes: dict[str, Any] = {"evidence": finding.evidence} if stronger else {}
    if not agrees:
        changes["conflict_at"] = timezone.now()
    request_id = finding.exchange.request_id if finding.exchange else ""
    facts = _facts(finding, request_id)
    facts["after"]["found"] = str(finding.state)
    to = finding.state if stronger else State(creation.state)
    with transaction.atomic():
        move(creation, to, did, Outcome.NOTED if agrees else Outcome.FAILED, facts=facts, **changes)
        if stronger and not agrees and finding.cluster:
            bind(creation, finding.cluster)


def _same_cluster(creation: Creation, finding: Finding) -> bool:
    bound = getattr(creation, "cluster", None)
    return finding.cluster is None or (bound is not None and bound.cluster_id == finding.cluster.id)


def _facts(finding: Finding, request_id: str) -> dict[str, Any]:
    after: dict[str, Any] = {}
    if finding.cluster:
        after["cluster"] = cluster_facts(finding.cluster)
    if finding.due_at:
        after["due_at"] = finding.due_at.isoformat()
    return {
        "after": after,
        "evidence": str(finding.evidence or finding.cause or (finding.error.cause if finding.error else "")),
        "request": sent_facts(finding.exchange),
        "response": answer_facts(finding.exchange, finding.error),
        "upstream_request_id": request_id,
    }


def cluster_facts(cluster: HyperCluster) -> dict[str, Any]:
    """What the ledger keeps of a cluster."""
    networks = [
        {"subnet_id": network.subnet_id, "is_default": network.is_default} for network in cluster.networks
    ]
    return {"id": cluster.id, "name": cluster.name, "networks": networks}


def claim(holder: str, seconds: float, *states: State) -> Creation | None:
    """Lease the creation that has been due longest. Several workers may call this at once: each row goes to one."""
    for creation in Creation.objects.due(*states).select_related("project__team", "requested_by")[:20]:
        now = timezone.now()
        failpoint("claim_found")
        changes = {"lease_holder": holder, "lease_until": now + timedelta(seconds=seconds)}
        free = Creation.objects.due(*states).order_by().filter(pk=creation.pk, version=creation.version)
        if free.update(**changes):
            failpoint("claimed")
            creation.lease_holder, creation.lease_until = holder, changes["lease_until"]  # type: ignore[assignment]
            return creation
    return None


@contextmanager
def leased(creation: Creation) -> Iterator[None]:
    """Give the lease back at the end, if it is still ours."""
    try:
        yield
    finally:
        failpoint("lease_ending")
        mine = Creation.objects.filter(pk=creation.pk, lease_holder=creation.lease_holder)
        mine.exclude(state=State.SENDING).update(lease_holder="", lease_until=None)
