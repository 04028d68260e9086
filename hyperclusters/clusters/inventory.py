"""Our copy of what the cloud has: listed type by type, and never emptied by a list that failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from hyperclusters.access.permissions import Person
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.modelarts import ClusterType, HyperCluster, ModelArtsError

from . import breaker
from .credentials import UnusableKey
from .failpoints import failpoint
from .models import Cluster, Creation, DeletionState, Network, Project, Source, State
from .models.inventory import list_lease
from .upstream import client_for


class AlreadyBound(Exception):
    """One cluster cannot have been made by two creations."""


# While one of these holds a creation may have made a cluster that nobody has tied to it yet.
LOST_NAMES = (State.SENDING, State.UNKNOWN, State.NEEDS_ATTENTION)


def subject(cluster: Cluster) -> Subject:
    """The cluster as the ledger names it."""
    return Subject("cluster", str(cluster.pk), cluster.name)


def ask_refresh(*, person: Person) -> int:
    """Have every source that this person sees listed at once, by the worker. Returns how many."""
    sources = Source.objects.visible_to(person)
    with transaction.atomic():
        asked = sources.update(due_at=clock.now())
        if asked:
            record(Did.LIST_REFRESH_ASKED, Outcome.ACCEPTED, person=person, after={"sources": asked})
    return asked


def note_export(*, person: Person, kind: str, filters: dict[str, str], count: int) -> None:
    """Keep that somebody took the list out as a file: what they asked for, and how many clusters they got."""
    record(
        Did.CLUSTERS_EXPORTED,
        Outcome.DONE,
        person=person,
        after={"format": kind, "filters": filters, "count": count},
    )


def claim_source(holder: str) -> Source | None:
    """Lease the source whose list has been due longest."""
    due = Source.objects.due()
    for source in due.select_related("project__team").order_by("due_at", "pk")[:20]:
        until = clock.now() + list_lease()
        if due.filter(pk=source.pk).update(holder=holder, held_until=until, due_at=until):
            source.holder, source.held_until, source.due_at = holder, until, until
            failpoint("source_claimed")
            return source
    return None


def sync(source: Source) -> bool:
    """List one project's clusters of one type and bring our copy up to date. False if the list failed: nothing changes then."""
    project = source.project
    try:
        client = client_for(project)
        if (
            later := breaker.when_to_call(project)
        ) is not None:  # after a pause, this list may be the probe that ends it
            _release(source, later)
            return False
        started_at = clock.now()
        listed = client.list(type=ClusterType(source.type)).value
    except UnusableKey as error:
        _note_failure(source, error.cause, "")
        return False
    except ModelArtsError as error:
        breaker.note_failure(project, error)
        _note_failure(source, error.cause, error.code)
        return False
    breaker.note_answer(project)
    failpoint("sync_listed")
    _apply(source, listed, started_at)
    failpoint("sync_applied")
    return True


def _apply(source: Source, listed: Sequence[HyperCluster], started_at: datetime) -> None:
    """Write a complete list down. Clusters of a name that a creation is still looking for are left to that search."""
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=source.project_id)
        # Known by ID over both types: a cloud that lists a cluster under both must not stop either list.
        every = Cluster.objects.filter(project=source.project).prefetch_related("networks")
        known = {cluster.cluster_id: cluster for cluster in every}
        present = [
            cluster for cluster in known.values() if cluster.type == source.type and not cluster.gone_at
        ]
        if present and not listed and source.suspect_since is None:
            _note_listed(source, started_at, suspect=True)
            return
        failpoint("sync_known")
        searched = set(source.project.creations.filter(state__in=LOST_NAMES).values_list("name", flat=True))
        for item in listed:
            if cluster := known.get(item.id):
                _see(source, item, cluster, started_at)
            elif item.name not in searched:
                _found_outside(source, item, started_at)
        failpoint("sync_seen")
        ids = {item.id for item in listed}
        missing = [cluster for cluster in present if cluster.cluster_id not in ids]
        before = ~Q(seen_at__range=(started_at, clock.now() + clock.TOLERANCE))
        seen = Cluster.objects.present().filter(before, project=source.project, type=source.type)
        seen.exclude(pk__in=[cluster.pk for cluster in missing]).update(seen_at=started_at)
        for cluster in missing:
            if _may_be_gone(cluster, started_at):
                _mark_gone(cluster, started_at)
        _note_listed(source, started_at, suspect=False)
        failpoint("sync_noted")


def _see(source: Source, item: HyperCluster, cluster: Cluster, started_at: datetime) -> None:
    """A cluster that is known is listed again: take over what has changed."""
    if cluster.gone_at is not None:
        lag = clock.now() - started_at + timedelta(seconds=settings.UPSTREAM_PROCESSING_BOUND)
        deleted = cluster.deletions.filter(clock.within("settled_at", lag), state=DeletionState.DELETED)
        if deleted.exists():
            return  # deleted here a moment ago: the cloud's list may lag behind
        Cluster.objects.filter(pk=cluster.pk).update(gone_at=None)
        project = source.project
        record(Did.CLUSTER_BACK, Outcome.NOTED, team=project.team, project=project, subject=subject(cluster))
    if cluster.name != item.name:
        Cluster.objects.filter(pk=cluster.pk).update(name=item.name)
    keep_networks(cluster, item)


def _found_outside(source: Source, item: HyperCluster, at: datetime) -> None:
    cluster = Cluster.objects.create(
        project=source.project, cluster_id=item.id, name=item.name, type=source.type, found_at=at, seen_at=at
    )
    keep_networks(cluster, item)
    record(
        Did.CLUSTER_SEEN_OUTSIDE,
        Outcome.NOTED,
        team=source.project.team,
        project=source.project,
        subject=subject(cluster),
        after={"cluster_id": item.id, "type": source.type, "project": source.project.name},
    )
    _contradict(source.project, item)


def _contradict(project: Project, item: HyperCluster) -> None:
    """A cluster that a creation was declared not to have made has come up after all: say so on that creation."""
    suspects = project.creations.filter(name=item.name, state=State.NOT_CREATED, conflict_at__isnull=True)
    for creation in suspects.select_related("project__team", "requested_by"):
        ruled_out = {candidate["id"] for candidate in creation.candidates}  # by whoever decided
        if item.id in creation.baseline or item.id in ruled_out:
            continue
        Creation.objects.filter(pk=creation.pk).update(conflict_at=clock.now())
        record(
            Did.CREATE_CONTRADICTED,
            Outcome.FAILED,
            person=creation.requested_by,
            team=project.team,
            project=project,
            subject=Subject("creation", str(creation.pk), creation.name),
            after={"state": creation.state, "found": item.id},
            evidence="listed",
        )


def _may_be_gone(cluster: Cluster, started_at: datetime) -> bool:
    """Not if it was seen after this list began, nor while a new cluster may not have reached the list yet."""
    bound = timedelta(seconds=settings.UPSTREAM_PROCESSING_BOUND)
    latest = clock.now() + clock.TOLERANCE  # a time beyond was written by a wrong clock and says nothing
    settled = not started_at - bound <= cluster.found_at <= latest and clock.is_proved(bound)
    was_listed = cluster.seen_at > cluster.found_at or cluster.creation_id is None
    return not started_at <= cluster.seen_at <= latest and (was_listed or settled)


def _mark_gone(cluster: Cluster, at: datetime) -> None:
    Cluster.objects.filter(pk=cluster.pk).update(gone_at=at)
    record(
        Did.CLUSTER_GONE,
        Outcome.NOTED,
        team=cluster.project.team,
        project=cluster.project,
        subject=subject(cluster),
        before={"cluster_id": cluster.cluster_id},
    )


def keep_networks(cluster: Cluster, item: HyperCluster) -> None:
    """Make the cluster's networks those of `item`."""
    wanted = [(network.subnet_id, network.is_default) for network in item.networks]
    kept = [(network.subnet_id, network.is_default) for network in cluster.networks.all()]
    if sorted(wanted) != sorted(kept):
        if kept:
            cluster.networks.all().delete()
        Network.objects.bulk_create(
            Network(cluster=cluster, subnet_id=subnet_id, is_default=default) for subnet_id, default in wanted
        )


def bind(creation: Creation, item: HyperCluster) -> Cluster:
    """The cluster that this creation made; one that was taken for it before is left as made outside.

    Call within a transaction. Raises AlreadyBound if another creation made it.
    """
    Cluster.objects.filter(creation=creation).exclude(cluster_id=item.id).update(creation=None)
    now = clock.now()
    cluster, is_new = Cluster.objects.get_or_create(
        project=creation.project,
        cluster_id=item.id,
        defaults={
            "name": item.name,
            "type": creation.type,
            "found_at": now,
            "seen_at": now,
            "creation": creation,
        },
    )
    free = Cluster.objects.filter(Q(creation__isnull=True) | Q(creation=creation), pk=cluster.pk)
    if not is_new and not free.update(creation=creation, gone_at=None):
        raise AlreadyBound(f"cluster {item.id} was made by creation {cluster.creation_id}")
    keep_networks(cluster, item)
    failpoint("cluster_bound")
    return cluster


def is_bound(project: Project, cluster_id: str, *, but: Creation) -> bool:
    """Whether another creation made this cluster."""
    bound = Cluster.objects.filter(project=project, cluster_id=cluster_id, creation__isnull=False)
    return bound.exclude(creation=but).exists()


def _note_listed(source: Source, started_at: datetime, *, suspect: bool) -> None:
    recovered = source.failed_at is not None
    # A suspect list is asked for again soon; nothing is taken as gone until the second one agrees.
    delay = min(10, settings.SYNC_INTERVAL) if suspect else settings.SYNC_INTERVAL
    _release(
        source,
        clock.now() + timedelta(seconds=delay),
        listed_at=started_at,
        failed_at=None,
        failure_cause="",
        failure_code="",
        suspect_since=started_at if suspect else None,
    )
    if suspect:
        _note(Did.LIST_SUSPECT, Outcome.NOTED, source)
    elif recovered:
        _note(Did.LIST_RECOVERED, Outcome.NOTED, source)


def _note_failure(source: Source, cause: str, code: str) -> None:
    changed = source.failed_at is None or (source.failure_cause, source.failure_code) != (cause, code[:64])
    blocked_until = Project.objects.values_list("blocked_until", flat=True).get(pk=source.project_id)
    next_try = clock.now() + timedelta(seconds=settings.SYNC_INTERVAL)
    due_at = max(next_try, blocked_until) if blocked_until else next_try
    with transaction.atomic():
        _release(source, due_at, failed_at=clock.now(), failure_cause=cause, failure_code=code[:64])
        if changed:
            _note(
                Did.LIST_FAILED,
                Outcome.FAILED,
                source,
                evidence=cause,
                response={"cause": cause, "code": code},
            )


def _release(source: Source, due_at: datetime, **changes: Any) -> None:
    """Give the source back. A refresh asked for meanwhile stays due: the list it wants had not begun yet."""
    mine = Source.objects.filter(pk=source.pk)
    mine.update(held_until=None, **changes)
    mine.filter(due_at=source.due_at).update(due_at=due_at)
    for name, value in changes.items():
        setattr(source, name, value)


def _note(did: Did, outcome: Outcome, source: Source, **facts: Any) -> None:
    project = source.project
    what = Subject("source", str(source.pk), f"{project.name} {source.type}")
    record(did, outcome, team=project.team, project=project, subject=what, **facts)
