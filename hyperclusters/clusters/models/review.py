"""An auditor's latest word on a creation, or on a cluster made outside this dashboard. The ledger has the history."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Judgement(models.TextChoices):
    """The verdict of a review."""

    REVIEWED = "reviewed", _("Reviewed")
    FOLLOW_UP = "follow_up", _("Needs follow-up")
    CLAIMED = "claimed", _("Claimed")
    ACCEPTED = "accepted", _("Accepted")


class Review(models.Model):
    """The latest word on one creation (reviewed, follow-up) or on one cluster made outside (claimed, accepted)."""

    creation = models.OneToOneField(
        "clusters.Creation", on_delete=models.PROTECT, null=True, related_name="review"
    )
    cluster = models.OneToOneField(
        "clusters.Cluster", on_delete=models.PROTECT, null=True, related_name="review"
    )
    judgement = models.CharField(max_length=16, choices=Judgement.choices)
    note = models.CharField(max_length=500, blank=True)
    claimed_for = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="claimed_clusters"
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(creation__isnull=False, cluster__isnull=True)
                | Q(creation__isnull=True, cluster__isnull=False),
                name="review_of_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.creation or self.cluster} {self.judgement}"
