"""Connections: how they are shared, kept and dropped, and what never goes over them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from hyperclusters.modelarts import OutcomeUnknown, Proof, Transport
from tests.modelarts.cloud import (
    CALLS,
    CLUSTER,
    Cloud,
    Visit,
    answer,
    answering,
    as_json,
    client_of,
    gone,
    healthy,
    playing,
    then,
)
from tests.modelarts.faults import (
    ENDED,
    WHOLE,
    check_ambiguous,
    failing,
    nothing_left_behind,
)


def test_each_call_has_a_connection_of_its_own_which_ends_with_it() -> None:
    with nothing_left_behind(), playing(healthy) as cloud, client_of(cloud.endpoint) as client:
        for call in CALLS.values():
            call(client)
        assert cloud.connections == len(CALLS)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("act", [gone, Visit.reset])
def test_a_connection_that_dies_under_a_request_is_no_answer_and_no_second_try(
    call: str, act: Callable[[Visit], None]
) -> None:
    def script(visit: Visit) -> None:
        visit.read_head()
        act(visit)

    with playing(script) as cloud, Transport() as http:
        error = failing(call, cloud.endpoint, http=http)
        check_ambiguous(error, call)
        assert error.cause in ENDED
        assert cloud.connections == 1


@pytest.mark.parametrize("first", [WHOLE, b"HTTP/1.1 304 Not Modified\r\n\r\n"])
def test_bytes_after_an_answer_never_become_the_next_calls_answer(first: bytes) -> None:
    planted = answer(200, as_json(CLUSTER | {"id": "planted"}))
    with playing(then(first + planted, Visit.stall)) as cloud, client_of(cloud.endpoint) as client:
        with suppress(OutcomeUnknown):
            CALLS["create"](client)
        cloud.script = healthy
        assert CALLS["create"](client).value.id == CLUSTER["id"]
        assert cloud.connections == 2


def test_an_answer_without_length_ends_with_the_connection() -> None:
    with (
        playing(then(b"HTTP/1.0 200 OK\r\n\r\n" + as_json(CLUSTER), gone)) as cloud,
        client_of(cloud.endpoint) as client,
    ):
        assert CALLS["create"](client).value.id == CLUSTER["id"]


def test_a_refusal_sent_before_the_body_was_read_is_heard() -> None:
    refusal = answer(413, as_json({"error_code": "APIGW.0201", "error_msg": "too large"}))

    def script(visit: Visit) -> None:
        visit.read_head()
        visit.send(refusal)

    with playing(script) as cloud:
        assert failing("create", cloud.endpoint).proves is Proof.NOT_EXECUTED


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_g15_a_redirect_is_never_followed(status: int, call: str) -> None:
    with playing(healthy) as elsewhere:
        redirect = answer(status, b"", f"Location: {elsewhere.endpoint}/v1/x")
        with playing(answering(redirect)) as cloud:
            error = failing(call, cloud.endpoint)
            assert error.cause == f"status_{status}"
            check_ambiguous(error, call)
        assert elsewhere.connections == 0


def test_g15_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with playing(healthy) as proxy, playing(healthy) as cloud:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.endpoint)
        with client_of(cloud.endpoint) as client:
            CALLS["create"](client)
        assert (proxy.connections, len(cloud.requests)) == (0, 1)


def test_cookies_are_not_sent_back_and_compression_is_not_asked_for() -> None:
    with (
        playing(answering(answer(200, as_json(CLUSTER), "Set-Cookie: a=b; Path=/"))) as cloud,
        client_of(cloud.endpoint) as client,
    ):
        CALLS["create"](client)
        CALLS["create"](client)
    assert [request.headers["accept-encoding"] for request in cloud.requests] == ["identity", "identity"]
    assert all("cookie" not in request.headers for request in cloud.requests)


def test_no_more_calls_are_under_way_at_a_time_than_allowed() -> None:
    under_way: list[int] = [0]
    numbers: list[int] = []
    counting = threading.Lock()
    full = threading.Barrier(3)  # three must be under way at once, or this times out

    def counted(visit: Visit) -> None:
        visit.read_request()
        with counting:
            under_way[0] += 1
            numbers.append(under_way[0])
        full.wait(5)
        with counting:
            under_way[0] -= 1
        visit.send(WHOLE)

    failures: list[Exception] = []
    with nothing_left_behind(), playing(counted) as cloud, Transport(max_connections=3) as http:

        def work() -> None:
            try:
                with client_of(cloud.endpoint, http=http) as client:
                    CALLS["create"](client)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test wants to see it
                failures.append(error)

        workers = [threading.Thread(target=work) for _ in range(15)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(10)
        assert failures == []
        assert len(cloud.requests) == 15
        assert max(numbers) == 3


def test_a_shared_transport_outlives_its_clients(cloud: Cloud) -> None:
    with Transport() as http:
        for _ in range(2):
            with client_of(cloud.endpoint, http=http) as client:
                CALLS["create"](client)
        assert len(cloud.requests) == 2


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with playing(healthy) as cloud:
        yield cloud
