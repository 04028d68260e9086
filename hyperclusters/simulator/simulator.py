"""The simulated cloud on a socket in this process, with a key and shorthands for tests."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .app import Application, OnRequest
from .cloud import Cloud
from .resources import Resource
from .server import Server

DEFAULT_ACCESS_KEY = "DEMOACCESSKEY"
DEFAULT_SECRET_KEY = "demo-secret-key"  # noqa: S105 - the simulator's documented demo key opens nothing else


class Simulator(Cloud):
    """A local ModelArts. `start` serves it on a socket; without, it is the store of one that is served elsewhere.

    `on_request` is called in the handler's thread for every create and delete that passed the gateway, before its
    effect; what it raises is raised again at the end of the `with` block.
    """

    server: Server  # once started

    def __init__(
        self,
        data: Path | str | None = None,
        *,
        access_key: str = DEFAULT_ACCESS_KEY,
        secret_key: str = DEFAULT_SECRET_KEY,
        on_request: OnRequest | None = None,
    ) -> None:
        super().__init__(data)
        self.access_key, self.secret_key = access_key, secret_key
        self._exits = ExitStack()
        self._exits.callback(self.close)
        self._application = Application(self, on_request)
        self.add_key(access_key, secret_key)

    @classmethod
    def start(cls, data: Path | str | None = None, *, port: int = 0, **options: Any) -> Self:
        """Serve on a socket, in threads of this process; port 0 picks a free one. Raises OSError if busy."""
        simulator = cls(data, **options)
        try:
            simulator.server = Server(simulator._application, port)
        except BaseException:
            simulator.stop()
            raise
        simulator._exits.callback(simulator.server.stop)
        return simulator

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
        self._exits.close()

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

    def fault(self, fault: str, call: str = "any", **parameters: Any) -> None:
        """Add a fault, see `faults`: `fault("lost_answer", "create", times=1)`. Raises BehaviourError."""
        self.add_fault({"fault": fault, "call": call, **parameters})

    def add_hyperinstance(self, project_id: str, name: str, cluster_id: str, **fields: Any) -> Resource:
        """Add a supernode that refers to a cluster."""
        facts = {"project_id": project_id, "name": name, "hps_cluster_id": cluster_id or None}
        return self.add_resource("hyperinstances", {**facts, **fields})

    def add_group(self, project_id: str, name: str, cluster_id: str) -> None:
        """Add a group that refers to a cluster."""
        facts = {"project_id": project_id, "name": name, "hyperinstance_cluster_id": cluster_id}
        self.add_resource("groups", facts)

    def add_capacity(
        self, project_id: str, cluster_id: str, flavor: str, zone: str, *, is_sold_out: bool
    ) -> None:
        """Add what a capacity call answers for a cluster."""
        flavors = {"flavor": flavor, "resource_flavor": flavor, "availability_zone": zone}
        facts = {"project_id": project_id, "hyperinstance_cluster_id": cluster_id, "is_sold_out": is_sold_out}
        self.add_resource("capacities", {**facts, **flavors})

    def add_trace(self, project_id: str, at: float, **fields: str) -> None:
        """Add what CTS answers about a resource: a trace of this time, in seconds since 1970."""
        self.add_resource("traces", {"project_id": project_id, "time": int(at * 1000), **fields})

    def add_project(self, project_id: str, name: str, *, is_enabled: bool = True) -> None:
        """Add what IAM answers to a call for projects."""
        self.add_resource("projects", {"project_id": project_id, "name": name, "enabled": is_enabled})
