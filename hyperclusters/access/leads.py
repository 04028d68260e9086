"""Until when somebody decides in each team. Access may run out by its own date: people are warned before nobody is left."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome

from .models import Grant, Role, Team
from .permissions import Action, Person, may, roles_for, teams_where

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class Lead(TypedDict):
        """Whether somebody decides in a team now, and when the last of them ends (None: never)."""

        is_led: bool
        led_until: datetime | None

    LedTeam = WithAnnotations[Team, Lead]
else:
    LedTeam = Team

SOON = timedelta(days=7)  # from so long before an end on, pages and letters warn of it


def with_leads(teams: QuerySet[Team]) -> QuerySet[LedTeam]:
    """Each with `is_led`, whether somebody decides there now, and `led_until`, when the last of them ends (None: never)."""
    leads = Grant.objects.active().filter(team=OuterRef("pk"), role__in=roles_for(Action.GRANT))
    last = leads.order_by(F("until").desc(nulls_first=True), "pk").values("until")[:1]
    return teams.annotate(is_led=Exists(leads), led_until=Subquery(last))


def unled(teams: QuerySet[Team]) -> QuerySet[LedTeam]:
    """Those in which nobody decides, and then those in which soon nobody will, each with its leads."""
    ends_soon = Q(is_led=False) | Q(led_until__lte=clock.now() + SOON)
    return with_leads(teams).filter(ends_soon).order_by("is_led", "led_until", "name", "pk")


def unled_for(person: Person) -> QuerySet[LedTeam]:
    """The `unled` teams for which this person can do something: their own, and for who appoints admins all."""
    can = Action.APPOINT if may(person, Action.APPOINT) else Action.GRANT
    return unled(teams_where(person, can))


def note_unled() -> None:
    """One event for each team and moment from which nobody will decide there; a letter follows it (`mail`).

    A team that never had an admin is new, and is no news.
    """
    now = clock.now()
    told = Team.objects.filter(unled_at__isnull=False)
    lasting = Q(led_until__isnull=True) | Q(led_until__gt=now + SOON)
    safe = with_leads(told).filter(lasting, is_led=True)
    Team.objects.filter(pk__in=[team.pk for team in safe]).update(unled_at=None, unled_told_at=None)
    had_one = Exists(Grant.objects.filter(team=OuterRef("pk"), role=Role.ADMIN))
    for team in unled(Team.objects.filter(had_one)):
        at = team.led_until or team.unled_at or now
        if at != team.unled_at:
            _note(team, at)


def _note(team: Team, at: datetime) -> None:
    with transaction.atomic():
        as_read = Team.objects.filter(pk=team.pk, unled_at=team.unled_at)
        if as_read.update(unled_at=at, unled_told_at=None):  # else another worker has noted it
            record(
                Did.TEAM_UNLED, Outcome.NOTED, team=team, subject=team.subject, after={"from": at.isoformat()}
            )
