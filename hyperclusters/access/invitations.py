"""Invites people without an account by e-mail: a signed link that works once, until it expires."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.core import signing

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .errors import Cause, ChangeRefused
from .identifiers import ascii_lower
from .layers import covering_grant, replaced_as_audit_json
from .models import Grant, Invitation, Role, Team, User
from .permissions import NotPermitted, Permission, require
from .rules import Expiry, audited_change, lock, require_may_give, resolve_expiry
from .services import add_person, create_grant

LIFE = timedelta(days=7)
SALT = "hyperclusters.access.invitation"


def invite(*, email: str, team: Team, role: Role, reason: str, by: User, until: Expiry = None) -> Invitation:
    """Invite the owner of this address into a team. The worker mails the link.

    Raises NotPermitted; ChangeRefused: one's own address, above one's own role, against the team's rules.
    """
    change = {"email": email, "role": role, "until": until, "reason": reason}
    with audited_change(by=by, on=Subject("invitation", "", email, team=team), **change):
        require_may_give(by, role, team, to=None)
        if ascii_lower(email) == ascii_lower(by.email):
            raise ChangeRefused(Cause.ONESELF)
        now = clock.now()
        ends_at = resolve_expiry(team, end=until, reason=reason, since=now)
        invitation = Invitation.objects.create(
            email=email,
            team=team,
            role=role,
            reason=reason,
            until=ends_at,
            invited_by=by,
            invited_at=now,
            expires_at=min(filter(None, (now + LIFE, ends_at))),
        )
        record(
            EventType.INVITED,
            Outcome.DONE,
            on=invitation,
            by=by,
            reason=reason,
            after=invitation.as_audit_json(),
        )
    return invitation


def token(invitation: Invitation) -> str:
    """The content of the link: the invitation's ID, signed. It is not stored."""
    return signing.dumps(str(invitation.pk), salt=SALT)


def by_token(text: str) -> Invitation | None:
    """The open invitation of a link; None if the link is forged, or the invitation used, withdrawn or expired."""
    try:
        key = UUID(signing.loads(text, salt=SALT))
    except (signing.BadSignature, ValueError):
        return None
    return Invitation.objects.acceptable().filter(pk=key).select_related("team", "invited_by").first()


def accept(invitation: Invitation, *, person: User) -> Grant:
    """Give the role to the person with the invited address. The person who invited must still be allowed to grant it.

    Nobody loses by it: a person who has as much for as long keeps that, and the event says so. Raises ChangeRefused:
    another address, used or expired, no longer allowed to invite, the team's rules.
    """
    team = invitation.team
    with audited_change(by=person, on=invitation, role=invitation.role):
        if not person.email or ascii_lower(person.email) != ascii_lower(invitation.email):
            raise ChangeRefused(Cause.WRONG_PERSON)
        lock(team)
        open_row = Invitation.objects.acceptable().filter(pk=invitation.pk)
        if not open_row.update(accepted_at=clock.now(), accepted_by=person):
            raise ChangeRefused(Cause.USED)
        grant, old_grants = _take(invitation, person)
        record(
            EventType.INVITATION_ACCEPTED,
            Outcome.DONE,
            on=invitation,
            by=person,
            reason=invitation.reason,
            before=replaced_as_audit_json(old_grants),
            after=grant.as_audit_json()
            | {
                "grant": str(grant.pk),
                "invited_by": invitation.invited_by.username,
                "invited_as": invitation.role,
            },
        )
    return grant


def _take(invitation: Invitation, person: User) -> tuple[Grant, list[Grant]]:
    """The person's grant from now on and those before: the same one if that is no less."""
    role, team = Role(invitation.role), invitation.team
    if grant := covering_grant(Grant.objects.active().of(person, team), role, invitation.until):
        return grant, [grant]
    try:
        return create_grant(
            person=person,
            role=role,
            team=team,
            reason=invitation.reason,
            until=invitation.until,
            by=invitation.invited_by,
            keep_higher=True,
        )
    except NotPermitted:
        raise ChangeRefused(Cause.INVITER, invitation.invited_by.username) from None


def join(invitation: Invitation, *, username: str, password: str, full_name: str = "") -> User:
    """Add an account for the invited address, with the role. Having the link proves the address.

    Raises as `accept`; ValidationError for a bad name or password.
    """
    with audited_change(by=None, on=invitation, username=username):
        if User.objects.by_address(invitation.email).exists():
            raise ChangeRefused(Cause.HELD)
        person = add_person(username=username, email=invitation.email, full_name=full_name, password=password)
        accept(invitation, person=person)
    return person


def withdraw(invitation: Invitation, *, by: User) -> None:
    """Withdraw an invitation. Raises NotPermitted; ChangeRefused if it was used or has expired."""
    with audited_change(by=by, on=invitation):
        require(by, Permission.GRANT, invitation.team)
        if not Invitation.objects.open().filter(pk=invitation.pk).update(withdrawn_at=clock.now()):
            raise ChangeRefused(Cause.USED)
        record(
            EventType.INVITATION_WITHDRAWN,
            Outcome.DONE,
            on=invitation,
            by=by,
            before=invitation.as_audit_json(),
        )
