"""Creations: requested, listed, watched, withdrawn."""

from typing import Any, Literal
from uuid import UUID

from django.db import DatabaseError, connection
from django.http import Http404, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import Field

from hyperclusters.access.permissions import Permission
from hyperclusters.accounts.models import Scope
from hyperclusters.clusters import approvals, creations
from hyperclusters.clusters.creations import CreateRequest
from hyperclusters.clusters.idempotency import token_for
from hyperclusters.clusters.models import Approval, Creation, Project, State
from hyperclusters.clusters.models.creation import CreationQuerySet
from hyperclusters.web.shared.decorators import SIGNED_IN, access, anywhere, on
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.problems import problem
from hyperclusters.web.shared.ratelimit import rate_limit, searches

from . import idempotency
from .app import api
from .bodies import CreationApprovalBody, CreationBody, CreationDeclineBody
from .paging import page_by_time
from .schemas import (
    ApprovalOut,
    ClusterRef,
    CreationOut,
    Page,
    PageParameters,
    Search,
)


class CreationFilters(PageParameters):
    q: Search = Field("", description="Part of the name")
    name: Search = Field("", description="The whole name")
    project: Search = ""
    state: Literal[tuple(State.values)] | None = None  # type: ignore[valid-type]  # one list, the model's


@api.post(
    "/creations",
    response={202: CreationOut},
    tags=["creations"],
    url_name="creations",
    openapi_extra={"parameters": [idempotency.PARAMETER]},
)
@access(post=anywhere(Permission.CREATE).with_scope(Scope.CLUSTERS_WRITE))
def request_creation(
    request: PageRequest, response: HttpResponse, body: CreationBody
) -> CreationOut | HttpResponse:
    """Request a cluster.

    The answer says that the request is recorded; a worker sends it. Read the creation until `is_settled`. The same
    `Idempotency-Key` with the same body gives the same creation, with `Idempotent-Replayed: true`.
    """
    if not (key := idempotency.key_of(request)):
        return idempotency.key_missing(request)
    project = _project(request, body)
    token = token_for(kind="creation", person=request.user, project=project, key=key)
    wish = CreateRequest(body.name, body.type or "", body.hyper_cluster_subnet_id, body.reason)
    try:
        creation = creations.request_creation(
            person=request.user,
            project=project,
            wish=wish,
            token=token,
            token_maker=request.token.created_by_id,
        )
    except DatabaseError:
        connection.close()
        earlier = creations.find_same(person=request.user, project=project, wish=wish, token=token)
        if earlier is None:
            return not_recorded(request)
        creation = earlier
    idempotency.note_replay(request, response, creation)
    return creation_out(creation)


@api.get("/creations", response=Page[CreationOut], tags=["creations"], url_name="creations")
@access(get=SIGNED_IN.with_scope(Scope.CLUSTERS_READ))
@rate_limit("search", "SEARCHES_PER_MINUTE", when=searches)
def list_creations(request: PageRequest, filters: Query[CreationFilters]) -> Page[CreationOut]:
    """Creations of your teams, newest first."""
    rows = _creations(request)
    if filters.q:
        rows = rows.filter(name__icontains=filters.q)
    exact = {"name": filters.name, "project__name": filters.project, "state": filters.state}
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    page_rows, next_cursor = page_by_time(
        rows, field="requested_at", limit=filters.limit, cursor=filters.cursor
    )
    return Page[CreationOut](items=list(map(creation_out, page_rows)), next=next_cursor)


@api.get("/creations/{uuid:creation_id}", response=CreationOut, tags=["creations"], url_name="creation")
@access(get=on("creation").with_scope(Scope.CLUSTERS_READ))
def read_creation(request: PageRequest, creation_id: UUID) -> CreationOut:
    """One creation."""
    return creation_out(_visible(request, creation_id))


@api.post(
    "/creations/{uuid:creation_id}/withdraw", response=CreationOut, tags=["creations"], url_name="withdraw"
)
@access(
    post=on("creation", Permission.DECIDE).with_scope(Scope.CLUSTERS_WRITE),
    note="the person who requested it",
)
def withdraw_creation(request: PageRequest, creation_id: UUID) -> CreationOut:
    """Withdraw a creation that waits to be sent; 409 `stale_state` if it does not wait any more."""
    creation = _visible(request, creation_id)
    creations.withdraw(creation, by=request.user)
    return creation_out(_visible(request, creation_id))


@api.post(
    "/creations/{uuid:creation_id}/approve",
    response=CreationOut,
    tags=["creations"],
    url_name="approve_creation",
)
@access(post=on("creation", Permission.DECIDE).with_scope(Scope.CLUSTERS_WRITE), note="not who requested it")
def approve_creation(request: PageRequest, creation_id: UUID, body: CreationApprovalBody) -> CreationOut:
    """Approve a creation that waits for it, as an admin of the team other than its requester.

    409 `stale_state` if it does not wait any more.
    """
    approvals.approve(_visible(request, creation_id), by=request.user, reason=body.reason)
    return creation_out(_visible(request, creation_id))


@api.post(
    "/creations/{uuid:creation_id}/decline",
    response=CreationOut,
    tags=["creations"],
    url_name="decline_creation",
)
@access(post=on("creation", Permission.DECIDE).with_scope(Scope.CLUSTERS_WRITE), note="not who requested it")
def decline_creation(request: PageRequest, creation_id: UUID, body: CreationDeclineBody) -> CreationOut:
    """Decline a creation that waits for approval: it ends as `refused`, and nothing is sent."""
    approvals.decline(_visible(request, creation_id), by=request.user, reason=body.reason)
    return creation_out(_visible(request, creation_id))


def not_recorded(request: PageRequest) -> HttpResponse:
    """503: the database did not take the record, which is certain, so nothing goes out."""
    detail = _(
        "The database is busy. Nothing was recorded and nothing was sent. Try again with the same key."
    )
    return problem(request, 503, "busy", detail, retry_after=10)


def creation_out(creation: Creation) -> CreationOut:
    """As the API shows it."""
    cluster = getattr(creation, "cluster", None) if creation.state != State.QUEUED else None
    is_waiting = creation.is_unresolved and creation.state != State.NEEDS_ATTENTION
    return CreationOut(
        id=creation.pk,
        project=creation.project.name,
        team=creation.project.team.slug,
        name=creation.name,
        type=creation.type,
        hyper_cluster_subnet_id=creation.subnet_id,
        reason=creation.reason,
        state=creation.state,
        is_settled=not creation.is_unresolved,
        approval=approval_out(creation),
        evidence=creation.evidence,
        conflict=creation.conflict_at is not None,
        cluster=ClusterRef(id=cluster.pk, cluster_id=cluster.cluster_id) if cluster else None,
        attempts=creation.attempts,
        cause=creation.cause,
        code=creation.code,
        message=creation.message,
        cloud_request_id=creation.upstream_request_id,
        request_id=creation.request_id,
        requested_by=creation.requested_by.username,
        requested_at=creation.requested_at,
        settled_at=creation.settled_at,
        next_check_at=creation.run_after if is_waiting and not creation.waits_for_approval else None,
        not_created_after=creation.not_created_after,
        url=creation.get_absolute_url(),
    )


def approval_out(creation: Creation) -> ApprovalOut:
    """Whether a second person has to agree, and what became of that."""
    state: Any = creation.approval
    is_needed = state not in {None, Approval.NOT_NEEDED}
    return ApprovalOut(
        needed=is_needed,
        state=state if is_needed else None,
        why=creation.approval_rule,
        by=creation.approval_by.username if creation.approval_by else None,
        at=creation.approval_at,
        reason=creation.approval_reason,
    )


def _project(request: PageRequest, body: CreationBody) -> Project:
    """The project that the caller can see. Raises Http404; the attempt is kept in the audit."""
    visible = Project.objects.where(request.user, Permission.VIEW).select_related("team")
    try:
        return visible.get(name=body.project)
    except Project.DoesNotExist:
        values = body.dict() | {"type": body.type or ""}
        creations.note_attempt(person=request.user, project=None, values=values)
        raise Http404 from None


def _creations(request: PageRequest) -> CreationQuerySet:
    rows = Creation.objects.visible_to(request.user)
    return rows.select_related("project__team", "requested_by", "approval_by", "cluster")


def _visible(request: PageRequest, pk: UUID) -> Creation:
    creation = _creations(request).filter(pk=pk).first()
    if creation is None:
        raise Http404
    return creation
