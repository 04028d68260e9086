"""Sessions, signed in or waiting for the second step; company accounts; failed attempts."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from hyperclusters.access.models import User
from hyperclusters.audit import clock

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
