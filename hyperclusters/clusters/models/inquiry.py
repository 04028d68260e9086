"""What people ask the cloud about one cluster, and its answers."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import Q

from hyperclusters.audit import clock
from hyperclusters.audit.leases import LeasedQuerySet, LeaseModel


class InquiryKind(StrEnum):
    """What is asked."""

    CAPACITY = "capacity"  # which flavors are sold out, for an HPS cluster
    TRACES = "traces"  # whom CTS names, for a cluster created elsewhere


class InquiryQuerySet(LeasedQuerySet["Inquiry"]):
    """Inquiries."""

    def lease_length(self) -> timedelta:
        """For one inquiry: two calls at most."""
        return timedelta(seconds=2 * settings.UPSTREAM_DEADLINE + 10)

    def longest_wait(self) -> timedelta:
        """An inquiry is due at once."""
        return self.lease_length()

    def with_related(self) -> InquiryQuerySet:
        """With the cluster, its project and team, and who asked."""
        return self.select_related("cluster__project__team", "asked_by")

    def with_answer(self) -> InquiryQuerySet:
        """Those to which the cloud gave a usable answer."""
        return self.filter(rows__isnull=False)


class Inquiry(LeaseModel):
    """One read of the cloud about a cluster: requested on a page, made by a worker. The last ones are kept."""

    cluster = models.ForeignKey("clusters.Cluster", on_delete=models.CASCADE, related_name="inquiries")
    kind = models.CharField(max_length=16)  # an InquiryKind
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=clock.now)
    request_id = models.CharField(max_length=64, blank=True)  # the web request's ID
    run_after = models.DateTimeField(default=clock.now)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    rows = models.JSONField(null=True, blank=True)  # the answer; null without a usable one
    cause = models.CharField(max_length=64, blank=True)  # why there is none
    code = models.CharField(max_length=64, blank=True)
    message = models.TextField(blank=True)
    upstream_request_id = models.CharField(max_length=128, blank=True)

    objects = InquiryQuerySet.as_manager()

    class Meta:
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "kind"], condition=Q(done_at__isnull=True), name="inquiry_one_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.cluster}"
