"""What a caller, a person or a test may say, checked field by field; and the calls of the API, as documented."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .http_messages import Request

ProjectId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Name = Annotated[str, Field(pattern=r"^[-_.a-zA-Z0-9]{1,64}$")]
SubnetId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
]
ClusterType = Literal["HPS", "ECS"]
CapacityId = Annotated[str, Field(min_length=1, max_length=128)]
Milliseconds = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
Whole = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]


class BehaviourError(ValueError):
    """An unknown name, or a value that makes no sense; the text names it."""


class Record(BaseModel):
    """Named values of exactly the annotated types. The descriptions of the fields are for the help page."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Self:
        """The record with these values, or defaults. Raises BehaviourError."""
        try:
            return cls.model_validate(dict(content))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise BehaviourError(f"{problem['loc'][0]}: {problem['msg']}") from error


class Content(Record, extra="ignore"):
    """What a call takes: the JSON body of a POST, else the query. This one takes nothing."""


class TypeQuery(Content):
    """The query of list, show and delete. HPS if left out, as documented."""

    type: ClusterType = "HPS"


class CreateBody(Content):
    """The body of a create.

    Its page documents the default of `type` as "N/A". HPS here, because list, show and delete default to HPS: a
    caller who never says a type then finds what it made.
    """

    type: ClusterType = "HPS"
    name: Name
    hyper_cluster_subnet_id: SubnetId = ""


class CapacityBody(Content):
    """The body of a request for capacities: of which clusters; none: of every one."""

    hyperinstance_cluster_ids: Annotated[list[CapacityId], Field(max_length=5)] = []


class TraceQuery(Content, extra="forbid"):
    """The query of a request for traces of CTS: at most so many, between these milliseconds, with these values."""

    since: Milliseconds = Field(default="0", alias="from")
    to: Milliseconds = "253402300799000"
    limit: Annotated[str, Field(pattern=r"^([1-9][0-9]?|1[0-9][0-9]|200)$")] = "10"
    trace_type: Literal["system"] = "system"
    service_type: str = ""
    user: str = ""
    resource_id: str = ""
    resource_name: str = ""
    trace_name: str = ""


class PathIds(Record):
    """The IDs in a path."""

    project_id: ProjectId
    cluster_id: Annotated[str, Field(max_length=64)]


@dataclass(frozen=True)
class CallKind:
    """A call of the API: how it is made, and what it takes."""

    method: str
    path: str
    content: type[Content] = Content

    @cached_property
    def pattern(self) -> str:
        return re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path)


SERVERS = "/v1/{project_id}/dev-servers"
CLUSTERS = f"{SERVERS}/hyper-clusters"
CALLS = {
    "create": CallKind("POST", CLUSTERS, CreateBody),
    "list": CallKind("GET", CLUSTERS, TypeQuery),
    "show": CallKind("GET", f"{CLUSTERS}/{{cluster_id}}", TypeQuery),
    "delete": CallKind("DELETE", f"{CLUSTERS}/{{cluster_id}}", TypeQuery),
    "hyperinstances": CallKind("GET", f"{SERVERS}/hyperinstance/all"),
    "groups": CallKind("GET", f"{SERVERS}/hyperinstance/groups"),
    "capacity": CallKind("POST", f"{SERVERS}/hyperinstance/cluster-capacity-evaluations", CapacityBody),
    "traces": CallKind("GET", "/v3/{project_id}/traces", TraceQuery),
    "projects": CallKind("GET", "/v3/auth/projects"),
}


@dataclass(frozen=True)
class Call:
    """A parsed request: what it asks for, or what is wrong with it. IAM's calls name no project."""

    kind: str
    project_id: str = ""
    cluster_id: str = ""
    content: Any = None
    problem: str = ""

    @property
    def type(self) -> str:
        return getattr(self.content, "type", "")

    @property
    def name(self) -> str:
        return getattr(self.content, "name", "")

    @property
    def changes(self) -> bool:
        """Whether this call may change what exists."""
        return self.kind in {"create", "delete"}


def read_query(query: str) -> list[tuple[bytes, bytes]]:
    """Decoded pairs in the order received. `+` stays `+`: the signing guide knows only percent-encoding."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote_to_bytes(key), unquote_to_bytes(value)) for key, _, value in pairs]


def methods_of(path: str) -> dict[str, str]:
    """The methods that a path takes, with the kinds of call; none if the vendor has no such path."""
    return {call.method: kind for kind, call in CALLS.items() if re.fullmatch(call.pattern, path)}


def read_call(kind: str, request: Request) -> Call:
    """Parse a request; a broken grammar is stored as the call's problem."""
    match = re.fullmatch(CALLS[kind].pattern, request.path)
    call = Call(kind, **match.groupdict() if match else {})
    try:
        PathIds.read({"project_id": call.project_id or "none", "cluster_id": call.cluster_id})
        content = request.json_object() if request.method == "POST" else _query_values(request.query)
        return replace(call, content=CALLS[kind].content.read(content))
    except ValueError as problem:
        return replace(call, problem=str(problem))


def _query_values(query: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in read_query(query):
        name, value = (part.decode("utf-8", "replace") for part in pair)
        if name == "type" and name in values:
            raise BehaviourError("type must be given once")
        values[name] = value
    return values
