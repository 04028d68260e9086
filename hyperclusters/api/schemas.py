"""What the JSON API answers, and the parameters of its lists.

Answers are plain pydantic models: ninja's `Schema` reads each of their fields through a wrapper for Django's models,
which took a third of the time of a list.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field

from hyperclusters.clusters.models import DeletionState, State

from .paging import DEFAULT, MOST

T = TypeVar("T")
# No control characters: PostgreSQL takes no NUL, and none of the others belongs into a line of text.
LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
Line = Annotated[str, Field(max_length=500, pattern=LINE)]
Search = Annotated[str, Field(max_length=200, pattern=LINE)]
ClusterTypeName = Literal["HPS", "ECS"]
RoleName = Literal["viewer", "creator", "admin"]


class PageParameters(Schema):
    """The parameters of every list."""

    limit: int = Field(DEFAULT, ge=1, le=MOST, description="Rows on a page")
    cursor: str = Field(
        "", max_length=300, pattern="^[A-Za-z0-9_-]*$", description="`next` of the page before"
    )


class Page(BaseModel, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None = Field(description="The cursor of the next page; null on the last one")


class ClusterRef(BaseModel):
    id: UUID
    cluster_id: str = Field(description="The cloud's ID")


class ApprovalOut(BaseModel):
    needed: bool = Field(description="Whether an admin other than its requester has to approve it")
    state: Literal["waiting", "approved", "declined"] | None = Field(
        description="Null: not needed. `waiting`: it is not sent before somebody approves",
        examples=["waiting"],
    )
    why: str = Field(
        description="The team's rule: `type:` and the type, or `count:` and the number of clusters from which on",
        examples=["type:ECS"],
    )
    by: str | None = Field(description="Who approved or declined it", examples=[None])
    at: datetime | None = Field(description="When that was, or when it began to wait")
    reason: str = Field(description="Their words", examples=[""])


class CreationOut(BaseModel):
    id: UUID
    project: str
    team: str
    name: str
    type: str = Field(description="Empty: none was sent")
    hyper_cluster_subnet_id: str
    reason: str
    state: Literal[tuple(State.values)]  # type: ignore[valid-type]  # one list of states, the model's
    is_settled: bool = Field(description="Whether the state is final")
    approval: ApprovalOut
    evidence: str = Field(description="What the state rests on: reply, listed, human, not_sent, refused, …")
    conflict: bool = Field(description="Later evidence contradicts the state")
    cluster: ClusterRef | None
    attempts: int = Field(description="Requests to the cloud that were begun")
    cause: str = Field(description="Slug of what went wrong")
    code: str = Field(description="The cloud's error code")
    message: str = Field(description="The cloud's words")
    cloud_request_id: str
    request_id: str = Field(description="ID of the request that asked for it, as in the audit")
    requested_by: str
    requested_at: datetime
    settled_at: datetime | None
    next_check_at: datetime | None = Field(description="When a worker takes it up next; null once settled")
    not_created_after: datetime | None = Field(
        description="After this time the cloud cannot act on it any more"
    )
    url: str = Field(description="Its page, for people")


class OccupantOut(BaseModel):
    kind: Literal["supernode", "group"]
    id: str
    name: str
    status: str = Field(description="The cloud's word, such as ACTIVE; empty for a group")


class InsideOut(BaseModel):
    checked_at: datetime = Field(description="When the last complete check began")
    count: int = Field(description="How many there are; the lists have the first 200 together")
    supernodes: list[OccupantOut]
    groups: list[OccupantOut]


class DeletionOut(BaseModel):
    id: UUID
    cluster: ClusterRef
    name: str
    project: str
    team: str
    reason: str
    state: Literal[tuple(DeletionState.values)]  # type: ignore[valid-type]  # as above
    is_settled: bool
    conflict: bool = Field(description="It was deleted, and the cloud lists it again")
    attempts: int
    override_inside: bool
    blockers: list[OccupantOut] | None = Field(
        description="What was inside right before it was sent or refused, the first 200. Null: not asked, or no whole answer"
    )
    blockers_count: int | None = Field(description="How many there were; null as `blockers`")
    inside_failure_cause: str = Field(
        description="Why what is inside could not be read, with the cause `inside_unchecked`"
    )
    cause: str
    code: str
    message: str
    locked_by: str | None = Field(description="Whose lock stopped it, with the cause `locked`")
    lock_reason: str
    cloud_request_id: str
    request_id: str
    requested_by: str
    requested_at: datetime
    settled_at: datetime | None
    next_check_at: datetime | None


class NetworkOut(BaseModel):
    subnet_id: str
    is_default: bool | None = Field(description="Null: the cloud has not said")


class ClusterOut(BaseModel):
    id: UUID
    cluster_id: str
    name: str
    type: str = Field(description="Empty: none was sent, and no list has the cluster yet")
    types: list[str] = Field(description="Both while the cloud lists it under both")
    networks: list[NetworkOut]
    inside: InsideOut | None = Field(
        description="Supernodes and groups that refer to it; null: not reported for ECS, not known yet, or gone"
    )
    project: str
    team: str
    created_by: str | None = Field(description="Who created it here; null: created elsewhere")
    creation: UUID | None
    owner: str | None = Field(description="Who answers for it; null: nobody")
    locked_at: datetime | None = Field(description="Since when nobody may delete it; null: it is not locked")
    locked_by: str | None
    lock_reason: str
    found_at: datetime
    last_seen_at: datetime
    gone_at: datetime | None
    url: str


class ProjectOut(BaseModel):
    name: str
    team: str
    region: str
    project_id: str
    may_create: bool
    is_blocked: bool = Field(description="Calls to the cloud are stopped at the moment")
    blocked_until: datetime | None


class TeamOut(BaseModel):
    slug: str
    name: str
    role: str | None = Field(description="Your role there; null: a site role lets you see it")


class GrantOut(BaseModel):
    id: int
    team: str | None = Field(description="Null: a role for the whole site")
    person: str
    role: str
    since: datetime
    until: datetime | None
    granted_by: str | None
    reason: str


class AccessRequestOut(BaseModel):
    id: int
    person: str
    team: str
    role: str
    days: int | None
    reason: str
    state: str
    requested_at: datetime


class TokenOut(BaseModel):
    id: str
    name: str
    scopes: list[str]
    team: str | None
    expires_at: datetime


class MeOut(BaseModel):
    username: str
    full_name: str
    kind: Literal["person", "service"]
    grants: list[GrantOut]
    token: TokenOut


class ObjectOut(BaseModel):
    kind: str
    id: str
    name: str


class EventOut(BaseModel):
    seq: int
    is_readable: bool = Field(
        default=True, description="False: a stored value was damaged; verification names it"
    )
    at: datetime | None = None
    action: str = ""
    outcome: str = ""
    person: str = ""
    team: str = ""
    project: str = ""
    object: ObjectOut | None = None
    reason: str = ""
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    evidence: str = ""
    source: str = ""
    ip: str = ""
    request_id: str = ""
    cloud_request_id: str = ""
    digest: str = ""


class IntegrityOut(BaseModel):
    state: str = Field(description="intact, broken, overdue or never")
    verified_at: datetime | None
    whole_verified_at: datetime | None
    through_seq: int
    open_findings: int


class ErrorDetail(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """An error as in RFC 9457."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Where the code is explained", examples=["/api/#name_taken"])
    title: str
    status: int
    code: str = Field(description="For programs", examples=["name_taken"])
    detail: str = Field(description="For people")
    request_id: str = Field(description="Quote it when you ask for help")
    sent: Literal["no", "maybe", "yes"] | None = Field(
        None, description="On writes: whether anything went to the cloud"
    )
    errors: list[ErrorDetail] | None = Field(None, description="What is wrong with each field")
