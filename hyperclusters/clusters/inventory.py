"""Keeps our copy of what the cloud has: listed type by type, and never emptied by a failed list.

HPS and ECS are listed apart, each with its own freshness. A list that fails, contradicts itself or has an unreadable
row changes nothing. `"hyper_clusters": null`, or a count of 0 alone, is an empty list; `{}` is not a list.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Coalesce

from hyperclusters.access.permissions import Person
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.modelarts import ClusterType, HyperCluster, ModelArtsError, canonical_id

from . import breaker, inside, updates
from .credentials import UnusableKey
from .failpoints import failpoint
from .models import Cluster, ClusterListing, Creation, Project
from .operations.kind import MayBegin
from .upstream import client_for


class AlreadyBound(Exception):
    """Another creation made this cluster."""


def ask_refresh(*, person: Person, project: Project | None = None) -> int:
    """Have the worker list every source that this person sees, or those of one project. Returns how many."""
    sources = ClusterListing.objects.visible_to(person)
    if project is not None:
        sources = sources.filter(project=project)
    with transaction.atomic():
        count = sources.update(run_after=clock.now())
        if count:
            record(EventType.LIST_REFRESH_ASKED, Outcome.ACCEPTED, by=person, after={"sources": count})
    return count


def note_export(
    *,
    person: Person,
    kind: str,
    filters: dict[str, str],
    count: int,
    event: EventType = EventType.CLUSTERS_EXPORTED,
) -> None:
    """Record that somebody downloaded a list: what they asked for, and how many rows they got."""
    record(
        event,
        Outcome.DONE,
        by=person,
        after={"format": kind, "filters": filters, "count": count},
    )


def claim_source(holder: str) -> ClusterListing | None:
    """Lease the source whose list has been due longest."""
    cluster_listing = ClusterListing.objects.claim(holder)
    if cluster_listing is not None:
        failpoint("source_claimed")
    return cluster_listing


def sync(cluster_listing: ClusterListing, *, may_begin: MayBegin = lambda: True) -> bool:
    """List one project's clusters of one type and bring our copy up to date; for HPS then also what is inside them.

    False if the list failed: nothing changes then. `listed_at` moves once the whole list is applied.
    """
    project = cluster_listing.project
    try:
        client = client_for(project)
        if (
            later := breaker.next_call_at(project)
        ) is not None:  # after a pause, this list may be the probe that ends the pause
            _release(cluster_listing, later)
            return False
        started_at = clock.now()
        items = client.list(type=ClusterType(cluster_listing.type)).value
    except UnusableKey as error:
        _note_failure(cluster_listing, error.cause, "")
        return False
    except ModelArtsError as error:
        breaker.record_failure(project, error)
        _note_failure(cluster_listing, error.cause, error.code)
        return False
    breaker.record_success(project)
    failpoint("sync_listed")
    try:
        is_plausible = updates.apply(cluster_listing, items, started_at)
        with updates.turn(cluster_listing, started_at):
            _note_listed(cluster_listing, started_at, suspect=not is_plausible)
            failpoint("sync_noted")
    except updates.Superseded:
        return True
    failpoint("sync_applied")
    if cluster_listing.type == ClusterType.HPS:
        inside.refresh(cluster_listing, client, may_begin)
    return True


def bind(creation: Creation, item: HyperCluster) -> Cluster:
    """Bind a cluster to the creation that made it; a cluster bound to the creation before is left as made outside.

    Who asked for the creation becomes its owner, unless it has one. Call it within a transaction. Raises AlreadyBound if another creation made it.
    """
    unbind(creation, but=item.id)
    now = clock.now()
    match = Cluster.objects.filter(project=creation.project).with_ids([item.id]).first()
    cluster, is_new = Cluster.objects.get_or_create(
        project=creation.project,
        cluster_id=match.cluster_id if match else item.id,
        defaults={
            "name": item.name or creation.name,
            "type": creation.type,
            "found_at": now,
            "seen_at": now,
            "creation": creation,
            "owner": creation.requested_by,
        },
    )
    rows = Cluster.objects.filter(pk=cluster.pk)
    bound_before = rows.filter(creation=creation).update(gone_at=None)  # its owner may be another by now
    free = rows.filter(creation__isnull=True)
    owner = Coalesce("owner", creation.requested_by_id)
    if not bound_before and not free.update(creation=creation, owner=owner, gone_at=None):
        raise AlreadyBound(f"cluster {item.id} was made by creation {cluster.creation_id}")
    networks = (
        updates.merge_networks({}, item) if is_new else updates.take_over(cluster, item, kind=cluster.type)
    )
    if networks is not None:
        updates.write_networks({cluster: networks})
    if creation.type and cluster.type != creation.type:  # what was sent proves the type
        cluster.type, cluster.also_type = creation.type, cluster.type
    if not is_new:
        cluster.save(update_fields=["name", "type", "also_type"])
    failpoint("cluster_bound")
    return cluster


def unbind(creation: Creation, but: str = "") -> None:
    """Leave clusters that were bound to this creation by mistake as made outside, `but` one. Its requester owns them no
    more. Call it within a transaction."""
    for cluster in Cluster.objects.filter(creation=creation).select_related("project__team"):
        if but and canonical_id(cluster.cluster_id) == canonical_id(but):
            continue
        cluster.creation = None
        if cluster.owner_id == creation.requested_by_id:
            cluster.owner = None
            before = {"owner": creation.requested_by.username}
            after = {"owner": "", "cluster_id": cluster.cluster_id}
            record(EventType.OWNER_CHANGED, Outcome.NOTED, on=cluster, before=before, after=after)
        cluster.save(update_fields=["creation", "owner"])


def _note_listed(cluster_listing: ClusterListing, started_at: datetime, *, suspect: bool) -> None:
    is_recovery = cluster_listing.failed_at is not None
    # A suspect list is requested again soon; nothing is marked as gone until the second one agrees.
    delay = min(10, settings.SYNC_INTERVAL) if suspect else settings.SYNC_INTERVAL
    _release(
        cluster_listing,
        clock.now() + timedelta(seconds=delay),
        listed_at=started_at,
        failed_at=None,
        failure_cause="",
        failure_code="",
        suspect_since=started_at if suspect else None,
    )
    if suspect:
        _note(EventType.LIST_SUSPECT, Outcome.NOTED, cluster_listing)
    elif is_recovery:
        _note(EventType.LIST_RECOVERED, Outcome.NOTED, cluster_listing)


def _note_failure(cluster_listing: ClusterListing, cause: str, code: str) -> None:
    is_news = cluster_listing.failed_at is None or (
        cluster_listing.failure_cause,
        cluster_listing.failure_code,
    ) != (cause, code[:64])
    blocked_until = Project.objects.values_list("blocked_until", flat=True).get(pk=cluster_listing.project_id)
    next_try = clock.now() + timedelta(seconds=settings.SYNC_INTERVAL)
    run_after = max(next_try, blocked_until) if blocked_until else next_try
    with transaction.atomic():
        _release(
            cluster_listing, run_after, failed_at=clock.now(), failure_cause=cause, failure_code=code[:64]
        )
        if is_news:
            _note(
                EventType.LIST_FAILED,
                Outcome.FAILED,
                cluster_listing,
                evidence=cause,
                response={"cause": cause, "code": code},
            )


def _release(cluster_listing: ClusterListing, run_after: datetime, **changes: Any) -> None:
    """Release the source. A refresh requested meanwhile stays due: its list had not begun yet."""
    mine = ClusterListing.objects.filter(pk=cluster_listing.pk)
    mine.filter(run_after=cluster_listing.run_after).update(run_after=run_after)
    mine.update(lease_holder="", lease_expires_at=None, **changes)
    for name, value in changes.items():
        setattr(cluster_listing, name, value)


def _note(event_type: EventType, outcome: Outcome, cluster_listing: ClusterListing, **facts: Any) -> None:
    project = cluster_listing.project
    name = f"{project.name} {cluster_listing.type}"
    on = Subject("source", str(cluster_listing.pk), name, project.team, project)
    record(event_type, outcome, on=on, **facts)
