"""A cloud that does as it is told: raw sockets on loopback, playing one script a connection."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyperclusters.modelarts import Answer, Client, ClusterType, Credentials, Transport

PROJECT = "p" * 32
NAME = "test-hps--1107"
CLUSTER_ID = "74437437-6810-43b8-ba20-8f8e5bc034da"
SUBNET_ID = "47be1c96-b00c-4cc9-83cb-089893a632b6"
CLUSTER: dict[str, Any] = {
    "id": CLUSTER_ID,
    "name": NAME,
    "network_info": [{"hyper_cluster_subnet_id": SUBNET_ID, "is_default": True}],
}
KEY = Credentials("AKTESTAKTEST", "SKTESTSKTESTSKTEST")

CALLS: dict[str, Callable[[Client], Answer[Any]]] = {
    "create": lambda client: client.create(name=NAME, type=ClusterType.HPS),
    "list": lambda client: client.list(type=ClusterType.HPS),
    "show": lambda client: client.show(cluster_id=CLUSTER_ID, type=ClusterType.HPS),
    "delete": lambda client: client.delete(cluster_id=CLUSTER_ID, type=ClusterType.HPS),
}


@dataclass
class Received:
    """One request as it came over the wire."""

    head: bytes
    body: bytes
    headers: dict[str, str] = field(init=False)
    method: str = field(init=False)
    target: str = field(init=False)

    def __post_init__(self) -> None:
        first, *lines = self.head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ")
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


class Visit:
    """One connection, seen from the cloud."""

    def __init__(self, sock: socket.socket, requests: list[Received], over: threading.Event) -> None:
        self.sock = sock
        self.over = over
        self._requests = requests
        self._buffer = b""

    def read_head(self) -> bytes:
        """The next request's head; EOFError when the client has gone."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    def read_request(self) -> Received:
        """The next whole request, which is noted."""
        head = self.read_head()
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            ),
            0,
        )
        while len(self._buffer) < length:
            self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        received = Received(head, body)
        self._requests.append(received)
        return received

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, every: float = 0.02) -> None:
        """Send a byte at a time for as long as the client listens."""
        for byte in data:
            self.send(bytes([byte]))
            if self.over.wait(every):
                return

    def stall(self) -> None:
        """Say nothing until the client has gone."""
        with suppress(OSError):
            while self.sock.recv(65536):
                pass

    def reset(self) -> None:
        """Cut the connection with a RST instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self._buffer += data


Script = Callable[[Visit], None]


class Cloud:
    """A server on loopback. `script` plays once for each connection; `requests` are what came whole."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.requests: list[Received] = []
        self.connections = 0
        self._tls = tls
        self._over = threading.Event()
        self._visits: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.endpoint = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self._greeter = threading.Thread(target=self._greet)
        self._greeter.start()

    def close(self) -> None:
        """Stop listening and wait for every visit to end, which it does once its client has gone."""
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._greeter.join(2)
        self._listener.close()
        for visit in self._visits:
            visit.join(2)
            assert not visit.is_alive(), "a client left its connection open"

    def _greet(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            visit = threading.Thread(target=self._serve, args=(sock,))
            self._visits.append(visit)
            visit.start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, EOFError):
            try:
                sock.settimeout(5)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is not None:
                    sock = self._tls.wrap_socket(sock, server_side=True)
                self.script(Visit(sock, self.requests, self._over))
            finally:
                sock.close()


@contextmanager
def playing(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Cloud]:
    """A cloud for the length of a block."""
    cloud = Cloud(script, tls)
    try:
        yield cloud
    finally:
        cloud.close()


@contextmanager
def client_of(
    endpoint: str, *, deadline: float = 5.0, connect_timeout: float = 5.0, http: Transport | None = None
) -> Iterator[Client]:
    """A client for the length of a block."""
    with Client(
        endpoint=endpoint,
        project_id=PROJECT,
        credentials=KEY,
        deadline=deadline,
        connect_timeout=connect_timeout,
        http=http,
    ) as client:
        yield client


def answer(status: int | str, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP answer; `status` may carry a reason."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def answering(data: bytes) -> Script:
    """Answers every request on every connection with this."""

    def script(visit: Visit) -> None:
        while True:
            visit.read_request()
            visit.send(data)

    return script


def healthy(visit: Visit) -> None:
    """Answers each call as documented."""
    while True:
        request = visit.read_request()
        if request.method == "DELETE":
            visit.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        elif request.method == "GET" and request.target.partition("?")[0].endswith("hyper-clusters"):
            visit.send(answer(200, as_json({"hyper_clusters": [CLUSTER]}), "X-Request-Id: req-1"))
        elif request.target.endswith("/cluster-capacity-evaluations"):
            visit.send(answer(200, as_json({"capacities": []}), "X-Request-Id: req-1"))
        elif "/hyperinstance/" in request.target:
            visit.send(answer(200, as_json({"data": [], "total": 0}), "X-Request-Id: req-1"))
        else:
            name = json.loads(request.body)["name"] if request.body else NAME
            visit.send(answer(200, as_json(CLUSTER | {"name": name}), "X-Request-Id: req-1"))


def after_request(act: Callable[[Visit], None]) -> Script:
    def script(visit: Visit) -> None:
        visit.read_request()
        act(visit)

    return script


def then(data: bytes, act: Callable[[Visit], None]) -> Script:
    """Read the request, send this, then act."""

    def script(visit: Visit) -> None:
        visit.read_request()
        visit.send(data)
        act(visit)

    return script


def gone(visit: Visit) -> None:
    """Close the connection, by saying nothing more."""


def open_sockets() -> int:
    """How many sockets this process holds."""
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            count += entry.readlink().name.startswith("socket:")
    return count
