"""Builds the requests as pure functions. Each raises `InvalidRequest` if the vendor's grammar is broken."""

import json
from collections.abc import Callable

from hyperclusters.modelarts import grammar
from hyperclusters.modelarts.errors import InvalidRequest
from hyperclusters.modelarts.types import ClusterType, OccupantKind, Request


def create_request(
    *,
    project_id: str,
    name: str,
    type: ClusterType | None,  # noqa: A002 - the vendor's name
    subnet_id: str = "",
) -> Request:
    """The POST that creates a hyper cluster. An empty `subnet_id` is left out: the cloud creates a network. So is a
    `type` of None: the vendor documents the field as optional, and not what the cloud does without it."""
    check("name", name, grammar.is_name)
    fields = {"name": name}
    if subnet_id:
        check("subnet_id", subnet_id, grammar.is_subnet_id)
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
    check("cluster_id", cluster_id, grammar.is_safe_id)
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
    check("project_id", project_id, grammar.is_project_id)
    return f"/v1/{project_id}/dev-servers"


def _collection(project_id: str) -> str:
    return f"{_servers(project_id)}/hyper-clusters"


def _one(project_id: str, cluster_id: str) -> str:
    check("cluster_id", cluster_id, grammar.is_safe_id)  # lenient: an odd ID can be shown and deleted too
    return f"{_collection(project_id)}/{cluster_id}"
