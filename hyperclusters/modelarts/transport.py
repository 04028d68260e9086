"""Sends HTTP requests: once, on a connection of their own, waiting for the answer until the deadline."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import certifi
import httpcore
import httpx

from hyperclusters.modelarts.network import CallNetwork, NameLookups, TransportError

MAX_BODY = 1024 * 1024  # bytes of an answer's body


@dataclass(slots=True)
class RawResponse:
    """The result of one request.

    `failure` is empty for a complete answer; else a slug, and `status`, `headers` (names in lower case) and `body`
    are what arrived before it. `may_have_left`: whether a byte of the request may have left this machine. `elapsed`:
    seconds.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    failure: str = ""
    detail: str = ""
    may_have_left: bool = False
    elapsed: float = 0.0


class Transport:
    """An httpx transport that a process shares. Thread-safe. Close it when done.

    Each call has its own connection, so nothing that follows one answer can be read as the next, and no request is
    lost in a connection that the other side is closing. Without httpx's client above it, it ignores the environment's
    proxy variables, follows no redirects, keeps no cookies, and never sends anything twice.
    """

    def __init__(
        self,
        connect_timeout: float = 5.0,
        verify: ssl.SSLContext | str | None = None,
        max_connections: int = 100,
    ) -> None:
        """`connect_timeout`: seconds for DNS, TCP and TLS together.

        `verify`: a TLS context, the path of a file of CA certificates, or None for public CAs.
        """
        self._connect_timeout = connect_timeout
        self._places = threading.BoundedSemaphore(max_connections)
        self._lookups = NameLookups()
        self._http = _ConnectionPerCall(verify)

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
    ) -> RawResponse:
        """Send one request to `origin` (`https://host:port`), taking at most `deadline` seconds in total.

        Connecting may take `connect_timeout` seconds, or the transport's own limit if shorter; `max_body` bytes of
        the answer's body are read. Never raises for what the network or the other side does: see the response.
        """
        started_at = time.monotonic()
        response = RawResponse()
        if self._places.acquire(timeout=deadline):
            try:
                ends_at = started_at + deadline
                connected_by = time.monotonic() + min(connect_timeout, self._connect_timeout)
                network = CallNetwork(self._lookups, min(connected_by, ends_at), ends_at)
                extensions = {"network": network, "target": target.encode()}
                request = {"headers": headers, "content": body, "extensions": extensions}
                self._exchange({"method": method, "url": origin} | request, response, max_body)
                response.may_have_left = network.may_have_left
            finally:
                self._places.release()
        else:
            response.failure = "pool_timeout"
        response.elapsed = time.monotonic() - started_at
        return response

    def _exchange(self, request: dict[str, Any], response: RawResponse, max_body: int) -> None:
        """Fill in the response, whatever happens. `request`: the arguments of httpx.Request."""
        try:
            self._read(request, response, max_body)
        except TransportError as error:
            response.failure, response.detail = error.cause, error.detail
        except httpcore.RemoteProtocolError as error:
            response.failure, response.detail = "protocol_error", str(error)
        except httpcore.LocalProtocolError as error:
            response.failure, response.detail = "request_error", str(error)
        except Exception as error:  # noqa: BLE001 - no error may count as an answer
            response.failure, response.detail = "unexpected", f"{type(error).__name__}: {error}"

    def _read(self, request: dict[str, Any], response: RawResponse, max_body: int) -> None:
        content = bytearray()
        answer = self._http.handle_request(httpx.Request(**request))
        try:
            response.status = answer.status_code
            response.headers = {
                name.lower().decode(): value.decode("latin-1") for name, value in answer.headers.raw
            }
            if answer.status_code == httpx.codes.SWITCHING_PROTOCOLS:
                raise TransportError("protocol_error", "an upgrade that nobody asked for")
            for piece in answer.iter_raw():
                content += piece
                if len(content) > max_body:
                    raise TransportError("too_large")
            if answer.headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
                raise TransportError("content_encoding")  # a small packed answer could hold gigabytes
        finally:
            response.body = bytes(content[:max_body])
            answer.close()

    def close(self) -> None:
        """Close the client."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _ConnectionPerCall(httpx.BaseTransport):
    """Opens a connection for each request, over the request's own network, and closes it with the response."""

    def __init__(self, verify: ssl.SSLContext | str | None) -> None:
        self._verify = verify

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        if isinstance(self._verify, ssl.SSLContext):
            return self._verify
        context = ssl.create_default_context(cafile=self._verify)
        if self._verify is None:
            context.load_verify_locations(certifi.where())  # a slim container has no certificates of its own
        return context

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The response to this request. Raises TransportError and httpcore's protocol errors."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.extensions["target"],
        )
        connection = httpcore.HTTPConnection(
            url.origin,
            ssl_context=self._tls if url.scheme == b"https" else None,
            network_backend=request.extensions["network"],
        )
        try:
            answer = connection.handle_request(
                httpcore.Request(request.method, url, headers=request.headers.raw, content=request.stream)
            )
        except BaseException:
            connection.close()
            raise
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer, connection))


class _Body(httpx.SyncByteStream):
    """A response's body; closing it closes the connection."""

    def __init__(self, answer: httpcore.Response, connection: httpcore.HTTPConnection) -> None:
        self._answer = answer
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()
        self._connection.close()
