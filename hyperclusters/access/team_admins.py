"""Knows until when each team has an admin. Access may expire: people are warned before nobody can decide.

From a week before on pages warn, and each such moment is recorded once, as an alert and a mail to platform admins.
"""

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
        """Whether a team has an admin now, and when the last one's access ends (None: never)."""

        is_led: bool
        led_until: datetime | None

    TeamWithAdmins = WithAnnotations[Team, Lead]
else:
    TeamWithAdmins = Team

SOON = timedelta(days=7)  # how long before an end pages and mails warn of it


def with_admins(teams: QuerySet[Team]) -> QuerySet[TeamWithAdmins]:
    """Each team with `is_led`, whether it has an admin now, and `led_until`, when the last one's access ends (None:
    never)."""
    leads = Grant.objects.active().filter(team=OuterRef("pk"), role__in=roles_for(Permission.GRANT))
    last = leads.order_by(F("until").desc(nulls_first=True), "pk").values("until")[:1]
    return teams.annotate(is_led=Exists(leads), led_until=Subquery(last))


def teams_without_admin(teams: QuerySet[Team]) -> QuerySet[TeamWithAdmins]:
    """Teams without an admin, then teams that soon have none, each with its lead."""
    ends_soon = Q(is_led=False) | Q(led_until__lte=clock.now() + SOON)
    return with_admins(teams).filter(ends_soon).order_by("is_led", "led_until", "name", "pk")


def teams_without_admin_for(person: Person) -> QuerySet[TeamWithAdmins]:
    """The `teams_without_admin` that this person can help: their own; all of them for platform admins."""
    can = Permission.APPOINT if may(person, Permission.APPOINT) else Permission.GRANT
    return teams_without_admin(teams_where(person, can))


def record_teams_without_admin() -> None:
    """One event for each team and time from which it has no admin; a mail follows (`mail`).

    A team that never had an admin is new and causes none.
    """
    now = clock.now()
    teams = Team.objects.filter(unled_at__isnull=False)
    has_lasting_admin = Q(led_until__isnull=True) | Q(led_until__gt=now + SOON)
    safe = with_admins(teams).filter(has_lasting_admin, is_led=True)
    Team.objects.filter(pk__in=[team.pk for team in safe]).update(unled_at=None, unled_told_at=None)
    had_one = Exists(Grant.objects.filter(team=OuterRef("pk"), role=Role.ADMIN))
    for team in teams_without_admin(Team.objects.filter(had_one)):
        at = team.led_until or team.unled_at or now
        if at != team.unled_at:
            _note(team, at)


def _note(team: Team, at: datetime) -> None:
    with transaction.atomic():
        as_read = Team.objects.filter(pk=team.pk, unled_at=team.unled_at)
        if as_read.update(unled_at=at, unled_told_at=None):  # else another worker has recorded it
            record(EventType.TEAM_UNLED, Outcome.NOTED, on=team, after={"from": at.isoformat()})
