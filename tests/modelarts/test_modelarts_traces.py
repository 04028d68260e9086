"""Traces of CTS: one narrow request, read loosely, matched again, and never larger than its caps."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from hyperclusters.modelarts import (
    ENDPOINTS,
    Denied,
    InvalidRequest,
    NotFound,
    Throttled,
    Trace,
    TraceClient,
    Unavailable,
    cts_endpoint,
)
from tests.modelarts.cloud import CLUSTER_ID, KEY, NAME, PROJECT, Cloud, Visit, answer, as_json, playing
from tests.modelarts.test_modelarts_signing import is_signed

SINCE, UNTIL = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 23, 10, 2, tzinfo=UTC)
ROW = {
    "time": 1763892120000,
    "user": {"name": "eve", "domain": {"name": "company"}},
    "trace_name": "createHyperCluster",
    "code": "200",
    "source_ip": "192.0.2.7",
    "request_id": "req-9",
    "resource_id": CLUSTER_ID,
    "resource_name": NAME,
}


class Script:
    """Answers every request with what it was last told."""

    data = b""

    def __call__(self, visit: Visit) -> None:
        while True:
            visit.read_request()
            visit.send(self.data)


script = Script()


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with playing(script) as cloud:
        yield cloud


def listed(cloud: Cloud, status: int, body: Any, **about: str) -> tuple[Trace, ...]:
    script.data = answer(status, body if isinstance(body, bytes) else as_json(body))
    about = about or {"resource_id": CLUSTER_ID}
    with TraceClient(endpoint=cloud.endpoint, project_id=PROJECT, credentials=KEY) as client:
        return client.list_traces(since=SINCE, until=UNTIL, **about).value


def test_a_trace_names_who_did_what_and_when(cloud: Cloud) -> None:
    moment = datetime.fromtimestamp(1763892120, UTC)
    assert listed(cloud, 200, {"traces": [ROW], "meta_data": {"count": 1}}) == (
        Trace(moment, "eve", "createHyperCluster", "200", "192.0.2.7", "req-9", CLUSTER_ID, NAME),
    )


def test_the_request_is_the_official_clients(cloud: Cloud) -> None:
    """As `list_traces` of `huaweicloudsdkcts` 3.1.219 sends it."""
    since, until = (int(moment.timestamp() * 1000) for moment in (SINCE, UNTIL))
    for name, encoded in (("a b/é", "a%20b%2F%C3%A9"), (NAME, NAME)):
        listed(cloud, 200, {"traces": []}, resource_name=name)
        request = cloud.requests[-1]
        assert (request.method, request.body) == ("GET", b"")
        assert request.target == (
            f"/v3/{PROJECT}/traces?from={since}&limit=50&resource_name={encoded}&to={until}&trace_type=system"
        )
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-project-id"] == PROJECT
    assert is_signed(request, KEY)


def test_what_names_another_resource_is_left_out_whatever_cts_filters(cloud: Cloud) -> None:
    others = [ROW | {"resource_id": "another", "resource_name": "another"}, ROW | {"resource_id": None}]
    assert len(listed(cloud, 200, {"traces": [ROW, *others]})) == 1
    assert len(listed(cloud, 200, {"traces": [ROW, *others]}, resource_name=NAME)) == 2
    assert len(listed(cloud, 200, {"traces": [ROW | {"resource_id": CLUSTER_ID.upper()}]})) == 1


@pytest.mark.parametrize("rows", [[], None], ids=str)
def test_no_traces_are_an_empty_answer(cloud: Cloud, rows: Any) -> None:
    assert listed(cloud, 200, {"traces": rows}) == ()


def test_as_many_traces_as_were_asked_for_are_read(cloud: Cloud) -> None:
    assert len(listed(cloud, 200, {"traces": [ROW] * 50})) == 50


USERS: dict[str, tuple[Any, str]] = {
    "an object as text": ('{"name": "eve", "id": "7"}', "eve"),
    "another name": ({"user_name": "eve"}, "eve"),
    "text": ("eve", "eve"),
    "cut text": ('{"name": "eve', '{"name": "eve'),
    "hostile": ({"name": "e\u202ev\x00e"}, "e\\u202ev\\x00e"),
    "long": ("x" * 1000, "x" * 255),
    "deep": ("{" * 5000, "{" * 255),
    "nothing": (None, ""),
    "a list": (["eve"], ""),
    "no name": ({"id": "7"}, ""),
}


@pytest.mark.parametrize("case", USERS)
def test_a_user_is_read_in_every_shape(cloud: Cloud, case: str) -> None:
    value, name = USERS[case]
    (trace,) = listed(cloud, 200, {"traces": [ROW | {"user": value}]})
    assert trace.user == name


@pytest.mark.parametrize(
    "value", [None, "", "soon", -1, 0, True, 1.5, 10**400 % 10**30, "9" * 40, []], ids=str
)
def test_a_time_that_is_none_is_not_stated(cloud: Cloud, value: Any) -> None:
    (trace,) = listed(cloud, 200, {"traces": [ROW | {"time": value}]})
    assert trace.at is None


def test_a_time_may_be_digits_and_a_code_a_number(cloud: Cloud) -> None:
    (trace,) = listed(cloud, 200, {"traces": [ROW | {"time": "1763892120000", "code": 200}]})
    assert (trace.at, trace.code) == (datetime.fromtimestamp(1763892120, UTC), "200")


UNUSABLE: dict[str, tuple[int, Any]] = {
    "no list": (200, {}),
    "an object": (200, {"traces": {}}),
    "a row that is no object": (200, {"traces": [ROW, 7]}),
    "too many rows": (200, {"traces": [ROW] * 51}),
    "too many bytes": (200, b'{"traces": [' + b" " * 1024 * 1024 + b"]}"),
    "an unknown error in a 200": (200, {"traces": [], "error_code": "CTS.0001"}),
    "empty": (200, b""),
    "out of order": (503, b""),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_answer_is_unavailable_and_never_none(cloud: Cloud, case: str) -> None:
    with pytest.raises(Unavailable):
        listed(cloud, *UNUSABLE[case])


@pytest.mark.parametrize(("status", "kind"), [(403, Denied), (404, NotFound), (429, Throttled)])
def test_a_refusal_keeps_its_meaning(cloud: Cloud, status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        listed(cloud, status, {"error_code": "CTS.0013", "error_msg": "no"})


@pytest.mark.parametrize("name", ["", "a\nb", "a\x00"])
def test_a_name_that_cannot_be_sent_is_not_sent(cloud: Cloud, name: str) -> None:
    with pytest.raises(InvalidRequest):
        listed(cloud, 200, {}, resource_name=name)


def test_cts_is_in_the_region_of_a_known_endpoint_alone() -> None:
    assert cts_endpoint(ENDPOINTS["cn-north-4"]) == "https://cts.cn-north-4.myhuaweicloud.com"
    assert cts_endpoint(ENDPOINTS["ap-southeast-1"]) == "https://cts.ap-southeast-1.myhuaweicloud.com"
    assert cts_endpoint("http://127.0.0.1:9000") == "http://127.0.0.1:9000"
    for other in ("https://modelarts.example.com", "http://127.0.0.1.example.com:80", ""):
        assert cts_endpoint(other) == ""
