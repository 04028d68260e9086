"""One attempt to make a hyper cluster, from click to verdict. The row is also the worker's work item."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from hyperclusters.access import permissions

from .inventory import TYPES


class State(models.TextChoices):
    """Where a creation stands."""

    REFUSED = "refused", _("Refused")
    QUEUED = "queued", _("Waiting")
    SENDING = "sending", _("Being created")
    UNKNOWN = "unknown", _("Checking the cloud")
    NEEDS_ATTENTION = "needs_attention", _("Needs a decision")
    CREATED = "created", _("Created")
    FAILED = "failed", _("Failed")
    NOT_CREATED = "not_created", _("Not created")
    CANCELLED = "cancelled", _("Withdrawn")


# While one of these holds, no other creation of that name may begin in the project.
UNRESOLVED = (State.QUEUED, State.SENDING, State.UNKNOWN, State.NEEDS_ATTENTION)


class Evidence(models.TextChoices):
    """What a verdict rests on."""

    REPLY = "reply", _("the cloud's own answer")
    LISTED = "listed", _("found in the cloud's list")
    HUMAN = "human", _("a person's decision")
    NOT_SENT = "not_sent", _("proof that nothing was sent")
    REFUSED = "refused", _("the cloud's own refusal")
    ABSENT = "absent_after_horizon", _("absent from the cloud's list when no request could still be acted on")


# When evidence meets later evidence, the stronger one stands.
EVIDENCE_RANK = {
    Evidence.REPLY: 3,
    Evidence.REFUSED: 3,
    Evidence.LISTED: 2,
    Evidence.HUMAN: 1,
    Evidence.ABSENT: 0,
}


class CreationQuerySet(models.QuerySet["Creation"]):
    def visible_to(self, person: permissions.Person) -> CreationQuerySet:
        """Creations of the teams this person may look into."""
        return self.filter(project__team__in=permissions.teams_where(person, permissions.Action.VIEW))

    def unresolved(self) -> CreationQuerySet:
        """Those whose outcome is still open."""
        return self.filter(state__in=UNRESOLVED)

    def due(self, *states: State) -> CreationQuerySet:
        """What a worker may take up now: due, and held by nobody (or by somebody whose lease lapsed)."""
        now = timezone.now()
        free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
        return self.filter(free, state__in=states, due_at__lte=now).order_by("due_at", "pk")


class Creation(models.Model):
    """What was asked, how far it got, and what the verdict rests on. Times are UTC."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("clusters.Project", on_delete=models.PROTECT, related_name="creations")
    name = models.CharField(max_length=64)
    type = models.CharField(max_length=8, choices=TYPES)
    subnet_id = models.CharField(max_length=36, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="creations"
    )
    requested_at = models.DateTimeField(default=timezone.now)
    token = models.UUIDField(unique=True)
    again_of = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="tried_again_as"
    )

    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    version = models.PositiveIntegerField(
        default=0
    )  # grows with each transition; the compare of compare-and-swap
    due_at = models.DateTimeField(default=timezone.now)  # when a worker should look at it next
    lease_holder = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    delays = models.PositiveIntegerField(default=0)  # times the cloud could not be listed before sending
    sends = models.PositiveIntegerField(default=0)  # POSTs begun
    baseline = models.JSONField(default=list)  # IDs that already carried this name before sending
    signed_at = models.DateTimeField(null=True, blank=True)  # X-Sdk-Date of the last POST
    horizon_at = models.DateTimeField(null=True, blank=True)  # after this the cloud cannot act on it any more
    looks = models.PositiveIntegerField(default=0)  # complete lists since the outcome became unknown
    candidates = models.JSONField(default=list)  # cluster IDs among which a person must choose

    evidence = models.CharField(max_length=24, choices=Evidence.choices, blank=True)
    cause = models.CharField(max_length=64, blank=True)  # slug of what happened, for the sentence people read
    code = models.CharField(max_length=64, blank=True)  # the cloud's error code, as it came
    message = models.TextField(blank=True)  # the cloud's words, escaped and capped
    upstream_request_id = models.CharField(max_length=128, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    conflict_at = models.DateTimeField(null=True, blank=True)  # later evidence contradicts the verdict
    overdue_at = models.DateTimeField(null=True, blank=True)  # when the alert about its age went out

    objects = CreationQuerySet.as_manager()

    class Meta:
        ordering = ["-requested_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=Q(state__in=UNRESOLVED),
                name="creation_one_unresolved_a_name",
            ),
        ]
        indexes = [models.Index(fields=["state", "due_at"], name="creation_due")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("creations:creation", args=[self.pk])

    @property
    def is_unresolved(self) -> bool:
        return self.state in UNRESOLVED
