"""The documented grammar, always matched as a whole."""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import unquote_to_bytes

CallKind = Literal[
    "create", "list", "show", "delete", "hyperinstances", "groups", "capacity", "traces", "projects"
]
CALL_KINDS: tuple[str, ...] = get_args(CallKind)
TYPES = ("HPS", "ECS")
DEFAULT_TYPE = "HPS"

PROJECT_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
NAME = re.compile(r"[-_.a-zA-Z0-9]{1,64}")
SUBNET_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
CLUSTER_ID = re.compile(r".{1,64}", re.DOTALL)
PATH = re.compile(
    r"/v1/([^/]+)/dev-servers/"
    r"(?:hyper-clusters(?:/([^/]+))?|hyperinstance/(all|groups|cluster-capacity-evaluations))"
)
IAM_PATH = "/v3/auth/projects"
CTS_PATH = re.compile(r"/v3/([^/]+)/traces")

METHODS: dict[bool, dict[str, CallKind]] = {
    False: {"POST": "create", "GET": "list"},
    True: {"GET": "show", "DELETE": "delete"},
}
HYPERINSTANCE_METHODS: dict[str, dict[str, CallKind]] = {
    "all": {"GET": "hyperinstances"},
    "groups": {"GET": "groups"},
    "cluster-capacity-evaluations": {"POST": "capacity"},
    "traces": {"GET": "traces"},
    "projects": {"GET": "projects"},
}
MOST_CAPACITY_IDS = 5
LONGEST_CAPACITY_ID = 128
MOST_TRACES = 200
TRACE_NUMBERS = {"limit": "10", "from": "0", "to": "253402300799000"}
TRACE_FILTERS = ("service_type", "user", "resource_id", "resource_name", "trace_name")
CAPACITY_FILTERS = ("flavor", "availability_zone", "resource_flavor")


class InvalidParameterError(ValueError):
    """A part of the request breaks the grammar; the text says which."""


@dataclass(frozen=True)
class Target:
    """The target of a path: the clusters of a project, one of them, or what is reported besides. IAM's names no
    project."""

    project_id: str
    cluster_id: str | None
    hyperinstances: str | None = None  # a key of HYPERINSTANCE_METHODS

    @property
    def methods(self) -> dict[str, CallKind]:
        if self.hyperinstances:
            return HYPERINSTANCE_METHODS[self.hyperinstances]
        return METHODS[self.cluster_id is not None]


@dataclass(frozen=True)
class CreateBody:
    """The content of a create."""

    name: str
    type: str
    subnet_id: str | None


@dataclass(frozen=True)
class CapacityBody:
    """The content of a request for capacities: of which clusters, and which rows. No IDs: of every cluster."""

    cluster_ids: tuple[str, ...]
    filters: dict[str, str]


@dataclass(frozen=True)
class TraceQuery:
    """The query of a request for traces: at most so many, between these milliseconds, with these values."""

    limit: int
    since: int
    until: int
    filters: dict[str, str]


def read_path(path: str) -> Target | None:
    """The target of a path, or None if the vendor has no such path."""
    if path == IAM_PATH:
        return Target("", None, "projects")
    if match := CTS_PATH.fullmatch(path):
        return Target(match[1], None, "traces")
    match = PATH.fullmatch(path)
    return Target(match[1], match[2], match[3]) if match else None


def read_query(query: str) -> list[tuple[bytes, bytes]]:
    """Decoded pairs in the order received. `+` stays `+`: the signing guide knows only percent-encoding."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote_to_bytes(key), unquote_to_bytes(value)) for key, _, value in pairs]


def check_target(target: Target) -> None:
    """Raise InvalidParameterError for a project ID or cluster ID outside the grammar."""
    if target.hyperinstances != "projects" and not PROJECT_ID.fullmatch(target.project_id):
        raise InvalidParameterError("project_id must be 1 to 64 letters, digits or hyphens")
    if target.cluster_id is not None and not CLUSTER_ID.fullmatch(target.cluster_id):
        raise InvalidParameterError("id must be 1 to 64 characters")


def read_type(query: str) -> str:
    """The `type` of list, show and delete; HPS if left out, as documented."""
    values = [value for key, value in read_query(query) if key == b"type"]
    if not values:
        return DEFAULT_TYPE
    if len(values) > 1 or values[0].decode("latin-1") not in TYPES:
        raise InvalidParameterError("type must be HPS or ECS")
    return values[0].decode("latin-1")


def read_trace_query(query: str) -> TraceQuery:
    """The query of a request for traces. Raises InvalidParameterError."""
    values = {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in read_query(query)
    }
    numbers = {name: values.pop(name, default) for name, default in TRACE_NUMBERS.items()}
    if not all(value.isascii() and value.isdigit() for value in numbers.values()):
        raise InvalidParameterError(f"{', '.join(TRACE_NUMBERS)} must be whole numbers")
    limit, since, until = (int(numbers[name]) for name in TRACE_NUMBERS)
    if values.pop("trace_type", "system") != "system" or not 1 <= limit <= MOST_TRACES:
        raise InvalidParameterError("trace_type must be system, and limit 1 to 200")
    if unknown := set(values) - set(TRACE_FILTERS):
        raise InvalidParameterError(f"there is no {', '.join(sorted(unknown))}")
    return TraceQuery(limit, since, until, values)


def read_create_body(body: bytes) -> CreateBody:
    """The content of a create's body. Raises InvalidParameterError."""
    fields = _json_object(body)
    name, subnet_id = fields.get("name"), fields.get("hyper_cluster_subnet_id")
    # The create page documents the default of `type` as "N/A". HPS here, because list, show and delete
    # default to HPS: a caller who never says a type then finds what it made.
    cluster_type = fields.get("type", DEFAULT_TYPE)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidParameterError("name is required and must match ^[-_.a-zA-Z0-9]{1,64}$")
    if cluster_type not in TYPES:
        raise InvalidParameterError("type must be HPS or ECS")
    if "hyper_cluster_subnet_id" not in fields:
        return CreateBody(name, cluster_type, None)
    if not isinstance(subnet_id, str) or not SUBNET_ID.fullmatch(subnet_id):
        raise InvalidParameterError("hyper_cluster_subnet_id must be a UUID in lower case")
    return CreateBody(name, cluster_type, subnet_id)


def read_capacity_body(body: bytes) -> CapacityBody:
    """The content of a request for capacities. Raises InvalidParameterError."""
    fields = _json_object(body)
    ids = fields.get("hyperinstance_cluster_ids", [])
    if not isinstance(ids, list) or len(ids) > MOST_CAPACITY_IDS:
        raise InvalidParameterError(f"hyperinstance_cluster_ids must be 0 to {MOST_CAPACITY_IDS} IDs")
    if not all(isinstance(each, str) and 0 < len(each) <= LONGEST_CAPACITY_ID for each in ids):
        raise InvalidParameterError("each of hyperinstance_cluster_ids must have 1 to 128 characters")
    filters = {name: fields[name] for name in CAPACITY_FILTERS if name in fields}
    if not all(isinstance(value, str) and value for value in filters.values()):
        raise InvalidParameterError(f"{', '.join(CAPACITY_FILTERS)} must be text")
    return CapacityBody(tuple(ids), filters)


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidParameterError("the request body is not JSON") from error
    if not isinstance(fields, dict):
        raise InvalidParameterError("the request body must be a JSON object")
    return fields
