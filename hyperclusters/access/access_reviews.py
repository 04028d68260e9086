"""Reviews access, and ends all access of one person."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .errors import Cause, ChangeRefused
from .layers import rank
from .models import AccessRequest, Grant, Invitation, RequestState, Team, User
from .permissions import Permission, require
from .rules import audited_change, lock, require_an_admin_stays
from .service_identities import end_tokens
from .services import revoke

TRIES = 5  # to close an account that is being granted access at the same time


@dataclass(frozen=True, slots=True)
class ReviewCounts:
    """How many grants were kept and ended, and how many had ended meanwhile or were not decided."""

    kept: int
    ended: int
    left: int


def review(
    team: Team, *, by: User, listed: Collection[int], end: Collection[int], keep: Collection[int], reason: str
) -> ReviewCounts:
    """Keep or end grants of a team in bulk: all or nothing, with one event that lists every grant and its decision.

    `listed` are all that were shown; what is neither kept nor ended stays undecided. Nobody keeps their own. Raises
    NotPermitted; ChangeRefused: one's own, without a reason, the last admin.
    """
    with audited_change(by=by, on=team, reason=reason):
        require(by, Permission.GRANT, team)
        if not reason.strip():
            raise ChangeRefused(Cause.NO_REASON)
        lock(team)
        now = clock.now()
        rows = Grant.objects.active().filter(team=team, pk__in=listed).order_by("pk")
        grants = list(rows.select_related("person", "team"))
        decided = {grant.pk: _decision(grant, end, keep) for grant in grants}
        if any(grant.person == by and decided[grant.pk] == "kept" for grant in grants):
            raise ChangeRefused(Cause.ONESELF)
        facts = [
            grant.as_audit_json() | {"grant": str(grant.pk), "decision": decided[grant.pk]}
            for grant in grants
        ]
        for grant in sorted(grants, key=lambda grant: (grant.person == by, rank(grant))):
            if decided[grant.pk] == "ended":  # one's own last: it permits the others
                revoke(grant, reason=reason, by=by)
        keep_ids = [pk for pk, what in decided.items() if what == "kept"]
        Grant.objects.filter(pk__in=keep_ids).update(reviewed_at=now, reviewed_by=by)
        ended = sum(what == "ended" for what in decided.values())
        done = ReviewCounts(len(keep_ids), ended, len(set(listed)) - len(keep_ids) - ended)
        record(
            EventType.ACCESS_REVIEWED,
            Outcome.DONE,
            on=team,
            by=by,
            reason=reason,
            before={"grants": facts},
            after={"kept": done.kept, "ended": done.ended, "undecided": done.left},
        )
    return done


def _decision(grant: Grant, end: Collection[int], keep: Collection[int]) -> str:
    if grant.pk in end:
        return "ended"
    return "kept" if grant.pk in keep else "undecided"


def deactivate(person: User, *, by: User | None, reason: str) -> None:
    """End a person's sessions, grants, requests and invitations at once. Their unsent requests for clusters are
    refused.

    Raises NotPermitted; ChangeRefused: oneself, without a reason, the last admin of a team or of the platform.
    """
    with audited_change(by=by, on=person, reason=reason):
        if by is not None:
            require(by, Permission.APPOINT)
        if by == person:
            raise ChangeRefused(Cause.ONESELF)
        if not reason.strip():
            raise ChangeRefused(Cause.NO_REASON)
        grants = _close(person)
        now = clock.now()
        Grant.objects.filter(pk__in=[grant.pk for grant in grants]).update(
            ended_at=now, ended_by=by, end_reason=reason
        )
        access_requests = AccessRequest.objects.filter(person=person, state=RequestState.PENDING)
        withdrawn = access_requests.update(state=RequestState.WITHDRAWN, decided_at=now, decided_by=by)
        tokens = end_tokens(person)
        sent = Invitation.objects.open().filter(invited_by=person).update(withdrawn_at=now)
        record(
            EventType.PERSON_DEACTIVATED,
            Outcome.DONE,
            on=person,
            by=by,
            reason=reason,
            before={"active": True, "grants": [grant.as_audit_json() for grant in grants]},
            after={"active": False, "requests": withdrawn, "invitations": sent, "tokens": tokens},
        )


class _GrantedMeanwhile(Exception):
    """In a team that is not locked."""


def _close(person: User) -> list[Grant]:
    """Stop the person from signing in, and return the open grants, locked; an admin stays in each place.

    A grant made between locking and closing may be in a team that is not locked. That team cannot be locked then:
    granting locks the team before the person, and each would wait for the other. So everything is released and begun
    again.
    """
    for _ in range(TRIES):
        with suppress(_GrantedMeanwhile), transaction.atomic():
            return _close_under_locks(person)
    raise RuntimeError(f"{person} is given access faster than it can be ended")


def _close_under_locks(person: User) -> list[Grant]:
    grants = Grant.objects.filter(person=person, ended_at__isnull=True).select_related("person", "team")
    teams = Team.objects.filter(grants__in=grants).distinct()
    locked = {None, *Team.objects.filter(pk__in=teams.values("pk")).order_by("pk").select_for_update()}
    lock(None)
    for grant in grants.all():
        require_an_admin_stays(grant)
    rows = User.objects.filter(pk=person.pk, is_active=True)
    if not rows.update(is_active=False, session_version=F("session_version") + 1):
        raise ChangeRefused(Cause.INACTIVE, person.username)
    if any(grant.team not in locked for grant in grants):
        raise _GrantedMeanwhile
    return list(grants)


def reactivate(person: User, *, by: User, reason: str) -> None:
    """Let a person sign in again. Nothing that was ended is restored. Raises NotPermitted, ChangeRefused."""
    with audited_change(by=by, on=person, reason=reason):
        require(by, Permission.APPOINT)
        if not reason.strip():
            raise ChangeRefused(Cause.NO_REASON)
        if person.service_team_id:
            raise ChangeRefused(Cause.SERVICE)
        if not User.objects.filter(pk=person.pk, is_active=False).update(is_active=True):
            raise ChangeRefused(Cause.HELD, person.username)
        record(
            EventType.PERSON_REACTIVATED,
            Outcome.DONE,
            on=person,
            by=by,
            reason=reason,
            before={"active": False},
            after={"active": True},
        )
