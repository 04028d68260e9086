"""Applies a complete list to our copy of what the cloud has, in short transactions.

A list is read and checked whole before any of it is applied. Its clusters are written first, the missing ones are
marked as gone last, and only then does it count as listed. Each transaction is true by itself, so a killed worker
leaves the rest to the next list. A list never changes a cluster that a later list, or a creation or deletion since,
has changed.

What an answer leaves out stays as it was known: without `network_info` the networks stay, and `is_default` is null
("not stated"). An empty array is a statement. A missing cluster is kept and marked as gone, unless it was seen after
the list began or is too new to be listed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, prefetch_related_objects

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.modelarts import HyperCluster, canonical_id

from .failpoints import failpoint
from .models import Cluster, ClusterListing, Creation, Deletion, DeletionState, Network, Project, State
from .models.inventory import ClusterQuerySet
from .operations.contradictions import flag_contradictions, note_return
from .operations.sightings import is_sought, remember

BATCH = 200  # rows that one transaction writes: SQLite has one writer at a time, and people wait for it
SEEN_AT_ONCE = 1000  # rows of which one transaction writes nothing but when they were seen
IN_ONE_QUERY = 5000  # IDs; a database takes only so many
PAUSE = 0.1  # seconds; SQLite has no queue, and a waiting writer retries after at most this long
LEASE = timedelta(seconds=30)  # for the next batch, beyond the lease that the call itself needs
EVENT_NETWORKS = 100  # networks that one event names

# In these states a creation may have made a cluster that is not bound to it yet.
OPEN = (State.SENDING, State.UNKNOWN, State.NEEDS_ATTENTION)

T = TypeVar("T")
Defaults = dict[str, bool | None]  # networks by subnet ID: whether it is the default, None where never stated


class Superseded(Exception):
    """A list that began later is already complete, or the project was retired: this one has nothing to add."""


@contextmanager
def turn(source: ClusterListing, started_at: datetime) -> Iterator[None]:
    """A transaction for one part of a list. Locks the project's row and extends the lease. Raises Superseded.

    On SQLite it then leaves the file to other writers for as long as it held them off.
    """
    with transaction.atomic():
        began = time.monotonic()
        Project.objects.select_for_update().get(pk=source.project_id)
        row = ClusterListing.objects.filter(pk=source.pk)
        if not row.exclude(clock.since("listed_at", started_at)).exists():
            raise Superseded
        row.filter(lease_holder=source.lease_holder, lease_expires_at__isnull=False).update(
            lease_expires_at=clock.now() + LEASE
        )
        yield
    if connection.vendor == "sqlite":
        time.sleep(min(PAUSE, time.monotonic() - began))


def parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """So many of them at a time, in order."""
    return (items[start : start + size] for start in range(0, len(items), size))


def apply(source: ClusterListing, clusters: Sequence[HyperCluster], started_at: datetime) -> bool:
    """Bring our copy up to date with a complete list that began at `started_at`. Raises Superseded.

    Returns False, having changed nothing, if the list is suddenly empty and no second list has confirmed it. Clusters
    with a name or ID that a creation is still looking for are left to that search.
    """
    items = {canonical_id(item.id): item for item in clusters}
    # Known over both types: a cloud that lists a cluster under both must not stop either list.
    by_id = _rows_by_id(source.project, Cluster.objects.present())
    present = {key: cluster for key, cluster in by_id.items() if source.type in cluster.listed_as}
    if present and not items and source.suspect_since is None:
        return False
    failpoint("sync_known")
    news = {key: item for key, item in items.items() if _is_news(by_id.get(key), item, source.type)}
    for batch in _batches(news.values()):
        with turn(source, started_at):
            _take_over(source, batch, started_at)
            failpoint("sync_batch")
    failpoint("sync_seen")
    without_type = {key: cluster for key, cluster in by_id.items() if not cluster.listed_as}
    absent = [cluster.pk for key, cluster in (present | without_type).items() if key not in items]
    for some in parts(absent, BATCH):
        with turn(source, started_at):
            _drop(source, some, started_at)
            failpoint("sync_gone")
    same = [cluster.pk for key, cluster in by_id.items() if key in items and key not in news]
    for some in parts(same, SEEN_AT_ONCE):
        with turn(source, started_at):
            rows = Cluster.objects.present().of_type(source.type).filter(pk__in=some)
            rows.exclude(clock.since("seen_at", started_at)).update(seen_at=started_at)
    return True


def take_over(cluster: Cluster, item: HyperCluster, *, kind: str) -> Defaults | None:
    """Copy what `item`, listed under the type `kind`, says about a known cluster; a change is an event.

    What it leaves out stays. The caller saves the cluster and, if they changed, the returned networks.
    """
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    if cluster.name != item.name:
        before["name"], after["name"] = cluster.name, item.name
        cluster.name = item.name
    if kind and kind not in cluster.listed_as:
        before["types"] = cluster.listed_as
        cluster.type, cluster.also_type = (cluster.type, kind) if cluster.type else (kind, "")
        after["types"] = cluster.listed_as
    old = _defaults(cluster)
    if (new := merge_networks(old, item)) != old:
        before["networks"], after["networks"] = _difference(old, new), _difference(new, old)
    if after:
        _note(EventType.CLUSTER_CHANGED, cluster, before=before, after=after)
    return new if new != old else None


def merge_networks(defaults: Defaults, item: HyperCluster) -> Defaults:
    """A cluster's networks once `item` is known: those that it states, and those that it may have left out."""
    networks = {} if item.networks_complete else dict(defaults)
    for network in item.networks:
        is_unknown = network.is_default is None
        networks[network.subnet_id] = defaults.get(network.subnet_id) if is_unknown else network.is_default
    return networks


def write_networks(networks: dict[Cluster, Defaults]) -> None:
    """Replace the networks of these clusters by these."""
    Network.objects.filter(cluster__in=networks).delete()
    Network.objects.bulk_create(
        Network(cluster=cluster, subnet_id=subnet_id, is_default=is_default)
        for cluster, defaults in networks.items()
        for subnet_id, is_default in defaults.items()
    )


def _rows_by_id(project: Project, rows: ClusterQuerySet) -> dict[str, Cluster]:
    """A project's clusters with their networks, by ID. Without what is inside: that may be large."""
    clusters = list(rows.filter(project=project).defer("inside"))
    for cluster in clusters:
        cluster.project = project  # spares a query, or a copy, for each
    for some in parts(clusters, IN_ONE_QUERY):
        prefetch_related_objects(some, "networks")
    return {canonical_id(cluster.cluster_id): cluster for cluster in clusters}


def _is_news(cluster: Cluster | None, item: HyperCluster, kind: str) -> bool:
    """Whether a listed cluster differs from what is known. Checked before anything is locked, and again after."""
    if cluster is None or kind not in cluster.listed_as or cluster.name != item.name:
        return True
    old = _defaults(cluster)
    return merge_networks(old, item) != old


def _batches(items: Iterable[HyperCluster]) -> Iterator[list[HyperCluster]]:
    """Parts of a list, each with about as many clusters and networks as one transaction writes."""
    batch: list[HyperCluster] = []
    rows = 0
    for item in items:
        batch.append(item)
        rows += 1 + len(item.networks)
        if rows >= BATCH:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _take_over(source: ClusterListing, batch: Sequence[HyperCluster], at: datetime) -> None:
    # Creations first, then clusters: a creation that is settled in between shows in the second read.
    creations = list(source.project.creations.filter(state__in=OPEN).with_related())
    by_id = _rows_by_id(source.project, Cluster.objects.with_ids(item.id for item in batch))
    deleted_here = _deleted_here([cluster for cluster in by_id.values() if cluster.gone_at], at)
    new, present, back = [], [], []
    networks: dict[Cluster, Defaults] = {}
    for item in batch:
        cluster = by_id.get(canonical_id(item.id))
        if cluster is None:
            if not _is_left_to_search(creations, item):
                new.append(item)
            continue
        newer = clock.is_since(cluster.seen_at, at) or clock.is_since(cluster.gone_at, at)
        if newer or cluster.pk in deleted_here:
            continue
        before = cluster.name, cluster.type, cluster.also_type
        if cluster.gone_at:
            back.append(cluster.pk)
            cluster.type, cluster.also_type = source.type, ""
            note_return(cluster)
        if (defaults := take_over(cluster, item, kind=source.type)) is not None:
            networks[cluster] = defaults
        if (cluster.name, cluster.type, cluster.also_type) != before:
            cluster.save(update_fields=["name", "type", "also_type"])  # several times faster than bulk_update
        present.append(cluster.pk)
    Cluster.objects.filter(pk__in=present).update(seen_at=at)
    Cluster.objects.filter(pk__in=back).update(gone_at=None)
    write_networks(networks)
    _add(source, new, at)


def _is_left_to_search(creations: Sequence[Creation], item: HyperCluster) -> bool:
    """Whether a new cluster stays out of our copy, as a creation is still looking for it: for half an hour at most, and
    not while a person must choose. Either way it becomes a candidate."""
    seekers = [creation for creation in creations if is_sought(creation, item)]
    is_remembered = all(remember(creation, item) for creation in seekers)
    is_searching = any(
        creation.state != State.NEEDS_ATTENTION and creation.overdue_at is None for creation in seekers
    )
    return is_searching or not is_remembered


def _add(source: ClusterListing, items: Sequence[HyperCluster], at: datetime) -> None:
    """Insert clusters that were created elsewhere, each with its event."""
    new = {"project": source.project, "type": source.type, "found_at": at, "seen_at": at}
    clusters = Cluster.objects.bulk_create(
        Cluster(cluster_id=item.id, name=item.name, **new) for item in items
    )
    write_networks({cluster: merge_networks({}, item) for cluster, item in zip(clusters, items, strict=True)})
    for cluster in clusters:
        facts = {"cluster_id": cluster.cluster_id, "type": cluster.type, "project": source.project.name}
        _note(EventType.CLUSTER_SEEN_OUTSIDE, cluster, after=facts)
    flag_contradictions(source, items, at)


def _deleted_here(clusters: Sequence[Cluster], started_at: datetime) -> set[Any]:
    """Which of these were just deleted here: the cloud's list may lag behind."""
    lag = timedelta(seconds=settings.UPSTREAM_PROCESSING_BOUND)
    deletions = Deletion.objects.filter(
        clock.since("settled_at", started_at - lag), state=DeletionState.DELETED
    )
    return (
        set(deletions.filter(cluster__in=clusters).values_list("cluster_id", flat=True))
        if clusters
        else set()
    )


def _drop(source: ClusterListing, rows: Sequence[Any], at: datetime) -> None:
    """Mark clusters that no list has any more as gone, except those that may only be too new for it."""
    absent = []
    clusters = Cluster.objects.present().filter(Q(type="") | Q(type=source.type) | Q(also_type=source.type))
    for cluster in clusters.filter(pk__in=rows).defer("inside").select_related("project__team"):
        if not _may_be_gone(cluster, at) or not (cluster.type or _is_in_no_other_list(cluster, source)):
            continue
        if cluster.also_type:  # it is in the list of the other type
            before = cluster.listed_as
            cluster.type = next(kind for kind in before if kind != source.type)
            cluster.also_type = ""
            cluster.save(update_fields=["type", "also_type"])
            facts = {"before": {"types": before}, "after": {"types": cluster.listed_as}}
            _note(EventType.CLUSTER_CHANGED, cluster, **facts)
        else:
            absent.append(cluster.pk)
            _note(EventType.CLUSTER_GONE, cluster, before={"cluster_id": cluster.cluster_id})
    Cluster.objects.filter(pk__in=absent).update(gone_at=at)


def _may_be_gone(cluster: Cluster, started_at: datetime) -> bool:
    """False if it was seen after this list began, or while a new cluster may not have reached the list yet."""
    lag = timedelta(seconds=settings.UPSTREAM_PROCESSING_BOUND)
    is_old_enough = not clock.is_since(cluster.found_at, started_at - lag) and clock.is_proved(lag)
    was_listed = cluster.seen_at > cluster.found_at or cluster.creation_id is None
    return not clock.is_since(cluster.seen_at, started_at) and (was_listed or is_old_enough)


def _is_in_no_other_list(cluster: Cluster, source: ClusterListing) -> bool:
    """Whether the other type's list, too, began when it should have had this cluster of no known type."""
    lag = timedelta(seconds=settings.UPSTREAM_PROCESSING_BOUND)
    others = ClusterListing.objects.filter(project=source.project_id).exclude(type=source.type)
    return others.filter(clock.since("listed_at", cluster.found_at + lag)).exists()


def _defaults(cluster: Cluster) -> Defaults:
    return {network.subnet_id: network.is_default for network in cluster.networks.all()}


def _difference(these: Defaults, those: Defaults) -> list[dict[str, Any]]:
    """What `these` have or say that `those` do not, for an event."""
    only = [(key, value) for key, value in these.items() if those.get(key, "absent") != value]
    return [{"subnet_id": key, "is_default": value} for key, value in only[:EVENT_NETWORKS]]


def _note(event: EventType, cluster: Cluster, **facts: Any) -> None:
    record(event, Outcome.NOTED, on=cluster, **facts)
