"""Tests of a project's connection to the cloud, and counts of calls."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from hyperclusters.audit import clock
from hyperclusters.audit.leases import LeasedQuerySet, LeaseModel


class Diagnosis(models.TextChoices):
    """The result of a connection test."""

    WELL = "well", _("Connected")
    PARTLY = "partly", _("Connected in part")
    CLOCK = "clock", _("Clocks differ")
    KEY = "key", _("Key not accepted")
    DENIED = "denied", _("Not permitted")
    ENDPOINT = "endpoint", _("Wrong endpoint")
    LOOKUP = "lookup", _("Host not found")
    NETWORK = "network", _("Not reachable")
    TLS = "tls", _("No trusted connection")
    SILENT = "silent", _("No answer in time")
    THROTTLED = "throttled", _("Called too often")
    STOPPED = "stopped", _("Calls are stopped")
    NO_KEY = "no_key", _("No usable key")
    OTHER = "other", _("Unexpected answer")


class ConnectionTestQuerySet(LeasedQuerySet["ConnectionTest"]):
    """Tests of connections."""

    def lease_length(self) -> timedelta:
        """For four lists, the first of them twice: the second time by the cloud's clock."""
        return timedelta(seconds=5 * settings.UPSTREAM_DEADLINE + 10)

    def longest_wait(self) -> timedelta:
        """A test waits until another call of the project has proved its key."""
        return self.lease_length()

    def with_related(self) -> ConnectionTestQuerySet:
        """With the project, its team, and who asked."""
        return self.select_related("project__team", "asked_by")


class ConnectionTest(LeaseModel):
    """One test of a project's connection: requested on a page, made by a worker. The last ones are kept."""

    project = models.ForeignKey("clusters.Project", on_delete=models.CASCADE, related_name="tests")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=clock.now)
    request_id = models.CharField(max_length=64, blank=True, db_column="asked_in")  # the web request's ID
    run_after = models.DateTimeField(default=clock.now, db_column="held_until")
    lease_holder = models.CharField(max_length=32, blank=True, db_default="")
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    diagnosis = models.CharField(max_length=16, choices=Diagnosis.choices, blank=True)
    cause = models.CharField(max_length=64, blank=True)
    code = models.CharField(max_length=64, blank=True)
    message = models.TextField(blank=True)
    upstream_request_id = models.CharField(max_length=128, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    clusters = models.PositiveIntegerField(null=True, blank=True)
    clock_offset = models.DurationField(null=True, blank=True)  # the cloud's clock minus ours
    lists = models.JSONField(
        null=True, blank=True
    )  # a row for each list, by `connections`; null or empty: none was read

    objects = ConnectionTestQuerySet.as_manager()

    class Meta:
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project"], condition=Q(done_at__isnull=True), name="connection_test_one_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project} {self.diagnosis or 'under way'}"
