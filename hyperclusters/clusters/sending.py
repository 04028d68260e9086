"""From queued to a verdict: list first, commit the intent, send once, write down what came back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from hyperclusters.access.permissions import Action, may
from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.modelarts import (
    Answer,
    Client,
    ClockSkew,
    ClusterType,
    HyperCluster,
    ModelArtsError,
    Proof,
    Throttled,
    Unavailable,
)

from . import breaker, limits
from .credentials import UnusableKey
from .failpoints import failpoint
from .models import Creation, Evidence, State
from .models.work import LEASE_MARGIN, lease_due
from .refusals import QuotaReached
from .schedule import BACKOFF, RESENDS, backoff, look_after
from .upstream import client_for, signing_time
from .verdicts import Finding, evidence_so_far, is_known, settle_by, undecided
from .work import (
    MayBegin,
    Stale,
    always,
    answer_facts,
    claim,
    error_fields,
    horizon,
    leased,
    move,
    sending_lease,
)

SAME_CLOCK = timedelta(seconds=5)  # what two looks at one clock may differ by


def claim_queued(holder: str) -> Creation | None:
    """Lease the next creation that waits to be sent."""
    return claim(Creation, holder, 2 * settings.UPSTREAM_DEADLINE + LEASE_MARGIN, State.QUEUED)


def send(creation: Creation, *, may_begin: MayBegin = always) -> None:
    """Take a claimed, queued creation as far as it gets now: refused, delayed, or sent and then settled.

    If `may_begin` says no once the cloud was listed, it stays queued: nothing is sent by a process that is to stop.
    """
    with leased(creation):
        try:
            project = creation.project
            if _lost_its_right(creation):
                return
            failpoint("send_permitted")
            client = client_for(project)
            if (later := breaker.when_to_write(project) or breaker.when_to_call(project)) is not None:
                _postpone(creation, later)
                return
            if not _list_first(creation, client) or not may_begin():
                return
            failpoint("intent_begun")
            with transaction.atomic(durable=True):
                if (slot := breaker.take_write(project)) is None and _has_room(creation):
                    _begin(creation)
            if creation.state == State.REFUSED:
                return
            if slot is not None:
                _postpone(creation, slot)
                return
            failpoint("intent_committed")
            _post(creation, client)
        except UnusableKey as error:
            _refuse(creation, error.cause, Outcome.REFUSED)
        except Stale:
            return  # withdrawn, or taken over after our lease lapsed: whoever moved it goes on


def sweep() -> int:
    """Creations whose sender never came back are unknown, never failed. Returns how many."""
    lapsed = Creation.objects.filter(lease_due(), state=State.SENDING)
    swept = 0
    for creation in lapsed.with_people():
        try:
            move(
                creation,
                State.UNKNOWN,
                Did.CREATE_UNKNOWN,
                Outcome.UNKNOWN,
                facts={"evidence": "sender_lost"},
                cause="sender_lost",
                due_at=clock.now(),
                lease_holder="",
                lease_until=None,
            )
        except Stale:
            continue
        failpoint("swept")
        swept += 1
    return swept


def _list_first(creation: Creation, client: Client) -> bool:
    """Note the IDs that carry this name already: what comes up beside them afterwards is ours. False if not sent now.

    One that was not known when this was asked for takes the name, whoever made it: it may be this very creation's, if
    the database is a backup from before it was sent.
    """
    try:
        listed = client.list(type=ClusterType(creation.type)).value
    except ModelArtsError as error:
        was_off = creation.project.clock_offset
        breaker.note_failure(creation.project, error)
        if isinstance(error, ClockSkew) and _is_news(creation, error, was_off):
            _delay(creation, error, clock.now())
        elif isinstance(error, Throttled | Unavailable) and creation.delays < len(BACKOFF):
            _delay(creation, error, backoff(creation.delays, error))
        else:
            _refuse(creation, error.cause, Outcome.REFUSED, error)
        return False
    failpoint("baseline_listed")
    breaker.note_answer(creation.project)
    there = [item.id for item in listed if item.name == creation.name]
    if unknown := sorted(set(there) - set(creation.baseline)):
        # What is there may be what an earlier attempt made, one before a backup was restored included.
        _refuse(
            creation, "name_appeared", Outcome.REFUSED, evidence=Evidence.LISTED, after={"found": unknown}
        )
        return False
    creation.baseline = there
    return True


def _is_news(creation: Creation, error: ClockSkew, was_off: timedelta) -> bool:
    """Whether the list is worth another try by the cloud's clock: it has not been tried by this time yet."""
    learned = error.offset is not None and abs(error.offset - was_off) > SAME_CLOCK
    return creation.delays == 0 or (learned and creation.delays < len(BACKOFF))


def _lost_its_right(creation: Creation) -> bool:
    """Whether who asked, or the team's rules, do not allow it any more; it is refused then."""
    wish = {"name": creation.name, "type": creation.type, "reason": creation.reason}
    if not may(creation.requested_by, Action.CREATE, creation.team):
        _refuse(creation, "right_lost", Outcome.DENIED)
    elif limits.broken_rules(creation.team, **wish):
        _refuse(creation, "rules_tightened", Outcome.REFUSED)
    return creation.state == State.REFUSED


def _has_room(creation: Creation) -> bool:
    """Whether the quotas still hold it; else it is refused. It counts itself, so only a quota lowered since can say no."""
    if creation.project.quota is None and creation.team.quota is None:
        return True
    try:
        limits.check_room(limits.lock(creation.project), more=0)
    except QuotaReached:
        _refuse(creation, "quota_lowered", Outcome.REFUSED)
        return False
    return True


def _begin(creation: Creation) -> None:
    """Commit that a POST is about to go out. After this only proof takes the creation back to queued."""
    signed_at = signing_time(creation.project)
    now = clock.now()
    told = {"baseline": creation.baseline, "signed_at": signed_at.isoformat(), "send": creation.sends + 1}
    move(
        creation,
        State.SENDING,
        Did.CREATE_SENDING,
        Outcome.ACCEPTED,
        facts={"after": told},
        baseline=creation.baseline,
        sends=creation.sends + 1,
        looks=0,  # what was seen before this send says nothing about it
        signed_at=signed_at,
        horizon_at=horizon(now),
        lease_until=sending_lease(now),
    )


def _post(creation: Creation, client: Client) -> None:
    failpoint("post_begun")
    began_at = clock.now()
    try:
        answer = client.create(
            name=creation.name,
            type=ClusterType(creation.type),
            subnet_id=creation.subnet_id,
            signed_at=creation.signed_at,
        )
    except ModelArtsError as error:
        failpoint("post_failed")
        breaker.heard(creation.project, error)
        _settle(creation, _finding(creation, error))
        return
    except Exception:
        # Whatever went wrong, the request may be out: the honest word is unknown. The bug itself is not hidden.
        _settle(creation, _unknown(creation, None, "sender_crashed"))
        raise
    failpoint("post_answered")
    breaker.heard(creation.project)
    _settle(creation, _success(creation, answer, began_at))


def _settle(creation: Creation, finding: Finding) -> None:
    """Record the answer to this send."""
    settle_by(creation.lease_until, creation.pk, replace(finding, send=creation.sends))


def _success(creation: Creation, answer: Answer[HyperCluster], began_at: datetime) -> Finding:
    """A valid answer proves the creation, unless its cluster was known before this attempt began."""
    item = answer.value
    created = Finding(
        State.CREATED,
        Did.CREATE_SUCCEEDED,
        Outcome.DONE,
        evidence=Evidence.REPLY,
        exchange=answer.exchange,
        cluster=item,
        cause="odd_id" if item.odd_id else "",
    )
    return undecided(created, "known_id") if is_known(creation, item.id, before=began_at) else created


def _finding(creation: Creation, error: ModelArtsError) -> Finding:
    """The classification of guarantees: resend on proof alone, fail on a refusal, else unknown."""
    if error.proves == Proof.NOTHING:
        return _unknown(creation, error, error.cause)
    never_left = creation.sends == 1 or creation.evidence == Evidence.NOT_SENT
    not_sent = error.proves == Proof.NOT_SENT and never_left
    evidence = Evidence.NOT_SENT if not_sent else Evidence.REFUSED  # of all attempts so far
    if _may_resend(creation, error):
        return Finding(
            State.QUEUED,
            Did.CREATE_NOT_SENT,
            Outcome.FAILED,
            evidence=evidence,
            exchange=error.exchange,
            error=error,
            due_at=clock.now() if isinstance(error, ClockSkew) else backoff(creation.sends - 1, error),
        )
    return Finding(
        State.FAILED,
        Did.CREATE_FAILED,
        Outcome.FAILED,
        evidence=evidence,
        exchange=error.exchange,
        error=error,
    )


def _may_resend(creation: Creation, error: ModelArtsError) -> bool:
    if isinstance(error, ClockSkew):
        return creation.sends == 1 and error.offset is not None
    return isinstance(error, Throttled | Unavailable) and creation.sends <= RESENDS


def _unknown(creation: Creation, error: ModelArtsError | None, cause: str) -> Finding:
    return Finding(
        State.UNKNOWN,
        Did.CREATE_UNKNOWN,
        Outcome.UNKNOWN,
        exchange=error.exchange if error else None,
        error=error,
        cause=cause,
        due_at=look_after(0, creation.horizon_at),
    )


def _postpone(creation: Creation, until: datetime) -> None:
    Creation.objects.filter(pk=creation.pk, state=State.QUEUED).update(due_at=until)


def _delay(creation: Creation, error: ModelArtsError, due_at: datetime) -> None:
    move(
        creation,
        State.QUEUED,
        Did.CREATE_DELAYED,
        Outcome.FAILED,
        facts={
            "evidence": error.cause,
            "after": {"due_at": due_at.isoformat()},
            "response": answer_facts(error.exchange, error),
            "upstream_request_id": error.request_id,
        },
        delays=creation.delays + 1,
        due_at=due_at,
        **error_fields(error),
    )


def _refuse(
    creation: Creation,
    cause: str,
    outcome: Outcome,
    error: ModelArtsError | None = None,
    evidence: Evidence | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Refuse it before its next send. The evidence is what its attempts prove, if there is none of its own."""
    move(
        creation,
        State.REFUSED,
        Did.CREATE_DENIED if outcome == Outcome.DENIED else Did.CREATE_REFUSED,
        outcome,
        facts={
            "evidence": cause,
            "after": after or {},
            "response": answer_facts(error.exchange if error else None, error),
            "upstream_request_id": error.request_id if error else "",
        },
        evidence=evidence or evidence_so_far(creation),
        upstream_request_id=error.request_id[:128] if error else "",
        settled_at=clock.now(),
        lease_holder="",
        lease_until=None,
        **error_fields(error, cause=cause),
    )
