"""The hyper clusters of the simulated cloud.

A cluster is a row with a beginning and an end. A later effect is a row that begins in the future, so it needs no
timer, outlives a restart, and begins at the same time for every process.
"""

import json
import sqlite3
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_COLUMNS = "id, project_id, name, type, networks, created_at"
_ALIVE = "exists_from <= :now AND (exists_until IS NULL OR exists_until > :now)"


@dataclass(frozen=True)
class Network:
    """One row of a cluster's network_info."""

    subnet_id: str
    is_default: bool


@dataclass(frozen=True)
class SimulatedCluster:
    """A hyper cluster as the cloud knows it."""

    id: str
    project_id: str
    name: str
    type: str
    networks: tuple[Network, ...]
    created_at: float

    def as_answer(self, network_info: str = "documented") -> dict[str, Any]:
        """The documented answer: no type, status, owner or time. The behaviour `network_info` may change it."""
        rows = [
            {"hyper_cluster_subnet_id": net.subnet_id, "is_default": net.is_default} for net in self.networks
        ]
        answer: dict[str, Any] = {"id": self.id, "name": self.name}
        shapes: dict[str, Any] = {"documented": rows, "null": None, "empty": []}
        return answer if network_info == "absent" else {**answer, "network_info": shapes[network_info]}


def create(
    db: sqlite3.Connection,
    project_id: str,
    name: str,
    cluster_type: str,
    subnet_ids: Iterable[str] = (),
    *,
    cluster_id: str = "",
    delay: float = 0,
    list_lag: float = 0,
) -> SimulatedCluster:
    """Store a cluster that begins `delay` seconds from now and is listed `list_lag` seconds after that.

    Without a subnet it gets its own default network. Whether a project's clusters share one default network is not
    documented; a fresh one each prevents a test that confuses two clusters from passing by luck.
    """
    networks = [[subnet_id, False] for subnet_id in subnet_ids] or [[str(uuid.uuid4()), True]]
    begins = time.time() + delay
    facts = (cluster_id or str(uuid.uuid4()), project_id, name, cluster_type, json.dumps(networks), begins)
    db.execute(
        f"INSERT INTO clusters ({_COLUMNS}, exists_from, listed_from) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        (*facts, begins if delay else 0, begins + list_lag if delay or list_lag else 0),
    )
    return _cluster(*facts)


def remove(db: sqlite3.Connection, cluster_id: str, *, delay: float = 0) -> bool:
    """End a cluster `delay` seconds from now; False if there is none with this ID."""
    cluster = find(db, cluster_id)
    ends = time.time() + delay if delay else 0
    db.execute("UPDATE clusters SET exists_until = ? WHERE id = ?", (ends, cluster_id))
    return cluster is not None


def find(db: sqlite3.Connection, cluster_id: str) -> SimulatedCluster | None:
    """The living cluster with this ID, of any project and type."""
    return next(iter(_select(db, "id = :id", id=cluster_id)), None)


def visible(db: sqlite3.Connection, project_id: str, cluster_type: str) -> list[SimulatedCluster]:
    """The result of a list call: living clusters of one project and type, past their lag, oldest first."""
    condition = "project_id = :project_id AND type = :type AND listed_from <= :now"
    return _select(db, condition, project_id=project_id, type=cluster_type)


def list_clusters(db: sqlite3.Connection, project_id: str | None = None) -> list[SimulatedCluster]:
    """Every living cluster, of one project if given, oldest first; including those that lag hides."""
    return _select(db, ":project_id IS NULL OR project_id = :project_id", project_id=project_id)


def _select(db: sqlite3.Connection, condition: str, **values: str | None) -> list[SimulatedCluster]:
    """The living clusters that meet this condition, oldest first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM clusters WHERE ({condition}) AND {_ALIVE} ORDER BY number",  # noqa: S608 - constants
        values | {"now": time.time()},
    )
    return [_cluster(*row) for row in rows]


@lru_cache(maxsize=50_000)
def _cluster(
    cluster_id: str, project_id: str, name: str, cluster_type: str, networks: str, created_at: float
) -> SimulatedCluster:
    """A stored cluster. It never changes, and lists name the same ones repeatedly."""
    rows = tuple(Network(subnet_id, bool(default)) for subnet_id, default in json.loads(networks))
    return SimulatedCluster(cluster_id, project_id, name, cluster_type, rows, created_at)
