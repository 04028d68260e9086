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

from . import breaker, inventory
from .credentials import UnusableKey
from .failpoints import failpoint
from .models import Cluster, Deletion, DeletionState, Project
from .models.work import LEASE_MARGIN, lease_due
from .refusals import AlreadyGone, Blocked, DeletionOpen, NameUnresolved, Refused, WrongName
from .schedule import RESENDS, backoff, look_after
from .upstream import client_for, signing_time
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


def request_deletion(*, person: User, cluster: Cluster, typed_name: str, reason: str = "") -> Deletion:
    """Commit the intent to delete and its audit event; the worker does the rest.

    Raises NotPermitted, or a Refused: each has its audit event, and nothing was sent.
    """
    known: dict[str, Any] = {
        "person": person,
        "team": cluster.project.team,
        "project": cluster.project,
        "subject": inventory.subject(cluster),
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
                _end(
                    deletion, DeletionState.REFUSED, Did.DELETE_DENIED, Outcome.DENIED, cause="not_permitted"
                )
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
    """See whether the cluster of a deletion without a clear answer is still there."""
    with leased(deletion):
        started_at = clock.now()
        project, cluster = deletion.project, deletion.cluster
        try:
            client = client_for(project)
            if (later := breaker.when_to_call(project)) is not None:
                _postpone(deletion, later)
                return
            there = client.show(cluster_id=cluster.cluster_id, type=ClusterType(cluster.type))
        except UnusableKey:
            _look_again(deletion, looks=deletion.looks)
            return
        except ModelArtsError as error:
            seen: ModelArtsError | None = error
            is_late = False
        else:
            seen = None
            is_late = is_past_horizon(deletion, started_at, there.exchange)
        breaker.heard(project, seen)
        with suppress(Stale):  # somebody else has come to a verdict meanwhile
            _weigh(deletion, seen, is_late=is_late)


def _weigh(deletion: Deletion, seen: ModelArtsError | None, *, is_late: bool) -> None:
    """What a look proves: `seen` is what came instead of the cluster, if anything did. `is_late`: the horizon is past."""
    looks = deletion.looks + (seen is None)
    if isinstance(seen, NotFound) and proves_absence(seen):
        _gone(deletion, seen.exchange, seen)
    elif seen is None and is_late and looks > 1:
        _end(deletion, DeletionState.FAILED, Did.DELETE_FAILED, Outcome.FAILED, cause="still_there")
    else:
        _look_again(deletion, looks=looks)


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
        facts={"after": {"signed_at": signed_at.isoformat(), "send": deletion.sends + 1}},
        sends=deletion.sends + 1,
        signed_at=signed_at,
        horizon_at=horizon(now),
        lease_until=sending_lease(now),
    )


def _call(deletion: Deletion, client: Client) -> None:
    cluster = deletion.cluster
    failpoint("delete_begun")
    exchange, refusal = None, None
    try:
        answer = client.delete(
            cluster_id=cluster.cluster_id, type=ClusterType(cluster.type), signed_at=deletion.signed_at
        )
        exchange = answer.exchange
    except ModelArtsError as error:
        exchange, refusal = error.exchange, error
    except Exception:
        # Whatever went wrong, the request may be out: the honest word is unknown. The bug itself is not hidden.
        _unknown(deletion, None, cause="sender_crashed")
        raise
    breaker.heard(deletion.project, refusal)
    insist(deletion.lease_until, partial(_settle, deletion, exchange, refusal))


def _settle(sent: Deletion, exchange: Exchange | None, error: ModelArtsError | None) -> None:
    """Write down what came back, whatever others have written since: a verdict where there is none yet, else beside it."""
    while True:
        deletion = Deletion.objects.with_people().get(pk=sent.pk)
        if _is_written(deletion, sent, request_id_of(exchange, error)):
            return None
        with suppress(Stale):  # read again: each round loses only to somebody else's progress
            if deletion.is_unresolved:
                return _conclude(deletion, exchange, error)
            return _note_late(deletion, exchange, error)


def _is_written(deletion: Deletion, sent: Deletion, request_id: str) -> bool:
    """Whether this very answer is written down: its COMMIT was made, and only the answer to that was lost."""
    goes_on = (
        deletion.state == DeletionState.QUEUED or deletion.sends > sent.sends
    )  # nobody else takes it there
    return goes_on or (bool(request_id) and deletion.upstream_request_id == request_id)


def _conclude(deletion: Deletion, exchange: Exchange | None, error: ModelArtsError | None) -> None:
    """If the cloud itself says that it is not there, what was wanted is so; somebody else's 404 says nothing."""
    if error is None or (isinstance(error, NotFound) and proves_absence(error)):
        _gone(deletion, exchange, error)
    elif error.proves == Proof.NOTHING or isinstance(error, NotFound):
        _unknown(deletion, error, cause=error.cause)
    elif isinstance(error, Throttled | Unavailable) and deletion.sends <= RESENDS:
        due_at = backoff(deletion.sends - 1, error)
        _end(deletion, DeletionState.QUEUED, Did.DELETE_NOT_SENT, Outcome.FAILED, error=error, due_at=due_at)
    else:
        _end(deletion, DeletionState.FAILED, Did.DELETE_FAILED, Outcome.FAILED, error=error)


def _note_late(deletion: Deletion, exchange: Exchange | None, error: ModelArtsError | None) -> None:
    """An answer that comes after the verdict: an extra event, and the verdict stands. The inventory finds out by listing."""
    did = Did.DELETE_SUCCEEDED if error is None else Did.DELETE_FAILED
    move(deletion, deletion.state, did, Outcome.NOTED, facts=_facts(exchange, error))


def _unknown(deletion: Deletion, error: ModelArtsError | None, *, cause: str) -> None:
    due_at = look_after(0, deletion.horizon_at)
    _end(
        deletion,
        DeletionState.UNKNOWN,
        Did.DELETE_UNKNOWN,
        Outcome.UNKNOWN,
        error=error,
        cause=cause,
        due_at=due_at,
    )


def _gone(deletion: Deletion, exchange: Exchange | None, error: ModelArtsError | None) -> None:
    with transaction.atomic():
        _end(
            deletion,
            DeletionState.DELETED,
            Did.DELETE_SUCCEEDED,
            Outcome.DONE,
            error=error,
            exchange=exchange,
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
    **changes: Any,
) -> None:
    facts = _facts(exchange or (error.exchange if error else None), error, cause=cause)
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
