"""Gives httpx what it lacks, through httpcore's extension points: a deadline for the whole call, and whether a byte
of the request may have left.

Times are of the monotonic clock.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import httpcore

Address = tuple[Any, ...]


class TransportError(Exception):
    """A call that ended without a complete answer; `cause` is a slug such as `dns_timeout`."""

    def __init__(self, cause: str, detail: object = "") -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = str(detail)


def seconds_to(deadline: float, cause: str) -> float:
    """Seconds left. Raises TransportError with this cause if there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TransportError(cause)
    return seconds


class NameLookups:
    """Address lookups with a time limit, which `getaddrinfo` lacks.

    A lookup that hangs can't be stopped, so calls for one host share it: a dead resolver holds one thread per host,
    however many calls wait.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], Future[list[Address]]] = {}

    def addresses(self, host: str, port: int, timeout: float) -> list[Address]:
        """The host's addresses in the resolver's order, waiting at most `timeout` seconds. Raises TransportError."""
        key = (host, port)
        with self._lock:
            future = self._running.get(key)
            if future is None:
                future = Future()
                threading.Thread(target=self._look_up, args=(key, future), daemon=True, name="dns").start()
                self._running[key] = future
        try:
            return future.result(timeout)
        except TimeoutError as error:
            raise TransportError("dns_timeout") from error
        except (OSError, UnicodeError) as error:
            raise TransportError("dns_error", error) from error

    def _look_up(self, key: tuple[str, int], future: Future[list[Address]]) -> None:
        try:
            addresses = socket.getaddrinfo(*key, type=socket.SOCK_STREAM)
        except BaseException as error:  # noqa: BLE001 - passed to the waiting callers
            outcome: BaseException | list[Address] = error
        else:
            outcome = [address for *_, address in addresses]
        with self._lock:
            del self._running[key]
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


@dataclass(slots=True)
class CallNetwork(httpcore.NetworkBackend):
    """The network of one call: it connects before `connect_deadline`, and reads and writes before `deadline`.

    `may_have_left`: whether a byte of the request may have left this machine. Its methods raise TransportError.
    """

    lookups: NameLookups
    connect_deadline: float
    deadline: float
    may_have_left: bool = False

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the call's deadline counts
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first of the host's addresses that accepts one."""
        addresses: list[Address] = [(host,)]
        if not _is_address(host):
            addresses = self.lookups.addresses(host, port, seconds_to(self.connect_deadline, "dns_timeout"))
        failure = TransportError("dns_error", "no address")
        for index, (address, *_) in enumerate(addresses):
            # Each address gets its share of the time: a dead first one must not use up all of it.
            seconds = seconds_to(self.connect_deadline, "connect_timeout") / (len(addresses) - index)
            try:
                stream = httpcore.SyncBackend().connect_tcp(
                    address, port, seconds, local_address, socket_options
                )
            except httpcore.ConnectTimeout as error:
                failure = TransportError("connect_timeout", error)
            except httpcore.ConnectError as error:
                failure = TransportError("connect_error", error)
            else:
                return CallStream(stream, self)
        raise failure


class CallStream(httpcore.NetworkStream):
    """A connection of one call, under the call's deadline."""

    def __init__(self, stream: httpcore.NetworkStream, network: CallNetwork) -> None:
        self._stream = stream
        self._network = network

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the call's deadline counts
    ) -> httpcore.NetworkStream:
        """The same connection under TLS."""
        try:
            seconds = seconds_to(self._network.connect_deadline, "tls_timeout")
            stream = self._stream.start_tls(ssl_context, server_hostname, seconds)
        except httpcore.ConnectTimeout as error:
            raise TransportError("tls_timeout", error) from error
        except httpcore.ConnectError as error:
            raise TransportError("tls_error", error) from error
        return CallStream(stream, self._network)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as above
        """Send these bytes. httpcore judges a write that the other side cuts off: there may be an answer to read."""
        seconds = seconds_to(self._network.deadline, "deadline")
        self._network.may_have_left = True
        try:
            self._stream.write(buffer, seconds)
        except httpcore.WriteTimeout as error:
            raise TransportError("deadline", error) from error

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - as above
        """The next bytes; none at the end."""
        try:
            return self._stream.read(max_bytes, seconds_to(self._network.deadline, "deadline"))
        except httpcore.ReadTimeout as error:
            raise TransportError("deadline", error) from error
        except httpcore.ReadError as error:
            raise TransportError("read_error", error) from error

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        """What httpcore needs of a stream, such as its TLS object."""
        return self._stream.get_extra_info(info)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
