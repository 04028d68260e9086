"""Access asked for: by whom, for how long from the approval on, and what was decided."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome

from .models import AccessRequest, Grant, RequestState, Role, Team, User
from .permissions import Action, NotPermitted, Person, grants_for, require, within
from .refusals import AccessRefused, Cause
from .rules import End, change, end_of, lock
from .services import move_end, put


def waiting_for(person: Person) -> QuerySet[AccessRequest]:
    """The requests that this person can decide: those of their teams, but their own."""
    if not grants_for(person, Action.GRANT):
        return AccessRequest.objects.none()
    mine = AccessRequest.objects.pending().filter(within(person, Action.GRANT, team="team"))
    return mine.exclude(person=person.pk).select_related("person", "team")


def ask(*, person: User, team: Team, role: Role, days: int | None, reason: str) -> AccessRequest:
    """Ask for a role in a team, or for more time in the one that one holds; `days` count from the approval on.

    Raises NotPermitted if deactivated; AccessRefused: held already, asked already, against the team's rules.
    """
    wish = {"role": role, "days": days, "reason": reason}
    with change(by=person, team=team, about=Subject("request", "", person.username), **wish):
        if not User.objects.filter(pk=person.pk, is_active=True).exists():
            raise NotPermitted(Action.VIEW)
        until = end_of(team, end=_length(days), reason=reason, since=clock.now())
        _require_not_held(person, team, role, until)
        made = AccessRequest(person=person, team=team, role=role, days=days, reason=reason)
        try:
            with transaction.atomic():
                made.save()
        except IntegrityError:
            raise AccessRefused(Cause.ASKED, team.name) from None
        _record(Did.ACCESS_ASKED, Outcome.ACCEPTED, made, by=person, reason=reason, after=made.facts())
    return made


def approve(asked: AccessRequest, *, by: User, days: int | None, note: str = "") -> Grant:
    """Give what was asked for, for `days` from now on. The reason is that of the request; the event's, the note if there is one.

    Raises NotPermitted; AccessRefused: one's own, decided meanwhile, and as `services.grant`.
    """
    wish = {"role": asked.role, "days": days, "reason": note}
    with change(by=by, team=asked.team, about=asked.subject, **wish):
        require(by, Action.GRANT, asked.team)
        lock(asked.team)
        before = asked.facts()
        _decide(asked, RequestState.APPROVED, by=by, note=note)
        given, replaced = _give(asked, end=_length(days), by=by)
        after = asked.facts() | {"grant": str(given.pk), **given.facts()}
        if replaced:
            before |= {"held": replaced}
        reason = note or asked.reason
        _record(Did.ACCESS_APPROVED, Outcome.DONE, asked, by=by, reason=reason, before=before, after=after)
    return given


def decline(asked: AccessRequest, *, by: User, note: str) -> None:
    """Say no, and why. Raises NotPermitted; AccessRefused: one's own, without a note, decided meanwhile."""
    with change(by=by, team=asked.team, about=asked.subject, reason=note):
        require(by, Action.GRANT, asked.team)
        if not note.strip():
            raise AccessRefused(Cause.NO_REASON)
        before = asked.facts()
        _decide(asked, RequestState.DECLINED, by=by, note=note)
        _record(
            Did.ACCESS_DECLINED, Outcome.DONE, asked, by=by, reason=note, before=before, after=asked.facts()
        )


def withdraw(asked: AccessRequest, *, by: User) -> None:
    """Take back one's own request. Raises NotPermitted for another's; AccessRefused if it was decided meanwhile."""
    with change(by=by, team=asked.team, about=asked.subject):
        if by != asked.person:
            raise NotPermitted(Action.GRANT, asked.team)
        before = asked.facts()
        _decide(asked, RequestState.WITHDRAWN, by=by, note="")
        _record(Did.ACCESS_WITHDRAWN, Outcome.DONE, asked, by=by, before=before, after=asked.facts())


def _decide(asked: AccessRequest, state: RequestState, *, by: User, note: str) -> None:
    """One conditional UPDATE: of several decisions at one moment the first stands. Nobody decides their own.

    Its condition is on the row alone: with a join Django writes a subquery, which PostgreSQL does not judge again
    after it has waited for the row, and two decisions would win.
    """
    if by == asked.person and state != RequestState.WITHDRAWN:
        raise AccessRefused(Cause.ONESELF)
    now = clock.now()
    waiting = AccessRequest.objects.filter(pk=asked.pk, state=RequestState.PENDING)
    if not waiting.update(state=state, decided_at=now, decided_by=by, note=note):
        raise AccessRefused(Cause.DECIDED)
    asked.state, asked.decided_at, asked.decided_by, asked.note = state, now, by, note


def _give(asked: AccessRequest, *, end: End, by: User) -> tuple[Grant, dict[str, Any] | None]:
    """A new grant, or, where the person holds this role already, its later end; and what was held before.

    One that was made longer meanwhile than the request asks for stays as it is. Raises AccessRefused for a lesser role.
    """
    person, role, team = asked.person, Role(asked.role), asked.team
    held = Grant.objects.active().of(person, team)
    if held is None or held.role != role:
        _require_not_held(person, team, role)
        made, old = put(person=person, role=role, team=team, reason=asked.reason, until=end, by=by)
        return made, old.facts() if old else None
    before = held.facts()
    move_end(held, until=end, reason=asked.reason, by=by, only_later=True)
    return held, before


def _length(days: int | None) -> timedelta | None:
    return timedelta(days=days) if days is not None else None


def _require_not_held(person: User, team: Team, role: Role, until: datetime | None = None) -> None:
    """Raises AccessRefused if the person has this role, or a stronger one, as long already."""
    held = Grant.objects.active().of(person, team)
    if held and (held.is_above(role) or (held.role == role and held.lasts(until))):
        raise AccessRefused(Cause.HELD, team.name)


def _record(did: Did, outcome: Outcome, asked: AccessRequest, *, by: User, **facts: Any) -> None:
    record(did, outcome, person=by, team=asked.team, subject=asked.subject, **facts)
