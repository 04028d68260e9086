"""Reads of the cloud that a person asks for: tests of a connection, inquiries about a cluster, lookups of projects."""

from __future__ import annotations

import uuid
from datetime import timedelta
from enum import StrEnum
from typing import Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from hyperclusters.audit import clock
from hyperclusters.audit.leases import LeasedQuerySet, LeaseModel
from hyperclusters.audit.ledger import Subject

from .project import KeyKind

R = TypeVar("R", bound=LeaseModel)
LOOKUP_LIFETIME = timedelta(minutes=15)  # of a row, and of the key in it


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


class RequestedReadQuerySet(LeasedQuerySet[R]):
    """Reads of every kind."""

    calls = 2  # to the cloud, at most

    @property
    def lease_length(self) -> timedelta:
        """For all calls of one read."""
        return timedelta(seconds=self.calls * settings.UPSTREAM_DEADLINE + 10)

    def due(self) -> Self:
        """One that has its answer is never due."""
        return super().due().filter(done_at__isnull=True)


class ConnectionTestQuerySet(RequestedReadQuerySet["ConnectionTest"]):
    """Tests of connections."""

    calls = 5  # four lists, the first of them twice: the second time by the cloud's clock

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


class ProjectLookupQuerySet(RequestedReadQuerySet["ProjectLookup"]):
    """Lookups."""

    def with_related(self) -> ProjectLookupQuerySet:
        """With who asked."""
        return self.select_related("asked_by")

    def due(self) -> Self:
        """Open ones whose time is not over."""
        return super().due().unexpired()

    def expired(self) -> Self:
        """Those whose time is over."""
        return self.filter(clock.due("expires_at", LOOKUP_LIFETIME))

    def unexpired(self) -> Self:
        """Those that may be used."""
        return self.exclude(clock.due("expires_at", LOOKUP_LIFETIME))


class ProjectLookup(LeaseModel):
    """What IAM lists for a key that no project has yet. It holds the key, sealed, until the project is connected.

    Only the session that typed the key may use it. The row is deleted when it is used or cancelled, when the same
    person asks again, and when its time is over.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    session = models.CharField(max_length=64)  # a digest of the session's key
    asked_at = models.DateTimeField(default=clock.now)
    request_id = models.CharField(max_length=64, blank=True)  # the web request's ID
    run_after = models.DateTimeField(default=clock.now)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(db_index=True)
    endpoint = models.URLField()  # of ModelArts, for the project to connect
    region = models.CharField(max_length=32, blank=True)
    key_kind = models.CharField(max_length=16, choices=KeyKind.choices)
    sealed_credentials = models.TextField(
        blank=True
    )  # empty for the machine's own, and once IAM refused the key
    key_until = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    rows = models.JSONField(null=True, blank=True)  # the answer, by `lookups`; null without a usable one
    cause = models.CharField(max_length=64, blank=True)  # why there is none
    code = models.CharField(max_length=64, blank=True)
    message = models.TextField(blank=True)
    upstream_request_id = models.CharField(max_length=128, blank=True)

    objects = ProjectLookupQuerySet.as_manager()

    class Meta:
        ordering = ["-asked_at", "pk"]
        constraints = [models.UniqueConstraint(fields=["asked_by"], name="project_lookup_one_a_person")]

    def __str__(self) -> str:
        return f"projects at {self.endpoint}"

    def audit_subject(self) -> Subject:
        """As the ledger names it: by the endpoint, never by the key."""
        return Subject("project-lookup", str(self.pk), self.endpoint)

    @property
    def sealed_for(self) -> str:
        """What its key is sealed for: a copy in another row, or of another session, will not open."""
        return f"lookup|{self.pk}|{self.asked_by_id}|{self.session}"

    @property
    def has_key(self) -> bool:
        """Whether a project can be connected with its key."""
        return self.key_kind == KeyKind.MACHINE or self.sealed_credentials != ""

    def age(self) -> timedelta:
        """How long ago IAM was asked for."""
        return clock.now() - self.asked_at


class InquiryKind(StrEnum):
    """What is asked."""

    CAPACITY = "capacity"  # which flavors are sold out, for an HPS cluster
    TRACES = "traces"  # whom CTS names, for a cluster created elsewhere


class InquiryQuerySet(RequestedReadQuerySet["Inquiry"]):
    """Inquiries."""

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
