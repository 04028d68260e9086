"""Ends all access of a person who leaves, and lets one who came back sign in again."""

from __future__ import annotations

from contextlib import suppress

from django.db import transaction
from django.db.models import F

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .errors import Cause, ChangeRefused
from .models import AccessRequest, Grant, Invitation, RequestState, Team, User
from .permissions import Permission, require
from .rules import audited_change, lock, require_an_admin_stays
from .service_identities import end_tokens

TRIES = 5  # to close an account that is being granted access at the same time


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
        invitations = Invitation.objects.open().filter(invited_by=person).update(withdrawn_at=now)
        record(
            EventType.PERSON_DEACTIVATED,
            Outcome.DONE,
            on=person,
            by=by,
            reason=reason,
            before={"active": True, "grants": [grant.as_audit_json() for grant in grants]},
            after={"active": False, "requests": withdrawn, "invitations": invitations, "tokens": tokens},
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
    teams_under_lock = {
        None,
        *Team.objects.filter(pk__in=teams.values("pk")).order_by("pk").select_for_update(),
    }
    lock(None)
    for grant in grants.all():
        require_an_admin_stays(grant)
    rows = User.objects.filter(pk=person.pk, is_active=True)
    if not rows.update(is_active=False, session_version=F("session_version") + 1):
        raise ChangeRefused(Cause.INACTIVE, person.username)
    if any(grant.team not in teams_under_lock for grant in grants):
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
