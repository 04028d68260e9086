"""The vendor's grammar, always matched as a whole, and the requests that keep to it.

Source: the vendor's page "Creating a Hyper Cluster" and its siblings. The predicates accept any object, so that
values from JSON need no type check first. A request is built without a call, or `InvalidRequest` is raised.
"""

import json
import re
from collections.abc import Callable
from typing import TypeGuard

from hyperclusters.modelarts.errors import InvalidRequest
from hyperclusters.modelarts.types import ClusterType, OccupantKind, Request

NAME_PATTERN = re.compile(r"[-_.a-zA-Z0-9]{1,64}")
PROJECT_ID_PATTERN = re.compile(r"[-a-zA-Z0-9]{1,64}")
CLUSTER_ID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
SUBNET_ID_PATTERN = CLUSTER_ID_PATTERN  # the documented patterns are the same
_UUID_PATTERN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

_ENDPOINT_PATTERN = re.compile(
    r"https?://(?:[a-zA-Z0-9](?:[-.a-zA-Z0-9]{0,251}[a-zA-Z0-9])?|\[[0-9a-fA-F:.]{2,45}\])(?::([0-9]{1,5}))?"
)
_LARGEST_PORT = 65535
_SECRET_PATTERN = re.compile(r"[!-~]{1,16384}")  # what may stand in a header: visible ASCII, no spaces


def is_name(value: object) -> TypeGuard[str]:
    """Whether this is a valid name of a hyper cluster; `.`, `..` and `--help` are."""
    return isinstance(value, str) and NAME_PATTERN.fullmatch(value) is not None


def is_subnet_id(value: object) -> TypeGuard[str]:
    """Whether this may be sent as `hyper_cluster_subnet_id`: a lower-case UUID, versions 1 to 5."""
    return isinstance(value, str) and SUBNET_ID_PATTERN.fullmatch(value) is not None


def is_project_id(value: object) -> TypeGuard[str]:
    """Whether this is a valid project ID."""
    return isinstance(value, str) and PROJECT_ID_PATTERN.fullmatch(value) is not None


def is_cluster_id(value: object) -> TypeGuard[str]:
    """Whether this is a cluster ID as documented: a lower-case UUID, versions 1 to 5."""
    return isinstance(value, str) and CLUSTER_ID_PATTERN.fullmatch(value) is not None


def is_safe_id(value: object) -> TypeGuard[str]:
    """Whether an ID from the cloud can be stored and used: 1 to 64 safe characters.

    Not `.` and `..`: an ID becomes a segment of a path, and those would name another resource.
    """
    return is_name(value) and value not in {".", ".."}


def canonical_id(value: str) -> str:
    """The same for all spellings of one ID: a UUID of any version in lower case, any other ID unchanged."""
    return value.lower() if _UUID_PATTERN.fullmatch(value) else value


def is_endpoint(value: object) -> TypeGuard[str]:
    """Whether this is `http(s)://host[:port]` and nothing more: no path, query or user name."""
    match = _ENDPOINT_PATTERN.fullmatch(value) if isinstance(value, str) else None
    return match is not None and int(match[1] or 0) <= _LARGEST_PORT


def is_header_safe(value: object) -> TypeGuard[str]:
    """Whether a key or token can be a header value as it is."""
    return isinstance(value, str) and _SECRET_PATTERN.fullmatch(value) is not None


def create_request(
    *,
    project_id: str,
    name: str,
    type: ClusterType | None,  # noqa: A002 - the vendor's name
    subnet_id: str = "",
) -> Request:
    """The POST that creates a hyper cluster. An empty `subnet_id` is left out: the cloud creates a network. So is a
    `type` of None: the vendor documents the field as optional, and not what the cloud does without it."""
    check("name", name, is_name)
    fields = {"name": name}
    if subnet_id:
        check("subnet_id", subnet_id, is_subnet_id)
        fields["hyper_cluster_subnet_id"] = subnet_id
    if type is not None:
        fields["type"] = _checked_type(type)
    return Request("POST", _collection(project_id), (), json.dumps(fields).encode(), "create")


def list_request(
    *,
    project_id: str,
    type: ClusterType,  # noqa: A002 - the vendor's name
) -> Request:
    """The GET of every hyper cluster of one type; the API has no paging and no "all types"."""
    return Request("GET", _collection(project_id), (("type", _checked_type(type)),), b"", "list")


def show_request(
    *,
    project_id: str,
    cluster_id: str,
    type: ClusterType,  # noqa: A002 - the vendor's name
) -> Request:
    """The GET of one hyper cluster."""
    return Request("GET", _one(project_id, cluster_id), (("type", _checked_type(type)),), b"", "show")


def delete_request(
    *,
    project_id: str,
    cluster_id: str,
    type: ClusterType,  # noqa: A002 - the vendor's name
) -> Request:
    """The DELETE of one hyper cluster, which is permanent."""
    return Request("DELETE", _one(project_id, cluster_id), (("type", _checked_type(type)),), b"", "delete")


def occupants_request(*, project_id: str, kind: OccupantKind) -> Request:
    """The GET of every supernode, or of every group, of a project. It takes no parameters."""
    path = f"{_servers(project_id)}/hyperinstance"
    if kind == OccupantKind.SUPERNODE:
        return Request("GET", f"{path}/all", (), b"", "supernodes")
    return Request("GET", f"{path}/groups", (), b"", "groups")


def capacity_request(*, project_id: str, cluster_id: str) -> Request:
    """The POST that reads the capacity of one hyper cluster, for every flavor and zone."""
    check("cluster_id", cluster_id, is_safe_id)
    path = f"{_servers(project_id)}/hyperinstance/cluster-capacity-evaluations"
    body = json.dumps({"hyperinstance_cluster_ids": [cluster_id]}).encode()
    return Request("POST", path, (), body, "capacity")


def check(field: str, value: object, holds: Callable[[object], bool]) -> None:
    """Raise `InvalidRequest` with the field, never its value, if the predicate is false."""
    if not holds(value):
        error = InvalidRequest(f"{field} is not valid", cause=f"invalid_{field}")
        error.field = field
        raise error


def _checked_type(value: object) -> str:
    check("type", value, lambda v: isinstance(v, str) and v in ClusterType.__members__.values())
    return str(value)


def _servers(project_id: str) -> str:
    check("project_id", project_id, is_project_id)
    return f"/v1/{project_id}/dev-servers"


def _collection(project_id: str) -> str:
    return f"{_servers(project_id)}/hyper-clusters"


def _one(project_id: str, cluster_id: str) -> str:
    check("cluster_id", cluster_id, is_safe_id)  # lenient: an odd ID can be shown and deleted too
    return f"{_collection(project_id)}/{cluster_id}"
