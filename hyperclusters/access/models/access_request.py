"""Access that is asked for, or offered by e-mail."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject

from .grant import TEAM_ROLES
from .person import User
from .team import Team


class RequestState(models.TextChoices):
    """The states of a request for access."""

    PENDING = "pending", gettext_lazy("Waiting")
    APPROVED = "approved", gettext_lazy("Approved")
    DECLINED = "declined", gettext_lazy("Declined")
    WITHDRAWN = "withdrawn", gettext_lazy("Withdrawn")


class AccessRequestQuerySet(models.QuerySet["AccessRequest"]):
    def pending(self) -> AccessRequestQuerySet:
        """Requests that wait for a decision; those of deactivated people do not."""
        return self.filter(state=RequestState.PENDING, person__is_active=True)


class AccessRequest(models.Model):
    """A person asks for a role in a team, for a number of days from the approval on."""

    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="access_requests")
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="access_requests")
    role = models.CharField(max_length=16, choices=[(role.value, role.label) for role in TEAM_ROLES])
    days = models.PositiveIntegerField(null=True, blank=True)  # none: without an end
    reason = models.CharField(max_length=500)
    asked_at = models.DateTimeField(default=clock.now)
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

    def audit_subject(self) -> Subject:
        """This request as the ledger names it."""
        return Subject("request", str(self.pk), self.person.username, team=self.team)

    @property
    def length(self) -> str:
        """The duration, in words."""
        if self.days is None:
            return _("with no end date")
        if self.days % 7 == 0 and self.days < 30:
            return ngettext("for %(count)d week", "for %(count)d weeks", self.days // 7) % {
                "count": self.days // 7
            }
        return ngettext("for %(count)d day", "for %(count)d days", self.days) % {"count": self.days}

    def as_audit_json(self) -> dict[str, Any]:
        """The request, as the ledger stores it."""
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
        """Invitations that nobody has accepted or withdrawn, and that have not expired."""
        return self.filter(accepted_at__isnull=True, withdrawn_at__isnull=True, expires_at__gt=clock.now())

    def acceptable(self) -> InvitationQuerySet:
        """Open invitations, without those of the future: a wrong clock made them, and they would live too long."""
        return self.open().filter(invited_at__lte=clock.now() + clock.TOLERANCE)


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
