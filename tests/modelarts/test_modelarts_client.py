"""What a caller can rely on before and around a call."""

import logging
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperclusters import modelarts
from hyperclusters.modelarts import (
    Client,
    ClusterType,
    Credentials,
    InvalidRequest,
    ModelArtsError,
    OutcomeUnknown,
    Proof,
    create_request,
    delete_request,
    is_name,
    is_project_id,
    is_safe_id,
    is_subnet_id,
    list_request,
    show_request,
)
from tests.modelarts.cloud import (
    CALLS,
    CLUSTER_ID,
    KEY,
    NAME,
    PROJECT,
    SUBNET_ID,
    Cloud,
    answer,
    answering,
    as_json,
    client_of,
    healthy,
    playing,
)

EDGE_NAMES = [".", "..", "-rf", "--help", "-2", "_", "a" * 64, "0", "test-hps--1107"]
NOT_NAMES = [
    "",
    "a" * 65,
    "a\n",
    "\na",
    "a b",
    "ä",
    "a/b",
    "a\0",
    "名",
    "a\u200b",
    "%2e",
    "<b>",
    None,
    7,
    ["a"],
]
NOT_SUBNET_IDS = [
    SUBNET_ID.upper(),
    SUBNET_ID + "\n",
    "{" + SUBNET_ID + "}",
    "urn:uuid:" + SUBNET_ID,
    SUBNET_ID.replace("-", ""),
    "47be1c96-b00c-6cc9-83cb-089893a632b6",
    "47be1c96-b00c-4cc9-c3cb-089893a632b6",
    "",
    "x",
]
NOT_PROJECT_IDS = ["", "p" * 65, "p\n", "p_q", "p/q", "..", "p?x", "ｐ"]
NOT_IDS = ["", ".", "..", "a/b", "a\n", "a" * 65, "a?b", "%2e%2e"]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with playing(healthy) as cloud:
        yield cloud


@pytest.mark.parametrize("name", EDGE_NAMES)
def test_g32_a_valid_name_arrives_byte_for_byte(cloud: Cloud, name: str) -> None:
    assert is_name(name)
    with client_of(cloud.endpoint) as client:
        created = client.create(name=name, type=ClusterType.ECS)
    assert created.value.name == name
    assert f'"name": "{name}"'.encode() in cloud.requests[0].body


@pytest.mark.parametrize("name", NOT_NAMES)
def test_g32_an_invalid_name_is_refused_before_anything_is_built(cloud: Cloud, name: Any) -> None:
    assert not is_name(name)
    with client_of(cloud.endpoint) as client, pytest.raises(InvalidRequest) as caught:
        client.create(name=name, type=ClusterType.HPS)
    assert (caught.value.field, caught.value.cause) == ("name", "invalid_name")
    assert caught.value.proves is Proof.NOT_SENT
    assert caught.value.exchange is None
    assert isinstance(caught.value, ValueError)
    assert cloud.connections == 0


BUILDERS: dict[str, Callable[[str], Any]] = {
    "subnet_id": lambda v: create_request(project_id=PROJECT, name=NAME, type=ClusterType.HPS, subnet_id=v),
    "project_id": lambda v: list_request(project_id=v, type=ClusterType.HPS),
    "cluster_id": lambda v: show_request(project_id=PROJECT, cluster_id=v, type=ClusterType.HPS),
    "type": lambda v: delete_request(project_id=PROJECT, cluster_id=CLUSTER_ID, type=v),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("subnet_id", value) for value in NOT_SUBNET_IDS if value),
        *(("project_id", value) for value in NOT_PROJECT_IDS),
        *(("cluster_id", value) for value in NOT_IDS),
        *(("type", value) for value in ("BMS", "hps", "", None, "HPS\n")),
    ],
)
def test_g32_every_field_is_matched_whole(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        BUILDERS[field](value)
    assert caught.value.field == field


def test_the_predicates_take_anything() -> None:
    for predicate in (is_name, is_subnet_id, is_project_id, is_safe_id):
        assert not any(predicate(value) for value in (None, 1, b"a", ["a"], {"a": 1}, "a\n"))
    assert not any(is_subnet_id(value) for value in NOT_SUBNET_IDS)
    assert is_subnet_id(SUBNET_ID)


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=70))
def test_g32_what_is_accepted_is_exactly_the_documented_alphabet(name: str) -> None:
    allowed = set("-_.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    assert is_name(name) == (1 <= len(name) <= 64 and set(name) <= allowed)


def test_an_empty_subnet_is_left_out() -> None:
    request = create_request(project_id=PROJECT, name=NAME, type=ClusterType.HPS)
    assert request.body == b'{"name": "test-hps--1107", "type": "HPS"}'


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "ftp://a",
        "modelarts.example",
        "https://",
        "https://a/",
        "https://a/v1",
        "https://a?x",
        "https://a#x",
        "https://u:p@a",
        "https://a:99999",
        "https://a:b",
        "https://a\n",
        "https://a b",
        "https://-a",
        "https://a\\b",
    ],
)
def test_an_endpoint_is_a_scheme_a_host_and_a_port(endpoint: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Client(endpoint=endpoint, project_id=PROJECT, credentials=KEY)
    assert caught.value.field == "endpoint"


@pytest.mark.parametrize("field", ["access_key", "secret_key", "security_token"])
@pytest.mark.parametrize("value", ["a b", "a\r\nX-Evil: 1", "ä", "\0"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_and_not_repeated(field: str, value: str) -> None:
    key = Credentials(**{"access_key": "a", "secret_key": "b", field: value})
    with pytest.raises(InvalidRequest) as caught:
        Client(endpoint="https://a", project_id=PROJECT, credentials=key)
    assert caught.value.field == field
    assert value not in str(caught.value)


def test_a_moment_without_time_zone_is_a_mistake(cloud: Cloud) -> None:
    with client_of(cloud.endpoint) as client, pytest.raises(ValueError, match="time zone"):
        client.create(name=NAME, type=ClusterType.HPS, signed_at=datetime(2026, 11, 23))  # noqa: DTZ001
    assert cloud.connections == 0


def test_g18_the_clock_offset_is_added_to_the_clock_but_not_to_a_moment_given(cloud: Cloud) -> None:
    offset, moment = timedelta(hours=3), datetime(2026, 11, 23, 1, 2, 3, 456789, tzinfo=UTC)
    with Client(endpoint=cloud.endpoint, project_id=PROJECT, credentials=KEY, clock_offset=offset) as client:
        earliest = (datetime.now(UTC) + offset).replace(microsecond=0)
        listed = client.list(type=ClusterType.HPS)
        latest = datetime.now(UTC) + offset
        created = client.create(name=NAME, type=ClusterType.HPS, signed_at=moment)
    assert earliest <= listed.exchange.signed_at <= latest
    assert listed.exchange.signed_at.microsecond == 0
    assert created.exchange.signed_at == moment.replace(microsecond=0)
    assert cloud.requests[1].headers["x-sdk-date"] == "20261123T010203Z"


def test_an_exchange_tells_what_happened(cloud: Cloud) -> None:
    data = answer(
        200,
        as_json({"id": CLUSTER_ID, "name": NAME}),
        "X-Request-Id: req-1",
        "Date: Mon, 23 Nov 2026 01:02:03 GMT",
    )
    cloud.script = answering(data)
    with client_of(cloud.endpoint) as client:
        exchange = client.create(name=NAME, type=ClusterType.HPS).exchange
    assert (exchange.endpoint, exchange.status, exchange.request_id) == (cloud.endpoint, 200, "req-1")
    assert exchange.body == f'{{"id": "{CLUSTER_ID}", "name": "{NAME}"}}'
    assert exchange.server_date == datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
    assert 0 < exchange.elapsed < 5
    assert exchange.request.path == f"/v1/{PROJECT}/dev-servers/hyper-clusters"


@pytest.mark.parametrize(("status", "call"), [(status, call) for status in (200, 409) for call in CALLS])
def test_only_the_answer_of_a_create_names_what_it_may_have_created(
    status: int, call: str, cloud: Cloud
) -> None:
    cloud.script = answering(answer(status, as_json({"id": CLUSTER_ID, "name": NAME})))
    with client_of(cloud.endpoint) as client:
        exchange: modelarts.Exchange | None
        try:
            exchange = CALLS[call](client).exchange
        except ModelArtsError as error:
            exchange = error.exchange
    assert exchange is not None
    assert exchange.status == status
    assert exchange.cluster_ids == ((CLUSTER_ID,) if call == "create" else ())


def test_g22_no_secret_shows_in_a_representation_or_a_debug_log(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = Credentials("CANARYACCESS", "CANARYSECRET", "CANARYTOKEN")
    cloud.script = answering(answer(401, b"CANARYSECRET CANARYTOKEN CANARYACCESS"))
    with (
        Client(endpoint=cloud.endpoint, project_id=PROJECT, credentials=key) as client,
        pytest.raises(OutcomeUnknown) as caught,
    ):
        client.create(name=NAME, type=ClusterType.HPS)
    text = f"{caught.value!r} {caught.value} {caught.value.exchange!r} {caplog.text} {client!r}"
    assert "CANARY" not in text
    assert "CANARYSECRET" not in repr(key)
    assert "CANARYTOKEN" not in repr(key)


def test_an_error_survives_a_trip_to_another_process(cloud: Cloud) -> None:
    cloud.script = answering(
        answer(429, as_json({"error_code": "APIGW.0308", "error_msg": "slow"}), "Retry-After: 3")
    )
    with client_of(cloud.endpoint) as client, pytest.raises(ModelArtsError) as caught:
        CALLS["create"](client)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is modelarts.Throttled
    assert (copy.code, copy.retry_after, copy.proves) == ("APIGW.0308", 3.0, Proof.NOT_EXECUTED)
    assert copy.exchange == caught.value.exchange
    assert str(copy) == "status_429: APIGW.0308: slow"


def test_what_prints_an_error_without_its_fields_prints_its_message() -> None:
    error = modelarts.Throttled("slow", code="APIGW.0308", cause="status_429")
    assert error.args == ("slow",)
    assert repr(error) == "Throttled('slow')"


def test_the_room_needs_no_django_and_no_other_room() -> None:
    script = (
        "import sys, hyperclusters.modelarts;"
        "rooms = {n for n in sys.modules if n.startswith('hyperclusters.')};"
        "print([n for n in rooms if not n.startswith('hyperclusters.modelarts')], 'django' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] False"
