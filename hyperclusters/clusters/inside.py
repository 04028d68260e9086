"""What is inside an HPS cluster: the supernodes and groups that refer to it.

The cloud reports this for HPS alone. Our copy follows each HPS list of a project, with a time of its own: a list that
fails leaves the copy as it is. A deletion reads the lists again right before it is sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime

from hyperclusters.audit import clock
from hyperclusters.modelarts import Client, ClusterType, ModelArtsError, Occupant, OccupantKind

from . import breaker, updates
from .failpoints import failpoint
from .models import Cluster, ClusterListing, Project
from .models.inventory import MOST_OCCUPANTS, ClusterQuerySet

Row = dict[str, str]
Occupants = Mapping[str, list[Occupant]]  # by cluster ID, in lower case


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


def first_rows(rows: list[Row]) -> tuple[list[Row], int | None]:
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
    """Write what differs, in short transactions. The lists count as applied once all of it is written."""
    by_cluster: defaultdict[str, list[Occupant]] = defaultdict(list)
    for item in occupants:
        by_cluster[item.cluster_id.lower()].append(item)
    clusters = Cluster.objects.present().of_type(ClusterType.HPS).filter(project=listing.project_id)
    clusters = clusters.only("cluster_id", "inside", "inside_count", "empty_since")
    news = [cluster.pk for cluster in clusters if _news(cluster, by_cluster) is not None]
    with suppress(updates.Superseded):
        for some in updates.parts(news, updates.BATCH):
            with _turn(listing, started_at):
                _write(clusters.filter(pk__in=some), by_cluster, started_at)
                failpoint("inside_batch")
        with _turn(listing, started_at):
            others = Cluster.objects.filter(project=listing.project_id, inside__isnull=False)
            others.exclude(type=ClusterType.HPS).exclude(also_type=ClusterType.HPS).update(
                inside=None, inside_count=None, empty_since=None
            )
            ClusterListing.objects.filter(pk=listing.pk).update(
                inside_listed_at=started_at,
                inside_failed_at=None,
                inside_failure_cause="",
                inside_failure_code="",
            )
            failpoint("inside_applied")


@contextmanager
def _turn(listing: ClusterListing, started_at: datetime) -> Iterator[None]:
    """A transaction for one part. Raises Superseded once a later HPS list is complete: what is inside is listed again
    after it, and two that write by turns would mix an old list with a new one."""
    with updates.turn(listing, listing.listed_at or started_at):
        later = clock.since("inside_listed_at", started_at)
        if ClusterListing.objects.filter(later, pk=listing.pk).exists():
            raise updates.Superseded
        yield


def _news(cluster: Cluster, by_cluster: Occupants) -> tuple[list[Row], int | None] | None:
    """What is inside, as one row of ours stores it. None if the row says so already."""
    rows, count = first_rows(as_rows(by_cluster.get(cluster.cluster_id.lower(), ()), cluster.cluster_id))
    is_same = cluster.inside == rows and (not rows or cluster.inside_count == count)
    return None if is_same else (rows, count)


def _write(clusters: ClusterQuerySet, by_cluster: Occupants, at: datetime) -> None:
    empty = []
    for cluster in clusters:
        if (news := _news(cluster, by_cluster)) is None:  # somebody else was faster
            continue
        if news == ([], None):
            empty.append(cluster.pk)
            continue
        (cluster.inside, cluster.inside_count), cluster.empty_since = news, None
        cluster.save(update_fields=["inside", "inside_count", "empty_since"])
    Cluster.objects.filter(pk__in=empty).update(inside=[], inside_count=None, empty_since=at)


def _row(item: Occupant) -> Row:
    return {"kind": str(item.kind), "id": item.id, "name": item.name, "status": item.status}
