"""Where no connection comes about, it is proven that nothing was sent."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from hyperclusters.modelarts import ModelArtsError, Transport
from tests.modelarts.cloud import (
    CALLS,
    Visit,
    client_of,
    healthy,
    playing,
)
from tests.modelarts.faults import (
    DEADLINE,
    check_not_sent,
    failing,
    nothing_left_behind,
    threads,
)


@pytest.mark.parametrize("call", CALLS)
def test_a_refused_connection_proves_that_nothing_was_sent(call: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with nothing_left_behind():
        error = failing(call, endpoint)
    check_not_sent(error)
    assert error.cause == "connect_error"


@pytest.fixture
def blackhole() -> Iterator[str]:
    """An address that takes no more connections and doesn't say so: its backlog is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("call", CALLS)
def test_a_connection_that_hangs_proves_that_nothing_was_sent(call: str, blackhole: str) -> None:
    with nothing_left_behind():
        error = failing(call, blackhole)
    check_not_sent(error)
    assert error.cause == "connect_timeout"


@pytest.mark.parametrize("call", CALLS)
def test_a_host_without_address_proves_that_nothing_was_sent(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with nothing_left_behind():
        error = failing(call, "http://modelarts.nowhere.example")
    check_not_sent(error)
    assert error.cause == "dns_error"


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".example"])
def test_a_host_that_no_resolver_takes_proves_that_nothing_was_sent(host: str) -> None:
    error = failing("create", f"http://{host}")
    check_not_sent(error)
    assert error.cause == "dns_error"


def test_what_the_network_says_at_length_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> list[object]:
        raise OSError("x" * 2000)

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    error = failing("create", "http://modelarts.example")
    check_not_sent(error)
    assert len(error.message) == 500


@pytest.mark.parametrize("call", CALLS)
def test_g15_a_resolver_that_hangs_is_not_waited_for(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        answered.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with Transport() as http:
        first = failing(call, "http://modelarts.example", http=http)
        second = failing(call, "http://modelarts.example", http=http)
        lookups = [thread for thread in threads() if thread.name == "dns"]
        answered.set()
        for thread in lookups:
            thread.join(2)
    check_not_sent(first)
    assert first.cause == second.cause == "dns_timeout"
    assert len(lookups) == 1, "calls for one host must share the look-up that hangs"
    assert lookups[0].daemon, "a look-up that hangs must not keep the process from ending"


def test_a_dead_address_leaves_time_for_the_next(blackhole: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = int(blackhole.rpartition(":")[2])
    real_connect, real_lookup = socket.create_connection, socket.getaddrinfo

    def two_addresses(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "modelarts.example":
            return real_lookup(host, port, *args, **kwargs)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", port)) for n in (2, 1)]

    def connect(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        port = dead if address[0] == "127.0.0.2" else address[1]
        return real_connect(("127.0.0.1", port), *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    monkeypatch.setattr(socket, "create_connection", connect)
    with (
        playing(healthy) as cloud,
        client_of(f"http://modelarts.example:{cloud.port}", connect_timeout=DEADLINE) as client,
    ):
        assert CALLS["create"](client).exchange.status == 200


@pytest.mark.parametrize("call", CALLS)
def test_a_full_pool_proves_that_nothing_was_sent(call: str) -> None:
    entered = threading.Event()

    def hold(visit: Visit) -> None:
        visit.read_request()
        entered.set()
        visit.over.wait(5)

    with (
        playing(hold) as cloud,
        Transport(max_connections=1) as http,
        client_of(cloud.endpoint, http=http) as a,
    ):

        def occupy() -> None:
            with suppress(ModelArtsError):
                CALLS["list"](a)

        other = threading.Thread(target=occupy)
        other.start()
        assert entered.wait(2)
        error = failing(call, cloud.endpoint, http=http)
        check_not_sent(error)
        assert error.cause == "pool_timeout"
        assert len(cloud.requests) == 1
        cloud._over.set()
        other.join(2)
