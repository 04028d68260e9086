"""What the simulated cloud has besides hyper clusters, because somebody put it there.

Supernodes ("hyperinstances") and groups of them refer to a cluster; deleting it leaves them, and is not refused for
them. Capacities, traces of CTS and projects of IAM are what calls report. Paths and fields are those of the vendor's
SDK; how the calls behave is documented for IAM alone.
"""

import json
import sqlite3
import time
import uuid
from dataclasses import dataclass
from typing import Any

from .fields import Field, one_of, read, text, true_or_false, whole_number
from .grammar import CAPACITY_FILTERS, PROJECT_ID, TRACE_FILTERS

STATUSES = ("PROVISIONING", "ACTIVE", "ERROR", "REIMAGING", "TERMINATING", "TERMINATED")
OPTIONAL_TEXT = Field(text, None)
PROJECT = {"project_id": Field(PROJECT_ID)}
FIELDS: dict[str, dict[str, Field]] = {
    "hyperinstances": PROJECT
    | {
        "name": Field(text),
        "hps_cluster_id": Field(text, ""),
        "status": Field(one_of(*STATUSES), "ACTIVE"),
        "servers": Field(whole_number(), 0),
    },
    "groups": PROJECT | {"name": Field(text), "hyperinstance_cluster_id": Field(text, "")},
    "capacities": PROJECT
    | dict.fromkeys(("hyperinstance_cluster_id", "flavor", "resource_flavor", "availability_zone"), OPTIONAL_TEXT)
    | {"is_sold_out": Field(true_or_false, None)},
    "traces": PROJECT
    | dict.fromkeys((*TRACE_FILTERS, "code", "source_ip", "request_id"), OPTIONAL_TEXT)
    | {"time": Field(whole_number(), 0)},
    "projects": PROJECT | {"name": Field(text, ""), "enabled": Field(true_or_false, True)},
}  # fmt: skip


@dataclass(frozen=True)
class Resource:
    """One of them: its kind, a key of FIELDS, and the values of its fields."""

    kind: str
    id: str
    created_at: float
    values: dict[str, Any]

    @property
    def report(self) -> dict[str, Any]:
        """As a call within its project reports it."""
        return {name: value for name, value in self.values.items() if name != "project_id"}

    def as_json(self) -> dict[str, Any]:
        """As the control surface shows it."""
        return {"id": self.id, **self.values}


def add(db: sqlite3.Connection, kind: str, content: dict[str, Any]) -> Resource:
    """Store one from what a person or a test says of it. Raises BehaviourError."""
    resource = Resource(kind, str(uuid.uuid4()), time.time(), read(FIELDS[kind], content))
    db.execute(
        "INSERT INTO resources (kind, id, created_at, content) VALUES (?, ?, ?, ?)",
        (kind, resource.id, resource.created_at, json.dumps(resource.values)),
    )
    return resource


def remove(db: sqlite3.Connection, kind: str, resource_id: str = "") -> bool:
    """Remove the one with this ID, or all of the kind; False if there is none."""
    condition = "kind = :kind AND (:id = '' OR id = :id)"
    values = {"kind": kind, "id": resource_id}
    return db.execute(f"DELETE FROM resources WHERE {condition}", values).rowcount > 0  # noqa: S608 - a constant


def list_resources(db: sqlite3.Connection, kind: str, project_id: str | None = None) -> list[Resource]:
    """All of one kind, of one project if given, oldest first."""
    rows = db.execute("SELECT id, created_at, content FROM resources WHERE kind = ? ORDER BY number", (kind,))
    found = [Resource(kind, row["id"], row["created_at"], json.loads(row["content"])) for row in rows]
    return [each for each in found if project_id in {None, each.values["project_id"]}]


def supernodes(resources: list[Resource]) -> dict[str, Any]:
    """The body of a call for supernodes: everything on one page."""
    rows = []
    for each in resources:
        created_at = int(each.created_at * 1000)
        numbers = range(each.values["servers"])
        rows.append({
            "id": each.id,
            "hps_id": each.id,
            "name": each.values["name"],
            "hps_cluster_id": each.values["hps_cluster_id"] or None,
            "status": each.values["status"],
            "servers": [{"id": str(uuid.uuid5(uuid.UUID(each.id), str(number)))} for number in numbers],
            "create_at": created_at,
            "update_at": created_at,
        })  # fmt: skip
    return _page(rows)


def groups(resources: list[Resource]) -> dict[str, Any]:
    """The body of a call for groups."""
    rows = []
    for each in resources:
        created_at = int(each.created_at * 1000)
        rows.append({
            "id": each.id,
            "name": each.values["name"],
            "hyperinstance_cluster_id": each.values["hyperinstance_cluster_id"] or None,
            "npu_count": "0",
            "created_at": created_at,
            "updated_at": created_at,
        })  # fmt: skip
    return _page(rows)


def _page(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"current": 1, "data": rows, "pages": 1, "size": len(rows), "total": len(rows)}


def capacities(resources: list[Resource], names: dict[str, str], filters: dict[str, Any]) -> dict[str, Any]:
    """The body of a capacity call: the rows of these clusters, given with their names, that match the filters."""
    rows = [
        {**each.report, "hyperinstance_cluster_name": names[each.values["hyperinstance_cluster_id"]]}
        for each in resources
        if each.values["hyperinstance_cluster_id"] in names and _matches(each, CAPACITY_FILTERS, filters)
    ]
    return {"capacities": rows}


def traces(resources: list[Resource], query: dict[str, Any]) -> dict[str, Any]:
    """The body of a call for traces: those that match, newest first. Times are in milliseconds."""
    rows = [
        {**each.report, "user": {"name": each.values["user"]}}
        for each in resources
        if int(query["from"]) < each.values["time"] < int(query["to"])
        and _matches(each, TRACE_FILTERS, query)
    ]
    rows = sorted(rows, key=lambda row: -row["time"])[: int(query["limit"])]
    return {"traces": rows, "meta_data": {"count": len(rows)}}


def _matches(resource: Resource, names: tuple[str, ...], filters: dict[str, Any]) -> bool:
    return all(filters[name] in {None, resource.values[name]} for name in names)


def projects(resources: list[Resource]) -> dict[str, Any]:
    """The body of a call for projects: every one that was added, whatever key asks."""
    rows = [
        {
            "id": each.values["project_id"],
            "name": each.values["name"],
            "enabled": each.values["enabled"],
            "is_domain": False,
            "description": "",
            "parent_id": "",
            "domain_id": "",
            "links": {"self": ""},
        }
        for each in resources
    ]
    return {"projects": rows, "links": {"self": "", "previous": None, "next": None}}
