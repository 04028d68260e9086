"""Deleting a cluster: recorded first, sent once, and settled by looking where the answer does not say."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Action, NotPermitted, may, require
from hyperclusters.audit import clock, origin
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.modelarts import (
    Client,
    ClusterType,
    Exchange,
    ModelArtsError,
    NotFound,
    Proof,
    Throttled,
    Unavailable,
    proves_absence,
)

from . import breaker
from .credentials import UnusableKey
from .failpoints import failpoint
from .models import Cluster, Deletion, DeletionState, Project
from .models.work import LEASE_MARGIN, lease_due
from .readback import hold_until_commit, read_back
from .refusals import AlreadyGone, Blocked, DeletionOpen, NameUnresolved, Refused, WrongName
from .schedule import RESENDS, backoff, look_after
from .upstream import client_for, other_type, signing_time
from .work import (
    MayBegin,
    Stale,
    always,
    answer_facts,
    claim,
    error_fields,
    horizon,
    insist,
    is_past_horizon,
    leased,
    move,
    request_id_of,
    sending_lease,
    sent_facts,
    wake_workers,
)

NOT_SEEN = (
    "not_under_this_type"  # cause of an unknown outcome: the cloud has no such cluster under the type sent
)


def request_deletion(*, person: User, cluster: Cluster, typed_name: str, reason: str = "") -> Deletion:
    """Commit the intent to delete and its audit event; the worker does the rest.

    Raises NotPermitted, or a Refused: each has its audit event, and nothing was sent.
    """
    known: dict[str, Any] = {
        "person": person,
        "team": cluster.project.team,
        "project": cluster.project,
        "subject": cluster.subject,
        "reason": reason,
    }
    try:
        with transaction.atomic(durable=True):
            return _accept(person, cluster, typed_name, reason)
    except NotPermitted as denied:
        record(Did.DELETE_DENIED, Outcome.DENIED, **known)
        denied.is_noted = True
        raise
    except Refused as refusal:
        record(Did.DELETE_REFUSED, Outcome.REFUSED, response=refusal.facts(), evidence=refusal.cause, **known)
        raise


def find_recorded(*, person: User, cluster: Cluster) -> Deletion | None:
    """The deletion that this web request recorded, read after its COMMIT was not answered.

    Waits a while for a transaction that is still open. Raises DatabaseError if it cannot be known yet.
    """
    asked_in = origin.current().request_id
    mine = Deletion.objects.filter(cluster=cluster, requested_by=person, asked_in=asked_in)
    return read_back(cluster.pk, mine.first)


def _accept(person: User, cluster: Cluster, typed_name: str, reason: str) -> Deletion:
    project = (
        Project.objects.select_for_update(of=("self",)).select_related("team").get(pk=cluster.project_id)
    )
    require(person, Action.CREATE, project.team)
    cluster = Cluster.objects.select_related("project__team").get(pk=cluster.pk)
    if typed_name != cluster.name:
        raise WrongName(typed_name)
    if cluster.gone_at is not None:
        raise AlreadyGone(cluster.cluster_id)
    if unresolved := project.creations.unresolved().filter(name=cluster.name).first():
        raise NameUnresolved(unresolved)
    if running := Deletion.objects.unresolved().filter(cluster=cluster).first():
        raise DeletionOpen(running)
    if project.is_blocked():
        raise Blocked(project)
    hold_until_commit(cluster.pk)
    deletion = Deletion.objects.create(
        cluster=cluster, requested_by=person, reason=reason, asked_in=origin.current().request_id
    )
    record(
        Did.DELETE_REQUESTED,
        Outcome.ACCEPTED,
        person=person,
        team=project.team,
        project=project,
        subject=deletion.subject,
        reason=reason,
        after={"state": deletion.state, "cluster_id": cluster.cluster_id},
    )
    wake_workers()
    return deletion


def claim_queued(holder: str) -> Deletion | None:
    """Lease the next deletion that waits to be sent."""
    return claim(Deletion, holder, settings.UPSTREAM_DEADLINE + LEASE_MARGIN, DeletionState.QUEUED)


def claim_unknown(holder: str) -> Deletion | None:
    """Lease the next deletion whose outcome is to be looked for."""
    return claim(Deletion, holder, settings.UPSTREAM_DEADLINE + LEASE_MARGIN, DeletionState.UNKNOWN)


def send(deletion: Deletion, *, may_begin: MayBegin = always) -> None:
    """Take a claimed, queued deletion as far as it gets now; not at all if `may_begin` says no."""
    with leased(deletion):
        try:
            project = deletion.project
            if not may(deletion.requested_by, Action.CREATE, deletion.team):
                _end(deletion, DeletionState.REFUSED, Did.DELETE_DENIED, Outcome.DENIED, cause="right_lost")
                return
            client = client_for(project)
            if not may_begin():
                return
            if (later := breaker.when_to_write(project) or breaker.when_to_call(project)) is not None:
                _postpone(deletion, later)
                return
            with transaction.atomic(durable=True):
                if (slot := breaker.take_write(project)) is None:
                    _begin(deletion)
            if slot is not None:
                breaker.release_probe(project)
                _postpone(deletion, slot)
                return
            _call(deletion, client)
        except UnusableKey as error:
            _end(deletion, DeletionState.REFUSED, Did.DELETE_REFUSED, Outcome.REFUSED, cause=error.cause)
        except Stale:
            return  # taken over after our lease lapsed


def look(deletion: Deletion) -> None:
    """See whether the cluster of a deletion without a clear answer is still there, under either type."""
    with leased(deletion):
        started_at = clock.now()
        project = deletion.project
        try:
            client = client_for(project)
            if (later := breaker.when_to_call(project)) is not None:
                _postpone(deletion, later)
                return
            kind = deletion.type
            seen = _see(deletion, client, kind)
            if isinstance(seen, NotFound) and proves_absence(seen):
                kind = other_type(ClusterType(kind))
                seen = _see(deletion, client, kind)
        except UnusableKey:
            _look_again(deletion, looks=deletion.looks)
            return
        with suppress(Stale):  # somebody else has come to a verdict meanwhile
            _weigh(deletion, seen, kind, started_at)


def _see(deletion: Deletion, client: Client, kind: str) -> Exchange | ModelArtsError:
    """The exchange in which the cloud shows the cluster under this type, or what it answered instead."""
    seen: Exchange | ModelArtsError
    try:
        seen = client.show(cluster_id=deletion.cluster.cluster_id, type=ClusterType(kind)).exchange
        breaker.heard(deletion.project)
    except ModelArtsError as error:
        breaker.heard(deletion.project, error)
        seen = error
    return seen


def _weigh(deletion: Deletion, seen: Exchange | ModelArtsError, kind: str, started_at: datetime) -> None:
    """What a look proves: the cluster was seen under the type `kind`, or something else came instead."""
    is_there = isinstance(seen, Exchange)
    looks = deletion.looks + is_there
    if isinstance(seen, NotFound) and proves_absence(seen):
        _gone(deletion, seen.exchange, seen)
    elif is_there and not deletion.other_type and (kind != deletion.type or deletion.cause == NOT_SEEN):
        _turn_to_other_type(deletion)
    elif isinstance(seen, Exchange) and looks > 1 and is_past_horizon(deletion, started_at, seen):
        _end(deletion, DeletionState.FAILED, Did.DELETE_FAILED, Outcome.FAILED, cause="still_there")
    else:
        _look_again(deletion, looks=looks)


def _turn_to_other_type(deletion: Deletion) -> None:
    """The cluster lives, and not under the type that was sent: delete it under the other one, as a step of its own."""
    kind = other_type(ClusterType(deletion.type))
    _end(
        deletion,
        DeletionState.QUEUED,
        Did.DELETE_NOT_SENT,
        Outcome.FAILED,
        cause="other_type",
        after={"type": str(kind)},
        other_type=kind,
        due_at=clock.now(),
    )


def sweep() -> int:
    """Deletions whose sender never came back are unknown. Returns how many."""
    lapsed = Deletion.objects.filter(lease_due(), state=DeletionState.SENDING)
    swept = 0
    for deletion in lapsed.with_people():
        try:
            _unknown(deletion, None, cause="sender_lost")
        except Stale:
            continue
        swept += 1
    return swept


def _postpone(deletion: Deletion, until: datetime) -> None:
    waiting = Deletion.objects.filter(pk=deletion.pk, state=deletion.state)
    waiting.update(due_at=until)


def _begin(deletion: Deletion) -> None:
    """Commit that the call is about to go out."""
    now, signed_at = clock.now(), signing_time(deletion.project)
    move(
        deletion,
        DeletionState.SENDING,
        Did.DELETE_SENDING,
        Outcome.ACCEPTED,
        facts={
            "after": {
                "signed_at": signed_at.isoformat(),
                "send": deletion.sends + 1,
                "type": deletion.type,
            }
        },
        sends=deletion.sends + 1,
        signed_at=signed_at,
        horizon_at=horizon(now),
        lease_until=sending_lease(now),
    )


def _call(deletion: Deletion, client: Client) -> None:
    failpoint("delete_begun")
    exchange, refusal = None, None
    try:
        answer = client.delete(
            cluster_id=deletion.cluster.cluster_id,
            type=ClusterType(deletion.type),
            signed_at=deletion.signed_at,
        )
        exchange = answer.exchange
    except ModelArtsError as error:
        exchange, refusal = error.exchange, error
    except Exception:
        # Whatever went wrong, the request may be out: the honest word is unknown. The bug itself is not hidden.
        insist(deletion.lease_until, partial(_settle, deletion, None, None, cause="sender_crashed"))
        raise
    breaker.heard(deletion.project, refusal)
    insist(deletion.lease_until, partial(_settle, deletion, exchange, refusal))


def _settle(sent: Deletion, exchange: Exchange | None, error: ModelArtsError | None, cause: str = "") -> None:
    """Write down what came back, whatever others have written since: a verdict where there is none yet, else beside it.

    A COMMIT whose reply was lost may have written it: `answered_sends` says so.
    """
    while True:
        deletion = Deletion.objects.with_people().get(pk=sent.pk)
        if deletion.answered_sends >= sent.sends:
            return None
        with suppress(Stale):  # read again: each round loses only to somebody else's progress
            if cause and deletion.is_unresolved:
                return _unknown(deletion, None, cause=cause, answered_sends=sent.sends)
            if not deletion.is_unresolved:
                return None if cause else _note_late(deletion, exchange, error, sent.sends)
            return _conclude(deletion, exchange, error, sent.sends)


def _conclude(deletion: Deletion, exchange: Exchange | None, error: ModelArtsError | None, send: int) -> None:
    """What the answer to a send proves. That the cloud has no such cluster under one type is no verdict yet: it may live
    under the other. Somebody else's 404 says nothing at all."""
    if error is None:
        _gone(deletion, exchange, error, answered_sends=send)
    elif isinstance(error, NotFound) and proves_absence(error):
        _unknown(deletion, error, cause=NOT_SEEN, answered_sends=send)
    elif error.proves == Proof.NOTHING or isinstance(error, NotFound):
        _unknown(deletion, error, cause=error.cause, answered_sends=send)
    elif isinstance(error, Throttled | Unavailable) and deletion.sends <= RESENDS:
        _end(
            deletion,
            DeletionState.QUEUED,
            Did.DELETE_NOT_SENT,
            Outcome.FAILED,
            error=error,
            due_at=backoff(deletion.sends - 1, error),
            answered_sends=send,
        )
    else:
        _end(
            deletion,
            DeletionState.FAILED,
            Did.DELETE_FAILED,
            Outcome.FAILED,
            error=error,
            answered_sends=send,
        )


def _note_late(
    deletion: Deletion, exchange: Exchange | None, error: ModelArtsError | None, send: int
) -> None:
    """An answer that comes after the verdict: an extra event, and the verdict stands. The inventory finds out by listing."""
    did = Did.DELETE_SUCCEEDED if error is None else Did.DELETE_FAILED
    move(deletion, deletion.state, did, Outcome.NOTED, facts=_facts(exchange, error), answered_sends=send)


def _unknown(deletion: Deletion, error: ModelArtsError | None, *, cause: str, **changes: Any) -> None:
    """The outcome is looked for: at once, if the cloud has no such cluster under the type that was sent."""
    due_at = clock.now() if cause == NOT_SEEN else look_after(0, deletion.horizon_at)
    _end(
        deletion,
        DeletionState.UNKNOWN,
        Did.DELETE_UNKNOWN,
        Outcome.UNKNOWN,
        error=error,
        cause=cause,
        due_at=due_at,
        **changes,
    )


def _gone(
    deletion: Deletion, exchange: Exchange | None, error: ModelArtsError | None, **changes: Any
) -> None:
    with transaction.atomic():
        _end(
            deletion,
            DeletionState.DELETED,
            Did.DELETE_SUCCEEDED,
            Outcome.DONE,
            error=error,
            exchange=exchange,
            **changes,
        )
        Cluster.objects.filter(pk=deletion.cluster_id, gone_at__isnull=True).update(gone_at=clock.now())


def _end(
    deletion: Deletion,
    to: DeletionState,
    did: Did,
    outcome: Outcome,
    *,
    error: ModelArtsError | None = None,
    exchange: Exchange | None = None,
    cause: str = "",
    after: dict[str, Any] | None = None,
    **changes: Any,
) -> None:
    facts = _facts(exchange or (error.exchange if error else None), error, cause=cause)
    if after:
        facts["after"] = after
    move(
        deletion,
        to,
        did,
        outcome,
        facts=facts,
        upstream_request_id=facts["upstream_request_id"][:128],
        settled_at=None if to in Deletion.UNRESOLVED else clock.now(),
        lease_holder="",
        lease_until=None,
        **error_fields(error, cause=cause),
        **changes,
    )


def _facts(exchange: Exchange | None, error: ModelArtsError | None, *, cause: str = "") -> dict[str, Any]:
    return {
        "evidence": cause or (error.cause if error else "reply"),
        "request": sent_facts(exchange),
        "response": answer_facts(exchange, error),
        "upstream_request_id": request_id_of(exchange, error),
    }


def _look_again(deletion: Deletion, *, looks: int) -> None:
    unmoved = Deletion.objects.filter(pk=deletion.pk, state=DeletionState.UNKNOWN, version=deletion.version)
    unmoved.update(looks=looks, due_at=look_after(looks, deletion.horizon_at))
