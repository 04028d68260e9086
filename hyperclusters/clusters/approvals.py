"""Approval by a second person: an admin of the team approves or declines a creation that somebody else requested.

A creation that needs it waits as `queued`, and no worker claims it. The worker asks again before it sends: the approver
must still be permitted then.
"""

from __future__ import annotations

from typing import Any

from hyperclusters.access.models import Grant, User
from hyperclusters.access.permissions import Permission, require
from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import EventType, Outcome

from . import quotas
from .errors import ApprovalRefused, ReasonRequired, record_refusal
from .models import Approval, Creation, Project, State
from .operations.evidence import of_attempts
from .operations.transitions import StaleState, transition, wake_workers


def approval_columns(
    person: User, project: Project, *, kind: str, in_team: int, token_maker: int | None
) -> dict[str, Any]:
    """The columns of a new creation that say whether it needs approval. Call it under the lock of `quotas.read_project`.

    `in_team`: how many clusters the team has without it. `token_maker`: the ID of who made the API token that the request came with.
    """
    rule = quotas.approval_rule(project.team, type=kind, beside=1, in_team=in_team)
    if not rule:
        return {"approval": Approval.NOT_NEEDED}
    waiting = {"approval": Approval.WAITING, "approval_rule": rule, "approval_at": clock.now()}
    return waiting | {"sponsors": _sponsors(person, token_maker)}


def approve(creation: Creation, *, by: User, reason: str = "") -> None:
    """Let it be sent. Approving it twice is one approval.

    Raises NotPermitted; ApprovalRefused for one's own; StaleState if it no longer waits for approval.
    """
    if creation.approval == Approval.APPROVED and creation.approval_by == by:
        return
    _require_approver(creation, by, reason)
    _decide(creation, State.QUEUED, Approval.APPROVED, by, reason, run_after=clock.now(), cause="")


def decline(creation: Creation, *, by: User, reason: str) -> None:
    """End it: it is never sent. Raises as `approve`, and ReasonRequired."""
    _require_approver(creation, by, reason)
    if not reason.strip():
        raise ReasonRequired
    settled = {"settled_at": clock.now(), "cause": "declined", "evidence": of_attempts(creation)}
    _decide(creation, State.REFUSED, Approval.DECLINED, by, reason, **settled)


def _require_approver(creation: Creation, by: User, reason: str) -> None:
    denied = refused = EventType.CREATE_APPROVAL_REFUSED
    with record_refusal(denial_event=denied, refusal_event=refused, on=creation, by=by, reason=reason):
        require(by, Permission.DECIDE, creation.team)
        if objection := creation.approval_objection(by):
            raise ApprovalRefused(objection)
    if not creation.waits_for_approval:
        raise StaleState(f"creation {creation.pk} does not wait for approval")


def _decide(creation: Creation, to: State, approval: Approval, by: User, reason: str, **changes: Any) -> None:
    """One transition and one event: of several people at once the first one decides."""
    is_approved = approval == Approval.APPROVED
    transition(
        creation,
        to,
        EventType.CREATE_APPROVED if is_approved else EventType.CREATE_DECLINED,
        Outcome.DONE,
        facts={"by": by, "reason": reason, "after": {"approval": {"rule": creation.approval_rule}}},
        approval=approval,
        approval_by=by,
        approval_at=clock.now(),
        approval_reason=reason,
        **changes,
    )
    if is_approved:
        wake_workers()


def _sponsors(person: User, token_maker: int | None) -> list[int] | None:
    """Who stands behind a service identity: who added it, by its first grant, and who made its token. None of them may
    approve. None: a person, or it cannot be known."""
    if not person.service_team_id or token_maker is None:
        return None
    first = Grant.objects.filter(person=person).order_by("since", "pk").first()
    return sorted({first.granted_by_id, token_maker}) if first and first.granted_by_id else None
