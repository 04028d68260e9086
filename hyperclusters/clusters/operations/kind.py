"""What one kind of operation says for itself: why it may not be sent, its call, and what answers and polls prove."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from hyperclusters.access.permissions import Permission, may
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import Operation
from hyperclusters.clusters.models.operation import FAILED, QUEUED, REFUSED, UNKNOWN, OperationQuerySet
from hyperclusters.clusters.operations.resolution import Resolution
from hyperclusters.clusters.operations.retries import list_again_at, poll_at, resend_at
from hyperclusters.modelarts import Answer, Client, ModelArtsError, Proof

O = TypeVar("O", bound=Operation)  # noqa: E741 -- as K and V: one letter for a type
MayBegin = Callable[[], bool]  # asked right before a request goes out: False once the process is to stop


class Kind(ABC, Generic[O]):
    """One kind of operation. A subclass says what only that kind does."""

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
        """What only the transaction that commits the intent can know: no room any more, or a lock. Raises StaleState if
        the project's key was replaced since the operation was claimed."""
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
            return self.unknown_outcome(operation, error.cause, error)
        run_after = resend_at(operation, error)
        to, event = (FAILED, self.event("failed")) if run_after is None else (QUEUED, self.event("not-sent"))
        return Resolution(
            to, event, Outcome.FAILED, exchange=error.exchange, error=error, run_after=run_after
        )

    @abstractmethod
    def observe(self, operation: O, client: Client, started_at: datetime) -> Resolution | None:
        """What a poll that began at `started_at` proves. None: nothing yet. Complete answers count in `polls`."""

    def progress(self, operation: O) -> dict[str, Any]:
        """Columns of the row that a poll without a verdict sets."""
        return {"polls": operation.polls}

    def columns(self, operation: O, resolution: Resolution) -> dict[str, Any]:  # noqa: ARG002 -- for subclasses
        """Further columns of the row that a resolution sets."""
        return {}

    @abstractmethod
    def follow(self, operation: O, resolution: Resolution) -> None:
        """Update the cluster according to a resolution, in its transaction."""

    def unknown_outcome(self, operation: O, cause: str, error: ModelArtsError | None = None) -> Resolution:
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
