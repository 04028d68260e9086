"""A small threading HTTP/1.1 server for one WSGI application, able to break its own connections on demand."""

import io
import logging
import re
import socket
import socketserver
import struct
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import unquote
from wsgiref.types import WSGIEnvironment

from .answers import Answer
from .app import Application

IDLE_SECONDS = 75.0
LENGTH = re.compile(r"[0-9]{1,18}")
LONGEST_LINE = 64 * 1024
MOST_HEADERS = 200
DRAIN_BYTES = 8 * 1024 * 1024
RESET = struct.pack("ii", 1, 0)
log = logging.getLogger(__name__)


class BadRequestError(ValueError):
    """The bytes are not HTTP as this server reads it."""


class Body:
    """The announced bytes of a request's body, and no more."""

    def __init__(self, source: io.BufferedIOBase, length: int, greeting: "socket.socket | None") -> None:
        self._source = source
        self._greeting = greeting
        self.left = length

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, or all that is left; fewer only if the sender stopped."""
        if self._greeting and self.left:
            self._greeting.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._greeting = None
        wanted = self.left if size < 0 else min(size, self.left)
        content = self._source.read(wanted)
        self.left = self.left - len(content) if len(content) == wanted else 0
        return content


class Handler(socketserver.StreamRequestHandler):
    """One connection: requests one after another until one side closes."""

    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: "Server"
    connection: socket.socket

    def handle(self) -> None:
        with suppress(OSError):
            while self._one_request():
                pass

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()

    def _one_request(self) -> bool:
        """Serve the next request; whether the connection stays open."""
        line = self.rfile.readline(LONGEST_LINE)
        if not line or self.server.application.stopping.is_set():
            return False
        arrived_at = datetime.now(UTC)
        try:
            environ, keep_alive = self._environ(line)
        except BadRequestError as problem:
            self._send(_plain(400, str(problem)), keep_alive=False)
            self._drain()
            return False
        environ["simulator.arrived_at"] = arrived_at
        answer = self._answer(environ)
        if environ["REQUEST_METHOD"] == "HEAD":
            answer = replace(answer, body=b"")
        body = cast("Body", environ["wsgi.input"])
        if answer.lost or answer.raw:
            return self._break_off(answer)
        # Unread bytes of a body would be read as the next request.
        keep_alive = keep_alive and body.left == 0
        self._send(answer, keep_alive=keep_alive)
        if not keep_alive:
            self._drain()
        return keep_alive

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        try:
            return self.server.application.respond(environ)
        except OSError:
            raise
        except Exception:
            # The last resort: a broken store must not look like a broken connection.
            log.exception("the simulator failed on %s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            return _plain(500, "the simulator failed; its log says why\n")

    def _environ(self, line: bytes) -> tuple[WSGIEnvironment, bool]:
        parts = line.decode("latin-1").rstrip("\r\n").split(" ")
        if len(parts) != 3 or not parts[1].startswith("/") or parts[2] not in {"HTTP/1.1", "HTTP/1.0"}:
            raise BadRequestError("not an HTTP/1 request line\n")
        method, target, version = parts
        path, _, query = target.partition("?")
        headers = self._headers()
        length = headers.get("CONTENT_LENGTH", "0")
        if not LENGTH.fullmatch(length):
            raise BadRequestError("Content-Length is not a number\n")
        greeting = self.connection if headers.get("HTTP_EXPECT", "").lower() == "100-continue" else None
        connection = headers.get("HTTP_CONNECTION", "").lower()
        keep_alive = connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
        # A chunked body is not read, so nothing can follow it.
        keep_alive = keep_alive and "HTTP_TRANSFER_ENCODING" not in headers
        environ: dict[str, Any] = {
            **self.server.base_environ,
            **headers,
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": version,
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.input": Body(self.rfile, int(length), greeting),
        }
        return environ, keep_alive

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(MOST_HEADERS):
            line = self.rfile.readline(LONGEST_LINE).decode("latin-1")
            if line in {"\r\n", "\n"}:
                return headers
            name, colon, value = line.partition(":")
            if not colon or not line.endswith("\n") or name != name.strip():
                raise BadRequestError("a header is malformed or too long\n")
            if "_" in name:
                continue  # it would count as the header with hyphens
            key = name.upper().replace("-", "_")
            key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
            value = value.strip(" \t\r\n")
            headers[key] = f"{headers[key]},{value}" if key in headers else value
        raise BadRequestError("too many headers\n")

    def _send(self, answer: Answer, *, keep_alive: bool) -> None:
        lines = [f"HTTP/1.1 {answer.line}"]
        lines += [f"{name}: {value}" for name, value in (*answer.headers, *answer.length_header)]
        if not keep_alive:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if answer.pause:
            self._drip(head, answer.pause if answer.paused_part == "head" else 0)
            self._drip(answer.body, answer.pause if answer.paused_part == "body" else 0)
        else:
            self.connection.sendall(head + answer.body)

    def _drip(self, content: bytes, pause: float) -> None:
        if not pause:
            self.connection.sendall(content)
            return
        for position in range(len(content)):
            self.connection.sendall(content[position : position + 1])
            if self.server.application.stopping.wait(pause):
                return

    def _break_off(self, answer: Answer) -> bool:
        if answer.raw:
            self.connection.sendall(answer.body)
        if answer.reset:
            # Lingering for zero seconds makes the close a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.connection.close()
        return False

    def _drain(self) -> None:
        """Read what is still arriving; otherwise closing resets the connection before the answer is read."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(1.0)
        for _ in range(DRAIN_BYTES // LONGEST_LINE):
            if not self.connection.recv(LONGEST_LINE):
                return


def _plain(status: int, text: str) -> Answer:
    return Answer(status, text.encode(), (("Content-Type", "text/plain"),))


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens, and gives each connection a thread."""

    allow_reuse_address = True
    request_queue_size = 512
    daemon_threads = True
    block_on_close = False

    def __init__(self, application: Application, host: str, port: int) -> None:
        self.application = application
        self._connections: set[socket.socket] = set()
        self._all_closed = threading.Condition()
        super().__init__((host, port), Handler)
        self.base_environ: dict[str, Any] = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": host,
            "SERVER_PORT": str(self.port),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }

    @property
    def port(self) -> int:
        """The port in use, also if the system chose it."""
        return int(self.socket.getsockname()[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread; `close_connections` knows it from now on."""
        with self._all_closed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._all_closed:
                self._connections.discard(request)
                self._all_closed.notify_all()

    def close_connections(self, patience: float = 5.0) -> None:
        """Cut every connection and wait until their threads are done."""
        with self._all_closed:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._all_closed.wait_for(lambda: not self._connections, patience)
