"""The demo's simulated cloud, and what it is told to have and to do."""

from __future__ import annotations

import json
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

from hyperclusters.clusters.models import Cluster, Project
from hyperclusters.modelarts import Credentials


@dataclass(frozen=True, slots=True)
class SimulatedCloud:
    """Where the simulator is, and the key that it accepts."""

    endpoint: str
    credentials: Credentials

    def switch(self, **switches: Any) -> None:
        """Set the simulator's behaviours; none given resets them all."""
        self._call("PUT" if switches else "DELETE", "switches", switches)

    def fail_next(self, name: str, **fault: Any) -> None:
        """Let the next creation of this name meet a fault."""
        self._call("POST", "faults", {"call": "create", "name": name, "times": 1} | fault)

    def add_cluster(self, project: Project, name: str, kind: str = "HPS") -> None:
        """Add a cluster as somebody else does it, bypassing the dashboard."""
        self._call("POST", "clusters", {"project_id": project.project_id, "name": name, "type": kind})

    def add_inside(self, cluster_name: str) -> None:
        """Add two supernodes and their group to this HPS cluster."""
        cluster = Cluster.objects.select_related("project").get(name=cluster_name)
        facts = {"project_id": cluster.project.project_id}
        for name, status in (("a3-node-1", "ACTIVE"), ("a3-node-2", "PROVISIONING")):
            node = {"name": name, "status": status, "servers": 8, "hps_cluster_id": cluster.cluster_id}
            self._call("POST", "hyperinstances", facts | node)
        group = {"name": "a3-pool", "hyperinstance_cluster_id": cluster.cluster_id}
        self._call("POST", "groups", facts | group)

    def add_capacity(self, cluster_name: str) -> None:
        """Add what the cloud answers about this HPS cluster's capacity: one zone is sold out."""
        cluster = Cluster.objects.select_related("project").get(name=cluster_name)
        row = {
            "project_id": cluster.project.project_id,
            "hyperinstance_cluster_id": cluster.cluster_id,
            "flavor": "demo.supernode.a3",
        }
        for zone, is_sold_out in (("zone-1", True), ("zone-2", False)):
            self._call("POST", "capacities", row | {"availability_zone": zone, "is_sold_out": is_sold_out})

    def add_projects(self) -> None:
        """Add what IAM answers about the demo's account: the connected projects, and two to connect."""
        ids = {
            f"{row.region}_{row.team.slug}": row.project_id for row in Project.objects.select_related("team")
        }
        ids |= {
            name: uuid.uuid5(uuid.NAMESPACE_DNS, name).hex
            for name in ("cn-southwest-2", "cn-southwest-2_research")
        }
        for name, project_id in ids.items():
            self._call("POST", "projects", {"project_id": project_id, "name": name})

    def add_trace(self, cluster_name: str) -> None:
        """Add what CTS answers about this cluster: who created it, and when."""
        cluster = Cluster.objects.select_related("project").get(name=cluster_name)
        row = {
            "project_id": cluster.project.project_id,
            "resource_id": cluster.cluster_id,
            "resource_name": cluster.name,
            "trace_name": "createHyperCluster",
            "user": "lab-operator",
            "code": "200",
            "source_ip": "192.0.2.17",
            "request_id": uuid.uuid4().hex,
            "time": int(cluster.found_at.timestamp() * 1000) - 40_000,
        }
        self._call("POST", "traces", row)

    def _call(self, method: str, path: str, content: dict[str, Any]) -> None:
        request = urllib.request.Request(  # noqa: S310 -- the demo's own simulator on loopback
            f"{self.endpoint}/_simulator/{path}",
            method=method,
            data=json.dumps(content).encode() if content else None,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass
