"""Who may do what: the caller, teams, grants and requests for access."""

from django.db.models import prefetch_related_objects
from django.http import Http404
from ninja import Query, Schema, Status
from ninja.errors import ValidationError
from pydantic import Field

from hyperclusters.access import access_requests, services
from hyperclusters.access.models import AccessRequest, Grant, Role, Team, User
from hyperclusters.access.permissions import Permission, active_grants, teams_where
from hyperclusters.access.rules import grantable_in
from hyperclusters.accounts.models import Scope
from hyperclusters.web.shared.decorators import SIGNED_IN, access, on
from hyperclusters.web.shared.http import PageRequest

from .app import api
from .bodies import ApprovalBody, DeclineBody, GrantBody
from .paging import page_by_key, page_by_number
from .schemas import (
    AccessRequestOut,
    GrantOut,
    Line,
    MeOut,
    Page,
    PageParameters,
    TeamOut,
    TokenOut,
)

# As on the pages: admins give every role of their team, platform admins an admin's.
GIVERS = on("team", Permission.GRANT, or_anywhere=Permission.APPOINT).with_scope(Scope.ACCESS_WRITE)
DECIDERS = on("team", Permission.GRANT).with_scope(Scope.ACCESS_WRITE)


class Revocation(Schema):
    reason: Line = Field(min_length=1, description="Why; kept in the audit")


@api.get("/me", response=MeOut, tags=["access"], url_name="me")
@access(get=SIGNED_IN)
def read_me(request: PageRequest) -> MeOut:
    """Who the token stands for, what they may do, and until when. Needs no scope."""
    person, token = request.user, request.token
    grants = active_grants(person)
    prefetch_related_objects(grants, "granted_by")
    return MeOut(
        username=person.username,
        full_name=person.full_name,
        kind="service" if person.service_team_id else "person",
        grants=[_grant_out(grant, person) for grant in grants],
        token=TokenOut(
            id=token.pk,
            name=token.name,
            scopes=token.scopes,
            team=token.team.slug if token.team else None,
            expires_at=token.expires_at,
        ),
    )


@api.get("/teams", response=Page[TeamOut], tags=["access"], url_name="teams")
@access(get=SIGNED_IN.with_scope(Scope.ACCESS_READ))
def list_teams(request: PageRequest, filters: Query[PageParameters]) -> Page[TeamOut]:
    """The teams that you may look into, by slug."""
    roles = {grant.team_id: grant.role for grant in active_grants(request.user)}
    rows = teams_where(request.user, Permission.MEMBERS)
    page_rows, next_cursor = page_by_key(rows, field="slug", limit=filters.limit, cursor=filters.cursor)
    items = [TeamOut(slug=team.slug, name=team.name, role=roles.get(team.pk)) for team in page_rows]
    return Page[TeamOut](items=items, next=next_cursor)


@api.get("/teams/{slug:slug}/grants", response=Page[GrantOut], tags=["access"], url_name="grants")
@access(get=on("team").with_scope(Scope.ACCESS_READ))
def list_grants(request: PageRequest, slug: str, filters: Query[PageParameters]) -> Page[GrantOut]:
    """The grants in force in a team, oldest first. A person may have one of each role: the highest counts."""
    rows = (
        Grant.objects.active()
        .filter(team=_team(request, slug))
        .select_related("team", "person", "granted_by")
    )
    page_rows, next_cursor = page_by_number(rows, limit=filters.limit, cursor=filters.cursor)
    return Page[GrantOut](items=[_grant_out(grant, grant.person) for grant in page_rows], next=next_cursor)


@api.post("/teams/{slug:slug}/grants", response={201: GrantOut}, tags=["access"], url_name="grants")
@access(post=GIVERS)
def create_grant(request: PageRequest, slug: str, body: GrantBody) -> Status[GrantOut]:
    """Grant a role. It replaces what the person has in the team, except lower roles that last longer."""
    team = _team(request, slug)
    request.rule.require(request.user, team)
    person = User.objects.by_username(body.person).filter(grantable_in(team)).first()
    if person is None:
        raise ValidationError([{"loc": ("body", "person"), "msg": "Nobody here has this user name"}])
    grant = services.grant(
        person=person, role=Role(body.role), team=team, until=body.until, reason=body.reason, by=request.user
    )
    return Status(201, _grant_out(grant, person))


@api.delete(
    "/teams/{slug:slug}/grants/{int:grant_id}", response={204: None}, tags=["access"], url_name="grant"
)
@access(delete=GIVERS)
def revoke_grant(request: PageRequest, slug: str, grant_id: int, filters: Query[Revocation]) -> Status[None]:
    """Revoke access at once, including for requests that are not sent yet."""
    team = _team(request, slug)
    request.rule.require(request.user, team)
    grants = Grant.objects.active().filter(team=team).select_related("team", "person")
    grant = grants.filter(pk=grant_id).first()
    if grant is None:
        raise Http404
    services.end_grant(grant, reason=filters.reason, by=request.user)
    return Status(204, None)


@api.get("/access-requests", response=Page[AccessRequestOut], tags=["access"], url_name="access_requests")
@access(get=SIGNED_IN.with_scope(Scope.ACCESS_READ))
def list_access_requests(request: PageRequest, filters: Query[PageParameters]) -> Page[AccessRequestOut]:
    """The requests that wait for your decision, oldest first."""
    page_rows, next_cursor = page_by_number(
        access_requests.waiting_for(request.user), limit=filters.limit, cursor=filters.cursor
    )
    return Page[AccessRequestOut](items=list(map(_request_out, page_rows)), next=next_cursor)


@api.post("/access-requests/{int:request_id}/approve", response=GrantOut, tags=["access"], url_name="approve")
@access(post=DECIDERS)
def approve_access_request(request: PageRequest, request_id: int, body: ApprovalBody) -> GrantOut:
    """Grant what is asked for, from now on."""
    access_request = _open_request(request, request_id)
    days = body.days if body.days is not None else access_request.days
    grant = access_requests.approve(access_request, by=request.user, days=days, note=body.note)
    return _grant_out(grant, access_request.person)


@api.post(
    "/access-requests/{int:request_id}/decline",
    response=AccessRequestOut,
    tags=["access"],
    url_name="decline",
)
@access(post=DECIDERS)
def decline_access_request(request: PageRequest, request_id: int, body: DeclineBody) -> AccessRequestOut:
    """Say no, and why."""
    access_request = _open_request(request, request_id)
    access_requests.decline(access_request, by=request.user, note=body.note)
    return _request_out(access_request)


def _team(request: PageRequest, slug: str) -> Team:
    team = teams_where(request.user, Permission.MEMBERS).filter(slug=slug).first()
    if team is None:
        raise Http404
    return team


def _open_request(request: PageRequest, pk: int) -> AccessRequest:
    """A request in a team that the caller can see. Raises Http404; NotPermitted without the right to decide there."""
    rows = AccessRequest.objects.filter(team__in=teams_where(request.user, Permission.MEMBERS), pk=pk)
    access_request = rows.select_related("person", "team").first()
    if access_request is None:
        raise Http404
    return access_request


def _grant_out(grant: Grant, person: User) -> GrantOut:
    return GrantOut(
        id=grant.pk,
        team=grant.team.slug if grant.team else None,
        person=person.username,
        role=grant.role,
        since=grant.since,
        until=grant.until,
        granted_by=grant.granted_by.username if grant.granted_by else None,
        reason=grant.reason,
    )


def _request_out(access_request: AccessRequest) -> AccessRequestOut:
    return AccessRequestOut(
        id=access_request.pk,
        person=access_request.person.username,
        team=access_request.team.slug,
        role=access_request.role,
        days=access_request.days,
        reason=access_request.reason,
        state=access_request.state,
        requested_at=access_request.asked_at,
    )
