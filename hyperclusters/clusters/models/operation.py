"""What creations and deletions share: a row that records the request and is a worker's item of work."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.conf import settings
from django.db import models

from hyperclusters.access import permissions
from hyperclusters.audit import clock
from hyperclusters.audit.leases import LeasedQuerySet, LeaseModel
from hyperclusters.audit.ledger import Subject
from hyperclusters.clusters.failpoints import failpoint

from .project import KEY_PAUSE

if TYPE_CHECKING:
    from hyperclusters.access.models import Team

    from .project import Project

W = TypeVar("W", bound="Operation")
LEASE_MARGIN = 15  # seconds beyond a call's deadline in which its result can still be recorded
# The states that operations of each kind have.
QUEUED, SENDING, UNKNOWN, FAILED, REFUSED = "queued", "sending", "unknown", "failed", "refused"


class OperationQuerySet(LeasedQuerySet[W]):
    """Queries for both kinds. `at_project` is the path from the row to its project."""

    at_project = "project"
    longest_wait = KEY_PAUSE  # of the breaker: nothing waits longer

    def visible_to(self, person: permissions.Reader) -> Self:
        """Operations of the teams that this person may view."""
        return self.filter(
            permissions.within(person, permissions.Permission.VIEW, team=f"{self.at_project}__team")
        )

    def unresolved(self) -> Self:
        """Operations whose outcome is still open."""
        return self.filter(state__in=self.model.UNRESOLVED)

    @property
    def lease_length(self) -> timedelta:
        """For two calls before the intent, which renews it, and for recording their results."""
        return timedelta(seconds=2 * settings.UPSTREAM_DEADLINE + LEASE_MARGIN)

    def projects(self) -> list[int]:
        """The projects of these rows."""
        return list(self.order_by().values_list(self.at_project, flat=True).distinct())

    def with_related(self) -> Self:
        """Select what every transition names: the project, its team, and the requester."""
        return self.select_related(f"{self.at_project}__team", "requested_by")

    def take(self, pk: Any, holder: str, length: timedelta | None = None) -> bool:
        failpoint("claim_found")
        row = super().take(pk, holder, length)
        if row:
            failpoint("claimed")
        return row


class Operation(LeaseModel):
    """One attempt to change something in the cloud. Times are UTC."""

    UNRESOLVED: tuple[str, ...] = ()
    KIND = ""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="%(class)ss"
    )
    requested_at = models.DateTimeField(default=clock.now)
    reason = models.CharField(max_length=500, blank=True)
    request_id = models.CharField(
        max_length=64, blank=True, db_default="", db_column="asked_in"
    )  # the web request's ID

    state = models.CharField(max_length=16)
    version = models.PositiveIntegerField(default=0)  # grows with each transition: compare-and-swap
    lease_expires_at = models.DateTimeField(null=True, blank=True, db_column="lease_until")

    attempts = models.PositiveIntegerField(default=0, db_column="sends")  # requests begun
    # The last attempt whose answer is recorded.
    answered_attempts = models.PositiveIntegerField(default=0, db_default=0, db_column="answered_sends")
    # Times that the cloud could not be listed before sending.
    delays = models.PositiveIntegerField(default=0, db_default=0)
    signed_at = models.DateTimeField(null=True, blank=True)  # X-Sdk-Date of the last one
    # After this the cloud cannot act on it any more.
    not_created_after = models.DateTimeField(null=True, blank=True, db_column="horizon_at")
    # Polls with complete answers since the outcome became unknown.
    polls = models.PositiveIntegerField(default=0, db_column="looks")

    cause = models.CharField(max_length=64, blank=True)  # slug of what happened, for the sentence people read
    code = models.CharField(max_length=64, blank=True)  # the cloud's error code, as it came
    message = models.TextField(blank=True)  # the cloud's words, escaped and capped
    upstream_request_id = models.CharField(max_length=128, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    overdue_at = models.DateTimeField(null=True, blank=True)  # when the alert about its age went out

    class Meta(LeaseModel.Meta):
        abstract = True

    if TYPE_CHECKING:

        @property
        def team(self) -> Team: ...

        @property
        def project(self) -> Project: ...

        @property
        def name(self) -> str: ...

    @property
    def is_unresolved(self) -> bool:
        return self.state in self.UNRESOLVED

    def audit_subject(self) -> Subject:
        """As the ledger names it."""
        return Subject(self.KIND, str(self.pk), self.name, self.team, self.project)
