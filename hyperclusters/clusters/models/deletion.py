"""A deletion: one attempt to delete a hyper cluster."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.models import Team, User
from hyperclusters.modelarts import ClusterType

from .inventory import occupant_total
from .operation import Operation, OperationQuerySet
from .project import Project


class DeletionState(models.TextChoices):
    """The states of a deletion."""

    QUEUED = "queued", _("Waiting")
    SENDING = "sending", _("Being deleted")
    UNKNOWN = "unknown", _("Checking the cloud")
    DELETED = "deleted", _("Deleted")
    FAILED = "failed", _("Failed")
    REFUSED = "refused", _("Refused")


OPEN = (DeletionState.QUEUED, DeletionState.SENDING, DeletionState.UNKNOWN)


class DeletionQuerySet(OperationQuerySet["Deletion"]):
    """Deletions."""

    at_project = "cluster__project"


class Deletion(Operation):
    """The request, its progress, and how it ended."""

    UNRESOLVED = OPEN
    KIND = "deletion"

    cluster = models.ForeignKey("clusters.Cluster", on_delete=models.PROTECT, related_name="deletions")
    # From an API client's idempotency key; null where the deletion was requested on a page.
    token = models.UUIDField(unique=True, null=True, blank=True, editable=False)
    # The cluster's name as it was confirmed, whatever the cloud lists later; empty in rows from before.
    confirmed_name = models.CharField(max_length=255, blank=True, db_default="")
    state = models.CharField(max_length=16, choices=DeletionState.choices, default=DeletionState.QUEUED)
    # The other type, once the cloud has said that no such cluster exists under the cluster's own.
    other_type = models.CharField(max_length=8, blank=True, db_default="")
    # A team admin wants it deleted whatever is inside. The reason is the deletion's.
    override_inside = models.BooleanField(default=False, db_default=False)
    # What was inside right before it was sent or refused, by `inside.as_rows`; null where nobody could look.
    blockers = models.JSONField(null=True, blank=True)
    blockers_count = models.PositiveIntegerField(
        null=True, blank=True
    )  # where `blockers` has the first of many only
    # Why what is inside could not be read, where that refused it.
    inside_failure_cause = models.CharField(max_length=64, blank=True, db_default="", default="")

    # The lock that stopped it before it was sent.
    locked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    lock_reason = models.CharField(max_length=500, blank=True, db_default="")

    objects = DeletionQuerySet.as_manager()

    class Meta:
        ordering = ["-requested_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["cluster"], condition=Q(state__in=OPEN), name="deletion_one_open_a_cluster"
            ),
        ]
        indexes = [models.Index(fields=["state", "run_after"], name="deletion_due")]

    def __str__(self) -> str:
        return self.name

    @property
    def blockers_total(self) -> int:
        """How many supernodes and groups were inside."""
        return occupant_total(self.blockers, self.blockers_count)

    @property
    def is_contradicted(self) -> bool:
        """Whether the cloud lists the cluster again after it was deleted."""
        return self.state == DeletionState.DELETED and self.cluster.gone_at is None

    @property
    def project(self) -> Project:
        return self.cluster.project

    @property
    def team(self) -> Team:
        return self.cluster.project.team

    @property
    def type(self) -> str:
        """The type under which the cluster is deleted; HPS first where no list has shown its type yet."""
        return self.other_type or self.cluster.type or ClusterType.HPS

    @property
    def name(self) -> str:
        return self.cluster.name
