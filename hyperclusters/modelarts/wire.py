"""Connects, under one total time limit: the look-up of addresses, TCP and TLS together.

Instants are of the monotonic clock.
"""

import socket
import ssl
import threading
import time
from concurrent.futures import Future
from typing import Any

Address = tuple[Any, ...]


class WireError(Exception):
    """A call that ended without a whole answer; `cause` is a slug such as `dns_timeout`."""

    def __init__(self, cause: str, detail: object = "") -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = str(detail)


def seconds_to(until: float, cause: str) -> float:
    """Seconds left. Raises `WireError` with the cause given when there are none."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise WireError(cause)
    return seconds


class Lookups:
    """Address look-ups that can be waited for with a bound, which `getaddrinfo` itself lacks.

    A look-up that hangs can't be stopped, so calls for one host share it: a dead resolver holds one thread a
    host, however many calls are waiting.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], Future[list[Address]]] = {}

    def addresses(self, host: str, port: int, timeout: float) -> list[Address]:
        """Host's addresses in the resolver's order, waiting at most `timeout` seconds. Raises `WireError`."""
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
            raise WireError("dns_timeout") from error
        except (OSError, UnicodeError) as error:
            raise WireError("dns_error", error) from error

    def _look_up(self, key: tuple[str, int], future: Future[list[Address]]) -> None:
        try:
            found = socket.getaddrinfo(*key, type=socket.SOCK_STREAM)
        except BaseException as error:  # noqa: BLE001 - handed to those who wait
            outcome: BaseException | list[Address] = error
        else:
            outcome = [address for *_, address in found]
        with self._lock:
            del self._running[key]
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def connect(
    host: str, port: int, *, tls: ssl.SSLContext | None, lookups: Lookups, until: float
) -> socket.socket:
    """A connected socket, under TLS where a context is given. Raises `WireError`."""
    if _is_address(host):
        addresses: list[Address] = [(host,)]
    else:
        addresses = lookups.addresses(host, port, seconds_to(until, "dns_timeout"))
    sock = _connect_first(addresses, port, until)
    if tls is None:
        return sock
    try:
        sock.settimeout(seconds_to(until, "tls_timeout"))
        return tls.wrap_socket(sock, server_hostname=host)  # takes the socket over, or closes it
    except TimeoutError as error:
        raise WireError("tls_timeout", error) from error
    except OSError as error:
        raise WireError("tls_error", error) from error
    finally:
        sock.close()


def _connect_first(addresses: list[Address], port: int, until: float) -> socket.socket:
    failure = WireError("dns_error", "no address")
    for index, (address, *_) in enumerate(addresses):
        # Each address gets its share of the time: a dead first one mustn't use up that of the others.
        seconds = seconds_to(until, "connect_timeout") / (len(addresses) - index)
        try:
            sock = socket.create_connection((address, port), seconds)
        except TimeoutError as error:
            failure = WireError("connect_timeout", error)
        except OSError as error:
            failure = WireError("connect_error", error)
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise failure


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False
