"""Clusters and their deletions; projects."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection
from django.http import Http404, HttpResponse
from django.urls import reverse
from ninja import Query
from pydantic import Field

from hyperclusters.access.permissions import Permission, teams_where
from hyperclusters.accounts.models import Scope
from hyperclusters.clusters import deletions
from hyperclusters.clusters.idempotency import token_for
from hyperclusters.clusters.models import Cluster, Deletion, Network, Project
from hyperclusters.clusters.models.inventory import ClusterQuerySet, occupant_total
from hyperclusters.web.shared.decorators import SIGNED_IN, access, on
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.ratelimit import rate_limit, searches

from . import idempotency
from .app import api
from .bodies import DeletionBody
from .creations import not_recorded
from .paging import page_by_key, page_by_time
from .schemas import (
    ClusterOut,
    ClusterRef,
    ClusterTypeName,
    DeletionOut,
    InsideOut,
    NetworkOut,
    OccupantOut,
    Page,
    PageParameters,
    ProjectOut,
    Search,
)

READ_SCOPE = Scope.CLUSTERS_READ
COLUMNS = (
    *("pk", "cluster_id", "name", "type", "also_type", "project__name", "project__team__slug", "creation_id"),
    *("creation__requested_by__username", "owner__username", "locked_at", "locked_by__username"),
    *("lock_reason", "found_at", "seen_at", "gone_at", "inside", "inside_count", "inside_listed_at"),
)


class ClusterFilters(PageParameters):
    q: Search = Field("", description="Part of the name, cluster ID or subnet ID")
    name: Search = Field("", description="The whole name")
    project: Search = ""
    team: Search = Field("", description="Slug of the team")
    type: ClusterTypeName | None = None
    owner: Search = Field("", description="User name of the owner")
    gone: bool = Field(default=False, description="Those that are not in the cloud any more")
    empty: bool | None = Field(
        None, description="Whether nothing is inside, by the last list; leaves out those that are not known"
    )


@api.get("/clusters", response=Page[ClusterOut], tags=["clusters"], url_name="clusters")
@access(get=SIGNED_IN.with_scope(READ_SCOPE))
@rate_limit("search", "SEARCHES_PER_MINUTE", when=searches)
def list_clusters(request: PageRequest, filters: Query[ClusterFilters]) -> Page[ClusterOut]:
    """Clusters of your teams as the cloud was last seen to have them, the newest first."""
    rows = _clusters(request).filter(gone_at__isnull=not filters.gone)
    if filters.q:
        rows = rows.search(filters.q)
    if filters.type:
        rows = rows.of_type(filters.type)
    if filters.empty is not None:
        rows = rows.empty(is_empty=filters.empty)
    exact = {"name": filters.name, "project__name": filters.project, "project__team__slug": filters.team}
    exact["owner__username"] = filters.owner
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    page_rows, next_cursor = page_by_time(rows, field="found_at", limit=filters.limit, cursor=filters.cursor)
    return Page[ClusterOut](items=_clusters_out(page_rows), next=next_cursor)


@api.get("/clusters/{uuid:cluster_id}", response=ClusterOut, tags=["clusters"], url_name="cluster")
@access(get=on("cluster").with_scope(READ_SCOPE))
def read_cluster(request: PageRequest, cluster_id: UUID) -> ClusterOut:
    """One cluster."""
    clusters = _clusters_out(_clusters(request).filter(pk=cluster_id))
    if not clusters:
        raise Http404
    return clusters[0]


@api.post(
    "/clusters/{uuid:cluster_id}/deletions",
    response={202: DeletionOut},
    tags=["clusters"],
    url_name="deletions",
    openapi_extra={"parameters": [idempotency.PARAMETER]},
)
@access(
    post=on("cluster", Permission.MANAGE).with_scope(Scope.CLUSTERS_WRITE),
    note="or the owner, with CREATE; nobody while it is locked",
)
def request_deletion(
    request: PageRequest, response: HttpResponse, cluster_id: UUID, body: DeletionBody
) -> DeletionOut | HttpResponse:
    """Request that a cluster is deleted.

    Creators delete clusters that they own; admins of the team delete all. Nobody deletes a locked cluster here.
    `confirm_name` must be its name. Read the deletion until `is_settled`.
    """
    if not (key := idempotency.key_of(request)):
        return idempotency.key_missing(request)
    cluster = _visible(request, cluster_id)
    token = token_for(kind="deletion", person=request.user, project=cluster.project, key=key)
    try:
        deletion = deletions.request_deletion(
            person=request.user,
            cluster=cluster,
            typed_name=body.confirm_name,
            reason=body.reason,
            override_inside=body.override_inside,
            token=token,
        )
    except DatabaseError:
        connection.close()
        earlier = deletions.find_same(
            person=request.user,
            cluster=cluster,
            typed_name=body.confirm_name,
            reason=body.reason,
            override_inside=body.override_inside,
            token=token,
        )
        if earlier is None:
            return not_recorded(request)
        deletion = earlier
    idempotency.note_replay(request, response, deletion)
    return _deletion_out(deletion)


@api.get("/deletions/{uuid:deletion_id}", response=DeletionOut, tags=["clusters"], url_name="deletion")
@access(get=on("cluster").with_scope(READ_SCOPE))
def read_deletion(request: PageRequest, deletion_id: UUID) -> DeletionOut:
    """One deletion."""
    rows = Deletion.objects.visible_to(request.user).select_related(
        "cluster__project__team", "requested_by", "locked_by"
    )
    deletion = rows.filter(pk=deletion_id).first()
    if deletion is None:
        raise Http404
    return _deletion_out(deletion)


@api.get("/projects", response=Page[ProjectOut], tags=["projects"], url_name="projects")
@access(get=SIGNED_IN.with_scope(READ_SCOPE))
def list_projects(request: PageRequest, filters: Query[PageParameters]) -> Page[ProjectOut]:
    """Projects of your teams, by name."""
    creator_teams = set(teams_where(request.user, Permission.CREATE).values_list("pk", flat=True))
    rows = Project.objects.where(request.user, Permission.VIEW).select_related("team")
    page_rows, next_cursor = page_by_key(rows, field="name", limit=filters.limit, cursor=filters.cursor)
    items = [
        ProjectOut(
            name=project.name,
            team=project.team.slug,
            region=project.region,
            project_id=project.project_id,
            may_create=project.team_id in creator_teams and project.retired_at is None,
            is_blocked=(is_blocked := project.is_blocked()),
            blocked_until=project.blocked_until if is_blocked else None,
        )
        for project in page_rows
    ]
    return Page[ProjectOut](items=items, next=next_cursor)


def _clusters(request: PageRequest) -> ClusterQuerySet:
    """As named tuples: a list has many rows, and a model each would cost most of it."""
    rows = Cluster.objects.visible_to(request.user).with_inside_listed_at()
    return rows.values_list(*COLUMNS, named=True)  # type: ignore[return-value]  # keeps its methods


def _visible(request: PageRequest, pk: UUID) -> Cluster:
    cluster = Cluster.objects.visible_to(request.user).select_related("project__team").filter(pk=pk).first()
    if cluster is None:
        raise Http404
    return cluster


def _clusters_out(clusters: Iterable[Any]) -> list[ClusterOut]:
    """Rows of `_clusters`, as the API shows them."""
    networks: dict[UUID, list[NetworkOut]] = {cluster.pk: [] for cluster in clusters}
    rows = Network.objects.filter(cluster__in=networks).values_list("cluster_id", "subnet_id", "is_default")
    for pk, subnet_id, is_default in rows:
        networks[pk].append(NetworkOut(subnet_id=subnet_id, is_default=is_default))
    pages = reverse("clusters:list")  # once: an address for each costs as much as its row
    return [_cluster_out(cluster, networks[cluster.pk], f"{pages}{cluster.pk}/") for cluster in clusters]


def _cluster_out(cluster: Any, networks: list[NetworkOut], url: str) -> ClusterOut:
    types = {cluster.type, "" if cluster.creation_id else cluster.also_type} - {""}
    return ClusterOut(
        id=cluster.pk,
        cluster_id=cluster.cluster_id,
        name=cluster.name,
        type=cluster.type,
        types=sorted(types, reverse=True),
        networks=networks,
        inside=_inside_out(cluster),
        project=cluster.project__name,
        team=cluster.project__team__slug,
        created_by=cluster.creation__requested_by__username,
        creation=cluster.creation_id,
        owner=cluster.owner__username,
        locked_at=cluster.locked_at,
        locked_by=cluster.locked_by__username,
        lock_reason=cluster.lock_reason,
        found_at=cluster.found_at,
        last_seen_at=cluster.seen_at,
        gone_at=cluster.gone_at,
        url=url,
    )


def _inside_out(cluster: Any) -> InsideOut | None:
    if cluster.inside is None or cluster.inside_listed_at is None or cluster.gone_at:
        return None
    occupants: dict[str, list[OccupantOut]] = {"supernode": [], "group": []}
    for row in cluster.inside:
        occupants[row["kind"]].append(OccupantOut(**row))
    return InsideOut(
        checked_at=cluster.inside_listed_at,
        count=occupant_total(cluster.inside, cluster.inside_count),
        supernodes=occupants["supernode"],
        groups=occupants["group"],
    )


def _deletion_out(deletion: Deletion) -> DeletionOut:
    cluster = deletion.cluster
    return DeletionOut(
        id=deletion.pk,
        cluster=ClusterRef(id=cluster.pk, cluster_id=cluster.cluster_id),
        name=cluster.name,
        project=cluster.project.name,
        team=cluster.project.team.slug,
        reason=deletion.reason,
        state=deletion.state,
        is_settled=not deletion.is_unresolved,
        conflict=deletion.is_contradicted,
        attempts=deletion.attempts,
        override_inside=deletion.override_inside,
        blockers=None if deletion.blockers is None else [OccupantOut(**row) for row in deletion.blockers],
        blockers_count=None if deletion.blockers is None else deletion.blockers_total,
        inside_failure_cause=deletion.inside_failure_cause,
        cause=deletion.cause,
        code=deletion.code,
        message=deletion.message,
        locked_by=deletion.locked_by.username if deletion.locked_by else None,
        lock_reason=deletion.lock_reason,
        cloud_request_id=deletion.upstream_request_id,
        request_id=deletion.request_id,
        requested_by=deletion.requested_by.username,
        requested_at=deletion.requested_at,
        settled_at=deletion.settled_at,
        next_check_at=deletion.run_after if deletion.is_unresolved else None,
    )
