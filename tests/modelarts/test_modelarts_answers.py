"""Whatever the cloud says: no crash, no wrong verdict, nothing that a database would refuse."""

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from modelarts_cloud import (
    CALLS,
    CLUSTER,
    CLUSTER_ID,
    KEY,
    NAME,
    SUBNET_ID,
    Visit,
    answer,
    as_json,
    client_of,
    playing,
)

from hyperclusters import modelarts
from hyperclusters.modelarts import Client, ModelArtsError, Network, OutcomeUnknown, Proof, Unavailable

OTHER_ID = "84437437-6810-43b8-ba20-8f8e5bc034da"


@dataclass
class Stage:
    """A cloud with one prepared answer, and a client of it."""

    client: Client
    say: Callable[[bytes], None]

    def call(self, name: str, data: bytes) -> Any:
        """The answer of a call that the cloud answers with these bytes."""
        self.say(data)
        return CALLS[name](self.client)

    def failing(self, name: str, data: bytes) -> ModelArtsError:
        with pytest.raises(ModelArtsError) as caught:
            self.call(name, data)
        check_storable(caught.value)
        return caught.value


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    prepared: list[bytes] = []

    def script(visit: Visit) -> None:
        while True:
            visit.read_request()
            visit.send(prepared[-1])

    with playing(script) as cloud, client_of(cloud.endpoint) as client:
        yield Stage(client, prepared.append)


def check_storable(error: ModelArtsError) -> None:
    """PostgreSQL takes no NUL and no lone surrogate; a page takes no control characters."""
    assert error.exchange is not None
    texts = (error.code, error.message, error.request_id, str(error), error.exchange.body)
    assert all(text.isprintable() for text in texts)
    assert len(error.exchange.body) <= 4096
    assert len(error.message) <= 500
    assert KEY.secret_key not in "".join(texts)


def check_no_answer(error: ModelArtsError, call: str) -> None:
    assert type(error) is (Unavailable if call in {"list", "show"} else OutcomeUnknown)
    assert error.proves is Proof.NOTHING


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


# --- statuses and codes ---------------------------------------------------------------------------------


def said(code: str, message: str = "no") -> bytes:
    return as_json({"error_code": code, "error_msg": message})


REFUSED = {400, 404, 405, 409, 411, 413, 414, 415, 422, 429}
STATUSES = [
    *(201, 202, 203, 205, 206, 207, 208, 226, 299),
    *(300, 301, 302, 303, 304, 305, 307, 308),
    *range(400, 419),
    *(421, 422, 423, 424, 425, 426, 428, 429, 431, 444, 451, 460, 494, 495, 499),
    *(500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 521, 522, 524, 529, 599, 600, 999),
]
BODIES = {"nothing": b"", "HTML": b"<html>", "an unlisted code": said("ModelArts.9999")}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("call", ["create", "delete"])
def test_a_status_proves_a_refusal_only_where_it_is_listed(
    stage: Stage, call: str, status: int, body: str
) -> None:
    error = stage.failing(call, answer(status, BODIES[body]))
    assert error.cause == f"status_{status}"
    if status in REFUSED or (status in {401, 403} and body == "an unlisted code"):
        assert error.proves is Proof.NOT_EXECUTED
        assert not isinstance(error, OutcomeUnknown)
    else:
        check_no_answer(error, call)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", STATUSES)
def test_a_list_with_an_error_status_is_never_an_empty_list(stage: Stage, status: int, body: str) -> None:
    error = stage.failing("list", answer(status, BODIES[body]))
    if status not in REFUSED | {401, 403} or status == 404:
        check_no_answer(error, "list")


@pytest.mark.parametrize("status", [status for status in STATUSES if status not in REFUSED | {401, 403}])
@pytest.mark.parametrize(
    "code", ["ModelArts.0104", "ModelArts.6301", "APIGW.0201", "APIGW.0301", "APIGW.0308"]
)
def test_no_code_makes_a_refusal_of_a_status_that_is_not_listed(stage: Stage, status: int, code: str) -> None:
    error = stage.failing("create", answer(status, said(code)))
    if (status, code) == (494, "APIGW.0201"):
        assert type(error) is modelarts.Invalid
    else:
        check_no_answer(error, "create")
        if status not in {204, 205, 304}:
            assert error.code == code


CODES: dict[str, tuple[str, ...]] = {
    "NotFound": ("ModelArts.6404", "ModelArts.6309", "ModelArts.6357", "ModelArts.0102", "6404", "6309"),
    "Invalid": ("ModelArts.0104", "ModelArts.6400", "ModelArts.50004000", "50004000", "6400", "APIGW.0201"),
    "Exists": ("ModelArts.0103", "ModelArts.6301", "6301"),
    "Quota": ("ModelArts.0106", "ModelArts.0113", "ModelArts.0116", "ModelArts.0118", "ModelArts.6302"),
    "Denied": ("ModelArts.6407", "APIGW.0302", "APIGW.0304", "APIGW.0306"),
    "Misconfigured": ("APIGW.0101", "APIGW.0103", "APIGW.0104", "APIGW.0105", "APIGW.0106"),
    "CredentialsRefused": ("APIGW.0301",),
    "ClockSkew": ("APIGW.0303",),
    "Throttled": ("APIGW.0308",),
}
LISTED = [400, 401, 403, 404, 405, 409, 411, 413, 414, 415, 422, 429]


@pytest.mark.parametrize(
    ("code", "meaning"), [(code, name) for name, codes in CODES.items() for code in codes]
)
@pytest.mark.parametrize("call", ["create", "show", "delete"])
def test_a_code_decides_over_the_status(stage: Stage, code: str, meaning: str, call: str) -> None:
    for status in LISTED:
        error = stage.failing(call, answer(status, said(code)))
        assert type(error) is getattr(modelarts, meaning)
        assert error.proves is Proof.NOT_EXECUTED
        assert (error.code, error.message) == (code, "no")


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (400, "Invalid"),
        (404, "NotFound"),
        (405, "Invalid"),
        (409, "Exists"),
        (422, "Invalid"),
        (429, "Throttled"),
    ],
)
def test_without_a_code_the_status_decides(stage: Stage, status: int, meaning: str) -> None:
    assert type(stage.failing("create", answer(status))) is getattr(modelarts, meaning)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("code", ["APIGW.0305", "ModelArts.9999", "9999"])
def test_a_gateways_word_on_401_and_403_is_a_denial(stage: Stage, status: int, code: str) -> None:
    for call in CALLS:
        assert type(stage.failing(call, answer(status, said(code)))) is modelarts.Denied


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", said("WAF.1"), said("APIGW.x"), as_json({"error_msg": "no"})]
)
def test_a_wordless_401_or_403_says_nothing_about_a_create(stage: Stage, status: int, body: bytes) -> None:
    check_no_answer(stage.failing("create", answer(status, body)), "create")
    assert type(stage.failing("list", answer(status, body))) is modelarts.Denied


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("code", CODES["NotFound"])
def test_the_vendors_not_found_is_an_empty_list(stage: Stage, status: int, code: str) -> None:
    listed = stage.call("list", answer(status, said(code), "X-Request-Id: req-3"))
    assert (listed.value, listed.exchange.status, listed.exchange.request_id) == ((), status, "req-3")


@pytest.mark.parametrize("status", [200, 401, 403, 409, 410, 422, 429, 500, 502, 504])
def test_not_found_on_any_other_status_is_no_empty_list(stage: Stage, status: int) -> None:
    error = stage.failing("list", answer(status, said("ModelArts.6404")))
    check_no_answer(error, "list")


def test_an_error_in_a_200_counts_by_its_code_for_a_read(stage: Stage) -> None:
    assert type(stage.failing("show", answer(200, said("ModelArts.6404")))) is modelarts.NotFound
    assert type(stage.failing("list", answer(200, said("APIGW.0308")))) is modelarts.Throttled
    assert type(stage.failing("list", answer(200, said("ModelArts.9999")))) is Unavailable


def test_a_delete_is_done_with_204_and_nothing_else(stage: Stage) -> None:
    assert stage.call("delete", answer("204 No Content")).value is None
    check_no_answer(stage.failing("delete", answer(200, b"{}")), "delete")
    assert type(stage.failing("delete", answer(404, said("ModelArts.6404")))) is modelarts.NotFound
    assert type(stage.failing("delete", answer(409))) is modelarts.Invalid


# --- what an error carries ------------------------------------------------------------------------------


@dataclass
class Shape:
    """An error body and what must be read of it."""

    body: Any
    code: str = "ModelArts.0104"
    message: str = "bad name"
    request_id: str = field(default="")


SHAPES = {
    "ModelArts": Shape({"error_code": "ModelArts.0104", "error_msg": "bad name"}),
    "gateway": Shape(
        {"error_code": "ModelArts.0104", "error_msg": "bad name", "request_id": "r"}, request_id="r"
    ),
    "camel case": Shape({"errorCode": "ModelArts.0104", "errorMsg": "bad name"}),
    "code and message": Shape({"code": "ModelArts.0104", "message": "bad name"}),
    "nested": Shape({"error": {"code": "ModelArts.0104", "message": "bad name"}}),
    "nested, other": Shape({"data": {"error_code": "ModelArts.0104", "error_msg": "bad name"}}),
    "legacy": Shape({"error_message": "bad name", "error_code": "ModelArts.0104", "is_success": False}),
    "a bare number": Shape({"code": 6400, "message": "bad name"}, code="6400"),
    "with an encoded message": Shape(
        {"error_code": "ModelArts.0104", "error_msg": "bad name", "encoded_authorization_message": "XyZ" * 99}
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_error_is_read(stage: Stage, shape: str) -> None:
    expected = SHAPES[shape]
    error = stage.failing("create", answer(400, as_json(expected.body)))
    assert (error.code, error.message) == (expected.code, expected.message)
    assert error.request_id == expected.request_id
    assert error.exchange is not None
    assert "XyZ" not in error.exchange.body


def test_the_headers_request_id_comes_before_the_bodys(stage: Stage) -> None:
    body = as_json({"error_code": "APIGW.0308", "error_msg": "slow", "request_id": "body"})
    assert stage.failing("create", answer(429, body, "X-Request-Id: head")).request_id == "head"
    assert stage.failing("create", answer(429, body)).request_id == "body"


@pytest.mark.parametrize(
    "hostile",
    ["a\0b", "\ud800", "\x1b[31m", "\u202egpj.exe", "a\r\nX: y", "\u2028", "x" * 100_000, "\U0010ffff"],
)
def test_g31_hostile_words_are_kept_as_safe_escapes(stage: Stage, hostile: str) -> None:
    body = as_json({"error_code": hostile, "error_msg": hostile, "request_id": hostile})
    error = stage.failing("create", answer(400, body))
    assert error.message
    assert len(error.code) <= 64
    stage.failing("create", answer(400, hostile.encode(errors="surrogatepass")))


def test_g22_a_secret_that_the_cloud_repeats_is_not_kept(stage: Stage) -> None:
    echo = f"canonicalRequest: {KEY.access_key} {KEY.secret_key}"
    error = stage.failing("create", answer(401, said("APIGW.0301", echo), f"X-Request-Id: {KEY.secret_key}"))
    assert error.exchange is not None
    kept = error.message + error.exchange.body + error.request_id + repr(error.exchange)
    assert KEY.secret_key not in kept
    assert KEY.access_key not in kept
    assert "canonicalRequest" in error.message


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("120", 120.0),
        ("Mon, 23 Nov 2026 00:01:30 GMT", 90.0),
        ("Sun, 22 Nov 2026 00:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 5000, None),
        ("٣", None),
        ("Mon, 99 Nov 2026 00:01:30 GMT", None),
        ("Mon, 23 Foo 2026 00:01:30 GMT", None),
        ("Mon, 23 Nov 0000 00:01:30 GMT", None),
    ],
)
def test_retry_after_is_read_or_left(stage: Stage, value: str, seconds: float | None) -> None:
    headers = (f"Retry-After: {value.encode().decode('latin-1')}", "Date: Mon, 23 Nov 2026 00:00:00 GMT")
    error = stage.failing("create", answer(429, said("APIGW.0308"), *headers))
    assert isinstance(error, modelarts.Throttled)
    assert error.retry_after == seconds


def test_g18_clock_skew_carries_the_offset_of_the_clouds_clock(stage: Stage) -> None:
    body = said("APIGW.0303", "Incorrect app authentication information: date expired")
    error = stage.failing("create", answer(401, body, "Date: Mon, 23 Nov 2099 00:00:00 GMT"))
    assert isinstance(error, modelarts.ClockSkew)
    assert error.exchange is not None
    assert error.exchange.server_date is not None
    assert error.offset is not None
    assert abs((error.exchange.server_date - error.exchange.signed_at) - error.offset).total_seconds() <= 2
    dateless = stage.failing("create", answer(401, body, "Date: yesterday"))
    assert isinstance(dateless, modelarts.ClockSkew)
    assert dateless.offset is None
