"""What creations and deletions share: a row that is the record of what was asked for and a worker's item of work."""

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
from hyperclusters.clusters.failpoints import failpoint

from .project import KEY_PAUSE

if TYPE_CHECKING:
    from hyperclusters.access.models import Team

    from .project import Project

W = TypeVar("W", bound="Operation")
LEASE_MARGIN = 15  # seconds beyond a call's deadline in which its outcome can still be written down
CLAIM_AMONG = 20  # rows looked at in one go; the ones that others take meanwhile are passed over
# The states that operations of each kind have.
QUEUED, SENDING, UNKNOWN, FAILED, REFUSED = "queued", "sending", "unknown", "failed", "refused"


def lease_length() -> timedelta:
    """How long a worker may take: for two calls, such as a list and a create, and to write down what they came to."""
    return timedelta(seconds=2 * settings.UPSTREAM_DEADLINE + LEASE_MARGIN)


class OperationQuerySet(models.QuerySet[W]):
    """Verbs for both kinds. `at_project` says how to get from the row to its project."""

    at_project = "project"

    def visible_to(self, person: permissions.Person) -> Self:
        """Operations of the teams this person may look into."""
        return self.filter(
            permissions.within(person, permissions.Action.VIEW, team=f"{self.at_project}__team")
        )

    def unresolved(self) -> Self:
        """Whatever has an outcome that is still open."""
        return self.filter(state__in=self.model.UNRESOLVED)

    def lapsed(self) -> Self:
        """Those whose lease has lapsed."""
        return self.filter(clock.due("lease_until", lease_length()))

    def due(self, *states: str) -> Self:
        """What a worker may take up now: due, and held by nobody, or by somebody whose lease lapsed."""
        free = Q(lease_until__isnull=True) | clock.due("lease_until", lease_length())
        return self.filter(free, clock.due("due_at", KEY_PAUSE), state__in=states).order_by("due_at", "pk")

    def claim(self, holder: str, state: str) -> W | None:
        """Lease the one in this state that has been due longest. Several workers may call this at once: each row goes to one."""
        for pk in self.due(state).values_list("pk", flat=True)[:CLAIM_AMONG]:
            failpoint("claim_found")
            free = self.due(state).order_by().filter(pk=pk)
            if free.update(lease_holder=holder, lease_until=clock.now() + lease_length()):
                failpoint("claimed")
                # None if it was withdrawn in this very moment.
                return self.with_people().filter(pk=pk, state=state, lease_holder=holder).first()
        return None

    def with_people(self) -> Self:
        """With what every transition names: the project, its team, and who asked."""
        return self.select_related(f"{self.at_project}__team", "requested_by")


class Operation(models.Model):
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
    version = models.PositiveIntegerField(default=0)  # grows with each transition: compare-and-swap
    due_at = models.DateTimeField(default=clock.now)  # when a worker should look at it next
    lease_holder = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    sends = models.PositiveIntegerField(default=0)  # requests begun
    answered_sends = models.PositiveIntegerField(
        default=0, db_default=0
    )  # the last one whose answer is recorded
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
