"""The simulator as a Python object: on a socket in this process, with its behaviours, faults and journal."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import access_keys, behaviours, clusters, faults, journal, resources
from .app import Application, OnRequest
from .behaviours import Behaviours
from .clusters import SimulatedCluster
from .journal import JournalEntry
from .resources import Resource
from .server import Server

DEFAULT_ACCESS_KEY = "DEMOACCESSKEY"
DEFAULT_SECRET_KEY = "demo-secret-key"  # noqa: S105 - the simulator's documented demo key opens nothing else


class Simulator:
    """A local ModelArts. `start` serves it on a socket; without, this is the store of one served elsewhere.

    `data` is the folder of its store, which outlives it; without one, a temporary folder. `on_request` is called in
    the handler's thread for every create and delete that passed the gateway, before its effect; what it raises is
    raised again at the end of the `with` block.
    """

    def __init__(
        self,
        data: Path | str | None = None,
        *,
        access_key: str = DEFAULT_ACCESS_KEY,
        secret_key: str = DEFAULT_SECRET_KEY,
        on_request: OnRequest | None = None,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="simulator-") if data is None else None
        self.data = Path(self._temporary.name if self._temporary else data or "")
        self.access_key, self.secret_key = access_key, secret_key
        self._application = Application(self.data, on_request)
        self._database = self._application.database
        self._server: Server | None = None
        self.add_key(access_key, secret_key)

    @classmethod
    def start(cls, data: Path | str | None = None, *, port: int = 0, **options: Any) -> Self:
        """Serve on a socket, in threads of this process; port 0 picks a free one. Raises OSError if busy."""
        simulator = cls(data, **options)
        try:
            simulator._server = Server(simulator._application, port)
        except BaseException:
            simulator.stop()
            raise
        return simulator

    @property
    def server(self) -> Server:
        """What serves it on a socket."""
        if self._server is None:
            raise RuntimeError("this simulator is not on a socket; use Simulator.start(…)")
        return self._server

    @property
    def port(self) -> int:
        """The port served on."""
        return self.server.port

    @property
    def endpoint(self) -> str:
        """The address for a client, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Stop serving, cut what is running, close the store."""
        if self._server:
            self._server.stop()
        self._database.close()
        if self._temporary:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None and self._application.callback_errors:
            raise self._application.callback_errors[0]

    @contextmanager
    def refuse_connections(self) -> Iterator[None]:
        """Within this block nothing listens on the port: connections are refused, open ones are cut."""
        self.server.pause()
        try:
            yield
        finally:
            self.server.resume()

    def set(self, **changes: Any) -> Behaviours:
        """Change behaviours by name, see `Behaviours`. Raises BehaviourError for an unknown name or wrong value."""
        with self._database.write() as db:
            return behaviours.change(db, changes)

    def fault(self, fault: str, call: str = "any", **parameters: Any) -> None:
        """Add a fault, see `faults`: `fault("lost_answer", "create", times=1)`. Raises BehaviourError."""
        with self._database.write() as db:
            faults.add(db, {"fault": fault, "call": call, **parameters})

    def reset(self) -> None:
        """Default behaviours, no faults. Clusters, keys and the journal stay."""
        with self._database.write() as db:
            behaviours.reset(db)
            faults.replace_all(db, [])

    def behaviours(self) -> Behaviours:
        """The current behaviours."""
        with self._database.read() as db:
            return behaviours.current(db)

    def journal(self, after: int = 0) -> list[JournalEntry]:
        """The requests and their effects since row `after`, oldest first."""
        with self._database.read() as db:
            return journal.entries(db, after=after)

    def clusters(self, project_id: str | None = None) -> list[SimulatedCluster]:
        """The clusters that exist now, oldest first."""
        with self._database.read() as db:
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
        cluster = clusters.new_cluster(project_id, name, type, tuple(subnet_ids), cluster_id=cluster_id)
        with self._database.write() as db:
            clusters.add(db, cluster)
        return cluster

    def remove_cluster(self, cluster_id: str) -> bool:
        """Delete a cluster like an outsider; False if there is none with this ID."""
        with self._database.write() as db:
            return clusters.remove(db, cluster_id)

    def add_resource(self, kind: str, project_id: str, **fields: Any) -> Resource:
        """Add what a project has or a call reports besides clusters, see `resources`. Raises BehaviourError."""
        with self._database.write() as db:
            return resources.add(db, kind, {"project_id": project_id, **fields})

    def add_hyperinstance(self, project_id: str, name: str, cluster_id: str, **fields: Any) -> Resource:
        """Add a supernode that refers to a cluster."""
        return self.add_resource("hyperinstances", project_id, name=name, hps_cluster_id=cluster_id, **fields)

    def add_group(self, project_id: str, name: str, cluster_id: str) -> Resource:
        """Add a group that refers to a cluster."""
        return self.add_resource("groups", project_id, name=name, hyperinstance_cluster_id=cluster_id)

    def add_capacity(
        self, project_id: str, cluster_id: str, flavor: str, zone: str, *, is_sold_out: bool
    ) -> None:
        """Add what a capacity call answers for a cluster."""
        fields = {"flavor": flavor, "resource_flavor": flavor, "availability_zone": zone}
        self.add_resource(
            "capacities", project_id, hyperinstance_cluster_id=cluster_id, is_sold_out=is_sold_out, **fields
        )

    def add_trace(self, project_id: str, at: float, **fields: str) -> None:
        """Add what CTS answers about a resource: a trace of this time, in seconds since 1970."""
        self.add_resource("traces", project_id, time=int(at * 1000), **fields)

    def add_project(self, project_id: str, name: str, *, is_enabled: bool = True) -> None:
        """Add what IAM answers to a call for projects."""
        self.add_resource("projects", project_id, name=name, enabled=is_enabled)

    def remove_hyperinstance(self, item: Resource) -> bool:
        """Remove a supernode; False if it is not there."""
        with self._database.write() as db:
            return resources.remove(db, item.kind, item.id)

    def add_key(self, access_key: str, secret_key: str, *, security_token: str = "") -> None:
        """Add or change a key; temporary with a security token."""
        with self._database.write() as db:
            access_keys.put(db, access_key, secret_key, security_token)

    def remove_key(self, access_key: str) -> bool:
        """Remove a key; False if it was unknown."""
        with self._database.write() as db:
            return access_keys.remove(db, access_key)
