"""People who have no account yet are invited by e-mail: a signed link, good once, until it expires."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.core import signing

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome

from .identifiers import ascii_lower
from .models import Grant, Invitation, Role, Team, User
from .permissions import Action, NotPermitted, require
from .refusals import AccessRefused, Cause
from .rules import End, change, end_of, lock, require_may_give
from .services import add_person, put

LIFE = timedelta(days=7)
SALT = "hyperclusters.access.invitation"


def invite(*, email: str, team: Team, role: Role, reason: str, by: User, until: End = None) -> Invitation:
    """Invite whoever owns this address into a team. The worker mails the link.

    Raises NotPermitted; AccessRefused: one's own address, above one's own role, against the team's rules.
    """
    wish = {"email": email, "role": role, "until": until, "reason": reason}
    with change(by=by, team=team, about=Subject("invitation", "", email), **wish):
        require_may_give(by, role, team, to=None)
        if ascii_lower(email) == ascii_lower(by.email):
            raise AccessRefused(Cause.ONESELF)
        now = clock.now()
        ends_at = end_of(team, end=until, reason=reason, since=now)
        made = Invitation.objects.create(
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
            Did.INVITED,
            Outcome.DONE,
            person=by,
            team=team,
            subject=made.subject,
            reason=reason,
            after=made.facts(),
        )
    return made


def token(invitation: Invitation) -> str:
    """What the link carries: the invitation's ID, signed. Nothing of it is kept anywhere."""
    return signing.dumps(str(invitation.pk), salt=SALT)


def by_token(text: str) -> Invitation | None:
    """The open invitation of a link; None if the link is forged, or the invitation used, withdrawn or expired."""
    try:
        key = UUID(signing.loads(text, salt=SALT))
    except (signing.BadSignature, ValueError):
        return None
    return Invitation.objects.open().filter(pk=key).select_related("team", "invited_by").first()


def accept(invitation: Invitation, *, person: User) -> Grant:
    """The person of the invited address takes the role. Whoever invited must still be permitted to give it.

    Nobody loses by it: who holds as much for as long keeps that, and the event says so. Raises AccessRefused: another
    address, used or expired, who invited may not give it any more, the team's rules, a stronger role that ends sooner.
    """
    team = invitation.team
    with change(by=person, team=team, about=invitation.subject, role=invitation.role):
        if not person.email or ascii_lower(person.email) != ascii_lower(invitation.email):
            raise AccessRefused(Cause.WRONG_PERSON)
        lock(team)
        used = Invitation.objects.open().filter(pk=invitation.pk)
        if not used.update(accepted_at=clock.now(), accepted_by=person):
            raise AccessRefused(Cause.USED)
        made, replaced = _take(invitation, person)
        record(
            Did.INVITATION_ACCEPTED,
            Outcome.DONE,
            person=person,
            team=team,
            subject=invitation.subject,
            reason=invitation.reason,
            before=replaced.facts() if replaced else None,
            after=made.facts()
            | {
                "grant": str(made.pk),
                "invited_by": invitation.invited_by.username,
                "invited_as": invitation.role,
            },
        )
    return made


def _take(invitation: Invitation, person: User) -> tuple[Grant, Grant | None]:
    """What the person holds from now on, and what they held before: the same if that is no less."""
    role, team = Role(invitation.role), invitation.team
    held = Grant.objects.active().of(person, team)
    if held and (held.is_above(role) or held.role == role) and held.lasts(invitation.until):
        return held, held
    if held and held.is_above(role):
        raise AccessRefused(Cause.HELD, team.name)
    try:
        return put(
            person=person,
            role=role,
            team=team,
            reason=invitation.reason,
            until=invitation.until,
            by=invitation.invited_by,
        )
    except NotPermitted:
        raise AccessRefused(Cause.INVITER, invitation.invited_by.username) from None


def join(invitation: Invitation, *, username: str, password: str, full_name: str = "") -> User:
    """An account for the invited address, and the role with it. Whoever has the link has proved the address.

    Raises as `accept`; ValidationError on a bad name or password.
    """
    team = invitation.team
    with change(by=None, team=team, about=invitation.subject, username=username):
        if User.objects.by_address(invitation.email).exists():
            raise AccessRefused(Cause.HELD)
        person = add_person(username=username, email=invitation.email, full_name=full_name, password=password)
        accept(invitation, person=person)
    return person


def withdraw(invitation: Invitation, *, by: User) -> None:
    """Take an invitation back. Raises NotPermitted; AccessRefused if it was used or has expired."""
    with change(by=by, team=invitation.team, about=invitation.subject):
        require(by, Action.GRANT, invitation.team)
        if not Invitation.objects.open().filter(pk=invitation.pk).update(withdrawn_at=clock.now()):
            raise AccessRefused(Cause.USED)
        record(
            Did.INVITATION_WITHDRAWN,
            Outcome.DONE,
            person=by,
            team=invitation.team,
            subject=invitation.subject,
            before=invitation.facts(),
        )
