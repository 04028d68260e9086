"""Until when somebody decides in each team. Access may run out by its own date: people are warned before nobody is left."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .models import Grant, Role, Team
from .permissions import Permission, Person, may, roles_for, teams_where

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class Lead(TypedDict):
        """Whether somebody decides in a team now, and when the last of them ends (None: never)."""

        is_led: bool
        led_until: datetime | None

    TeamWithAdmins = WithAnnotations[Team, Lead]
else:
    TeamWithAdmins = Team

SOON = timedelta(days=7)  # from so long before an end on, pages and letters warn of it


def with_admins(teams: QuerySet[Team]) -> QuerySet[TeamWithAdmins]:
    """Each with `is_led`, whether somebody decides there now, and `led_until`, when the last of them ends (None: never)."""
    leads = Grant.objects.active().filter(team=OuterRef("pk"), role__in=roles_for(Permission.GRANT))
    last = leads.order_by(F("until").desc(nulls_first=True), "pk").values("until")[:1]
    return teams.annotate(is_led=Exists(leads), led_until=Subquery(last))


def teams_without_admin(teams: QuerySet[Team]) -> QuerySet[TeamWithAdmins]:
    """Those in which nobody decides, and then those in which soon nobody will, each with its leads."""
    ends_soon = Q(is_led=False) | Q(led_until__lte=clock.now() + SOON)
    return with_admins(teams).filter(ends_soon).order_by("is_led", "led_until", "name", "pk")


def teams_without_admin_for(person: Person) -> QuerySet[TeamWithAdmins]:
    """The `teams_without_admin` for which this person can do something: their own, and for who appoints admins all."""
    can = Permission.APPOINT if may(person, Permission.APPOINT) else Permission.GRANT
    return teams_without_admin(teams_where(person, can))


def record_teams_without_admin() -> None:
    """One event for each team and moment from which nobody will decide there; a letter follows it (`mail`).

    A team that never had an admin is new, and is no news.
    """
    now = clock.now()
    teams = Team.objects.filter(unled_at__isnull=False)
    lasting = Q(led_until__isnull=True) | Q(led_until__gt=now + SOON)
    safe = with_admins(teams).filter(lasting, is_led=True)
    Team.objects.filter(pk__in=[team.pk for team in safe]).update(unled_at=None, unled_told_at=None)
    had_one = Exists(Grant.objects.filter(team=OuterRef("pk"), role=Role.ADMIN))
    for team in teams_without_admin(Team.objects.filter(had_one)):
        at = team.led_until or team.unled_at or now
        if at != team.unled_at:
            _note(team, at)


def _note(team: Team, at: datetime) -> None:
    with transaction.atomic():
        as_read = Team.objects.filter(pk=team.pk, unled_at=team.unled_at)
        if as_read.update(unled_at=at, unled_told_at=None):  # else another worker has noted it
            record(EventType.TEAM_UNLED, Outcome.NOTED, on=team, after={"from": at.isoformat()})
