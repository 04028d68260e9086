"""Invitations to the owner of an e-mail address."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject

from .grant import TEAM_ROLES
from .person import User
from .team import Team


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> InvitationQuerySet:
        """Invitations that can still be accepted."""
        return self.filter(accepted_at__isnull=True, withdrawn_at__isnull=True, expires_at__gt=clock.now())


class Invitation(models.Model):
    """A role in a team for the owner of an e-mail address. Works once, until it expires; the signed link is not
    stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField()
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="invitations")
    role = models.CharField(max_length=16, choices=[(role.value, role.label) for role in TEAM_ROLES])
    until = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=500)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="invitations_sent")
    invited_at = models.DateTimeField(default=clock.now)
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

    def audit_subject(self) -> Subject:
        """This invitation as the ledger names it."""
        return Subject("invitation", str(self.pk), self.email, team=self.team)

    def as_audit_json(self) -> dict[str, Any]:
        """The invitation, as the ledger stores it."""
        return {
            "email": self.email,
            "role": self.role,
            "team": self.team.name,
            "until": self.until.isoformat() if self.until else "",
            "expires": self.expires_at.isoformat(),
        }
