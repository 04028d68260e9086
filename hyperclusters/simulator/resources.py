"""What the simulated cloud has besides hyper clusters, because somebody put it there.

Supernodes ("hyperinstances") and groups of them refer to a cluster; deleting it leaves them, and is not refused for
them. Capacities, traces of CTS and projects of IAM are what calls report. Paths and fields are those of the vendor's
SDK; how the calls behave is documented for IAM alone.
"""

import sqlite3
import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from .grammar import ProjectId, Record, TraceQuery, Whole


class Resource(Record):
    """One of them."""

    id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    created_at: float = Field(default_factory=time.time)
    project_id: ProjectId

    def as_answer(self) -> dict[str, Any]:
        """As a call within its project reports it."""
        return self.model_dump(exclude={"id", "created_at", "project_id"})


class Hyperinstance(Resource):
    """A supernode."""

    name: str
    hps_cluster_id: str | None = None
    status: Literal["PROVISIONING", "ACTIVE", "ERROR", "REIMAGING", "TERMINATING", "TERMINATED"] = "ACTIVE"
    servers: Whole = 0

    def as_answer(self) -> dict[str, Any]:
        numbers = range(self.servers)
        servers = [{"id": str(uuid.uuid5(uuid.UUID(self.id), str(number)))} for number in numbers]
        times = dict.fromkeys(("create_at", "update_at"), int(self.created_at * 1000))
        return {**super().as_answer(), "id": self.id, "hps_id": self.id, "servers": servers, **times}


class Group(Resource):
    """A group of supernodes."""

    name: str
    hyperinstance_cluster_id: str | None = None

    def as_answer(self) -> dict[str, Any]:
        times = dict.fromkeys(("created_at", "updated_at"), int(self.created_at * 1000))
        return {**super().as_answer(), "id": self.id, "npu_count": "0", **times}


class Capacity(Resource):
    """A row of a cluster's capacity."""

    hyperinstance_cluster_id: str | None = None
    flavor: str | None = None
    resource_flavor: str | None = None
    availability_zone: str | None = None
    is_sold_out: bool | None = None


class Trace(Resource):
    """What CTS recorded about a resource, at a time in milliseconds."""

    resource_id: str | None = None
    resource_name: str | None = None
    trace_name: str | None = None
    user: str | None = None
    service_type: str | None = None
    code: str | None = None
    source_ip: str | None = None
    request_id: str | None = None
    time: Whole = 0

    def as_answer(self) -> dict[str, Any]:
        return {**super().as_answer(), "user": {"name": self.user}}


class Project(Resource):
    """A project of the account."""

    name: str = ""
    enabled: bool = True

    def as_answer(self) -> dict[str, Any]:
        empty = dict.fromkeys(("description", "parent_id", "domain_id"), "")
        answer = {"id": self.project_id, "name": self.name, "enabled": self.enabled, "is_domain": False}
        return {**answer, **empty, "links": {"self": ""}}


KINDS: dict[str, type[Resource]] = {
    "hyperinstances": Hyperinstance,
    "groups": Group,
    "capacities": Capacity,
    "traces": Trace,
    "projects": Project,
}


def add(db: sqlite3.Connection, kind: str, content: Mapping[str, Any]) -> Resource:
    """Store one from what a person or a test says of it. Raises BehaviourError."""
    resource = KINDS[kind].read(content)
    values = (kind, resource.id, resource.model_dump_json())
    db.execute("INSERT INTO resources (kind, id, content) VALUES (?, ?, ?)", values)
    return resource


def remove(db: sqlite3.Connection, kind: str, resource_id: str = "") -> bool:
    """Remove the one with this ID, or all of the kind; False if none has this ID."""
    condition = "kind = ? AND id = ?" if resource_id else "kind = ?"
    values = (kind, resource_id) if resource_id else (kind,)
    removal = db.execute(f"DELETE FROM resources WHERE {condition}", values)  # noqa: S608 - constants
    return removal.rowcount > 0 or not resource_id


def list_resources(db: sqlite3.Connection, kind: str, project_id: str = "") -> list[Any]:
    """All of one kind, of one project if given, oldest first."""
    rows = db.execute("SELECT content FROM resources WHERE kind = ? ORDER BY number", (kind,))
    records = [KINDS[kind].model_validate_json(row["content"]) for row in rows]
    return [each for each in records if project_id in {"", each.project_id}]


def evaluate_capacity(db: sqlite3.Connection, project_id: str, names: dict[str, str]) -> dict[str, Any]:
    """The body of a capacity call: the rows of these clusters, given with their names."""
    rows = [
        row for row in list_resources(db, "capacities", project_id) if row.hyperinstance_cluster_id in names
    ]
    name = "hyperinstance_cluster_name"
    return {"capacities": [{**row.as_answer(), name: names[row.hyperinstance_cluster_id]} for row in rows]}


def find_traces(db: sqlite3.Connection, project_id: str, query: TraceQuery) -> dict[str, Any]:
    """The body of a call for traces: those that match, newest first."""
    filters = query.model_dump(include=set(Trace.model_fields), exclude_defaults=True)
    rows = [
        each.as_answer()
        for each in list_resources(db, "traces", project_id)
        if int(query.since) < each.time < int(query.to)
        and all(getattr(each, name) == value for name, value in filters.items())
    ]
    rows = sorted(rows, key=lambda row: -row["time"])[: int(query.limit)]
    return {"traces": rows, "meta_data": {"count": len(rows)}}


def list_all(db: sqlite3.Connection, kind: str, project_id: str) -> dict[str, Any]:
    """The body of a call for supernodes, groups or projects: everything on one page."""
    rows = [each.as_answer() for each in list_resources(db, kind, project_id)]
    if kind == "projects":
        return {"projects": rows, "links": {"self": "", "previous": None, "next": None}}
    return {"current": 1, "data": rows, "pages": 1, "size": len(rows), "total": len(rows)}
