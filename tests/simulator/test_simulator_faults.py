"""Each fault does to the answer, and to the deed behind it, what it says, and the journal tells which."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from hyperclusters.simulator import BehaviourError, Simulator
from tests.simulator.simulator_caller import Caller, Reply, collection, until

CALLS = ["create", "list", "show", "delete"]


def make(caller: Caller, call: str, cluster_id: str) -> Reply:
    """One request of each kind."""
    calls: dict[str, Callable[[], Reply]] = {
        "create": lambda: caller.create("made"),
        "list": caller.list,
        "show": lambda: caller.show(cluster_id),
        "delete": lambda: caller.delete(cluster_id),
    }
    return calls[call]()


def names(simulator: Simulator) -> list[str]:
    return [each.name for each in simulator.clusters()]


@pytest.fixture
def present(caller: Caller) -> str:
    """The ID of a cluster that is there."""
    return str(caller.create("present").json["id"])


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("reset", [False, True])
def test_a_lost_answer_closes_the_connection_after_the_deed(
    simulator: Simulator, caller: Caller, present: str, call: str, reset: bool
) -> None:
    simulator.fault("lost_answer", call, times=1, reset=reset)
    with pytest.raises(ConnectionResetError) as broken:
        make(caller, call, present)
    # An orderly close is the standard library's own kind of reset.
    assert isinstance(broken.value, http.client.RemoteDisconnected) is not reset
    assert names(simulator) == {"create": ["present", "made"], "delete": []}.get(call, ["present"])
    entry = simulator.journal()[-1]
    assert (entry.answer, entry.fault) == ("lost", "lost_answer")
    assert (entry.effect != "none") == (call in {"create", "delete"})


@pytest.mark.parametrize("call", CALLS)
def test_a_lost_request_closes_the_connection_before_the_deed(
    simulator: Simulator, caller: Caller, present: str, call: str
) -> None:
    simulator.fault("lost_request", call)
    with pytest.raises(http.client.RemoteDisconnected):
        make(caller, call, present)
    assert names(simulator) == ["present"]
    entry = simulator.journal()[-1]
    assert (entry.answer, entry.fault, entry.effect, entry.accepted) == ("lost", "lost_request", "none", True)


def test_a_late_create_takes_hold_after_its_time_even_through_a_restart(tmp_path: Any) -> None:
    with Simulator.start(tmp_path) as first:
        first.fault("late_deed", "create", seconds=2)
        with pytest.raises(http.client.RemoteDisconnected):
            Caller(first).create("late")
        assert first.clusters() == []
    with Simulator.start(tmp_path) as second:
        until(lambda: Caller(second).list().json["hyper_clusters"])
        (listed,) = Caller(second).list().json["hyper_clusters"]
        assert second.journal()[0].effect == f"created {listed['id']}"


def test_a_late_delete_takes_hold_after_its_time(simulator: Simulator, caller: Caller, present: str) -> None:
    simulator.fault("late_deed", "delete", seconds=1)
    with pytest.raises(http.client.RemoteDisconnected):
        caller.delete(present)
    assert caller.show(present).status == 200
    until(lambda: caller.show(present).status != 200)
    assert caller.show(present).code == "ModelArts.6404"


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("deed", [True, False])
def test_an_error_can_hide_a_deed_or_the_lack_of_one(
    simulator: Simulator, caller: Caller, status: int, deed: bool
) -> None:
    simulator.fault("error", "create", status=status, deed=deed, times=1)
    reply = caller.create("made")
    assert reply.status == status
    assert reply.json["error_code"]
    assert names(simulator) == (["made"] if deed else [])
    entry = simulator.journal()[-1]
    assert (entry.answer, entry.fault, entry.effect != "none") == (str(status), f"error {status}", deed)
    assert caller.list().status == 200


def test_errors_of_the_gateway_carry_its_codes_and_the_request_id(
    simulator: Simulator, caller: Caller
) -> None:
    codes = {401: "APIGW.0301", 429: "APIGW.0308", 502: "APIGW.0201", 504: "APIGW.0201"}
    for status, code in codes.items():
        simulator.fault("error", "list", status=status, times=1)
        reply = caller.list()
        assert (reply.status, reply.code) == (status, code)
        assert reply.json["request_id"] == reply.headers["X-Request-Id"]


@pytest.mark.parametrize("retry_after", [None, "2", 2, "Mon, 23 Nov 2026 00:00:00 GMT", "soon"])
def test_retry_after_is_sent_only_if_asked_for(
    simulator: Simulator, caller: Caller, retry_after: Any
) -> None:
    simulator.fault("error", status=429, retry_after=retry_after)
    expected = None if retry_after is None else str(retry_after)
    assert caller.list().headers.get("Retry-After") == expected


def test_an_error_can_have_any_code_and_text(simulator: Simulator, caller: Caller) -> None:
    simulator.fault("error", status=418, error_code="ModelArts.4711", error_msg="<b>集群</b>")
    assert caller.list().json == {"error_code": "ModelArts.4711", "error_msg": "<b>集群</b>"}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ["html", "cut_json", "empty", "wrong_name", "no_id", "error_code_200"])
def test_garbage_is_what_its_name_says_after_the_deed(
    simulator: Simulator, caller: Caller, present: str, call: str, kind: str
) -> None:
    simulator.fault("garbage", call, kind=kind, times=1)
    reply = make(caller, call, present)
    assert reply.status == 200
    is_garbage: dict[str, Callable[[bytes], bool]] = {
        "html": lambda body: body.startswith(b"<!DOCTYPE html>"),
        "cut_json": lambda body: not _is_json(body),
        "empty": lambda body: body == b"",
        "wrong_name": lambda body: call == "delete" or (b"not-what-was-asked-for" in body and _is_json(body)),
        "no_id": lambda body: b'"id"' not in body and _is_json(body),
        "error_code_200": lambda body: "error_code" in json.loads(body),
    }
    assert is_garbage[kind](reply.body), reply.body[:200]
    assert simulator.journal()[-1].fault == f"garbage {kind}"
    assert names(simulator) == {"create": ["present", "made"], "delete": []}.get(call, ["present"])


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def test_garbage_can_be_any_bytes_with_any_status(simulator: Simulator, caller: Caller) -> None:
    body = b'\xff\x00{"id": NaN}'
    simulator.fault(
        "garbage", "create", kind="custom", body=body, content_type="text/plain", status=202, deed=False
    )
    reply = caller.create()
    assert (reply.status, reply.body, reply.headers["Content-Type"]) == (202, body, "text/plain")
    assert simulator.clusters() == []


def test_an_oversized_answer_has_two_mebibytes(simulator: Simulator, caller: Caller) -> None:
    simulator.fault("oversized", "list")
    reply = caller.list()
    assert len(reply.body) == 2 * 1024 * 1024
    assert reply.json == {"hyper_clusters": []}


def test_a_drip_sends_byte_by_byte(simulator: Simulator, caller: Caller) -> None:
    simulator.fault("drip", "list", seconds=0.005)
    began = time.monotonic()
    assert caller.list().json == {"hyper_clusters": []}
    # The answer is whole with its last byte, before the pause that would follow it.
    assert time.monotonic() - began > 0.005 * (len('{"hyper_clusters": []}') - 1)


def test_a_raw_answer_is_sent_as_it_is(simulator: Simulator, caller: Caller) -> None:
    simulator.fault(
        "raw_answer", "create", body=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", deed=True
    )
    with pytest.raises(http.client.IncompleteRead):
        caller.create("made")
    assert names(simulator) == ["made"]
    assert simulator.journal()[-1].answer == "raw"


def test_latency_can_come_before_and_after_the_deed(simulator: Simulator, caller: Caller) -> None:
    simulator.fault("latency", "create", before=0.2, after=0.2, times=1)
    connection = caller.connect()
    body = b'{"name": "slow"}'
    began = time.monotonic()
    connection.request("POST", collection(), body, caller.signed("POST", collection(), body))
    until(lambda: names(simulator) == ["slow"])
    assert time.monotonic() - began > 0.2
    assert connection.getresponse().read()
    assert time.monotonic() - began > 0.4
    connection.close()


def test_latency_adds_to_another_fault(simulator: Simulator, caller: Caller) -> None:
    simulator.fault("error", "list", status=500)
    simulator.fault("latency", before=0.1)
    simulator.fault("latency", after=0.1)
    began = time.monotonic()
    assert caller.list().status == 500
    assert time.monotonic() - began > 0.2
    assert simulator.journal()[-1].fault == "latency, latency, error 500"


def test_a_fault_strikes_only_as_often_as_told(simulator: Simulator, caller: Caller) -> None:
    simulator.fault("error", "list", times=2)
    assert [caller.list().status for _ in range(4)] == [503, 503, 200, 200]


def test_faults_strike_in_the_order_they_were_set(simulator: Simulator, caller: Caller) -> None:
    simulator.fault("error", "list", status=500, times=1)
    simulator.fault("error", "list", status=504, times=2)
    assert [caller.list().status for _ in range(4)] == [500, 504, 504, 200]


def test_a_fault_can_be_for_one_kind_of_call_one_name_or_one_project(
    simulator: Simulator, caller: Caller, present: str
) -> None:
    simulator.fault("error", "create", name="unlucky")
    assert [caller.create("lucky").status, caller.create("unlucky").status] == [200, 503]
    simulator.fault("error", "any", name="present", status=500)
    assert [caller.show(present).status, caller.delete(present).status, caller.list().status] == [
        500,
        500,
        200,
    ]
    simulator.fault("error", "list", project="another", status=502)
    assert [caller.list(project="another").status, caller.list().status] == [502, 200]


def test_chance_repeats_itself_with_the_same_seed(simulator: Simulator, caller: Caller) -> None:
    def strikes(seed: int) -> list[int]:
        simulator.reset()
        simulator.fault("error", "list", probability=0.5, seed=seed)
        return [caller.list().status for _ in range(20)]

    first = strikes(1)
    assert strikes(1) == first
    assert strikes(2) != first
    assert {200, 503} == set(first)


def test_a_fault_never_strikes_what_the_gateway_refuses(simulator: Simulator, caller: Caller) -> None:
    simulator.fault("error", "list", times=1)
    assert Caller(simulator, "wrong").list().status == 401
    assert caller.list().status == 503


def test_while_refusing_nothing_listens_and_afterwards_all_is_as_before(
    simulator: Simulator, caller: Caller, present: str
) -> None:
    with simulator.refuse_connections(), pytest.raises(ConnectionRefusedError):
        caller.list()
    assert caller.show(present).status == 200


def test_refusing_also_cuts_connections_that_are_open(simulator: Simulator, caller: Caller) -> None:
    connection = caller.connect(timeout=2)
    connection.request("GET", collection(), headers=caller.signed("GET", collection()))
    assert connection.getresponse().read()
    with simulator.refuse_connections():
        assert connection.sock.recv(1) == b""
    connection.close()


@pytest.mark.parametrize(
    ("fault", "parameters", "text"),
    [
        ("no_such_fault", {}, "no_such_fault"),
        ("lost_answer", {"seconds": 1}, "seconds"),
        ("lost_answer", {"call": "update"}, "call"),
        ("lost_answer", {"times": 0}, "times"),
        ("error", {"status": 100}, "status"),
        ("error", {"status": None}, "status"),
        ("error", {"retry_after": "a\r\nb"}, "retry_after"),
        ("garbage", {"kind": "other"}, "kind"),
        ("garbage", {"body": 1}, "body"),
        ("latency", {"before": -1}, "before"),
        ("latency", {"probability": 2}, "probability"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_by_name(
    simulator: Simulator, fault: str, parameters: dict[str, Any], text: str
) -> None:
    with pytest.raises(BehaviourError, match=text):
        simulator.fault(fault, **parameters)
