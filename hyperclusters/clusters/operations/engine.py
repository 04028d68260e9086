"""Takes creations and deletions from the queue to a verdict. The order of the steps is here, once for both:

claim -> permission -> breaker and budget -> preparation -> intent -> call -> result, and poll where that is unclear.

Each step commits by itself. A killed worker leaves a lease that lapses: before the intent the operation is claimed
again; after it the outcome is unknown, never failed.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction

from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.clusters import breaker
from hyperclusters.clusters.credentials import UnusableKey
from hyperclusters.clusters.failpoints import failpoint
from hyperclusters.clusters.models.operation import (
    LEASE_MARGIN,
    QUEUED,
    SENDING,
    UNKNOWN,
)
from hyperclusters.clusters.operations.evidence import horizon
from hyperclusters.clusters.operations.facts import error_fields
from hyperclusters.clusters.operations.kind import Kind, MayBegin, O
from hyperclusters.clusters.operations.resolution import Resolution
from hyperclusters.clusters.operations.retries import poll_at, retry_write
from hyperclusters.clusters.operations.transitions import StaleState, release_at_end, transition
from hyperclusters.clusters.slots import Turns
from hyperclusters.clusters.upstream import client_for, signing_time
from hyperclusters.modelarts import Client, ModelArtsError


class Engine(Kind[O]):
    """Takes one kind of operation through all its steps."""

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
            release_at_end(operation),
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
            else:
                self._carry_out(operation, client, may_begin)

    def _carry_out(self, operation: O, client: Client, may_begin: MayBegin) -> None:
        """Prepare, commit the intent, and call. If the project's key was replaced meanwhile, the operation stays queued
        for the new one: an obstacle says nothing of that, and `final_objection` raises StaleState."""
        obstacle = self.prepare(operation, client, may_begin)
        if obstacle is not None:
            if operation.project.has_same_key():
                self.resolve(operation, obstacle)
        elif may_begin() and self._commit_intent(operation):
            failpoint("intent_committed")
            self._call(operation, client)
        elif not operation.project.trusted:
            breaker.release_probe(operation.project)  # the call that would have proved the key was not made

    def poll(self, operation: O) -> None:
        """Look for the outcome of a claimed, unknown operation, by reading only. Resolve it if something is proved."""
        project = operation.project
        with (
            release_at_end(operation),
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
        count = 0
        for operation in self.rows.lapsed().filter(state=SENDING).with_related():
            with suppress(StaleState):
                unknown = self.unknown_outcome(operation, "sender_lost")
                self.resolve(operation, replace(unknown, run_after=clock.now()))
                failpoint("swept")
                count += 1
        return count

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

    def _commit_intent(self, operation: O) -> bool:
        """Commit that a call is about to go out. After this, only proof takes the operation back to the queue."""
        failpoint("intent_begun")
        with transaction.atomic(durable=True):
            objection = self.final_objection(operation)
            if objection is None and operation.project.has_key_ended():  # while the cloud was listed
                objection = self.refusal(operation, "key_ended")
            if objection is not None:
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
            self.record_result(operation, self.unknown_outcome(operation, "sender_crashed"))
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
        rows.update(run_after=next_at, **self.progress(operation))
