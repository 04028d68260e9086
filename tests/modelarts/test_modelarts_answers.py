"""Whatever a success holds: no crash, no wrong verdict, nothing that a database would refuse."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from hyperclusters.modelarts import Network
from tests.modelarts.cloud import (
    CLUSTER,
    CLUSTER_ID,
    NAME,
    SUBNET_ID,
    answer,
    as_json,
)
from tests.modelarts.stage import Stage, check_no_answer, staged

OTHER_ID = "84437437-6810-43b8-ba20-8f8e5bc034da"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as stage:
        yield stage


def changed(**fields: Any) -> dict[str, Any]:
    return CLUSTER | fields


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in CLUSTER.items() if name != key}


GOOD = json.dumps(CLUSTER)
NESTED = b"[" * 200_000 + b"]" * 200_000
NOT_JSON: dict[str, bytes] = {
    "empty": b"",
    "white space": b" \r\n\t ",
    "HTML": b"<!doctype html><title>Bad gateway</title><script>alert(1)</script>",
    "plain text": b"OK",
    "cut": GOOD[:-5].encode(),
    "cut in a string": GOOD[:20].encode(),
    "trailing junk": GOOD.encode() + b"}",
    "twice": GOOD.encode() * 2,
    "byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "UTF-16": GOOD.encode("utf-16"),
    "UTF-32": GOOD.encode("utf-32"),
    "invalid UTF-8": GOOD.encode().replace(NAME.encode(), b"\xff\xfe\xc3"),
    "overlong UTF-8": GOOD.encode().replace(b'"name"', b'"\xc1\xae"'),
    "a surrogate in UTF-8": GOOD.encode().replace(b"test", b"\xed\xa0\x80"),
    "NUL": b"\0" * 100,
    "raw NUL in a string": GOOD.encode().replace(b"test", b"\0"),
    "control characters": b"\x1b[2J\x07" + GOOD.encode(),
    "NaN": GOOD.replace("true", "NaN").encode(),
    "Infinity": GOOD.replace("true", "-Infinity").encode(),
    "a huge integer": GOOD.replace("true", "9" * 5000).encode(),
    "deep nesting": NESTED,
    "deep objects": b'{"a":' * 100_000,
    "duplicate keys": GOOD.replace('"id"', f'"id": "{OTHER_ID}", "id"').encode(),
    "duplicate keys deep down": GOOD.replace('"is_default"', '"is_default": false, "is_default"').encode(),
    "single quotes": GOOD.replace('"', "'").encode(),
    "a comment": b"/* hello */" + GOOD.encode(),
    "JSON lines": GOOD.encode() + b"\n" + GOOD.encode(),
    "gzip without saying so": gzip.compress(GOOD.encode()),
    "JSONP": b"callback(" + GOOD.encode() + b")",
}
NOT_OBJECTS: dict[str, Any] = {
    "null": None,
    "true": True,
    "a number": 42,
    "a string": "74437437",
    "an empty list": [],
    "a list of it": [CLUSTER],
    "an empty object": {},
    "nested too deep": {"data": {"result": CLUSTER}},
    "wrapped": {"hyper_cluster": CLUSTER},
}
BAD_CLUSTERS: dict[str, Any] = {
    "no id": without("id"),
    "id null": changed(id=None),
    "id number": changed(id=42),
    "id true": changed(id=True),
    "id list": changed(id=[CLUSTER_ID]),
    "id object": changed(id={"id": CLUSTER_ID}),
    "id empty": changed(id=""),
    "id too long": changed(id="a" * 65),
    "id huge": changed(id="a" * 500_000),
    "id with NUL": changed(id=CLUSTER_ID[:-1] + "\0"),
    "id with a lone surrogate": changed(id=CLUSTER_ID[:-1] + "\ud800"),
    "id with a newline": changed(id=CLUSTER_ID + "\n"),
    "id with a space": changed(id=" " + CLUSTER_ID),
    "id with braces": changed(id="{" + CLUSTER_ID + "}"),
    "id urn": changed(id="urn:uuid:" + CLUSTER_ID),
    "id a path": changed(id="../../x"),
    "id dots": changed(id=".."),
    "id a dot": changed(id="."),
    "id markup": changed(id="<script>alert(1)</script>"),
    "id right to left": changed(id="\u202e" + CLUSTER_ID),
    "id full-width": changed(id="７" * 8),
    "no name": without("name"),
    "name null": changed(name=None),
    "name number": changed(name=1107),
    "name list": changed(name=[NAME]),
    "name object": changed(name={}),
    "name empty": changed(name=""),
    "name huge": changed(name="a" * 500_000),
    "name with NUL": changed(name=NAME + "\0"),
    "name with a lone surrogate": changed(name=NAME + "\udfff"),
    "name with a newline": changed(name=NAME + "\n"),
    "name right to left": changed(name="\u202e" + NAME),
}
WRONG_NAMES: dict[str, Any] = {
    "another name": changed(name="other"),
    "another case": changed(name=NAME.upper()),
    "a longer name": changed(name=NAME + "7"),
    "markup for a name": changed(name="<script>alert(1)</script>"),
}
ERRORS_IN_200: dict[str, Any] = {
    "an error": {"error_code": "ModelArts.9999", "error_msg": "x"},
    "an error beside it": changed(error_code="ModelArts.9999"),
    "an errorCode beside it": changed(errorCode="ModelArts.9999"),
    "an error nested beside it": changed(error={"error_code": "ModelArts.9999"}),
    "no success": changed(is_success=False),
}
CREATE_BODIES = NOT_JSON | {
    name: as_json(value) for name, value in (NOT_OBJECTS | BAD_CLUSTERS | WRONG_NAMES | ERRORS_IN_200).items()
}
LIST_BODIES = {
    **NOT_JSON,
    **{name: as_json(value) for name, value in NOT_OBJECTS.items()},
    **{f"a row of {name}": as_json({"hyper_clusters": [value]}) for name, value in NOT_OBJECTS.items()},
    **{
        f"one bad row: {name}": as_json({"hyper_clusters": [CLUSTER, value, changed(id=OTHER_ID)]})
        for name, value in BAD_CLUSTERS.items()
    },
    "rows null": as_json({"hyper_clusters": None}),
    "rows an object": as_json({"hyper_clusters": {"0": CLUSTER}}),
    "rows a string": as_json({"hyper_clusters": "[]"}),
    "another key": as_json({"hyperClusters": [CLUSTER]}),
    "the same ID twice": as_json({"hyper_clusters": [CLUSTER, CLUSTER]}),
    "50,000 rows": as_json({"hyper_clusters": [{"id": f"id-{n}", "name": NAME} for n in range(50_000)]}),
    "an error beside rows": as_json({"hyper_clusters": [CLUSTER], "error_code": "ModelArts.9999"}),
}


def test_the_matrix_is_as_large_as_promised() -> None:
    assert len(CREATE_BODIES) >= 60
    assert len(LIST_BODIES) >= 60


@pytest.mark.parametrize("body", CREATE_BODIES)
def test_g31_a_malformed_answer_to_a_create_leaves_the_outcome_unknown(stage: Stage, body: str) -> None:
    error = stage.failing("create", answer(200, CREATE_BODIES[body], "X-Request-Id: req-9"))
    check_no_answer(error, "create")
    assert error.request_id == "req-9"
    assert error.cause in {"bad_json", "bad_shape", "bad_id", "bad_name", "wrong_name", "error_code"}


@pytest.mark.parametrize("body", LIST_BODIES)
def test_g31_a_malformed_list_allows_no_conclusion(stage: Stage, body: str) -> None:
    error = stage.failing("list", answer(200, LIST_BODIES[body]))
    check_no_answer(error, "list")
    assert error.cause in {"bad_json", "bad_shape", "bad_list", "bad_row", "error_code", "too_large"}


SHOW_BODIES: dict[str, Any] = {**NOT_OBJECTS, **BAD_CLUSTERS, "another": changed(id=OTHER_ID)}


@pytest.mark.parametrize("body", SHOW_BODIES)
def test_g31_a_malformed_cluster_is_not_shown(stage: Stage, body: str) -> None:
    check_no_answer(stage.failing("show", answer(200, as_json(SHOW_BODIES[body]))), "show")


NETWORK = {"hyper_cluster_subnet_id": SUBNET_ID, "is_default": True}
GOOD_NETWORK = Network(SUBNET_ID, is_default=True)
ACCEPTED: dict[str, tuple[dict[str, Any], tuple[Network, ...]]] = {
    "as documented": (CLUSTER, (GOOD_NETWORK,)),
    "no network_info": (without("network_info"), ()),
    "network_info null": (changed(network_info=None), ()),
    "network_info empty": (changed(network_info=[]), ()),
    "network_info a string": (changed(network_info="x"), ()),
    "network_info an object": (changed(network_info=NETWORK), ()),
    "two networks": (
        changed(network_info=[NETWORK, {"hyper_cluster_subnet_id": "by.name", "is_default": False}]),
        (GOOD_NETWORK, Network("by.name", is_default=False)),
    ),
    "bad networks among good": (
        changed(
            network_info=[
                None,
                7,
                "x",
                [],
                {},
                {"hyper_cluster_subnet_id": "a\0"},
                NETWORK,
                {"is_default": True},
            ]
        ),
        (GOOD_NETWORK,),
    ),
    "unknown default": (
        changed(network_info=[{"hyper_cluster_subnet_id": "a", "is_default": "true"}]),
        (Network("a", is_default=False),),
    ),
    "default missing": (
        changed(network_info=[{"hyper_cluster_subnet_id": "a"}]),
        (Network("a", is_default=False),),
    ),
    "10,000 networks": (
        changed(network_info=[{"hyper_cluster_subnet_id": f"n{n}"} for n in range(10_000)]),
        tuple(Network(f"n{n}", is_default=False) for n in range(10_000)),
    ),
    "unknown fields": (
        changed(status="ACTIVE", code="x", message="y", tags={"a": 1}, n=1.5),
        (GOOD_NETWORK,),
    ),
    "an empty error": (changed(error_code=None, error_msg=""), (GOOD_NETWORK,)),
}


@pytest.mark.parametrize("case", ACCEPTED)
@pytest.mark.parametrize("call", ["create", "list", "show"])
def test_a_cluster_is_kept_whatever_its_networks_are(stage: Stage, case: str, call: str) -> None:
    sent, networks = ACCEPTED[case]
    body = as_json({"hyper_clusters": [sent]} if call == "list" else sent)
    value = stage.call(call, answer(200, body)).value
    cluster = value[0] if call == "list" else value
    assert (cluster.id, cluster.name, cluster.networks) == (CLUSTER_ID, NAME, networks)
    assert not cluster.odd_id


@pytest.mark.parametrize(
    "odd", ["a", "-", "x.y_z", CLUSTER_ID.upper(), "0" * 64, CLUSTER_ID.replace("4", "9")]
)
def test_an_odd_but_safe_id_is_kept_and_flagged(stage: Stage, odd: str) -> None:
    created = stage.call("create", answer(200, as_json(changed(id=odd)))).value
    assert (created.id, created.odd_id) == (odd, True)


def test_an_empty_list_and_a_list_without_clusters_are_the_same(stage: Stage) -> None:
    assert stage.call("list", answer(200, b'{"hyper_clusters": []}')).value == ()
