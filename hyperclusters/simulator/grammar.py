"""The calls of the simulated API, as documented: their paths, and what they take."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote_to_bytes

from .fields import BehaviourError, Field, list_of, matching, one_of, read, text
from .http_request import Request

TYPES = ("HPS", "ECS")
DEFAULT_TYPE = "HPS"
PROJECT_ID = matching(r"[A-Za-z0-9-]{1,64}")
NAME = matching(r"[-_.a-zA-Z0-9]{1,64}")
SUBNET_ID = matching(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
LONGEST_CLUSTER_ID = 64

# The create page documents the default of `type` as "N/A". HPS here, because list, show and delete default to HPS: a
# caller who never says a type then finds what it made.
TYPE = {"type": Field(one_of(*TYPES), DEFAULT_TYPE)}
CREATE = {**TYPE, "name": Field(NAME), "hyper_cluster_subnet_id": Field(SUBNET_ID, None)}
CAPACITY_FILTERS = ("flavor", "availability_zone", "resource_flavor")
CAPACITY = {
    "hyperinstance_cluster_ids": Field(list_of(matching(r"(?s:.{1,128})"), most=5), ()),
    **dict.fromkeys(CAPACITY_FILTERS, Field(matching(r"(?s:.+)"), None)),
}
TRACE_FILTERS = ("service_type", "user", "resource_id", "resource_name", "trace_name")
TRACES = {
    "from": Field(matching(r"\d{1,18}"), "0"),
    "to": Field(matching(r"\d{1,18}"), "253402300799000"),
    "limit": Field(matching(r"[1-9]\d?|1\d\d|200"), "10"),
    "trace_type": Field(one_of("system"), "system"),
    **dict.fromkeys(TRACE_FILTERS, Field(text, None)),
}


def read_query(query: str) -> list[tuple[bytes, bytes]]:
    """Decoded pairs in the order received. `+` stays `+`: the signing guide knows only percent-encoding."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote_to_bytes(key), unquote_to_bytes(value)) for key, _, value in pairs]


def _query_values(request: Request) -> dict[str, str]:
    """The query's values by name; a repeated one is a list that no grammar allows."""
    values: dict[str, str] = {}
    for pair in read_query(request.query):
        name, value = (part.decode("utf-8", "replace") for part in pair)
        values[name] = f"{values[name]}\n{value}" if name in values else value
    return values


def _read_nothing(_: Request) -> dict[str, Any]:
    return {}


def _read_type(request: Request) -> dict[str, Any]:
    return read(TYPE, _query_values(request), strict=False)


def _read_create(request: Request) -> dict[str, Any]:
    return read(CREATE, request.json_object(), strict=False)


def _read_capacity(request: Request) -> dict[str, Any]:
    return read(CAPACITY, request.json_object(), strict=False)


def _read_traces(request: Request) -> dict[str, Any]:
    return read(TRACES, _query_values(request))


@dataclass(frozen=True)
class CallKind:
    """A call of the API: how it is made, what it takes, for the gateway and for the help page."""

    method: str
    path: str
    read: Callable[[Request], dict[str, Any]]
    meaning: str

    @cached_property
    def pattern(self) -> str:
        return re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path)


SERVERS = "/v1/{project_id}/dev-servers"
CLUSTERS = f"{SERVERS}/hyper-clusters"
CALLS = {
    "create": CallKind(
        "POST", CLUSTERS, _read_create, "JSON body: name, hyper_cluster_subnet_id (optional), type (optional)"
    ),
    "list": CallKind("GET", CLUSTERS, _read_type, "?type=HPS or ECS, HPS if left out; one type a call"),
    "show": CallKind("GET", f"{CLUSTERS}/{{cluster_id}}", _read_type, "?type=HPS or ECS, HPS if left out"),
    "delete": CallKind(
        "DELETE", f"{CLUSTERS}/{{cluster_id}}", _read_type, "?type=HPS or ECS, HPS if left out; for ever"
    ),
    "hyperinstances": CallKind(
        "GET", f"{SERVERS}/hyperinstance/all", _read_nothing, "every supernode of the project"
    ),
    "groups": CallKind("GET", f"{SERVERS}/hyperinstance/groups", _read_nothing, "every group of the project"),
    "capacity": CallKind(
        "POST",
        f"{SERVERS}/hyperinstance/cluster-capacity-evaluations",
        _read_capacity,
        "JSON body: hyperinstance_cluster_ids (0 to 5), flavor, availability_zone, resource_flavor",
    ),
    "traces": CallKind(
        "GET",
        "/v3/{project_id}/traces",
        _read_traces,
        f"CTS: ?from=, to= (milliseconds), limit=, {', '.join(TRACE_FILTERS)}",
    ),
    "projects": CallKind("GET", "/v3/auth/projects", _read_nothing, "IAM: every project that was added"),
}


@dataclass(frozen=True)
class Target:
    """The target of a path, and the kinds of call that it takes, by method. IAM's path names no project."""

    methods: dict[str, str]
    project_id: str = ""
    cluster_id: str = ""


@dataclass(frozen=True)
class Call:
    """A parsed request: what it asks for, or what is wrong with it."""

    kind: str
    target: Target
    values: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def changes(self) -> bool:
        """Whether this call may change what exists."""
        return self.kind in {"create", "delete"}


def read_path(path: str) -> Target:
    """The target of a path; without methods if the vendor has no such path."""
    matches = [(call.method, kind, re.fullmatch(call.pattern, path)) for kind, call in CALLS.items()]
    methods = {method: kind for method, kind, match in matches if match}
    names = next((match.groupdict() for _, _, match in matches if match), {})
    return Target(methods, **names)


def read_call(kind: str, target: Target, request: Request) -> Call:
    """Parse a request; a broken grammar is stored as the call's problem."""
    try:
        if target.project_id:
            PROJECT_ID("project_id", target.project_id)
        if len(target.cluster_id) > LONGEST_CLUSTER_ID:
            raise BehaviourError(f"id must be 1 to {LONGEST_CLUSTER_ID} characters")
        return Call(kind, target, CALLS[kind].read(request))
    except ValueError as problem:
        return Call(kind, target, problem=str(problem))
