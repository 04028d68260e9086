"""What refers to a hyper cluster in the simulated cloud: supernodes ("hyperinstances") and groups of them.

Paths and fields are those of the vendor's SDK; how the lists behave is not documented. Deleting a cluster leaves what
refers to it, and is not refused for it: a switch does that.
"""

import sqlite3
import time
import uuid
from dataclasses import dataclass
from typing import Any

from .behaviours import BehaviourError, one_of, text, whole_number
from .grammar import PROJECT_ID

# The kinds by the last part of the API's path, each with its field for the cluster.
REFERENCES = {"all": "hps_cluster_id", "groups": "hyperinstance_cluster_id"}
STATUSES = ("PROVISIONING", "ACTIVE", "ERROR", "REIMAGING", "TERMINATING", "TERMINATED")
_COLUMNS = "id, kind, project_id, name, cluster_id, status, servers, created_at"


@dataclass(frozen=True)
class Hyperinstance:
    """A supernode or, of the kind `groups`, a group. A group has no status and no servers."""

    id: str
    kind: str
    project_id: str
    name: str
    cluster_id: str
    status: str
    servers: int
    created_at: float

    def as_answer(self) -> dict[str, Any]:
        """As the API lists it."""
        created_at = int(self.created_at * 1000)
        row = {"id": self.id, "name": self.name, REFERENCES[self.kind]: self.cluster_id or None}
        if self.kind == "groups":
            return row | {"npu_count": "0", "created_at": created_at, "updated_at": created_at}
        servers = [{"id": str(uuid.uuid5(uuid.UUID(self.id), str(each)))} for each in range(self.servers)]
        times = {"create_at": created_at, "update_at": created_at}
        return row | {"hps_id": self.id, "status": self.status, "servers": servers} | times


def new_hyperinstance(kind: str, content: dict[str, Any]) -> Hyperinstance:
    """One that is not stored yet, from what a person or a test says of it. Raises BehaviourError."""
    reference = REFERENCES[kind]
    known = {"project_id", "name", reference} | ({"status", "servers"} if kind == "all" else set())
    if unknown := set(content) - known:
        raise BehaviourError(
            f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(sorted(known))}"
        )
    project_id = text("project_id", content.get("project_id"))
    if not PROJECT_ID.fullmatch(project_id):
        raise BehaviourError("project_id must match the documented grammar")
    return Hyperinstance(
        id=str(uuid.uuid4()),
        kind=kind,
        project_id=project_id,
        name=text("name", content.get("name")),
        cluster_id=text(reference, content.get(reference, "")),
        status=one_of("status", content.get("status", "ACTIVE"), STATUSES) if kind == "all" else "",
        servers=whole_number("servers", content.get("servers", 0)),
        created_at=time.time(),
    )


def add(db: sqlite3.Connection, item: Hyperinstance) -> None:
    """Store it."""
    values = [getattr(item, column) for column in _COLUMNS.split(", ")]
    db.execute(f"INSERT INTO hyperinstances ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608 - constants


def remove(db: sqlite3.Connection, kind: str, item_id: str) -> bool:
    """Remove it; False if there is none of this kind with this ID."""
    found = db.execute("DELETE FROM hyperinstances WHERE kind = ? AND id = ?", (kind, item_id))
    return bool(found.rowcount)


def list_hyperinstances(
    db: sqlite3.Connection, kind: str, project_id: str | None = None
) -> list[Hyperinstance]:
    """All of one kind, of one project if given, oldest first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM hyperinstances "  # noqa: S608 - constants
        "WHERE kind = :kind AND (:project_id IS NULL OR project_id = :project_id) ORDER BY number",
        {"kind": kind, "project_id": project_id},
    )
    return [Hyperinstance(*row) for row in rows]


def as_list(items: list[Hyperinstance]) -> dict[str, Any]:
    """The body of a list call: everything on one page."""
    rows = [item.as_answer() for item in items]
    return {"current": 1, "data": rows, "pages": 1, "size": len(rows), "total": len(rows)}
