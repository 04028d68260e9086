"""A platform admin's request for the projects that a key reaches, before a project is connected."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models

from hyperclusters.audit import clock
from hyperclusters.audit.leases import LeasedQuerySet, LeaseModel
from hyperclusters.audit.ledger import Subject

from .project import KeyKind

LIFETIME = timedelta(minutes=15)  # of a row, and of the key in it


class ProjectLookupQuerySet(LeasedQuerySet["ProjectLookup"]):
    """Lookups."""

    def lease_length(self) -> timedelta:
        """For one call, made again if the cloud's clock is another."""
        return timedelta(seconds=2 * settings.UPSTREAM_DEADLINE + 10)

    def longest_wait(self) -> timedelta:
        """A lookup is due at once."""
        return self.lease_length()

    def with_related(self) -> ProjectLookupQuerySet:
        """With who asked."""
        return self.select_related("asked_by")

    def expired(self) -> ProjectLookupQuerySet:
        """Those whose time is over."""
        return self.filter(clock.due("expires_at", LIFETIME))

    def unexpired(self) -> ProjectLookupQuerySet:
        """Those that may be used."""
        return self.exclude(clock.due("expires_at", LIFETIME))


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
