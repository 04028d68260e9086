"""People, teams and grants."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.validators import ASCIIUsernameValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class People(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        """Names are compared without regard to case."""
        return self.get(username__iexact=username)


class User(AbstractBaseUser):
    """A person. What they may do is in their grants alone."""

    username = models.CharField(
        _("user name"), max_length=64, unique=True, validators=[ASCIIUsernameValidator()]
    )
    full_name = models.CharField(_("full name"), max_length=150, blank=True)
    email = models.EmailField(_("e-mail address"), blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    joined_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[People] = People()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("username"), name="user_name_regardless_of_case")]

    def __str__(self) -> str:
        return self.username

    @property
    def initials(self) -> str:
        """Two letters for the avatar."""
        words = self.full_name.split()
        return (words[0][0] + words[-1][0] if len(words) > 1 else self.username[:2]).upper()


class Team(models.Model):
    """A group of people who share cloud projects."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """Team roles, weakest first, then the site-wide ones, which belong to no team."""

    VIEWER = "viewer", _("Viewer")
    CREATOR = "creator", _("Creator")
    ADMIN = "admin", _("Admin")
    AUDITOR = "auditor", _("Auditor")
    PLATFORM_ADMIN = "platform_admin", _("Platform admin")


TEAM_ROLES = (Role.VIEWER, Role.CREATOR, Role.ADMIN)
SITE_ROLES = (Role.AUDITOR, Role.PLATFORM_ADMIN)


class GrantQuerySet(models.QuerySet["Grant"]):
    def active(self) -> GrantQuerySet:
        """In force this very moment: begun, not ended, not run out, and the person not deactivated."""
        now = timezone.now()
        return self.filter(
            Q(until__isnull=True) | Q(until__gt=now),
            ended_at__isnull=True,
            since__lte=now,
            person__is_active=True,
        )


class Grant(models.Model):
    """A person, a role, a team (none for a site role), from when to when, by whom, why. Ended ones are kept."""

    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="grants")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="grants")
    role = models.CharField(max_length=16, choices=Role.choices)
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="grants_given")
    reason = models.CharField(max_length=500)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="grants_ended")
    end_reason = models.CharField(max_length=500, blank=True)

    objects = GrantQuerySet.as_manager()

    class Meta:
        ordering = ["team__name", "person__username", "-since", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(team__isnull=False, role__in=TEAM_ROLES)
                | Q(team__isnull=True, role__in=SITE_ROLES),
                name="grant_role_fits_scope",
            ),
            models.UniqueConstraint(
                fields=["person", "team"],
                condition=Q(ended_at__isnull=True, team__isnull=False),
                name="grant_one_role_a_team",
            ),
            models.UniqueConstraint(
                fields=["person", "role"],
                condition=Q(ended_at__isnull=True, team__isnull=True),
                name="grant_one_of_each_site_role",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} {self.role} {self.team or 'site'}"

    def facts(self) -> dict[str, Any]:
        """What the ledger keeps of a grant."""
        return {
            "person": self.person.username,
            "role": self.role,
            "team": self.team.name if self.team else "",
            "since": self.since.isoformat(),
            "until": self.until.isoformat() if self.until else "",
        }
