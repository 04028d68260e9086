"""The server keeps connections alive, takes many at once, and is not upset by what is no HTTP."""

import re
import socket
import statistics
import threading
import time

import pytest

from hyperclusters.simulator import Simulator
from tests.simulator.simulator_caller import Caller, collection, until


def spoken(caller: Caller, sent: bytes, *, finish: bool = True) -> bytes:
    """What comes back on one connection until the server closes it."""
    with socket.create_connection(("127.0.0.1", caller.port), timeout=10) as connection:
        connection.sendall(sent)
        if finish:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


def test_a_connection_serves_many_requests(simulator: Simulator, caller: Caller) -> None:
    connection = caller.connect()
    body = b'{"name": "again"}'
    connection.connect()
    kept = connection.sock
    for _ in range(5):
        connection.request("POST", collection(), body, caller.signed("POST", collection(), body))
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
        assert connection.sock is kept
    connection.close()
    assert len(simulator.clusters()) == 5


def test_a_refused_request_does_not_spoil_the_next_one_on_its_connection(caller: Caller) -> None:
    connection = caller.connect()
    connection.request("PUT", collection(), b"GET /left-over HTTP/1.1\r\n\r\n")
    assert connection.getresponse().read()
    connection.request("GET", collection(), headers=caller.signed("GET", collection()))
    assert connection.getresponse().read() == b'{"hyper_clusters": []}'
    connection.close()


def test_requests_sent_in_one_go_are_answered_in_order(caller: Caller) -> None:
    one = b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n"
    received = spoken(caller, one + b"GET /_simulator/switches HTTP/1.1\r\nHost: localhost\r\n\r\n" + one)
    assert re.findall(rb"HTTP/1\.1 (\d+)", received) == [b"404", b"200", b"404"]


def test_http_1_0_and_connection_close_are_closed_after_the_answer(caller: Caller) -> None:
    assert spoken(caller, b"GET / HTTP/1.0\r\n\r\n", finish=False).startswith(b"HTTP/1.1 404")
    assert spoken(caller, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", finish=False).startswith(
        b"HTTP/1.1 404"
    )


def test_a_waiting_sender_is_told_to_go_on(caller: Caller) -> None:
    body = b'{"name": "patient"}'
    headers = caller.signed("POST", collection(), body)
    head = f"POST {collection()} HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    with socket.create_connection(("127.0.0.1", caller.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")


def test_half_a_body_is_no_request(simulator: Simulator, caller: Caller) -> None:
    head = f"POST {collection()} HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n".encode()
    assert spoken(caller, head + b'{"name": ') == b""
    assert simulator.journal() == []


def test_a_chunked_body_is_refused(caller: Caller) -> None:
    head = f"POST {collection()} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert spoken(caller, head + b"2\r\n{}\r\n0\r\n\r\n").startswith(b"HTTP/1.1 411")


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET http://elsewhere/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nSpace : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: " + b"1" * 5000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 300 + b"\r\n",
        b"GET / HTTP/1.1\r\nLong: " + b"a" * 70_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
    ],
)
def test_what_is_no_http_gets_a_400_and_hurts_nobody(caller: Caller, sent: bytes) -> None:
    assert spoken(caller, sent).startswith(b"HTTP/1.1 400")
    assert caller.list().status == 200


def test_a_header_with_an_underscore_cannot_pass_for_a_signed_one(caller: Caller) -> None:
    headers = caller.signed("GET", collection())
    headers["X_Sdk_Date"] = headers.pop("X-Sdk-Date")
    assert caller.bare("GET", collection(), headers=headers).status == 401


def test_fifty_slow_requests_take_as_long_as_one(simulator: Simulator, caller: Caller) -> None:
    simulator.fault("latency", before=0.5)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(caller.create().status)) for _ in range(50)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 50
    assert time.monotonic() - began < 15  # one after the other they take 25
    assert len({entry.effect for entry in simulator.journal()}) == 50


def test_no_answer_waits_for_the_acknowledgement_of_its_head(simulator: Simulator, caller: Caller) -> None:
    body = b'{"name": "quick"}'
    connection = caller.connect()

    def median(method: str, content: bytes) -> float:
        headers = caller.signed(method, collection(), content)
        times = []
        for _ in range(50):
            began = time.perf_counter()
            connection.request(method, collection(), content, headers)
            connection.getresponse().read()
            times.append(time.perf_counter() - began)
        return statistics.median(times)

    # ChainHead and body that wait for each other's acknowledgement cost 40 ms; a list takes less than one.
    assert median("GET", b"") < 0.03
    assert median("POST", body) < 0.1
    connection.close()


def test_stopping_leaves_no_thread_and_cuts_what_is_under_way(tmp_path: object) -> None:
    before = threading.active_count()
    simulator = Simulator.start(str(tmp_path))
    caller = Caller(simulator)
    simulator.fault("latency", before=60)
    connection = caller.connect()
    connection.request("GET", collection(), headers=caller.signed("GET", collection()))
    while not simulator.journal():
        pass
    began = time.monotonic()
    simulator.stop()
    assert time.monotonic() - began < 20
    connection.close()
    until(lambda: threading.active_count() == before)


def test_a_head_request_gets_a_head_and_the_connection_stays_usable(caller: Caller) -> None:
    received = spoken(caller, b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+)", received) == [b"404", b"404"]
    assert received.count(b"APIGW.0101") == 1
