"""A server between the client and the product that answers by a script, drops answers, or passes requests on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

DROP = "drop"  # let the request through and lose its answer
DRIP = "drip"  # answer byte by byte and never end
Answer = tuple[int, dict[str, str], bytes]


def problem(status: int, code: str, sent: str = "no", **headers: str) -> Answer:
    """An error as the API has it."""
    body = {
        "status": status,
        "code": code,
        "detail": f"Because of {code}.",
        "request_id": "r-1",
        "sent": sent,
    }
    return (
        status,
        {"Content-Type": "application/problem+json"} | {k.replace("_", "-"): v for k, v in headers.items()},
        json.dumps(body).encode(),
    )


def ok(body: Any, status: int = 200) -> Answer:
    """JSON."""
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()


class Server(ThreadingHTTPServer):
    """Answers POSTs by the script, then forwards; without an address to forward to it repeats the last answer."""

    def __init__(self, script: list[Answer | str], forward_to: str, *, reads_too: bool) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.forward_to, self.reads_too = script, forward_to, reads_too
        self.keys: list[str | None] = []
        self.is_over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def next(self, method: str) -> Answer | str | None:
        if not self.script or (method == "GET" and not self.reads_too):
            return None
        if len(self.script) == 1 and not self.forward_to:
            return self.script[0]
        return self.script.pop(0)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._answer("GET", b"")

    def do_POST(self) -> None:
        self.server.keys.append(self.headers["Idempotency-Key"])
        self._answer("POST", self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, method: str, body: bytes) -> None:
        scripted = self.server.next(method)
        if scripted is None or (scripted == DROP and self.server.forward_to):
            names = ("Authorization", "Content-Type", "Idempotency-Key")
            headers = {name: self.headers[name] for name in names if name in self.headers}
            got = httpx.request(
                method, self.server.forward_to + self.path, content=body, headers=headers, timeout=30
            )
            answer: Answer = (got.status_code, {"Content-Type": got.headers["Content-Type"]}, got.content)
        if isinstance(scripted, str):
            self.close_connection = True
            if scripted == DRIP:
                self._drip()
            return
        status, headers, content = scripted or answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        with suppress(OSError):  # until the client hangs up
            while not self.server.is_over.wait(0.05):
                self.wfile.write(b" ")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serve(*script: Answer | str, forward_to: str = "", reads_too: bool = True) -> Iterator[Server]:
    with Server(list(script), forward_to, reads_too=reads_too) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.is_over.set()
        server.shutdown()
