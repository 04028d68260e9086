"""Roles, and grants of roles: to whom, where, until when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject

from .person import User
from .team import Team


class Role(models.TextChoices):
    """Team roles, weakest first, then the site-wide roles, which belong to no team."""

    VIEWER = "viewer", _("Viewer")
    CREATOR = "creator", _("Creator")
    ADMIN = "admin", _("Admin")
    AUDITOR = "auditor", _("Auditor")
    PLATFORM_ADMIN = "platform_admin", _("Platform admin")


TEAM_ROLES = (Role.VIEWER, Role.CREATOR, Role.ADMIN)
SITE_ROLES = (Role.AUDITOR, Role.PLATFORM_ADMIN)
LATELY = timedelta(days=7)


class GrantQuerySet(models.QuerySet["Grant"]):
    def active(self, now: datetime | models.Expression | None = None) -> GrantQuerySet:
        """Grants in force now: not ended, not expired, and the person not deactivated. A grant begins when it is
        made."""
        now = now or clock.now()
        return self.filter(
            Q(until__isnull=True) | Q(until__gt=now),
            ended_at__isnull=True,
            person__is_active=True,
        )

    def effective(self) -> GrantQuerySet:
        """Those that count now: of each person's grants in a team the highest, and every site role."""
        return self.exclude(_any_of_them(lambda above: Q(role__in=above[1:])))

    def not_outlasted(self) -> GrantQuerySet:
        """Those whose end takes something away: no higher grant of the person there lasts as long."""
        as_long = Q(until__isnull=True) | Q(until__gte=models.OuterRef("until"))
        return self.exclude(_any_of_them(lambda above: as_long & Q(role__in=above[1:])))

    def of(self, person: User, team: Team | None) -> GrantQuerySet:
        """This person's grants in this team, or in the whole site."""
        return self.filter(person=person, team=team).select_related("person", "team")

    def lost_by(
        self, person: Any, now: datetime | models.Expression, since: datetime | models.Expression
    ) -> GrantQuerySet:
        """The latest grants that this person (a key, or an expression) lost since then, in teams where they have nothing
        now; the newest first."""
        over = Q(ended_at__isnull=False) | Q(until__lte=now)
        lately = Q(ended_at__gt=since) | Q(ended_at__isnull=True, until__gt=since)
        grants = Grant.objects.active(now).filter(person=person, team=models.OuterRef("team"))
        later = Grant.objects.filter(
            person=person, team=models.OuterRef("team"), since__gt=models.OuterRef("since")
        )
        nothing_since = ~models.Exists(grants) & ~models.Exists(later)
        mine = self.filter(over, lately, nothing_since, person=person, team__isnull=False)
        return mine.order_by("-since", "pk")


def _any_of_them(condition: Callable[[Sequence[Role]], Q]) -> Q:
    """Whether the person of a grant has an active grant in its team that meets this condition, which gets the grant's
    role and those above it."""
    others = Grant.objects.active().filter(person=models.OuterRef("person"), team=models.OuterRef("team"))
    each = (
        Q(role=role) & Q(models.Exists(others.filter(condition(TEAM_ROLES[n:]))))
        for n, role in enumerate(TEAM_ROLES)
    )
    return reduce(or_, each)


class Grant(models.Model):
    """A person, a role, a team (none for a site role), from when to when, by whom, why. Ended grants are kept.

    A person may have several grants in a team, one of each role: the highest counts.
    """

    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="grants")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="grants")
    role = models.CharField(max_length=16, choices=Role.choices)
    since = models.DateTimeField(default=clock.now)
    until = models.DateTimeField(null=True, blank=True)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="grants_given")
    reason = models.CharField(max_length=500)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="grants_ended")
    end_reason = models.CharField(max_length=500, blank=True)
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="grants_kept")
    reminded_at = models.DateTimeField(null=True, blank=True)  # of its end; none again once that is moved

    objects = GrantQuerySet.as_manager()

    BY_GROUP = "by group "  # the beginning of the reason if a company group gave it

    class Meta:
        ordering = ["team__name", "person__username", "-since", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(team__isnull=False, role__in=TEAM_ROLES)
                | Q(team__isnull=True, role__in=SITE_ROLES),
                name="grant_role_fits_scope",
            ),
            models.UniqueConstraint(
                fields=["person", "team", "role"],
                condition=Q(ended_at__isnull=True, team__isnull=False),
                name="grant_one_of_each_role_a_team",
            ),
            models.UniqueConstraint(
                fields=["person", "role"],
                condition=Q(ended_at__isnull=True, team__isnull=True),
                name="grant_one_of_each_site_role",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} {self.role} {self.team or 'site'}"

    def audit_subject(self) -> Subject:
        """This grant as the ledger names it."""
        return Subject("grant", str(self.pk), self.person.username, team=self.team)

    @property
    def group(self) -> str:
        """The company group that gave it; empty if a person or a command did."""
        is_by_group = self.granted_by_id is None and self.reason.startswith(self.BY_GROUP)
        return self.reason.removeprefix(self.BY_GROUP) if is_by_group else ""

    @property
    def returns_by_group(self) -> bool:
        """Whether the next company sign-in gives it again, while the person is in the group."""
        if not self.group:
            return False
        return (self.group, self.team.slug if self.team else "", self.role) in settings.OIDC_GROUP_ROLES

    def is_above(self, role: Role) -> bool:
        """Whether it allows more than this role of the same team."""
        return TEAM_ROLES.index(Role(self.role)) > TEAM_ROLES.index(role)

    def is_below(self, role: Role) -> bool:
        """Whether it allows less than this role of the same team."""
        return TEAM_ROLES.index(Role(self.role)) < TEAM_ROLES.index(role)

    def lasts(self, until: datetime | None) -> bool:
        """Whether it lasts until this end (None: no end)."""
        return self.until is None or (until is not None and until <= self.until)

    def as_audit_json(self) -> dict[str, Any]:
        """The grant, as the ledger stores it."""
        return {
            "person": self.person.username,
            "role": self.role,
            "team": self.team.name if self.team else "",
            "since": self.since.isoformat(),
            "until": self.until.isoformat() if self.until else "",
        }
