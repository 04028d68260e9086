"""`python -m bench.answerer BODY`: keeps connections open and answers every request with this JSON; prints its port."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress
from typing import BinaryIO


def serve(answer: bytes) -> None:
    """Answer until the process is ended."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_visit, args=(connection, answer), daemon=True).start()


def _visit(connection: socket.socket, answer: bytes) -> None:
    with suppress(OSError), connection, connection.makefile("rb") as source:
        while _read_request(source):
            connection.sendall(answer)


def _read_request(source: BinaryIO) -> bool:
    """Read one request to its end. False once the caller has gone."""
    length = 0
    while (line := source.readline()) not in {b"\r\n", b""}:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return bool(line) and len(source.read(length)) == length


def answer(body: bytes) -> bytes:
    """A whole HTTP answer."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: bench\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


if __name__ == "__main__":
    serve(answer(sys.argv[1].encode()))
