"""The gateway lets through what is rightly signed, and nothing else."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from hyperclusters.simulator import Simulator
from hyperclusters.simulator.http_messages import Request
from hyperclusters.simulator.signature import sign
from tests.simulator.simulator_caller import PROJECT, Caller, collection, sdk_date

VECTOR_PROJECT = "p" * 32
VECTORS = [
    (
        "POST",
        "",
        b"application/json;charset=UTF-8",
        b'{"name": "test-hps--1107"}',
        "80e756a4556e3a6998f9aec98677d755d1962cac8dcdd927bee26377e680eb1e",
    ),
    (
        "GET",
        "type=ECS",
        b"application/json",
        b"",
        "f9122fefc4348a81acb394ba5cc3eb39e6b414beab9a6f9b158fb188fa47865f",
    ),
]


@pytest.mark.parametrize(("method", "query", "content_type", "body", "expected"), VECTORS)
def test_the_signature_is_that_of_the_known_vectors(
    method: str, query: str, content_type: bytes, body: bytes, expected: str
) -> None:
    headers = {
        "content-type": content_type,
        "host": b"modelarts.cn-southwest-2.myhuaweicloud.com",
        "x-project-id": VECTOR_PROJECT.encode(),
        "x-sdk-date": b"20261123T000000Z",
    }
    path = collection(VECTOR_PROJECT).encode()
    received = Request(method, path, query, headers, len(body), body, datetime.now(UTC))
    assert sign("SKTEST", received, tuple(headers)) == expected


@pytest.mark.parametrize(
    "extra", [{}, {"X-Project-Id": PROJECT}, {"Content-Type": "application/json", "A-B": " x "}]
)
def test_any_signed_set_with_host_and_date_is_taken(caller: Caller, extra: dict[str, str]) -> None:
    headers = caller.signed("GET", collection(), headers=extra)
    headers["X-Not-Signed"] = "added on the way"
    assert caller.bare("GET", collection(), headers=headers).status == 200


def test_a_signed_query_is_taken_in_any_order(caller: Caller) -> None:
    strange = quote("a b&=/+~é", safe="")
    assert caller.send("GET", f"{collection()}?z=2&type=ECS&z=1&empty=&{strange}={strange}").status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"Host": "elsewhere"},
        {"X-Sdk-Date": "half a minute later"},
        {"X-Project-Id": "changed"},
        {"Authorization": None},
        {"Authorization": "Bearer token"},
        {"X-Sdk-Date": None},
        {"X-Project-Id": None},
    ],
)
def test_a_header_that_was_changed_or_dropped_after_signing_is_refused(
    simulator: Simulator, change: dict[str, str | None]
) -> None:
    caller = Caller(simulator)
    headers: dict[str, str | None] = {**caller.signed("GET", collection(), headers={"X-Project-Id": PROJECT})}
    if change.get("X-Sdk-Date"):
        change = {"X-Sdk-Date": sdk_date(30)}  # as of now: it is good for 15 minutes only
    sent = {name: value for name, value in (headers | change).items() if value is not None}
    reply = caller.bare("GET", collection(), headers=sent)
    assert (reply.status, reply.code) == (401, "APIGW.0301")
    assert not simulator.journal()[-1].accepted


@pytest.mark.parametrize("missing", ["host", "x-sdk-date"])
def test_a_signature_that_does_not_cover_host_and_date_is_refused(caller: Caller, missing: str) -> None:
    headers = caller.signed("GET", collection())
    headers["Authorization"] = headers["Authorization"].replace(f"{missing};", "").replace(f";{missing}", "")
    reply = caller.bare("GET", collection(), headers=headers)
    assert (reply.status, "no usable Authorization" in reply.json["error_msg"]) == (401, True)


def test_a_body_path_query_or_method_changed_after_signing_is_refused(
    simulator: Simulator, caller: Caller
) -> None:
    body = b'{"name": "a"}'
    signed = caller.signed("POST", collection(), body)
    listing = caller.signed("GET", collection())
    refused = [
        caller.bare("POST", collection(), b'{"name": "b"}', signed),
        caller.bare("POST", collection("other"), body, signed),
        caller.bare("POST", collection() + "?type=ECS", body, signed),
        caller.bare("POST", collection(), b"", listing),
    ]
    assert [reply.status for reply in refused] == [401] * 4
    assert simulator.clusters() == []


def test_a_body_declared_unsigned_is_refused(caller: Caller) -> None:
    reply = caller.send("POST", collection(), b'{"name": "a"}', {"Content-Type": "text/plain"})
    assert reply.code == "APIGW.0301"


def test_an_unknown_key_is_told_apart_from_a_wrong_signature(simulator: Simulator) -> None:
    unknown, wrong = Caller(simulator), Caller(simulator, "wrong")
    unknown.access_key = "NOBODY"
    assert "ak not exist" in unknown.list().json["error_msg"]
    assert "verify aksk signature fail" in wrong.list().json["error_msg"]


@pytest.mark.parametrize("ahead", [-950, 950])
def test_a_clock_more_than_fifteen_minutes_off_is_refused_with_the_gateways_date(
    caller: Caller, ahead: int
) -> None:
    reply = caller.send("GET", collection(), headers={"X-Sdk-Date": sdk_date(ahead)})
    assert (reply.status, reply.code) == (401, "APIGW.0303")
    assert reply.headers["Date"].endswith(" GMT")


@pytest.mark.parametrize("ahead", [-850, 850])
def test_a_clock_less_than_fifteen_minutes_off_is_taken(caller: Caller, ahead: int) -> None:
    assert caller.send("GET", collection(), headers={"X-Sdk-Date": sdk_date(ahead)}).status == 200


@pytest.mark.parametrize("date", ["", "now", "2026-11-23T00:00:00Z", "20261399T000000Z"])
def test_a_malformed_date_is_refused(caller: Caller, date: str) -> None:
    headers = caller.signed("GET", collection())
    assert caller.bare("GET", collection(), headers={**headers, "X-Sdk-Date": date}).code == "APIGW.0301"


def test_five_bad_signatures_in_a_row_do_not_lock_a_key(simulator: Simulator, caller: Caller) -> None:
    for _ in range(5):
        Caller(simulator, "wrong").list()
    assert caller.list().status == 200


def test_the_sixth_bad_signature_in_a_row_locks_the_key_even_for_right_ones(
    simulator: Simulator, caller: Caller
) -> None:
    for _ in range(6):
        Caller(simulator, "wrong").list()
    refused = caller.create()
    assert (refused.status, refused.code) == (401, "APIGW.0301")
    assert simulator.clusters() == []


def test_a_good_signature_ends_the_row_of_bad_ones(simulator: Simulator, caller: Caller) -> None:
    for _ in range(3):
        for _ in range(5):
            Caller(simulator, "wrong").list()
        assert caller.list().status == 200


def test_a_lock_outlives_a_restart(tmp_path: Path) -> None:
    with Simulator.start(tmp_path) as simulator:
        for _ in range(6):
            Caller(simulator, "wrong").list()
    with Simulator.start(tmp_path) as simulator:
        assert Caller(simulator).list().status == 401


def test_a_temporary_key_needs_its_token(simulator: Simulator) -> None:
    simulator.add_key(simulator.access_key, "short", security_token="token")
    assert Caller(simulator, "short", "token").create().status == 200
    assert Caller(simulator, "short").create().code == "APIGW.0301"
    assert Caller(simulator, "short", "other").create().code == "APIGW.0301"


def test_a_forgotten_key_is_refused(simulator: Simulator, caller: Caller) -> None:
    assert simulator.remove_key(simulator.access_key)
    assert not simulator.remove_key(simulator.access_key)
    assert caller.list().code == "APIGW.0301"


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v2/p/dev-servers/hyper-clusters", "/v1/p/dev-servers/hyper-clusters/"]
)
def test_an_unknown_path_is_no_api(caller: Caller, path: str) -> None:
    reply = caller.bare("GET", path)
    assert (reply.status, reply.code) == (404, "APIGW.0101")


@pytest.mark.parametrize(("method", "suffix"), [("PUT", ""), ("DELETE", ""), ("POST", "/x"), ("HEAD", "/x")])
def test_a_wrong_method_is_told_which_are_right(caller: Caller, method: str, suffix: str) -> None:
    reply = caller.send(method, collection() + suffix)
    assert reply.status == 405
    assert reply.headers["Allow"] in {"POST, GET", "GET, DELETE"}


def test_a_body_over_the_cap_is_refused_before_it_is_read(simulator: Simulator, caller: Caller) -> None:
    reply = caller.create("a" * (1024 * 1024))
    assert (reply.status, reply.code) == (413, "APIGW.0201")
    assert simulator.journal() == []


def test_every_answer_has_a_request_id_and_a_date(simulator: Simulator, caller: Caller) -> None:
    replies = [
        caller.create(),
        caller.list(),
        caller.bare("GET", "/nowhere"),
        caller.bare("GET", collection()),
        caller.control("GET", "switches"),
    ]
    assert len({reply.headers["X-Request-Id"] for reply in replies}) == len(replies)
    assert all("Date" in reply.headers for reply in replies)
    refused = caller.bare("GET", collection())
    assert refused.json["request_id"] == refused.headers["X-Request-Id"] == simulator.journal()[-1].request_id
