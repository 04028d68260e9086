"""Takes creations and deletions from the queue to a verdict. The order of the steps is here, once for both:

claim -> permission -> breaker and budget -> preparation -> intent -> call -> result, and poll where that is unclear.

Each step commits by itself. A killed worker leaves a lease that lapses: before the intent the operation is claimed
again; after it the outcome is unknown, never failed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction

from hyperclusters.access.permissions import Permission, may
from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters import breaker
from hyperclusters.clusters.credentials import UnusableKey
from hyperclusters.clusters.failpoints import failpoint
from hyperclusters.clusters.models import Operation
from hyperclusters.clusters.models.operation import (
    FAILED,
    LEASE_MARGIN,
    QUEUED,
    REFUSED,
    SENDING,
    UNKNOWN,
    OperationQuerySet,
)
from hyperclusters.clusters.operations.evidence import horizon
from hyperclusters.clusters.operations.facts import error_fields
from hyperclusters.clusters.operations.resolution import Resolution
from hyperclusters.clusters.operations.retries import list_again_at, poll_at, resend_at, retry_write
from hyperclusters.clusters.operations.transitions import StaleState, leased, transition
from hyperclusters.clusters.slots import Turns
from hyperclusters.clusters.upstream import client_for, signing_time
from hyperclusters.modelarts import Answer, Client, ModelArtsError, Proof

O = TypeVar("O", bound=Operation)  # noqa: E741 -- as K and V: one letter for a type
MayBegin = Callable[[], bool]  # asked right before a request goes out: False once the process is to stop


class Engine(ABC, Generic[O]):
    """Takes one kind of operation through all its steps. A subclass says what only that kind does."""

    rows: OperationQuerySet[O]
    verb: str

    def event(self, step: str) -> EventType:
        """The event of a step that both kinds share, such as `sending`."""
        return EventType(f"cluster:{self.verb}:{step}")

    def objection(self, operation: O) -> Resolution | None:
        """Why it may not be sent any more: the requester lacks the permission now. A kind can add rules."""
        return self.permission_objection(operation, Permission.CREATE)

    def permission_objection(self, operation: O, permission: Permission) -> Resolution | None:
        """Why it may not be sent any more, if the requester lacks this permission now."""
        if may(operation.requested_by, permission, operation.team):
            return None
        refusal = self.refusal(operation, "right_lost")
        return replace(refusal, event=self.event("denied"), outcome=Outcome.DENIED)

    @abstractmethod
    def prepare(self, operation: O, client: Client, may_begin: MayBegin) -> Resolution | None:
        """Read from the cloud what must be known before the call. A resolution ends this turn: nothing is sent.

        Once `may_begin` says no, nothing more is read, and nothing will be sent.
        """

    def final_objection(self, operation: O) -> Resolution | None:  # noqa: ARG002 -- for subclasses
        """What only the transaction that commits the intent can know: no room any more, or a lock."""
        return None

    @abstractmethod
    def intent(self, operation: O) -> tuple[dict[str, Any], dict[str, Any]]:
        """Columns of the row, and facts of the event, that are committed before the call."""

    @abstractmethod
    def call(self, operation: O, client: Client) -> Answer[Any]:
        """The one call that changes something. Raises ModelArtsError."""

    @abstractmethod
    def success(self, operation: O, answer: Answer[Any], began_at: datetime) -> Resolution:
        """What a valid answer proves about a call that began at `began_at`."""

    def failure(self, operation: O, error: ModelArtsError) -> Resolution:
        """What an error proves: sent again only on proof, failed on a refusal, else unknown."""
        if error.proves == Proof.NOTHING:
            return self.unknown(operation, error.cause, error)
        run_after = resend_at(operation, error)
        to, event = (FAILED, self.event("failed")) if run_after is None else (QUEUED, self.event("not-sent"))
        return Resolution(
            to, event, Outcome.FAILED, exchange=error.exchange, error=error, run_after=run_after
        )

    @abstractmethod
    def observe(self, operation: O, client: Client, started_at: datetime) -> Resolution | None:
        """What a poll that began at `started_at` proves. None: nothing yet. Complete answers count in `polls`."""

    def columns(self, operation: O, resolution: Resolution) -> dict[str, Any]:  # noqa: ARG002 -- for subclasses
        """Further columns of the row that a resolution sets."""
        return {}

    @abstractmethod
    def follow(self, operation: O, resolution: Resolution) -> None:
        """Update the cluster according to a resolution, in its transaction."""

    def reconcile_late_result(self, operation: O, result: Resolution) -> None:
        """Record a result that comes after the verdict: one more event, and the verdict stands."""
        transition(
            operation,
            operation.state,
            result.event,
            Outcome.NOTED,
            facts=result.as_audit_json(),
            answered_attempts=result.attempt,
        )

    def claim(self, holder: str, state: str, turns: Turns = list) -> O | None:
        """Lease the operation in this state that has been due longest, of the first project whose turn it is. What
        waits for its project's write budget or probe is left alone."""
        rows = self.rows.filter(state=state)
        due = rows.due()
        if state == QUEUED:
            due = due.filter(breaker.may_write(rows.at_project))
        for project in turns(due.projects()):
            if operation := rows.claim(holder, among=due.filter(**{rows.at_project: project})):
                return operation
        return None

    def send(self, operation: O, *, may_begin: MayBegin = lambda: True) -> None:
        """Take a claimed, queued operation as far as it gets now: refused, delayed, or sent with its result recorded.

        Nothing is sent once `may_begin` says no: the process is stopping, and the operation stays queued.
        """
        project = operation.project
        with (
            leased(operation),
            suppress(StaleState),
        ):  # Stale: withdrawn, or taken over after our lease lapsed
            obstacle = self.objection(operation)
            if obstacle is None:
                failpoint("send_permitted")
                try:
                    client = client_for(project)
                except UnusableKey as error:
                    obstacle = self.refusal(operation, error.cause)
            if obstacle is not None:
                self.resolve(operation, obstacle)
            elif (later := breaker.begin_write(project)) is not None:
                self._postpone(operation, later)
            elif (obstacle := self.prepare(operation, client, may_begin)) is not None:
                self.resolve(operation, obstacle)
            elif may_begin() and self._commit_intent(operation):
                failpoint("intent_committed")
                self._call(operation, client)
            elif not project.trusted:
                breaker.release_probe(project)  # the call that would have proved the key was not made

    def poll(self, operation: O) -> None:
        """Look for the outcome of a claimed, unknown operation, by reading only. Resolve it if something is proved."""
        project = operation.project
        with (
            leased(operation),
            suppress(StaleState),
        ):  # Stale: another process has reached a verdict meanwhile
            failpoint("look_begun")
            started_at = clock.now()
            try:
                client = client_for(project)
            except UnusableKey:
                self._poll_again(operation)
                return
            if (later := breaker.next_call_at(project)) is not None:
                self._poll_again(operation, later)
                return
            resolution = self.observe(operation, client, started_at)
            failpoint("look_weighed")
            if resolution is None:
                self._poll_again(operation)
            else:
                # StaleState if it has moved on: then this is about an earlier attempt and proves nothing about the new one.
                self.resolve(operation, resolution)

    def sweep(self) -> int:
        """Make operations unknown, never failed, whose sender's lease lapsed. Returns how many."""
        swept = 0
        for operation in self.rows.lapsed().filter(state=SENDING).with_related():
            with suppress(StaleState):
                lost = self.unknown(operation, "sender_lost")
                self.resolve(operation, replace(lost, run_after=clock.now()))
                failpoint("swept")
                swept += 1
        return swept

    def resolve(self, operation: O, resolution: Resolution) -> None:
        """Apply a resolution to an open operation, as it was read. Raises StaleState if it has moved since."""
        with transaction.atomic():
            transition(
                operation,
                resolution.state,
                resolution.event,
                resolution.outcome,
                facts=resolution.as_audit_json(),
                upstream_request_id=resolution.request_id[:128] or operation.upstream_request_id,
                answered_attempts=max(operation.answered_attempts, resolution.attempt),
                lease_holder="",
                lease_expires_at=None,
                run_after=resolution.run_after or clock.now(),
                settled_at=None if resolution.state in operation.UNRESOLVED else clock.now(),
                **error_fields(resolution.error, cause=resolution.cause),
                **self.columns(operation, resolution),
                **resolution.changes,
            )
            failpoint("verdict_moved")
            self.follow(operation, resolution)
            failpoint("verdict_bound")

    def apply_result(self, key: UUID, result: Resolution) -> O:
        """Record the result of an attempt, whatever others have written since: as the verdict if there is none yet,
        else beside it. Returns the operation as it is then."""
        while True:
            operation: O = self.rows.with_related().get(pk=key)
            failpoint("settle_read")
            if 0 < result.attempt <= operation.answered_attempts:
                return operation  # an earlier try was committed, and only the reply to its COMMIT was lost
            with suppress(StaleState):  # read again: each round loses only to somebody else's progress
                if operation.is_unresolved:
                    self.resolve(operation, result)
                else:
                    self.reconcile_late_result(operation, result)
                return operation

    def unknown(self, operation: O, cause: str, error: ModelArtsError | None = None) -> Resolution:
        """The call may have been carried out: poll for its outcome, and never send it again."""
        return Resolution(
            UNKNOWN,
            self.event("unknown"),
            Outcome.UNKNOWN,
            exchange=error.exchange if error else None,
            error=error,
            cause=cause,
            run_after=poll_at(0, operation.not_created_after),
        )

    def refusal(self, operation: O, cause: str, error: ModelArtsError | None = None) -> Resolution:  # noqa: ARG002
        """It is not sent, or not again."""
        return Resolution(REFUSED, self.event("refused"), Outcome.REFUSED, error=error, cause=cause)

    def not_listed(
        self, operation: O, error: ModelArtsError, old_offset: timedelta, cause: str = ""
    ) -> Resolution:
        """Nothing is sent without a list: list again later, if that can help. `cause`: in place of the error's own."""
        run_after = list_again_at(operation, error, old_offset)
        if run_after is None:
            return self.refusal(operation, cause or error.cause, error)
        return Resolution(
            QUEUED,
            self.event("delayed"),
            Outcome.FAILED,
            error=error,
            cause=cause,
            run_after=run_after,
            changes={"delays": operation.delays + 1},
        )

    def _commit_intent(self, operation: O) -> bool:
        """Commit that a call is about to go out. After this, only proof takes the operation back to the queue."""
        failpoint("intent_begun")
        with transaction.atomic(durable=True):
            if (objection := self.final_objection(operation)) is not None:
                self.resolve(operation, objection)
            else:
                self._begin(operation)
        return operation.state == SENDING

    def _begin(self, operation: O) -> None:
        now, signed_at = clock.now(), signing_time(operation.project)
        columns, facts = self.intent(operation)
        transition(
            operation,
            SENDING,
            self.event("sending"),
            Outcome.ACCEPTED,
            facts={"after": {"signed_at": signed_at.isoformat(), "send": operation.attempts + 1} | facts},
            attempts=operation.attempts + 1,
            polls=0,  # what was seen before this attempt says nothing about it
            signed_at=signed_at,
            not_created_after=horizon(now),
            # The call's deadline, and time to write its result.
            lease_expires_at=now + timedelta(seconds=settings.UPSTREAM_DEADLINE + LEASE_MARGIN),
            **columns,
        )

    def _call(self, operation: O, client: Client) -> None:
        failpoint("call_begun")
        began_at = clock.now()
        try:
            answer = self.call(operation, client)
        except ModelArtsError as error:
            failpoint("call_failed")
            breaker.record_result(operation.project, error)
            self.record_result(operation, self.failure(operation, error))
        except Exception:
            # Whatever went wrong, the request may be out, so the outcome is unknown. The bug itself is not hidden.
            self.record_result(operation, self.unknown(operation, "sender_crashed"))
            raise
        else:
            failpoint("call_answered")
            breaker.record_result(operation.project)
            self.record_result(operation, self.success(operation, answer, began_at))

    def record_result(self, operation: O, result: Resolution) -> None:
        """`apply_result` until the database accepts it or the lease ends: then the cloud is polled."""
        result = replace(result, attempt=operation.attempts)
        retry_write(operation.lease_expires_at, partial(self.apply_result, operation.pk, result))

    def _postpone(self, operation: O, run_after: datetime) -> None:
        self.rows.filter(pk=operation.pk, state=QUEUED).update(run_after=run_after)

    def _poll_again(self, operation: O, run_after: datetime | None = None) -> None:
        failpoint("look_in_vain")
        rows = self.rows.filter(pk=operation.pk, state=UNKNOWN, version=operation.version)
        next_at = run_after or poll_at(operation.polls, operation.not_created_after)
        rows.update(polls=operation.polls, run_after=next_at)
