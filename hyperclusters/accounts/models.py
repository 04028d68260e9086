"""Sessions, signed in or waiting for the second step; company accounts; failed attempts; API tokens."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import Team, User
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject

FACTORS = (
    Authenticator.Type.TOTP,
    Authenticator.Type.WEBAUTHN,
)  # recovery codes only replace one of these


class SessionQuerySet(models.QuerySet["Session"]):
    def active(self) -> SessionQuerySet:
        """Signed in, and neither idle for too long nor too old."""
        return self.unexpired().filter(started_at__isnull=False)

    def unexpired(self) -> SessionQuerySet:
        """Sessions that end in the future, but not later than possible."""
        return self.exclude(clock.due("expire_date", timedelta(seconds=settings.SESSION_IDLE)))


class Session(AbstractBaseSession):
    """One browser of one person. `expire_date` is the nearer of the idle and the absolute limit."""

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    handle = models.UUIDField(default=uuid.uuid4, unique=True)  # names it in pages: the key is a secret
    started_at = models.DateTimeField(null=True)  # none before the second step
    seen_at = models.DateTimeField(default=clock.now)
    ip = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=300, blank=True)

    objects = SessionQuerySet.as_manager()  # type: ignore[assignment,misc]  # not Django's, which saves by other rules

    class Meta(AbstractBaseSession.Meta):
        abstract = False
        ordering = ["-seen_at", "pk"]

    @property
    def is_expired(self) -> bool:
        """Whether it ended, or would end later than possible: `unexpired` for one session."""
        return clock.is_due(self.expire_date, timedelta(seconds=settings.SESSION_IDLE))

    def save(self, *args: Any, force_update: bool = False, **kwargs: Any) -> None:
        """A change of its data leaves its times alone: only use moves those."""
        if force_update:
            kwargs["update_fields"] = ["session_data", "person", "started_at"]
        super().save(*args, force_update=force_update, **kwargs)


class CompanyAccount(models.Model):
    """A person's identity at the company's provider: its issuer and the subject there, which never means another
    person."""

    person = models.OneToOneField(User, on_delete=models.CASCADE, related_name="company_account")
    issuer = models.CharField(max_length=500)  # empty: of an account linked before the issuer was stored
    subject = models.CharField(max_length=255)
    linked_at = models.DateTimeField(default=clock.now)
    confirmed_at = models.DateTimeField(default=clock.now)  # when the provider last signed the person in

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issuer", "subject"], name="company_account_once")]

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class Attempt(models.Model):
    """One attempt at a password, counted under a key (see lockout.py) until it proves right or is old."""

    key = models.CharField(max_length=64)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes = [models.Index(fields=["key", "at"], name="attempt_key")]

    def __str__(self) -> str:
        return f"{self.key[:8]} {self.at:%H:%M:%S}"


class Scope(models.TextChoices):
    """What a token may be used for, within what its owner may do."""

    CLUSTERS_READ = "clusters:read", _("see clusters, creations and projects")
    CLUSTERS_WRITE = "clusters:write", _("create, withdraw and delete clusters")
    AUDIT_READ = "audit:read", _("read and export the audit")
    ACCESS_READ = "access:read", _("see teams, access and requests")
    ACCESS_WRITE = "access:write", _("grant, revoke and decide requests")


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def usable(self) -> ApiTokenQuerySet:
        """Neither revoked nor past their end, of an active owner."""
        return self.filter(revoked_at__isnull=True, expires_at__gt=clock.now(), owner__is_active=True)

    def ending_soon(self) -> ApiTokenQuerySet:
        """Those whose owner is warned now: they end within a week, and lived longer than that."""
        soon, latest_creation = (
            clock.now() + ApiToken.WARN,
            F("expires_at") - ApiToken.WARN - timedelta(days=1),
        )
        return self.usable().filter(expires_at__lte=soon, created_at__lte=latest_creation)


class ApiToken(models.Model):
    """A key of the JSON API. It acts as its owner, a person or a service identity. Only a keyed digest is stored."""

    WARN = timedelta(days=7)  # before the end
    LONGEST = timedelta(days=365)

    id = models.CharField(max_length=12, primary_key=True)
    digest = models.CharField(max_length=64)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_tokens")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(_("name"), max_length=64)
    scopes = models.JSONField(default=list)
    # The one team in which it may be used; null: in all of its owner's.
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="api_tokens")
    created_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_ip = models.CharField(max_length=45, blank=True)
    rate_spent_until = models.BigIntegerField(
        default=0
    )  # ms since 1970: its requests are paid for up to here
    expiry_mailed_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "pk"]

    def __str__(self) -> str:
        return f"{self.name} (hc_{self.pk})"

    @property
    def is_usable(self) -> bool:
        """Whether a request with it is answered."""
        return self.revoked_at is None and self.expires_at > clock.now() and self.owner.is_active

    def audit_subject(self) -> Subject:
        """As the ledger names it."""
        return Subject("token", self.pk, self.name, team=self.owner.service_team or self.team)

    def as_audit_json(self) -> dict[str, Any]:
        """What the ledger keeps of a token."""
        return {
            "name": self.name,
            "owner": self.owner.username,
            "scopes": self.scopes,
            "team": self.team.name if self.team else "",
            "expires_at": self.expires_at.isoformat(),
        }


class SavedView(models.Model):
    """A list as a person likes to see it: the page's filters, sort and columns, as they stand in its address."""

    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="saved_views")
    page = models.CharField(max_length=16)
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(max_length=2000, blank=True)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [models.UniqueConstraint(fields=["person", "page", "name"], name="one_view_of_a_name")]

    def __str__(self) -> str:
        return f"{self.name} ({self.page})"
