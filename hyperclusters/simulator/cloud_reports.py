"""What the simulated cloud reports because somebody put it there: capacities of clusters, traces of CTS, projects of
IAM.

Paths and fields are those of the vendor's SDK. How the calls behave is documented for IAM alone.
"""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from .behaviours import BehaviourError, text, true_or_false, whole_number
from .grammar import PROJECT_ID, TraceQuery

# The kinds by their names on the control surface, each with the fields of a row.
FIELDS: dict[str, tuple[str, ...]] = {
    "capacities": (
        "hyperinstance_cluster_id", "flavor", "resource_flavor", "availability_zone", "is_sold_out",
    ),
    "traces": (
        "resource_id", "resource_name", "trace_name", "user", "service_type", "code", "source_ip", "request_id", "time",
    ),
    "projects": ("name", "enabled"),
}  # fmt: skip
CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "is_sold_out": true_or_false, "enabled": true_or_false, "time": whole_number,
}  # fmt: skip


def read_row(kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """A row from what a person or a test says of it. Raises BehaviourError."""
    known = ("project_id", *FIELDS[kind])
    if unknown := set(content) - set(known):
        raise BehaviourError(f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    if not PROJECT_ID.fullmatch(text("project_id", content.get("project_id"))):
        raise BehaviourError("project_id must match the documented grammar")
    return {name: _read_value(name, value) for name, value in content.items()}


def _read_value(name: str, value: Any) -> Any:
    check: Callable[[str, Any], Any] = CHECKS.get(name) or text
    return check(name, value)


def add(db: sqlite3.Connection, kind: str, row: dict[str, Any]) -> None:
    """Store a row."""
    values = (kind, row["project_id"], json.dumps(row))
    db.execute("INSERT INTO reports (kind, project_id, content) VALUES (?, ?, ?)", values)


def remove_all(db: sqlite3.Connection, kind: str) -> None:
    """Remove every row of this kind."""
    db.execute("DELETE FROM reports WHERE kind = ?", (kind,))


def list_reports(db: sqlite3.Connection, kind: str, project_id: str | None = None) -> list[dict[str, Any]]:
    """The rows of one kind, of one project if given, oldest first."""
    rows = db.execute(
        "SELECT content FROM reports WHERE kind = :kind "
        "AND (:project_id IS NULL OR project_id = :project_id) ORDER BY number",
        {"kind": kind, "project_id": project_id},
    )
    return [json.loads(row["content"]) for row in rows]


def capacities(
    db: sqlite3.Connection, project_id: str, names: dict[str, str], filters: dict[str, Any]
) -> dict[str, Any]:
    """The body of a capacity call: the rows of these clusters, given with their names, that match the filters."""
    rows = [
        row
        for row in list_reports(db, "capacities", project_id)
        if row.get("hyperinstance_cluster_id") in names
        and all(row.get(name) == value for name, value in filters.items())
    ]
    answers = [
        {name: row.get(name) for name in FIELDS["capacities"]}
        | {"hyperinstance_cluster_name": names[row["hyperinstance_cluster_id"]]}
        for row in rows
    ]
    return {"capacities": answers}


def traces(db: sqlite3.Connection, project_id: str, query: TraceQuery) -> dict[str, Any]:
    """The body of a call for traces: those that match, newest first. Times are in milliseconds."""
    rows = [
        row
        for row in list_reports(db, "traces", project_id)
        if query.since < row.get("time", 0) < query.until
        and all(row.get(name) == value for name, value in query.filters.items())
    ]
    rows.sort(key=lambda row: row.get("time", 0), reverse=True)
    answers = [
        {name: row.get(name) for name in FIELDS["traces"]} | {"user": {"name": row.get("user")}}
        for row in rows[: query.limit]
    ]
    return {"traces": answers, "meta_data": {"count": len(answers)}}


def projects(db: sqlite3.Connection) -> dict[str, Any]:
    """The body of a call for projects: every one that was added, whatever key asks."""
    answers = [
        {
            "id": row["project_id"],
            "name": row.get("name", ""),
            "enabled": row.get("enabled", True),
            "is_domain": False,
            "description": "",
            "parent_id": "",
            "domain_id": "",
            "links": {"self": ""},
        }
        for row in list_reports(db, "projects")
    ]
    return {"projects": answers, "links": {"self": "", "previous": None, "next": None}}
