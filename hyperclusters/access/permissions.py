"""The whole policy: who may do what. Pages, fragments, exports, commands and the worker all ask it.
docs/permissions.md prints it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet

from hyperclusters.audit import clock
from hyperclusters.audit.models import Event, EventQuerySet
from hyperclusters.statements import PERSON, Slot

from .models import TEAM_ROLES, Grant, Role, Team, User


class RoleInTeam(NamedTuple):
    """A role that somebody holds, in one team or (None) in all."""

    team_id: int | None
    role: str


@dataclass(frozen=True, slots=True)
class Anyone:
    """Whoever holds these roles: stands for a person in SQL that is built once, see `statements`. May do nothing."""

    roles: tuple[RoleInTeam, ...]
    pk: ClassVar[Slot] = PERSON


Person = User | AnonymousUser
Reader = Person | Anyone  # for whom a queryset is
_people_with_grants: ContextVar[dict[int, tuple[User, list[Grant]]] | None] = ContextVar(
    "people with grants", default=None
)
_only_team: ContextVar[int | None] = ContextVar("the one team in which grants count", default=None)


class Permission(StrEnum):
    """What the policy decides about."""

    VIEW = "view clusters and creations"
    CREATE = "create clusters, withdraw one's own creations, delete one's own clusters"
    LOCK = "lock clusters"
    MANAGE = "hand over and delete every cluster"
    UNLOCK = "unlock clusters"
    DECIDE = "decide on creations that need a person"
    GRANT = "grant and end access"
    AUDIT = "read the audit"
    REVIEW = "review creations and clusters made outside"
    CONNECT = "connect projects and their credentials"
    MEMBERS = "see who may do what in a team, and why"
    APPOINT = (
        "add teams, set their quotas, appoint their admins, auditors and platform admins, deactivate people"
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """Allowed from this team role upwards in that team, and to these site roles in every team."""

    team: Role | None
    site: tuple[Role, ...] = ()


POLICY: dict[Permission, Rule] = {
    Permission.VIEW: Rule(Role.VIEWER, (Role.AUDITOR,)),
    Permission.CREATE: Rule(Role.CREATOR),
    Permission.LOCK: Rule(Role.CREATOR),
    Permission.MANAGE: Rule(Role.ADMIN),
    Permission.UNLOCK: Rule(Role.ADMIN),
    Permission.DECIDE: Rule(Role.ADMIN),
    Permission.GRANT: Rule(Role.ADMIN),
    Permission.AUDIT: Rule(Role.ADMIN, (Role.AUDITOR,)),
    Permission.REVIEW: Rule(None, (Role.AUDITOR,)),
    Permission.CONNECT: Rule(None, (Role.PLATFORM_ADMIN,)),
    Permission.MEMBERS: Rule(Role.VIEWER, (Role.AUDITOR, Role.PLATFORM_ADMIN)),
    Permission.APPOINT: Rule(None, (Role.PLATFORM_ADMIN,)),
}


class NotPermitted(PermissionDenied):
    """The person may not do this here. Names the request, never whether the object exists."""

    def __init__(self, permission: Permission, team: Team | None = None) -> None:
        super().__init__(f"not permitted: {permission.value}")
        self.permission = permission
        self.team = team
        self.is_noted = False  # whether the audit has it already: one denial is one event


def roles_for(permission: Permission) -> tuple[Role, ...]:
    """The team roles that allow this."""
    least = POLICY[permission].team
    return TEAM_ROLES[TEAM_ROLES.index(least) :] if least else ()


@contextmanager
def read_once() -> Iterator[None]:
    """Inside, each person's grants are read from the database once, at the first question: for one web request.

    Code that writes calls `require`, which reads them again.
    """
    token, team = _people_with_grants.set({}), _only_team.set(None)
    try:
        yield
    finally:
        _people_with_grants.reset(token)
        _only_team.reset(team)


def remember(person: User, grants: Iterable[Grant]) -> None:
    """Inside `read_once`: what was just read of a person, their grants that have not been ended, each with its team.

    Someone who is not active is not remembered.
    """
    people, now = _people_with_grants.get(), clock.now()
    if people is not None and person.is_active:
        active = [grant for grant in grants if grant.until is None or grant.until > now]
        people[person.pk] = person, sorted(active, key=_rank)


def person_in_context(person_id: int) -> User | None:
    """The active person, if this web request has read them already."""
    person, _grants = (_people_with_grants.get() or {}).get(person_id, (None, ()))
    return person


def limit_to_team(team_id: int) -> None:
    """For the rest of this web request only grants of this team count, and no site role: what an API token is bound to."""
    _only_team.set(team_id)


def active_grants(person: Person) -> list[Grant]:
    """This person's active grants, each with its team; those of one team in rising order."""
    if not isinstance(person, User):
        return []
    people, team_id = _people_with_grants.get(), _only_team.get()
    if people is None or person.pk not in people:
        # Sorted here: in the database the names to sort by cost two joins more, on every page.
        grants = sorted(
            Grant.objects.active().filter(person=person).order_by().select_related("team"), key=_rank
        )
        if people is not None:
            people[person.pk] = person, grants
    else:
        grants = people[person.pk][1]
    return grants if team_id is None else [grant for grant in grants if grant.team_id == team_id]


def grants_for(person: Person, permission: Permission) -> list[Grant]:
    """This person's active grants that allow this anywhere."""
    roles = _roles(permission)
    return [grant for grant in active_grants(person) if grant.role in roles]


def teams_where(person: Person, permission: Permission) -> QuerySet[Team]:
    """The teams in which this person may do this."""
    return Team.objects.filter(within(person, permission, team="pk"))


def scope(person: Reader, permission: Permission) -> tuple[int, ...] | None:
    """The IDs of the teams in which this person may do this; None: every team."""
    roles = person.roles if isinstance(person, Anyone) else active_grants(person)
    teams = {each.team_id for each in roles if each.role in _roles(permission)}
    return None if None in teams else tuple(sorted(team for team in teams if team is not None))


def anyone_like(person: User) -> Anyone:
    """Whoever holds the roles that this person holds now."""
    return Anyone(
        tuple(sorted({RoleInTeam(each.team_id, each.role) for each in active_grants(person)}, key=str))
    )


def within(person: Reader, permission: Permission, *, team: str) -> Q:
    """The condition that a row belongs to a team in which this person may do this. `team`: the path to it from the
    row."""
    teams = scope(person, permission)
    return Q() if teams is None else Q(**{f"{team}__in": teams})


def may(person: Person, permission: Permission, team: Team | None = None) -> bool:
    """Whether this person may do this in this team; without a team, in any."""
    return _any((grant.team_id for grant in grants_for(person, permission)), team)


def require(person: Person, permission: Permission, team: Team | None = None) -> None:
    """Raise NotPermitted unless the person may, by the grants as they are right now."""
    rows = _active(person) if isinstance(person, User) else Grant.objects.none()
    if not _any(rows.filter(role__in=_roles(permission)).values_list("team_id", flat=True), team):
        raise NotPermitted(permission, team)


def require_any(person: Person, *ways: tuple[Permission, Team | None]) -> None:
    """As `require`, where one of several permissions is enough. Raises NotPermitted for the first."""
    for permission, team in ways[1:]:
        with suppress(NotPermitted):
            return require(person, permission, team)
    return require(person, *ways[0])


def visible_events(person: Person) -> EventQuerySet:
    """The audit events that this person may read: all for an auditor, their teams' for a team admin."""
    return Event.objects.filter(within(person, Permission.AUDIT, team="team_id"))


@dataclass(frozen=True, slots=True)
class AuditScope:
    """What one person may read of the audit, asked once per page: every team's events (None), or these teams'."""

    teams: tuple[int, ...] | None

    def parts(self) -> list[EventQuerySet]:
        """The events of `visible_events`, as one query or one per team, so that each can use one index in its order."""
        if self.teams is None:
            return [Event.objects.all()]
        return [Event.objects.filter(team_id=team) for team in self.teams]


def audit_scope(person: Person) -> AuditScope:
    """Raises NotPermitted if this person may read nothing of the audit."""
    teams = scope(person, Permission.AUDIT)
    if teams == ():
        raise NotPermitted(Permission.AUDIT)
    return AuditScope(teams)


def who_can(permission: Permission, team: Team) -> QuerySet[Grant]:
    """The active grants that allow this in this team: the people to ask."""
    here = Q(team=team, role__in=roles_for(permission)) | Q(
        team__isnull=True, role__in=POLICY[permission].site
    )
    return Grant.objects.active().effective().filter(here).select_related("person", "team")


def platform_admins() -> list[User]:
    """The platform admins: the people to ask if a team has nobody."""
    return _people_of_site(Permission.APPOINT)


def auditors() -> list[User]:
    """The auditors: the people who look into what verification finds."""
    return _people_of_site(Permission.REVIEW)


def _people_of_site(permission: Permission) -> list[User]:
    grants = Grant.objects.active().filter(role__in=POLICY[permission].site)
    return [grant.person for grant in grants.select_related("person")]


def _active(person: User) -> QuerySet[Grant]:
    grants = Grant.objects.active().filter(person=person).order_by()
    team_id = _only_team.get()
    return grants if team_id is None else grants.filter(team=team_id)


def _rank(grant: Grant) -> tuple[bool, str, int]:
    return grant.team is None, str(grant.team), list(Role).index(Role(grant.role))


def _roles(permission: Permission) -> set[Role]:
    return {*roles_for(permission), *POLICY[permission].site}


def _any(team_ids: Iterable[int | None], team: Team | None) -> bool:
    return any(team is None or team_id in {None, team.pk} for team_id in team_ids)
