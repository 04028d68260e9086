"""The rules for every change of access, whoever makes it and in whichever way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, models, transaction
from django.db.models import Q

from hyperclusters.audit.ledger import Auditable, Subject, record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .errors import Cause, ChangeRefused
from .models import Grant, Role, Team, User
from .permissions import NotPermitted, Permission, may, require

Expiry = datetime | timedelta | None  # end of access: a time, a length from its beginning, or none


@contextmanager
def audited_change(*, by: User | None, on: Auditable | Subject, **change: Any) -> Iterator[None]:
    """One transaction. A refusal or denial inside is rolled back and recorded, with what was requested."""
    try:
        with transaction.atomic():
            yield
    except NotPermitted as error:
        _record(Outcome.DENIED, "not_permitted", by, on, change)
        error.is_noted = True
        raise
    except ChangeRefused as error:
        _record(Outcome.REFUSED, error.cause, by, on, change)
        raise


def _record(
    outcome: Outcome, cause: str, by: User | None, on: Auditable | Subject, change: dict[str, Any]
) -> None:
    reason = str(change.pop("reason", ""))
    request = {name: str(value) if value is not None else "" for name, value in change.items()}
    record(EventType.GRANT_REFUSED, outcome, on=on, by=by, reason=reason, request=request, evidence=cause)


def save_valid(row: models.Model, columns: list[str] | None = None) -> None:
    """Save a row, or these columns of it. Raises ValidationError; so does the second of two that take the same name at
    once, which only the database notices."""
    row.full_clean()
    try:
        with transaction.atomic():
            row.save(update_fields=columns)
    except IntegrityError:
        row.full_clean()
        raise


def lock(team: Team | None) -> Team | None:
    """Lock the team, or the platform admins, until the transaction ends: changes of access happen one by one.

    Returns the team as it is now.
    """
    if team is not None:
        return Team.objects.select_for_update().get(pk=team.pk)
    list(_platform_admins().select_for_update(of=("self",)).order_by("pk"))
    return None


def grantable_in(team: Team | None) -> Q:
    """The accounts that can be granted a role in this team, or one of the whole site: active people and this team's own
    service identities. Those of other teams look absent to whoever grants."""
    return Q(is_active=True) & (Q(service_team=None) | Q(service_team=team))


def require_may_give(by: User | None, role: Role, team: Team | None, *, to: User | None) -> None:
    """Who may grant a role: in a team its admins, up to their own role; admins and site roles also platform admins.

    A service identity holds a role up to creator in its own team and no other.
    `by` is None only for a command on the server. Raises NotPermitted; ChangeRefused for oneself.
    """
    if (
        to is not None
        and to.service_team_id
        and (team is None or team.pk != to.service_team_id or role not in {Role.VIEWER, Role.CREATOR})
    ):
        raise ChangeRefused(Cause.SERVICE)
    if by is None:
        return
    if team is None or (role == Role.ADMIN and not may(by, Permission.GRANT, team)):
        require(by, Permission.APPOINT, None)
    else:
        require(by, Permission.GRANT, team)
        own = list(Grant.objects.active().of(by, team))
        if not own:  # ended since the request began
            raise NotPermitted(Permission.GRANT, team)
        if all(each.is_below(role) for each in own):
            raise ChangeRefused(Cause.ABOVE)
    if by == to:
        raise ChangeRefused(Cause.ONESELF)


def require_may_take(by: User | None, grant: Grant) -> None:
    """Whoever may grant a role may revoke it, so admins may give up their own. Raises NotPermitted."""
    require_may_give(by, Role(grant.role), grant.team, to=None)


def resolve_expiry(team: Team | None, *, end: Expiry, reason: str, since: datetime) -> datetime | None:
    """The end of access that begins at `since`, if it and the reason follow the team's rules. Raises ChangeRefused.

    Call it under the lock: a length counts from the moment the grant begins, so a week is a week.
    """
    if not reason.strip():
        raise ChangeRefused(Cause.NO_REASON)
    until = since + end if isinstance(end, timedelta) else end
    if until is not None and until <= since:
        raise ChangeRefused(Cause.PAST)
    if team is None:
        return until
    if until is None and not team.allows_open_ended:
        raise ChangeRefused(Cause.OPEN_ENDED, team.name)
    latest = team.latest_end(since)
    if latest and (until is None or until > latest):
        raise ChangeRefused(Cause.TOO_LONG, team.name)
    return until


def require_an_admin_stays(grant: Grant, *, until: datetime | None = None) -> None:
    """Call with the lock, before `grant` ends (at `until`, or now): another admin must remain.

    Raises ChangeRefused. A grant that is no longer in force may end. A grant that expires by its own date is not
    prevented: people are warned of that (`team_admins`).
    """
    if not Grant.objects.active().filter(pk=grant.pk).exists():
        return
    if until is not None and grant.until is not None and until >= grant.until:
        return  # not for revoking, only for granting
    if grant.role == Role.ADMIN and grant.team is not None:
        others = Grant.objects.active().filter(team=grant.team, role=Role.ADMIN)
    elif grant.role == Role.PLATFORM_ADMIN:
        others = _platform_admins()
    else:
        return
    others = others.exclude(pk=grant.pk)
    if until is not None:
        others = others.exclude(until__lt=until)
    if not others.exists():
        raise ChangeRefused(Cause.LAST_ADMIN, grant.team.name if grant.team else "")


def _platform_admins() -> Any:
    return Grant.objects.active().filter(role=Role.PLATFORM_ADMIN, team__isnull=True)
