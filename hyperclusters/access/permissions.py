"""The whole policy: who may do what. Pages, fragments, exports, commands and the worker all ask here."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet

from hyperclusters.audit.models import Event, EventQuerySet

from .models import SITE_ROLES, TEAM_ROLES, Grant, Role, Team, User

Person = User | AnonymousUser


class Action(StrEnum):
    """What the policy decides about."""

    VIEW = "view clusters and creations"
    CREATE = "create clusters, withdraw one's own creations, delete clusters"
    DECIDE = "decide on creations that need a person"
    GRANT = "grant and end access"
    AUDIT = "read the audit"
    REVIEW = "review creations and clusters made outside"
    CONNECT = "connect projects and their credentials"


@dataclass(frozen=True, slots=True)
class Rule:
    """Allowed from this team role upwards, in that team; and to these site roles, in every team."""

    team: Role | None
    site: tuple[Role, ...] = ()


POLICY: dict[Action, Rule] = {
    Action.VIEW: Rule(Role.VIEWER, (Role.AUDITOR,)),
    Action.CREATE: Rule(Role.CREATOR),
    Action.DECIDE: Rule(Role.ADMIN),
    Action.GRANT: Rule(Role.ADMIN),
    Action.AUDIT: Rule(Role.ADMIN, (Role.AUDITOR,)),
    Action.REVIEW: Rule(None, (Role.AUDITOR,)),
    Action.CONNECT: Rule(None, (Role.PLATFORM_ADMIN,)),
}


class NotPermitted(PermissionDenied):
    """The person may not do this here. Says what was asked, never whether the object exists."""

    def __init__(self, action: Action, team: Team | None = None) -> None:
        super().__init__(f"not permitted: {action.value}")
        self.action = action
        self.team = team
        self.is_noted = False  # whether the audit has it already: one denial is one event


def roles_for(action: Action) -> tuple[Role, ...]:
    """The team roles that allow this."""
    least = POLICY[action].team
    return TEAM_ROLES[TEAM_ROLES.index(least) :] if least else ()


def grants_for(person: Person, action: Action) -> QuerySet[Grant]:
    """The active grants of this person that allow this, somewhere."""
    if not isinstance(person, User):
        return Grant.objects.none()
    allowed = Q(role__in=roles_for(action)) | Q(role__in=POLICY[action].site)
    return Grant.objects.active().filter(allowed, person=person)


def teams_where(person: Person, action: Action) -> QuerySet[Team]:
    """The teams in which this person may do this."""
    grants = grants_for(person, action)
    if grants.filter(team__isnull=True).exists():
        return Team.objects.all()
    return Team.objects.filter(pk__in=grants.values("team"))


def may(person: Person, action: Action, team: Team | None = None) -> bool:
    """Whether this person may do this in this team; without a team, whether anywhere."""
    grants = grants_for(person, action)
    if team is not None:
        grants = grants.filter(Q(team=team) | Q(team__isnull=True))
    return grants.exists()


def require(person: Person, action: Action, team: Team | None = None) -> None:
    """Raises NotPermitted unless `may`."""
    if not may(person, action, team):
        raise NotPermitted(action, team)


def visible_events(person: Person) -> EventQuerySet:
    """The audit events this person may read: every one for an auditor, their team's for a team admin."""
    grants = grants_for(person, Action.AUDIT)
    if grants.filter(team__isnull=True).exists():
        return Event.objects.all()
    return Event.objects.filter(team_id__in=grants.values("team"))


@dataclass(frozen=True, slots=True)
class AuditScope:
    """What one person may read of the audit, asked for once a page: every team's part (None), or these teams'."""

    teams: tuple[int, ...] | None

    def parts(self) -> list[EventQuerySet]:
        """The events of `visible_events`, as one query or as one a team, so that each can walk one index in its order."""
        if self.teams is None:
            return [Event.objects.all()]
        return [Event.objects.filter(team_id=team) for team in self.teams]


def audit_scope(person: Person) -> AuditScope:
    """Raises NotPermitted if this person may read nothing of the audit."""
    teams = set(grants_for(person, Action.AUDIT).values_list("team", flat=True))
    if not teams:
        raise NotPermitted(Action.AUDIT)
    return AuditScope(None if None in teams else tuple(sorted(teams)))


def allows(grants: Iterable[Grant], action: Action) -> bool:
    """Whether one of these active grants allows this somewhere: for a page that has read a person's grants already."""
    rule, team_roles = POLICY[action], roles_for(action)
    return any(held.role in (rule.site if held.team_id is None else team_roles) for held in grants)


def who_can(action: Action, team: Team) -> QuerySet[Grant]:
    """The active grants that allow this in this team: who to ask."""
    here = Q(team=team, role__in=roles_for(action)) | Q(team__isnull=True, role__in=POLICY[action].site)
    return Grant.objects.active().filter(here).select_related("person", "team")


__all__ = [
    "POLICY",
    "SITE_ROLES",
    "Action",
    "NotPermitted",
    "Rule",
    "grants_for",
    "may",
    "require",
    "teams_where",
]
