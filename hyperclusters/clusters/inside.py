"""What is inside an HPS cluster: the supernodes and groups that refer to it.

The cloud reports this for HPS alone. Our copy follows each HPS list of a project, with a time of its own: a list that
fails leaves the copy as it is. A deletion reads the lists again right before it is sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime

from django.db import transaction

from hyperclusters.audit import clock
from hyperclusters.modelarts import Client, ClusterType, ModelArtsError, Occupant, OccupantKind

from . import breaker
from .failpoints import failpoint
from .models import Cluster, ClusterListing, Project
from .models.inventory import MOST_OCCUPANTS

Row = dict[str, str]
AT_ONCE = 500  # clusters in one UPDATE; a database takes only so many


def read_occupants(
    project: Project, client: Client, may_begin: Callable[[], bool]
) -> tuple[Occupant, ...] | None:
    """Every supernode and group of a project, by two calls. None if the process is stopping.

    Raises ModelArtsError if one of the two is no whole list; the breaker knows of it then.
    """
    occupants: tuple[Occupant, ...] = ()
    for kind in OccupantKind:
        if not may_begin():
            return None
        try:
            occupants += client.list_occupants(kind).value
        except ModelArtsError as error:
            breaker.record_failure(project, error)
            raise
        breaker.record_success(project)
    failpoint("inside_listed")
    return occupants


def as_rows(occupants: Iterable[Occupant], cluster_id: str) -> list[Row]:
    """What refers to this cluster, as our rows and the ledger store it: supernodes first, then by name."""
    mine = [item for item in occupants if item.cluster_id.lower() == cluster_id.lower()]
    mine.sort(key=lambda item: (item.kind == OccupantKind.GROUP, item.name, item.id))
    return [_row(item) for item in mine]


def stored(rows: list[Row]) -> tuple[list[Row], int | None]:
    """What one row of ours has of them: the first, and how many there are where that is not all."""
    return rows[:MOST_OCCUPANTS], len(rows) if len(rows) > MOST_OCCUPANTS else None


def refresh(listing: ClusterListing, client: Client, may_begin: Callable[[], bool]) -> None:
    """Bring our copy up to date after an HPS list. A failure is noted, and nothing else changes."""
    started_at = clock.now()
    try:
        occupants = read_occupants(listing.project, client, may_begin)
    except ModelArtsError as error:
        rows = ClusterListing.objects.filter(pk=listing.pk).exclude(
            clock.since("inside_listed_at", started_at)
        )
        rows.update(
            inside_failed_at=clock.now(),
            inside_failure_cause=error.cause,
            inside_failure_code=error.code[:64],
        )
        return
    if occupants is not None:
        _apply(listing, occupants, started_at)


def _apply(listing: ClusterListing, occupants: Iterable[Occupant], started_at: datetime) -> None:
    by_cluster: defaultdict[str, list[Occupant]] = defaultdict(list)
    for item in occupants:
        by_cluster[item.cluster_id.lower()].append(item)
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=listing.project_id)
        row = ClusterListing.objects.filter(pk=listing.pk)
        if row.filter(clock.since("inside_listed_at", started_at)).exists():
            return  # lists that began later are applied already
        row.update(
            inside_listed_at=started_at,
            inside_failed_at=None,
            inside_failure_cause="",
            inside_failure_code="",
        )
        clusters = Cluster.objects.present().of_type(ClusterType.HPS).filter(project=listing.project_id)
        known = clusters.only("cluster_id", "inside", "inside_count", "empty_since")
        empty, changed = [], []
        for cluster in known:
            mine = by_cluster.get(cluster.cluster_id.lower(), ())
            rows, count = stored(as_rows(mine, cluster.cluster_id))
            if not rows and cluster.inside != []:
                empty.append(cluster.pk)
            elif rows and (cluster.inside, cluster.inside_count) != (rows, count):
                cluster.inside, cluster.inside_count, cluster.empty_since = rows, count, None
                changed.append(cluster)
        Cluster.objects.bulk_update(changed, ["inside", "inside_count", "empty_since"], batch_size=200)
        others = Cluster.objects.filter(project=listing.project_id, inside__isnull=False)
        others.exclude(type=ClusterType.HPS).exclude(also_type=ClusterType.HPS).update(
            inside=None, inside_count=None, empty_since=None
        )
        for start in range(0, len(empty), AT_ONCE):
            some = Cluster.objects.filter(pk__in=empty[start : start + AT_ONCE])
            some.update(inside=[], inside_count=None, empty_since=started_at)
        failpoint("inside_applied")


def _row(item: Occupant) -> Row:
    return {"kind": str(item.kind), "id": item.id, "name": item.name, "status": item.status}
