"""Who can do what, and why: the same answer for pages, files and the command."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F, Q

from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .models import SITE_ROLES, Grant, Role, Team, User
from .permissions import POLICY, Permission, require, roles_for

COLUMNS = (
    "team",
    "person",
    "full name",
    "role",
    "scope",
    "may",
    "since",
    "until",
    "given by",
    "why",
    "last reviewed",
)


def who_can_what(team: Team, permission: Permission | None = None) -> list[tuple[str, ...]]:
    """A row of COLUMNS for each active grant that allows anything (or this action) in this team, site roles included."""
    here = Q(team=team) | Q(team__isnull=True)
    grants = Grant.objects.active().filter(here).select_related("person", "team", "granted_by", "reviewed_by")
    return [
        _row(team, grant, permissions)
        for grant in grants.order_by(F("team").asc(nulls_last=True), "person__username", "pk")
        if (permissions := actions_of(Role(grant.role))) and (permission is None or permission in permissions)
    ]


def actions_of(role: Role) -> list[Permission]:
    """What a role allows; a site role: in every team."""
    if role in SITE_ROLES:
        return [permission for permission in Permission if role in POLICY[permission].site]
    return [permission for permission in Permission if role in roles_for(permission)]


def note_export(team: Team, *, by: User, rows: int) -> None:
    """Record that the list was exported. Raises NotPermitted."""
    require(by, Permission.MEMBERS, team)
    record(EventType.ACCESS_EXPORTED, Outcome.DONE, on=team, by=by, after={"rows": rows})


def _row(team: Team, grant: Grant, permissions: list[Permission]) -> tuple[str, ...]:
    return (
        team.name,
        grant.person.username,
        grant.person.full_name,
        grant.role,
        "team" if grant.team else "every team",
        "; ".join(permission.value for permission in permissions),
        _utc(grant.since),
        _utc(grant.until) if grant.until else "open-ended",
        grant.granted_by.username if grant.granted_by else "a command on the server",
        grant.reason,
        f"{_utc(grant.reviewed_at)} by {grant.reviewed_by}" if grant.reviewed_at else "never",
    )


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
