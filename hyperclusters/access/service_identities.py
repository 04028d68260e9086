"""Service identities: what pipelines act as. Each is an account of a team without a password, with an ordinary grant.

So permissions, the audit, reviews and "who can what" treat it as they treat a person, and it survives the people who
added it.
"""

from __future__ import annotations

from django.apps import apps
from django.db.models import QuerySet

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .errors import Cause, ChangeRefused
from .models import Grant, Role, Team, User
from .permissions import Permission, require
from .rules import Expiry, audited_change, lock, save_valid
from .services import create_grant


def identities_of(team: Team) -> QuerySet[User]:
    """The service identities of a team that can still be used, in order."""
    return User.objects.filter(service_team=team, is_active=True).order_by("username")


def add_service_identity(
    *, team: Team, name: str, role: Role, reason: str, by: User, until: Expiry = None
) -> User:
    """A new identity `team.name` with this role. Raises NotPermitted; ChangeRefused; ValidationError on a bad or taken name."""
    username = f"{team.slug}.{name}"
    with audited_change(by=by, on=Subject("service", "", username, team), role=role, reason=reason):
        require(by, Permission.GRANT, team)
        if role not in {Role.VIEWER, Role.CREATOR}:
            raise ChangeRefused(Cause.SERVICE)
        identity = User(username=username, service_team=team)
        identity.set_unusable_password()
        save_valid(identity)
        record(EventType.SERVICE_ADDED, Outcome.DONE, on=identity, by=by, reason=reason)
        first, _old = create_grant(person=identity, role=role, team=team, until=until, reason=reason, by=by)
        record(
            EventType.GRANT_ADDED, Outcome.DONE, on=first, by=by, reason=reason, after=first.as_audit_json()
        )
    return identity


def end_tokens(person: User) -> int:
    """Revoke every API token of an account for good. Returns how many there were."""
    tokens = apps.get_model("accounts", "ApiToken").objects.filter(owner=person, revoked_at__isnull=True)
    return int(tokens.update(revoked_at=clock.now()))


def remove_service_identity(identity: User, *, by: User, reason: str) -> None:
    """End an identity with its grant; its tokens are rejected from the next request on. Its name stays taken.

    Raises NotPermitted; ChangeRefused without a reason, or for a person.
    """
    team = identity.service_team
    with audited_change(by=by, on=identity, reason=reason):
        if team is None:
            raise ChangeRefused(Cause.SERVICE)
        require(by, Permission.GRANT, team)
        if not reason.strip():
            raise ChangeRefused(Cause.NO_REASON)
        lock(team)
        if User.objects.filter(pk=identity.pk, is_active=True).update(is_active=False):
            grants = Grant.objects.filter(person=identity, ended_at__isnull=True)
            before = [each.as_audit_json() for each in grants.select_related("person", "team")]
            grants.update(ended_at=clock.now(), ended_by=by, end_reason=reason)
            record(
                EventType.SERVICE_REMOVED,
                Outcome.DONE,
                on=identity,
                by=by,
                reason=reason,
                before={"grants": before},
                after={"tokens": end_tokens(identity)},
            )
