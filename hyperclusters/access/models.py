"""People, teams, grants, and how grants come about: requests and invitations."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.validators import ASCIIUsernameValidator
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
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
    session_round = models.PositiveIntegerField(default=0)  # grows to end every session that began before

    owes_second_factor = False  # of who is signed in: see accounts.backends

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

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session is tied to: another password, or another round, ends it at its next request."""
        salt, value = "hyperclusters.access.session", f"{self.session_round}:{self.password}"
        return salted_hmac(salt, value, secret=secret, algorithm="sha256").hexdigest()


class Team(models.Model):
    """A group of people who share cloud projects, and what it allows: to whom how long, and which clusters."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=100, unique=True)
    created_at = models.DateTimeField(default=timezone.now)

    allows_open_ended = models.BooleanField(_("grants without an end are allowed"), default=True)
    longest_days = models.PositiveIntegerField(
        _("longest grant in days"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    allowed_types = models.JSONField(_("cluster types"), default=list, blank=True)  # none: every type
    name_pattern = models.CharField(
        _("cluster names"),
        max_length=64,
        blank=True,
        validators=[
            RegexValidator(r"^[A-Za-z0-9._*?-]*\Z", _("Letters, digits, “-”, “_”, “.”, “*” and “?”."))
        ],
    )
    reason_required = models.BooleanField(_("a creation needs a reason"), default=False)
    quota = models.PositiveIntegerField(_("clusters in all its projects"), null=True, blank=True)

    RULES = ("allows_open_ended", "longest_days", "allowed_types", "name_pattern", "reason_required")

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("teams:team", args=[self.slug])

    def fits(self, name: str) -> bool:
        """Whether a cluster may have this name here. In the pattern `*` stands for anything, `?` for one character."""
        return not self.name_pattern or fnmatchcase(name, self.name_pattern)

    def latest_end(self, now: datetime) -> datetime | None:
        """How far from now a grant may reach at most; None: as far as one likes."""
        return now + timedelta(days=self.longest_days) if self.longest_days else None


class Role(models.TextChoices):
    """Team roles, weakest first, then the site-wide ones, which belong to no team."""

    VIEWER = "viewer", _("Viewer")
    CREATOR = "creator", _("Creator")
    ADMIN = "admin", _("Admin")
    AUDITOR = "auditor", _("Auditor")
    PLATFORM_ADMIN = "platform_admin", _("Platform admin")


TEAM_ROLES = (Role.VIEWER, Role.CREATOR, Role.ADMIN)
SITE_ROLES = (Role.AUDITOR, Role.PLATFORM_ADMIN)
LATELY = timedelta(days=14)


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

    def lost_by(self, person: User) -> GrantQuerySet:
        """What this person held until lately, in teams where they hold nothing now; the last one first."""
        now = timezone.now()
        over = Q(ended_at__isnull=False) | Q(until__lte=now)
        lately = Q(ended_at__gt=now - LATELY) | Q(ended_at__isnull=True, until__gt=now - LATELY)
        held = Grant.objects.active().filter(person=person, team=models.OuterRef("team"))
        mine = self.filter(over, lately, ~models.Exists(held), person=person, team__isnull=False)
        return mine.order_by("-since", "pk")


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
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="grants_kept")
    reminded_at = models.DateTimeField(null=True, blank=True)  # of its end; none again once that is moved

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


class RequestState(models.TextChoices):
    """Where a request for access stands."""

    PENDING = "pending", _("Waiting")
    APPROVED = "approved", _("Approved")
    DECLINED = "declined", _("Declined")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class AccessRequestQuerySet(models.QuerySet["AccessRequest"]):
    def pending(self) -> AccessRequestQuerySet:
        """Those that wait for a decision; a deactivated person's wait for nothing."""
        return self.filter(state=RequestState.PENDING, person__is_active=True)


class AccessRequest(models.Model):
    """A person asks for a role in a team, for so many days from the moment of approval on."""

    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="access_requests")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="access_requests")
    role = models.CharField(max_length=16, choices=[(role.value, role.label) for role in TEAM_ROLES])
    days = models.PositiveIntegerField(null=True, blank=True)  # none: without an end
    reason = models.CharField(max_length=500)
    asked_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=16, choices=RequestState.choices, default=RequestState.PENDING)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="requests_decided")
    note = models.CharField(max_length=500, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)  # the mail to those who can decide
    answered_at = models.DateTimeField(null=True, blank=True)  # the mail with the decision

    objects = AccessRequestQuerySet.as_manager()

    class Meta:
        ordering = ["asked_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["person", "team"],
                condition=Q(state=RequestState.PENDING),
                name="access_request_one_waits_a_team",
            ),
        ]
        indexes = [models.Index(fields=["state", "team"], name="access_request_state")]

    def __str__(self) -> str:
        return f"{self.person} asks for {self.role} in {self.team}"

    def facts(self) -> dict[str, Any]:
        """What the ledger keeps of a request."""
        return {
            "person": self.person.username,
            "role": self.role,
            "team": self.team.name,
            "days": self.days,
            "state": str(self.state),
            "reason": self.reason,
        }


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> InvitationQuerySet:
        """Those that can still be accepted."""
        return self.filter(accepted_at__isnull=True, withdrawn_at__isnull=True, expires_at__gt=timezone.now())


class Invitation(models.Model):
    """A role in a team for whoever owns an e-mail address. Good once, until it expires; the link is signed, not kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField()
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="invitations")
    role = models.CharField(max_length=16, choices=[(role.value, role.label) for role in TEAM_ROLES])
    until = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=500)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="invitations_sent")
    invited_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    mailed_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="invitations")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-invited_at", "pk"]

    def __str__(self) -> str:
        return f"{self.email} {self.role} {self.team}"

    def facts(self) -> dict[str, Any]:
        """What the ledger keeps of an invitation."""
        return {
            "email": self.email,
            "role": self.role,
            "team": self.team.name,
            "until": self.until.isoformat() if self.until else "",
            "expires": self.expires_at.isoformat(),
        }
