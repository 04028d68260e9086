"""Our copy of what the cloud has."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.urls import reverse

from hyperclusters.access import permissions
from hyperclusters.access.models import Grant, User
from hyperclusters.audit.leases import LeasedQuerySet, LeaseModel
from hyperclusters.audit.ledger import Subject
from hyperclusters.modelarts import CLUSTER_ID_PATTERN, ClusterType

from .project import KEY_PAUSE
from .requested_read import Inquiry, InquiryKind

TYPES = [(kind.value, kind.value) for kind in ClusterType]


class ClusterListingQuerySet(LeasedQuerySet["ClusterListing"]):
    def visible_to(self, person: permissions.Reader) -> ClusterListingQuerySet:
        """Lists of the teams that this person may view."""
        return self.filter(permissions.within(person, permissions.Permission.VIEW, team="project__team"))

    @property
    def lease_length(self) -> timedelta:
        """For one list."""
        return timedelta(seconds=settings.UPSTREAM_DEADLINE + 10)

    @property
    def longest_wait(self) -> timedelta:
        """A list waits for its interval, or for the breaker's pause."""
        return max(timedelta(seconds=settings.SYNC_INTERVAL), self.lease_length, KEY_PAUSE)

    def with_related(self) -> ClusterListingQuerySet:
        """With the project and its team."""
        return self.select_related("project__team")


class ClusterListing(LeaseModel):
    """One list of the cloud: a project's clusters of one type, and how fresh our copy of it is."""

    project = models.ForeignKey("clusters.Project", on_delete=models.CASCADE, related_name="sources")
    type = models.CharField(max_length=8, choices=TYPES)
    lease_holder = models.CharField(max_length=32, blank=True, db_column="holder")
    listed_at = models.DateTimeField(null=True)  # start of the last complete list
    failed_at = models.DateTimeField(null=True)  # of the last incomplete one, if later
    failure_cause = models.CharField(max_length=64, blank=True)
    failure_code = models.CharField(max_length=64, blank=True)
    suspect_since = models.DateTimeField(
        null=True
    )  # of a list that was suddenly empty, until a second one confirms it

    # Of the lists of supernodes and groups, which an HPS list is followed by.
    inside_listed_at = models.DateTimeField(null=True)  # start of the last pair of complete lists
    inside_failed_at = models.DateTimeField(null=True)  # of the last failed pair, if later
    inside_failure_cause = models.CharField(max_length=64, blank=True, db_default="", default="")
    inside_failure_code = models.CharField(max_length=64, blank=True, db_default="", default="")

    objects = ClusterListingQuerySet.as_manager()

    class Meta:
        db_table = "clusters_source"
        ordering = ["project__name", "-type"]
        constraints = [models.UniqueConstraint(fields=["project", "type"], name="source_once")]

    def __str__(self) -> str:
        return f"{self.project} {self.type}"

    @property
    def is_failing(self) -> bool:
        return self.failed_at is not None


MOST_OCCUPANTS = 200  # rows of what is inside that one row of ours has


def occupant_total(rows: list[Any] | None, count: int | None) -> int:
    """How many supernodes and groups there are. `count` is for a list that has the first of many only."""
    length = len(rows or ())
    return max(count or 0, length) if length >= MOST_OCCUPANTS else length


class ClusterQuerySet(models.QuerySet["Cluster"]):
    def visible_to(self, person: permissions.Reader) -> ClusterQuerySet:
        """Clusters of the teams that this person may view."""
        return self.filter(permissions.within(person, permissions.Permission.VIEW, team="project__team"))

    def present(self) -> ClusterQuerySet:
        """Clusters that the cloud still had when it was last asked."""
        return self.filter(gone_at__isnull=True)

    def of_type(self, kind: str) -> ClusterQuerySet:
        """Clusters that the cloud lists under this type."""
        return self.filter(Q(type=kind) | Q(also_type=kind))

    def with_ids(self, cluster_ids: Iterable[str]) -> ClusterQuerySet:
        """Clusters with these IDs, in any case."""
        lower = {cluster_id.lower() for cluster_id in cluster_ids}
        return self.alias(lower_id=Lower("cluster_id")).filter(lower_id__in=lower)

    def created_or_claimed(self, username: str) -> ClusterQuerySet:
        """Clusters that this person created here, or that an auditor has claimed for them."""
        by_claim = Q(creation__isnull=True, review__claimed_for__username=username)
        return self.filter(Q(creation__requested_by__username=username) | by_claim)

    def without_owner(self) -> ClusterQuerySet:
        """Present clusters whose owner has no active grant in the team any more. By name.

        Also those that were created here and have no owner, as the release before wrote them.
        """
        grants = Grant.objects.active().filter(
            person=models.OuterRef("owner"), team=models.OuterRef("project__team")
        )
        without_access = Q(owner__isnull=False) & ~models.Exists(grants)
        return (
            self.present()
            .filter(without_access | Q(owner__isnull=True, creation__isnull=False))
            .order_by("name", "pk")
        )

    def unaccounted(self) -> ClusterQuerySet:
        """Clusters made outside, still present, neither claimed nor accepted. Oldest first."""
        unsaid = self.present().filter(creation__isnull=True, review__isnull=True)
        return unsaid.order_by("found_at", "pk")

    def empty(self, *, is_empty: bool) -> ClusterQuerySet:
        """Clusters with nothing inside or, otherwise, with something, by the last list. Not those that are unknown."""
        return self.filter(inside__isnull=False, empty_since__isnull=not is_empty)

    def with_inside_listed_at(self) -> ClusterQuerySet:
        """With `inside_listed_at`: when what is inside was last listed. Null if the cloud does not report it."""
        listings = ClusterListing.objects.filter(project=models.OuterRef("project"), type=ClusterType.HPS)
        return self.annotate(inside_listed_at=models.Subquery(listings.order_by().values("inside_listed_at")))

    def with_trace_rows(self) -> ClusterQuerySet:
        """With `trace_rows`: what CTS named when it was last asked, by `inquiries`. Null without an answer."""
        answers = Inquiry.objects.with_answer().filter(cluster=models.OuterRef("pk"), kind=InquiryKind.TRACES)
        return self.annotate(trace_rows=models.Subquery(answers.values("rows")[:1]))

    def search(self, text: str) -> ClusterQuerySet:
        """By a part of the name, the cluster ID or a subnet ID."""
        # Not joined by OR: so each part can use its index (`clusters.search`).
        by_name = Cluster.objects.order_by().filter(name__icontains=text).values("pk")
        by_id = Cluster.objects.order_by().filter(cluster_id__icontains=text).values("pk")
        by_subnet = Network.objects.order_by().filter(subnet_id__icontains=text).values("cluster")
        return self.filter(pk__in=by_name.union(by_id, by_subnet))


class Cluster(models.Model):
    """One hyper cluster. Never deleted here: one that vanished in the cloud is marked as gone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("clusters.Project", on_delete=models.PROTECT, related_name="clusters")
    cluster_id = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    type = models.CharField(max_length=8)  # empty: not stated when created, and in no list yet
    # The other type, while the cloud lists it under both.
    also_type = models.CharField(max_length=8, blank=True, db_default="", default="")
    found_at = models.DateTimeField()  # when it was first known here
    seen_at = models.DateTimeField()  # when the cloud last said that it exists
    gone_at = models.DateTimeField(null=True, blank=True)
    # What referred to it in the last complete lists, by `inside.as_rows`. Null: not known, or no HPS cluster.
    inside = models.JSONField(null=True, blank=True)
    inside_count = models.PositiveIntegerField(
        null=True, blank=True
    )  # where `inside` has the first of many only
    empty_since = models.DateTimeField(null=True, blank=True)  # the first list with nothing inside
    creation = models.OneToOneField(
        "clusters.Creation", on_delete=models.PROTECT, null=True, blank=True, related_name="cluster"
    )

    # Who answers for it: who created it here, or for whom it was claimed, until it is handed over.
    owner = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="owned_clusters"
    )
    locked_at = models.DateTimeField(null=True, blank=True)  # while nobody may delete it
    locked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    lock_reason = models.CharField(max_length=500, blank=True, db_default="")

    objects = ClusterQuerySet.as_manager()

    class Meta:
        ordering = ["-found_at", "pk"]
        constraints = [models.UniqueConstraint(fields=["project", "cluster_id"], name="cluster_once")]
        indexes = [
            models.Index(fields=["project", "name"], name="cluster_name"),
            models.Index(fields=["project"], name="cluster_present", condition=Q(gone_at__isnull=True)),
            models.Index(
                F("found_at").desc(), "id", name="cluster_newest", condition=Q(gone_at__isnull=True)
            ),
            models.Index(fields=["name", "id"], name="cluster_by_name", condition=Q(gone_at__isnull=True)),
            models.Index(
                fields=["project"],
                name="cluster_empty",
                condition=Q(gone_at__isnull=True, empty_since__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("clusters:cluster", args=[self.pk])

    @property
    def listed_as(self) -> list[str]:
        """The types under which the cloud lists it."""
        return sorted(filter(None, (self.type, self.also_type)), reverse=True)

    @property
    def reports_inside(self) -> bool:
        """Whether the cloud may say what is inside: not if it lists the cluster as ECS alone."""
        return self.listed_as != [ClusterType.ECS]

    @property
    def inside_total(self) -> int:
        """How many supernodes and groups refer to it, by the last list."""
        return occupant_total(self.inside, self.inside_count)

    @property
    def types(self) -> list[str]:
        """Its type; both while the cloud lists it under both and no creation here proves one. None if not known yet."""
        return [self.type] if self.creation_id and self.type else self.listed_as

    def audit_subject(self) -> Subject:
        """As the ledger names it."""
        return Subject("cluster", str(self.pk), self.name, self.project.team, self.project)

    @property
    def is_locked(self) -> bool:
        """Whether nobody may delete it."""
        return self.locked_at is not None

    def lock_as_audit_json(self) -> dict[str, str]:
        """Its lock, as the ledger stores it."""
        name = self.locked_by.username if self.locked_by else ""
        return {"locked_by": name, "lock_reason": self.lock_reason}

    @property
    def is_odd(self) -> bool:
        """Whether its ID does not match the documented pattern. It is kept and used as it is."""
        return CLUSTER_ID_PATTERN.fullmatch(self.cluster_id) is None


class Network(models.Model):
    """One row of a cluster's network info."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="networks")
    subnet_id = models.CharField(max_length=64)
    is_default = models.BooleanField(null=True)  # null: the cloud has never said

    class Meta:
        ordering = [F("is_default").desc(nulls_last=True), "pk"]
        indexes = [models.Index(fields=["subnet_id"], name="network_subnet")]

    def __str__(self) -> str:
        return self.subnet_id
