"""The connections that a process shares, and one way to use them: send once, and wait for the answer."""

import ssl
import threading
import time
from collections import deque
from functools import cached_property
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import certifi
import h11

from hyperclusters.modelarts.line import MAX_BODY, Line, Reply
from hyperclusters.modelarts.wire import Lookups, WireError, connect


class Transport:
    """A pool of connections. Thread-safe; a process needs one. Close it when done.

    A connection belongs to one call from being taken to being put back, so no other call can close it under a
    request. Proxy variables of the environment are not read, redirects not followed, cookies not kept, and
    nothing is ever sent twice.
    """

    def __init__(
        self,
        connect_timeout: float = 5.0,
        verify: ssl.SSLContext | str | None = None,
        max_connections: int = 100,
    ) -> None:
        """`connect_timeout`: seconds for DNS, TCP and TLS together.

        `verify`: whom to trust: a TLS context, the path of a file of CA certificates, or None for public CAs.
        """
        self._connect_timeout = connect_timeout
        self._given_tls = ssl.create_default_context(cafile=verify) if isinstance(verify, str) else verify
        self._places = threading.BoundedSemaphore(max_connections)
        self._lock = threading.Lock()
        self._idle: dict[str, deque[Line]] = {}
        self._lookups = Lookups()
        self._closed = False

    def send(
        self,
        *,
        method: str,
        origin: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes,
        deadline: float,
        connect_timeout: float,
        max_body: int = MAX_BODY,
    ) -> Reply:
        """Send one request to `origin` (`https://host:port`), taking at most `deadline` seconds in all.

        `connect_timeout` seconds are for connecting, or the transport's own where that is shorter. An
        answer's body may have `max_body` bytes. Never raises for what the network or the other side does: that
        is in the reply.
        """
        started = time.monotonic()
        until = started + deadline
        reply = Reply()
        if self._places.acquire(timeout=deadline):
            try:
                request = h11.Request(method=method, target=target, headers=headers)
                connected_until = min(until, time.monotonic() + min(connect_timeout, self._connect_timeout))
                self._exchange(origin, request, body, reply, connected_until, until, max_body)
            except WireError as error:
                reply.failure, reply.detail = error.cause, error.detail
            except h11.LocalProtocolError as error:
                reply.failure, reply.detail = "request_error", str(error)
            except Exception as error:  # noqa: BLE001 - whatever it was, it must not pass for an answer
                reply.failure, reply.detail = "unexpected", f"{type(error).__name__}: {error}"
            finally:
                self._places.release()
        else:
            reply.failure = "pool_timeout"
        reply.elapsed = time.monotonic() - started
        return reply

    def close(self) -> None:
        """Close every idle connection; those in use are closed as their calls end."""
        with self._lock:
            self._closed = True
            lines = [line for idle in self._idle.values() for line in idle]
            self._idle.clear()
        for line in lines:
            line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        if self._given_tls is not None:
            return self._given_tls
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())  # a slim container has no certificates of its own
        return context

    def _exchange(
        self,
        origin: str,
        request: h11.Request,
        body: bytes,
        reply: Reply,
        connected_until: float,
        until: float,
        max_body: int,
    ) -> None:
        line = self._take(origin) or self._open(origin, connected_until)
        try:
            line.exchange(request, body, reply, until, max_body)
        finally:
            self._put_back(origin, line)

    def _take(self, origin: str) -> Line | None:
        """The connection put back last, if it is still good."""
        while True:
            with self._lock:
                idle = self._idle.get(origin)
                line = idle.pop() if idle else None
            if line is None or line.is_fresh():
                return line
            line.close()

    def _open(self, origin: str, until: float) -> Line:
        url = urlsplit(origin)
        tls = self._tls if url.scheme == "https" else None
        port = url.port or (80 if tls is None else 443)
        return Line(connect(url.hostname or "", port, tls=tls, lookups=self._lookups, until=until))

    def _put_back(self, origin: str, line: Line) -> None:
        """Keep the connection if it can serve another call; close it otherwise, and all that grew old."""
        reusable = line.is_reusable()
        unwanted = []
        with self._lock:
            for idle in self._idle.values():
                while idle and not idle[0].is_fresh():
                    unwanted.append(idle.popleft())
            if reusable and not self._closed:
                self._idle.setdefault(origin, deque()).append(line)
            else:
                unwanted.append(line)
        for old in unwanted:
            old.close()
