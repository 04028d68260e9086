"""Requests for access: who asks, for how long from the approval on, and the decision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .errors import Cause, ChangeRefused
from .layers import covering_grant, replaced_as_audit_json
from .models import AccessRequest, Grant, RequestState, Role, Team, User
from .permissions import NotPermitted, Permission, Reader, require, within
from .rules import Expiry, audited_change, lock, resolve_expiry
from .services import create_grant, move_end


def waiting_for(person: Reader) -> QuerySet[AccessRequest]:
    """The requests that this person can decide: those of their teams, except their own."""
    mine = AccessRequest.objects.pending().filter(within(person, Permission.GRANT, team="team"))
    return mine.exclude(person=person.pk).select_related("person", "team")


def ask(*, person: User, team: Team, role: Role, days: int | None, reason: str) -> AccessRequest:
    """Ask for a role in a team, or for more time in a role; `days` count from the approval on.

    Raises NotPermitted if deactivated; ChangeRefused: has it already, asked already, against the team's rules.
    """
    change = {"role": role, "days": days, "reason": reason}
    with audited_change(by=person, on=Subject("request", "", person.username, team=team), **change):
        if not User.objects.filter(pk=person.pk, is_active=True).exists():
            raise NotPermitted(Permission.VIEW)
        until = resolve_expiry(team, end=_length(days), reason=reason, since=clock.now())
        if covering_grant(Grant.objects.active().of(person, team), role, until):
            raise ChangeRefused(Cause.HELD, team.name)
        access_request = AccessRequest(person=person, team=team, role=role, days=days, reason=reason)
        try:
            with transaction.atomic():
                access_request.save()
        except IntegrityError:
            raise ChangeRefused(Cause.ASKED, team.name) from None
        record(
            EventType.ACCESS_ASKED,
            Outcome.ACCEPTED,
            on=access_request,
            by=person,
            reason=reason,
            after=access_request.as_audit_json(),
        )
    return access_request


def approve(access_request: AccessRequest, *, by: User, days: int | None, note: str = "") -> Grant:
    """Grant what was requested, for `days` from now on. The grant has the request's reason; the event has the note,
    if any.

    Raises NotPermitted; ChangeRefused: one's own, decided meanwhile, and as `services.grant`.
    """
    change = {"role": access_request.role, "days": days, "reason": note}
    with audited_change(by=by, on=access_request, **change):
        require(by, Permission.GRANT, access_request.team)
        lock(access_request.team)
        before = access_request.as_audit_json()
        _decide(access_request, RequestState.APPROVED, by=by, note=note)
        new_grant, old_facts = _give(access_request, end=_length(days), by=by)
        after = access_request.as_audit_json() | {"grant": str(new_grant.pk), **new_grant.as_audit_json()}
        if old_facts:
            before |= {"held": old_facts}
        reason = note or access_request.reason
        record(
            EventType.ACCESS_APPROVED,
            Outcome.DONE,
            on=access_request,
            by=by,
            reason=reason,
            before=before,
            after=after,
        )
    return new_grant


def decline(access_request: AccessRequest, *, by: User, note: str) -> None:
    """Decline with a reason. Raises NotPermitted; ChangeRefused: one's own, without a note, decided meanwhile."""
    with audited_change(by=by, on=access_request, reason=note):
        require(by, Permission.GRANT, access_request.team)
        if not note.strip():
            raise ChangeRefused(Cause.NO_REASON)
        _end(access_request, RequestState.DECLINED, EventType.ACCESS_DECLINED, by=by, note=note)


def withdraw(access_request: AccessRequest, *, by: User) -> None:
    """Withdraw one's own request. Raises NotPermitted for another's; ChangeRefused if it was decided meanwhile."""
    with audited_change(by=by, on=access_request):
        if by != access_request.person:
            raise NotPermitted(Permission.GRANT, access_request.team)
        _end(access_request, RequestState.WITHDRAWN, EventType.ACCESS_WITHDRAWN, by=by, note="")


def _end(
    access_request: AccessRequest, state: RequestState, event_type: EventType, *, by: User, note: str
) -> None:
    """End it without access, and record that."""
    before = access_request.as_audit_json()
    _decide(access_request, state, by=by, note=note)
    facts: dict[str, Any] = {"before": before, "after": access_request.as_audit_json()}
    record(event_type, Outcome.DONE, on=access_request, by=by, reason=note, **facts)


def _decide(access_request: AccessRequest, state: RequestState, *, by: User, note: str) -> None:
    """One conditional UPDATE: of several decisions at once the first stands. Nobody decides their own.

    Its condition is on the row alone: with a join Django writes a subquery, which PostgreSQL does not check again
    after waiting for the row, and two decisions would win.
    """
    if by == access_request.person and state != RequestState.WITHDRAWN:
        raise ChangeRefused(Cause.ONESELF)
    now = clock.now()
    row = AccessRequest.objects.filter(pk=access_request.pk, state=RequestState.PENDING)
    if not row.update(state=state, decided_at=now, decided_by=by, note=note):
        raise ChangeRefused(Cause.DECIDED)
    access_request.state, access_request.decided_at, access_request.decided_by, access_request.note = (
        state,
        now,
        by,
        note,
    )


def _give(access_request: AccessRequest, *, end: Expiry, by: User) -> tuple[Grant, dict[str, Any] | None]:
    """A new grant or, if the person has this role already, its later end; and the grant before.

    A grant that was extended further meanwhile stays as it is. Raises ChangeRefused if it would add nothing.
    """
    person, role, team = access_request.person, Role(access_request.role), access_request.team
    grant = Grant.objects.active().of(person, team).filter(role=role).first()
    if grant is None:
        new_grant, old_grants = create_grant(
            person=person,
            role=role,
            team=team,
            reason=access_request.reason,
            until=end,
            by=by,
            keep_higher=True,
        )
        return new_grant, replaced_as_audit_json(old_grants)
    before = grant.as_audit_json()
    move_end(grant, until=end, reason=access_request.reason, by=by, only_later=True)
    return grant, before


def _length(days: int | None) -> timedelta | None:
    return timedelta(days=days) if days is not None else None
