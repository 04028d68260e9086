"""What creations and deletions share: a row that is both the record of one attempt and the worker's work item."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from hyperclusters.access import permissions
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject

from .project import KEY_PAUSE

if TYPE_CHECKING:
    from hyperclusters.access.models import Team

    from .project import Project

W = TypeVar("W", bound="Work")
LEASE_MARGIN = 15  # seconds beyond a call's deadline in which its outcome can still be written down


def lease_due() -> Q:
    """Work whose lease has lapsed. The longest is for two calls, a list and a create."""
    return clock.due("lease_until", timedelta(seconds=2 * settings.UPSTREAM_DEADLINE + LEASE_MARGIN))


class WorkQuerySet(models.QuerySet[W]):
    """Verbs for both kinds of work. `at_project` says how to get from the row to its project."""

    at_project = "project"

    def visible_to(self, person: permissions.Person) -> Self:
        """Work of the teams this person may look into."""
        return self.filter(
            permissions.within(person, permissions.Action.VIEW, team=f"{self.at_project}__team")
        )

    def unresolved(self) -> Self:
        """Whatever has an outcome that is still open."""
        return self.filter(state__in=self.model.UNRESOLVED)

    def due(self, *states: str) -> Self:
        """What a worker may take up now: due, and held by nobody (or by somebody whose lease lapsed)."""
        free = Q(lease_until__isnull=True) | lease_due()
        return self.filter(free, clock.due("due_at", KEY_PAUSE), state__in=states).order_by("due_at", "pk")

    def with_people(self) -> Self:
        """With what every transition names: the project, its team, and who asked."""
        return self.select_related(f"{self.at_project}__team", "requested_by")


class Work(models.Model):
    """One attempt to change something in the cloud. Times are UTC."""

    UNRESOLVED: tuple[str, ...] = ()
    KIND = ""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="%(class)ss"
    )
    requested_at = models.DateTimeField(default=clock.now)
    reason = models.CharField(max_length=500, blank=True)
    asked_in = models.CharField(max_length=64, blank=True, db_default="")  # the web request's ID

    state = models.CharField(max_length=16)
    version = models.PositiveIntegerField(
        default=0
    )  # grows with each transition; the compare of compare-and-swap
    due_at = models.DateTimeField(default=clock.now)  # when a worker should look at it next
    lease_holder = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    sends = models.PositiveIntegerField(default=0)  # requests begun
    answered_sends = models.PositiveIntegerField(
        default=0, db_default=0
    )  # number of the last request whose answer is recorded
    signed_at = models.DateTimeField(null=True, blank=True)  # X-Sdk-Date of the last one
    horizon_at = models.DateTimeField(null=True, blank=True)  # after this the cloud cannot act on it any more
    looks = models.PositiveIntegerField(default=0)  # complete answers since the outcome became unknown

    cause = models.CharField(max_length=64, blank=True)  # slug of what happened, for the sentence people read
    code = models.CharField(max_length=64, blank=True)  # the cloud's error code, as it came
    message = models.TextField(blank=True)  # the cloud's words, escaped and capped
    upstream_request_id = models.CharField(max_length=128, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    overdue_at = models.DateTimeField(null=True, blank=True)  # when the alert about its age went out

    class Meta:
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

    @property
    def subject(self) -> Subject:
        """As the ledger names it."""
        return Subject(self.KIND, str(self.pk), self.name)
