"""The simulated cloud on its store: what a test, a person or another process can do to it and read from it."""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from . import behaviours, clusters, faults, gateway, journal, resources
from .behaviours import Behaviours
from .clusters import SimulatedCluster
from .database import Database
from .journal import JournalEntry
from .resources import Resource


class Cloud:
    """The cloud in this folder, which outlives it; without one, in a temporary folder."""

    def __init__(self, data: Path | str | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="simulator-") if data is None else None
        self.data = Path(self._temporary.name if self._temporary else data or "")
        self.database = Database(self.data)

    def close(self) -> None:
        """Close the store."""
        self.database.close()
        if self._temporary:
            self._temporary.cleanup()

    def set(self, *, faults_in_force: Any = None, **changes: Any) -> Behaviours:
        """Change behaviours by name, see `Behaviours`, and all faults if given. Raises BehaviourError."""
        with self.database.write() as db:
            if faults_in_force is not None:
                faults.replace_all(db, faults_in_force)
            return behaviours.change(db, changes)

    def add_fault(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Add a fault, see `faults`; returns the rule. Raises BehaviourError."""
        with self.database.write() as db:
            return faults.add(db, content)

    def reset(self) -> None:
        """Default behaviours, no faults. Clusters, keys and the journal stay."""
        with self.database.write() as db:
            behaviours.reset(db)
            faults.replace_all(db, [])

    def behaviours(self) -> Behaviours:
        """The current behaviours."""
        with self.database.read() as db:
            return behaviours.current(db)

    def faults(self) -> list[dict[str, Any]]:
        """The faults in force."""
        with self.database.read() as db:
            return faults.rules_in_force(db)

    def journal(self) -> list[JournalEntry]:
        """The requests and their effects oldest first."""
        with self.database.read() as db:
            return journal.entries(db)

    def clusters(self, project_id: str | None = None) -> list[SimulatedCluster]:
        """The clusters that exist now, oldest first."""
        with self.database.read() as db:
            return clusters.list_clusters(db, project_id)

    def add_cluster(
        self,
        project_id: str,
        name: str,
        type: str = "HPS",  # noqa: A002 - the vendor's word
        *,
        subnet_ids: Iterable[str] = (),
        cluster_id: str = "",
    ) -> SimulatedCluster:
        """Create a cluster like an outsider, bypassing the API and the journal; with this ID, if given."""
        with self.database.write() as db:
            return clusters.create(db, project_id, name, type, subnet_ids, cluster_id=cluster_id)

    def remove_cluster(self, cluster_id: str) -> bool:
        """Delete a cluster like an outsider; False if there is none with this ID."""
        with self.database.write() as db:
            return clusters.remove(db, cluster_id)

    def resources(self, kind: str) -> list[Resource]:
        """What else there is of a kind, see `resources`, oldest first."""
        with self.database.read() as db:
            return resources.list_resources(db, kind)

    def add_resource(self, kind: str, content: Mapping[str, Any]) -> Resource:
        """Add what a project has or a call reports besides clusters. Raises BehaviourError."""
        with self.database.write() as db:
            return resources.add(db, kind, content)

    def remove_resources(self, kind: str, resource_id: str = "") -> bool:
        """Remove the one with this ID, or all of this kind; False if none has this ID."""
        with self.database.write() as db:
            return resources.remove(db, kind, resource_id)

    def add_key(self, access_key: str, secret_key: str, *, security_token: str = "") -> None:
        """Add or change a key; temporary with a security token."""
        with self.database.write() as db:
            gateway.put_key(db, access_key, secret_key, security_token)

    def remove_key(self, access_key: str) -> bool:
        """Remove a key; False if it was unknown."""
        with self.database.write() as db:
            return gateway.remove_key(db, access_key)
