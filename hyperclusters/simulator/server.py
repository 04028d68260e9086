"""A small threading HTTP/1.1 server that can break its own connections and stop listening for a while."""

import logging
import re
import socket
import struct
import threading
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote_to_bytes

from .app import Application
from .http_messages import MAX_BODY, Answer, Request

HOST = "127.0.0.1"
IDLE_SECONDS = 75.0
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 5.0
BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
LENGTH = re.compile(r"[0-9]{1,18}")
LONGEST_LINE = 64 * 1024
DRAIN_BYTES = 8 * 1024 * 1024
# Lingering for zero seconds makes a close a reset.
RESET = struct.pack("ii", 1, 0)
log = logging.getLogger(__name__)


class Handler(BaseHTTPRequestHandler):
    """One connection: requests one after another until one side closes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    connection: socket.socket

    def __init__(self, connection: socket.socket, address: Any, server: "Server") -> None:
        self._server = server
        with suppress(OSError):
            super().__init__(connection, address, server)  # type: ignore[arg-type] # only stored

    def handle_one_request(self) -> None:
        """Serve the next request, or end the connection."""
        self.raw_requestline = self.rfile.readline(LONGEST_LINE)
        arrived_at = datetime.now(UTC)
        if not self.parse_request():
            return
        length = int(self.headers["content-length"] or 0)
        is_readable = length <= MAX_BODY and "transfer-encoding" not in self.headers
        body = self.rfile.read(length) if is_readable else b""
        if is_readable and len(body) < length:
            self.close_connection = True  # the sender stopped: this never was a request
            return
        path, _, query = self.path.partition("?")
        values = {name.lower(): ",".join(self.headers.get_all(name, [])) for name in self.headers}
        headers = {name: value.strip(" \t\r\n").encode("latin-1") for name, value in values.items()}
        raw_path = unquote_to_bytes(path.encode("latin-1"))
        request = Request(self.command, raw_path, query, headers, length, body, arrived_at)
        # Unread bytes of a body would be read as the next request.
        self.close_connection |= not is_readable
        self._send(self._answer(request))

    def parse_request(self) -> bool:
        """Parse the head strictly; whether it is a request. What is not HTTP has been answered then."""
        if not super().parse_request():
            return False
        is_http = (
            self.request_version != "HTTP/0.9" and self.path.startswith("/") and not self.headers.defects
        )
        if not is_http or not LENGTH.fullmatch(self.headers.get("content-length", "0")):
            self.send_error(400, "not an HTTP/1 request")
            return False
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - the base class's
        """Answer what is not HTTP, in the base class's words."""
        self.close_connection, self.command = True, ""
        self._send(_plain(400, f"{message}\n"))

    def _answer(self, request: Request) -> Answer:
        try:
            return self._server.application.respond(request)
        except Exception:
            # The last resort: a broken store must not look like a broken connection.
            log.exception("the simulator failed on %s %s", request.method, request.path)
            return _plain(500, "the simulator failed; its log says why\n")

    def _send(self, answer: Answer) -> None:
        if answer.is_lost or answer.raw:
            self.close_connection = True
            self.connection.sendall(answer.body)
            if answer.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                self.connection.close()
            return
        body = b"" if self.command == "HEAD" else answer.body
        phrase = self.responses.get(answer.status, ("Unassigned",))[0]
        lines = [
            f"HTTP/1.1 {answer.status} {phrase}",
            *(f"{name}: {value}" for name, value in answer.headers),
        ]
        if answer.status not in BODILESS:
            lines.append(f"Content-Length: {len(body)}")
        if self.close_connection:
            lines.append("Connection: close")
        content = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
        if not answer.pause:
            self.connection.sendall(content)
        for position in range(len(content) if answer.pause else 0):
            self.connection.sendall(content[position : position + 1])
            self._server.application.stopping.wait(answer.pause)
        if self.close_connection:
            self._drain()

    def _drain(self) -> None:
        """Read what is still arriving; otherwise closing resets the connection before the answer is read."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(1.0)
        for _ in range(DRAIN_BYTES // LONGEST_LINE):
            if not self.connection.recv(LONGEST_LINE):
                return


def _plain(status: int, text: str) -> Answer:
    return Answer(status, text.encode(), (("Content-Type", "text/plain"),))


class Server:
    """Listens on the loopback address and gives each connection a thread."""

    def __init__(self, application: Application, port: int) -> None:
        self.application = application
        self._threads: dict[threading.Thread, socket.socket] = {}
        self._placeholder = socket.socket()
        self.port = port
        self._listen()
        self.port = int(self._listener.getsockname()[1])

    def pause(self) -> None:
        """Stop listening and cut open connections: new ones are refused."""
        listener, self._is_open = self._listener, False
        # Wakes the loop that waits for connections; where it does not, the loop wakes by itself.
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        self._loop.join()
        listener.close()
        # Bound but not listening: connections are refused, and nobody else can take the port meanwhile.
        self._placeholder.close()
        self._placeholder = socket.socket()
        self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._placeholder.bind((HOST, self.port))
        threads = dict(self._threads)
        for connection in threads.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(PATIENCE_SECONDS)

    def resume(self) -> None:
        """Listen again on the same port."""
        self._listen()
        self._placeholder.close()

    def stop(self) -> None:
        """Stop for good: cut what is running."""
        self.application.stopping.set()
        self.pause()
        self._placeholder.close()

    def _listen(self) -> None:
        self._listener = socket.create_server((HOST, self.port), backlog=512)
        self._listener.settimeout(POLL_SECONDS)
        self._is_open = True
        self._loop = threading.Thread(target=self._accept, daemon=True)
        self._loop.start()

    def _accept(self) -> None:
        while self._is_open:
            with suppress(OSError):
                connection, address = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(connection, address), daemon=True)
                self._threads[thread] = connection
                thread.start()

    def _serve(self, connection: socket.socket, address: Any) -> None:
        try:
            Handler(connection, address, self)
        finally:
            connection.close()
            del self._threads[threading.current_thread()]
