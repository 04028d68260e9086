"""A proxy in front of PostgreSQL that delays a COMMIT and cuts the client's connection, as failing networks do."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"  # a simple query, as psycopg sends it


class Proxy:
    """Passes bytes on between clients and one server. Each connection has two threads of its own.

    Once armed, the next COMMIT of any client is held for `hold` seconds and then passed on to the server; its client is
    cut off at once.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.held = threading.Event()
        self._hold = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, hold: float) -> None:
        """Hold the next COMMIT for so many seconds."""
        self._hold = hold

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._server)
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
                threading.Thread(target=_pump, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        """What the client sends, to the server."""
        with suppress(OSError):
            while data := client.recv(65536):
                if self._hold and COMMIT in data:
                    hold, self._hold = self._hold, 0.0
                    self.held.set()
                    client.shutdown(socket.SHUT_RDWR)
                    time.sleep(hold)
                    server.sendall(data)
                    server.recv(65536)  # the COMMIT is done
                    break
                server.sendall(data)
        _close(client, server)


def _pump(source: socket.socket, target: socket.socket) -> None:
    """What the server answers, to the client."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.close()
