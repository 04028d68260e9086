"""Retires projects: nothing more is created or listed in them, and what the dashboard knows of them stays."""

from __future__ import annotations

from django.db import transaction

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, require
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.modelarts import ClusterType

from .models import ClusterListing, Deletion, Project


class StillInUse(Exception):
    """The project cannot be retired: so many clusters are in it, and so many operations have no outcome."""

    def __init__(self, clusters: int, operations: int) -> None:
        super().__init__(f"{clusters} clusters, {operations} operations without an outcome")
        self.clusters, self.operations = clusters, operations


def in_use(project: Project) -> StillInUse | None:
    """What keeps this project from being retired, if anything does."""
    clusters = project.clusters.present().count()
    operations = project.creations.unresolved().count()
    operations += Deletion.objects.unresolved().filter(cluster__project=project).count()
    return StillInUse(clusters, operations) if clusters or operations else None


def retire_project(*, by: User, project: Project, reason: str) -> None:
    """Stop creating and listing in a project without clusters. A retired one stays as it is.

    Raises NotPermitted; StillInUse while clusters are in it or an outcome is open.
    """
    require(by, Permission.CONNECT)
    try:
        with transaction.atomic():
            row = Project.objects.select_for_update(of=("self",)).select_related("team").get(pk=project.pk)
            if row.retired_at:
                return
            if obstacle := in_use(row):
                raise obstacle
            row.retired_at = clock.now()
            row.save(update_fields=["retired_at"])
            ClusterListing.objects.filter(project=row).delete()
            record(EventType.PROJECT_RETIRED, Outcome.DONE, on=row, by=by, reason=reason)
    except StillInUse as obstacle:
        facts = {"clusters": obstacle.clusters, "operations": obstacle.operations}
        record(
            EventType.PROJECT_RETIRE_REFUSED,
            Outcome.REFUSED,
            on=project,
            by=by,
            reason=reason,
            evidence="in_use",
            response=facts,
        )
        raise


def restore_project(*, by: User, project: Project) -> None:
    """Use a retired project again: it is listed at once. Raises NotPermitted."""
    require(by, Permission.CONNECT)
    with transaction.atomic():
        row = Project.objects.select_for_update(of=("self",)).select_related("team").get(pk=project.pk)
        if row.retired_at is None:
            return
        row.retired_at = None
        row.save(update_fields=["retired_at"])
        ClusterListing.objects.bulk_create(
            ClusterListing(project=row, type=kind, run_after=clock.now()) for kind in ClusterType
        )
        record(EventType.PROJECT_RESTORED, Outcome.DONE, on=row, by=by)
