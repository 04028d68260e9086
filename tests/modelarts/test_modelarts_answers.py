"""Whatever a success holds: no crash, no wrong verdict, nothing that a database would refuse."""

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from hyperclusters.modelarts import Client, ClusterType, Network, Unavailable
from hyperclusters.modelarts.complaints import named_ids
from hyperclusters.modelarts.parsing import MalformedError, read_clusters, read_occupants
from hyperclusters.modelarts.types import OccupantKind
from tests.modelarts.cloud import (
    CLUSTER,
    CLUSTER_ID,
    KEY,
    NAME,
    PROJECT,
    SUBNET_ID,
    answer,
    answering,
    as_json,
    playing,
)
from tests.modelarts.scripted_cloud import ScriptedCloud, check_no_answer, staged

OTHER_ID = "84437437-6810-43b8-ba20-8f8e5bc034da"


@pytest.fixture(scope="module")
def stage() -> Iterator[ScriptedCloud]:
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
    "errors beside it": changed(errors=[{"error_code": "ModelArts.9999"}]),
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
    "rows false": as_json({"hyper_clusters": False}),
    "rows zero": as_json({"hyper_clusters": 0}),
    "rows null beside an error": as_json({"hyper_clusters": None, "error_code": "ModelArts.9999"}),
    "rows null beside a code": as_json({"hyper_clusters": None, "code": "500"}),
    "rows null beside a message": as_json({"hyper_clusters": None, "message": "internal error"}),
    "rows null beside errors": as_json({"hyper_clusters": None, "errors": [{"detail": "x"}]}),
    "rows null and counted": as_json({"hyper_clusters": None, "count": 3}),
    "a page of more rows": as_json({"hyper_clusters": [CLUSTER], "total_count": 2}),
    "a count of 0 beside something": as_json({"count": 0, "message": "forbidden"}),
    "a count of false": as_json({"count": False}),
    "a count of rows that are not there": as_json({"count": 1}),
    "rows an object": as_json({"hyper_clusters": {"0": CLUSTER}}),
    "rows a string": as_json({"hyper_clusters": "[]"}),
    "another key": as_json({"hyperClusters": [CLUSTER]}),
    **{
        f"{rows!r} beside {other}": b'{"hyper_clusters": %s, %s' % (rows, as_json(other)[1:])
        for rows in (b"[]", b"null")
        for other in (
            {"hyperClusters": [CLUSTER]},
            {"Hyper_Clusters": [CLUSTER]},
            {"clusters": [{"clusterId": CLUSTER_ID}]},
            {"data": {"items": [{"hyper-cluster-id": CLUSTER_ID}]}},
            {"pages": [[{"ID": 42}]]},
        )
    },
    **{
        f"a page that says {more}": as_json({"hyper_clusters": []} | more)
        for more in (
            {"page_info": {"next_marker": "x"}},
            {"nextMarker": "x"},
            {"hasMore": True},
            {"totalCount": 1},
            {"page_info": {"total": 1}},
        )
    },
    "fewer rows than another key": as_json(
        {"hyper_clusters": [CLUSTER], "hyperClusters": [CLUSTER, changed(id=OTHER_ID)]}
    ),
    "one ID with two names": as_json({"hyper_clusters": [CLUSTER, changed(name="other")]}),
    "one ID with two networks": as_json({"hyper_clusters": [CLUSTER, changed(network_info=[])]}),
    "one ID with and without networks": as_json({"hyper_clusters": [CLUSTER, without("network_info")]}),
    "250,000 rows": as_json({"hyper_clusters": [{"id": f"id-{n}", "name": NAME} for n in range(250_000)]}),
    "an error beside rows": as_json({"hyper_clusters": [CLUSTER], "error_code": "ModelArts.9999"}),
}


def test_the_matrix_is_as_large_as_promised() -> None:
    assert len(CREATE_BODIES) >= 60
    assert len(LIST_BODIES) >= 60


@pytest.mark.parametrize("body", CREATE_BODIES)
def test_g31_a_malformed_answer_to_a_create_leaves_the_outcome_unknown(
    stage: ScriptedCloud, body: str
) -> None:
    error = stage.failing("create", answer(200, CREATE_BODIES[body], "X-Request-Id: req-9"))
    check_no_answer(error, "create")
    assert error.request_id == "req-9"
    assert error.cause in {"bad_json", "bad_shape", "bad_id", "bad_name", "wrong_name", "error_code"}


@pytest.mark.parametrize("body", LIST_BODIES)
def test_g31_a_malformed_list_allows_no_conclusion(stage: ScriptedCloud, body: str) -> None:
    error = stage.failing("list", answer(200, LIST_BODIES[body]))
    check_no_answer(error, "list")
    assert error.cause in {
        *("bad_json", "bad_shape", "bad_list", "bad_row", "error_code"),
        *("contradicting_rows", "incomplete_list", "list_too_large"),
    }


SHOW_BODIES: dict[str, Any] = {**NOT_OBJECTS, **BAD_CLUSTERS, "another": changed(id=OTHER_ID)}


@pytest.mark.parametrize("body", SHOW_BODIES)
def test_g31_a_malformed_cluster_is_not_shown(stage: ScriptedCloud, body: str) -> None:
    check_no_answer(stage.failing("show", answer(200, as_json(SHOW_BODIES[body]))), "show")


MANY = 10_000
NETWORK = {"hyper_cluster_subnet_id": SUBNET_ID, "is_default": True}
UNSTATED: tuple[Any, ...] = ("true", "", None, 1, 0, [], {})
NOT_DEFAULT = {"hyper_cluster_subnet_id": SUBNET_ID, "is_default": False}
GOOD_NETWORK = Network(SUBNET_ID, is_default=True)
WHOLE, PART = True, False  # whether an answer states all networks that a cluster has
ACCEPTED: dict[str, tuple[dict[str, Any], tuple[Network, ...], bool]] = {
    "as documented": (CLUSTER, (GOOD_NETWORK,), WHOLE),
    "no network_info": (without("network_info"), (), PART),
    "network_info null": (changed(network_info=None), (), PART),
    "network_info empty": (changed(network_info=[]), (), WHOLE),
    "network_info a string": (changed(network_info="x"), (), PART),
    "network_info an object": (changed(network_info=NETWORK), (), PART),
    "two networks": (
        changed(network_info=[NETWORK, {"hyper_cluster_subnet_id": "by.name", "is_default": False}]),
        (GOOD_NETWORK, Network("by.name", is_default=False)),
        WHOLE,
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
        PART,
    ),
    "bad networks alone": (changed(network_info=[{"is_default": True}]), (), PART),
    **{
        f"default {value!r}": (
            changed(network_info=[{"hyper_cluster_subnet_id": "a", "is_default": value}]),
            (Network("a", is_default=None),),
            WHOLE,
        )
        for value in UNSTATED
    },
    "default missing": (
        changed(network_info=[{"hyper_cluster_subnet_id": "a"}]),
        (Network("a", is_default=None),),
        WHOLE,
    ),
    "one network twice": (changed(network_info=[NETWORK, NETWORK]), (GOOD_NETWORK,), WHOLE),
    "one network, once without its default": (
        changed(network_info=[{"hyper_cluster_subnet_id": SUBNET_ID}, NETWORK]),
        (GOOD_NETWORK,),
        WHOLE,
    ),
    "one network that contradicts itself": (
        changed(network_info=[NETWORK, NOT_DEFAULT, NETWORK]),
        (Network(SUBNET_ID, is_default=None),),
        WHOLE,
    ),
    "10,000 networks": (
        changed(network_info=[{"hyper_cluster_subnet_id": f"n{n}"} for n in range(MANY)]),
        tuple(Network(f"n{n}", is_default=None) for n in range(MANY)),
        WHOLE,
    ),
    "unknown fields": (
        changed(status="ACTIVE", code="x", message="y", tags={"a": 1}, n=1.5),
        (GOOD_NETWORK,),
        WHOLE,
    ),
    "an empty error": (changed(error_code=None, error_msg="", errors=[]), (GOOD_NETWORK,), WHOLE),
}


@pytest.mark.parametrize("case", ACCEPTED)
@pytest.mark.parametrize("call", ["create", "list", "show"])
def test_g42_a_cluster_is_kept_and_what_its_answer_leaves_out_is_not_stated(
    stage: ScriptedCloud, case: str, call: str
) -> None:
    sent, networks, whole = ACCEPTED[case]
    body = as_json({"hyper_clusters": [sent]} if call == "list" else sent)
    value = stage.call(call, answer(200, body)).value
    cluster = value[0] if call == "list" else value
    assert (cluster.id, cluster.name, cluster.networks) == (CLUSTER_ID, NAME, networks)
    assert cluster.networks_complete is whole
    assert not cluster.odd_id


@pytest.mark.parametrize("odd", ["a", "-", "x.y_z", "X.Y", "0" * 64, CLUSTER_ID.replace("4", "9")])
def test_an_odd_but_safe_id_is_kept_and_flagged(stage: ScriptedCloud, odd: str) -> None:
    created = stage.call("create", answer(200, as_json(changed(id=odd)))).value
    assert (created.id, created.odd_id) == (odd, True)


def test_an_id_in_capitals_is_the_same_id(stage: ScriptedCloud) -> None:
    created = stage.call("create", answer(200, as_json(changed(id=CLUSTER_ID.upper())))).value
    assert (created.id, created.odd_id) == (CLUSTER_ID, False)
    twice = as_json({"hyper_clusters": [changed(), changed(id=CLUSTER_ID.upper())]})
    assert [cluster.id for cluster in stage.call("list", answer(200, twice)).value] == [CLUSTER_ID]


EMPTY: dict[str, Any] = {
    "an empty list": {"hyper_clusters": []},
    "null": {"hyper_clusters": None},
    "null and counted": {"count": 0, "hyper_clusters": None},
    "null beside unknown fields": {"hyper_clusters": None, "page": {}, "next": None},
    "null beside an empty error": {"hyper_clusters": None, "error_code": None, "message": ""},
    "a count of 0 alone": {"count": 0},
    "a total of 0 alone": {"total_count": 0, "total": 0},
}


@pytest.mark.parametrize("case", EMPTY)
def test_g42_a_list_that_says_it_has_no_clusters_is_empty(stage: ScriptedCloud, case: str) -> None:
    assert stage.call("list", answer(200, as_json(EMPTY[case]))).value == ()


def test_a_row_that_comes_twice_is_one_cluster(stage: ScriptedCloud) -> None:
    listed = stage.call("list", answer(200, as_json({"hyper_clusters": [CLUSTER, CLUSTER], "count": 2})))
    assert [cluster.id for cluster in listed.value] == [CLUSTER_ID]


def test_g15_a_list_of_10_000_clusters_is_read_and_only_a_list_may_be_so_large(stage: ScriptedCloud) -> None:
    rows = [changed(id=CLUSTER_ID[:-5] + f"{n:05}", name="n" * 64) for n in range(MANY)]
    body = as_json({"hyper_clusters": rows})
    assert len(body) > 1024 * 1024
    assert len(stage.call("list", answer(200, body)).value) == MANY
    for call in ("create", "show", "delete"):
        assert stage.failing(call, answer(200, body)).cause == "too_large"


@pytest.mark.parametrize("limit", [1024, 2 * 1024 * 1024])
def test_g15_a_list_beyond_its_limit_is_not_read(stage: ScriptedCloud, limit: int) -> None:
    with playing(answering(answer(200, b'{"hyper_clusters": []}'.ljust(limit)))) as cloud:
        for allowed, readable in ((limit, True), (limit - 1, False)):
            client = Client(endpoint=cloud.endpoint, project_id=PROJECT, credentials=KEY, list_limit=allowed)
            with client:
                if readable:
                    assert client.list(type=ClusterType.HPS).value == ()
                    continue
                with pytest.raises(Unavailable) as caught:
                    client.list(type=ClusterType.HPS)
                assert caught.value.cause == "list_too_large"


NAMED = as_json({"id": CLUSTER_ID})


@pytest.mark.parametrize(
    ("status", "header", "body"),
    [
        (201, f"Location: /v1/hyper-clusters/{CLUSTER_ID}", b"{}"),
        (201, f"Content-Location: /v1/hyper-clusters/{CLUSTER_ID}", b"{}"),
        (201, f"Location: /v1/hyper-clusters/{CLUSTER_ID.replace('-', '%2D')}", b"{}"),
        (201, "Content-Encoding: gzip", NAMED),  # a wrong label
        (201, "Content-Encoding: gzip", gzip.compress(NAMED, mtime=0)),
        (201, "Content-Encoding: deflate", zlib.compress(NAMED)),
        (201, f"Location: /v1/hyper-clusters/{CLUSTER_ID}", b'{"id": ".."}'),
        (201, "X-Any: y", as_json({"id": "..", "job": {"hyper_cluster_id": CLUSTER_ID}})),
        (303, f"Location: /v1/hyper-clusters/{CLUSTER_ID}", b""),
        (500, "X-Any: y", NAMED),
        (400, "X-Any: y", as_json({"error_code": "ModelArts.0104", "id": CLUSTER_ID})),
        (409, f"Location: /v1/hyper-clusters/{CLUSTER_ID}", as_json({"error_code": "ModelArts.0103"})),
        (429, "X-Any: y", NAMED),
    ],
)
def test_g41_an_id_is_kept_wherever_an_answer_has_it(
    status: int, header: str, body: bytes, stage: ScriptedCloud
) -> None:
    error = stage.failing("create", answer(status, body, header))
    assert error.exchange is not None
    assert error.exchange.cluster_ids == (CLUSTER_ID,)


@pytest.mark.parametrize(
    "link", ['<?marker=x>; rel="next"', "<?p=2>; rel=next", '<?p=1>; rel="prev", <?p=3>; rel="last next"']
)
def test_g08_a_list_that_names_a_next_page_is_no_whole_list(link: str, stage: ScriptedCloud) -> None:
    error = stage.failing("list", answer(200, as_json({"hyper_clusters": []}), f"Link: {link}"))
    assert error.cause == "incomplete_list"


@pytest.mark.parametrize(
    "sign",
    [
        {"next": "/v1/p?marker=x"},
        {"nextPageToken": "x"},
        {"metadata": {"continue": "x"}},
        {"links": {"self": "x", "next": "y"}},
        {"hyper_clusters_links": [{"rel": "next", "href": "x"}]},
        {"pages": 2},
        {"page_info": {"total_pages": 3}},
        {"partial": True},
    ],
    ids=str,
)
def test_g08_a_list_that_says_inside_that_more_follows_is_no_whole_list(sign: dict[str, Any]) -> None:
    with pytest.raises(MalformedError, match="incomplete_list"):
        read_clusters(as_json({"hyper_clusters": [CLUSTER]} | sign))
    with pytest.raises(MalformedError, match="incomplete_list"):
        read_occupants(as_json({"data": []} | sign), OccupantKind.SUPERNODE)


@pytest.mark.parametrize(
    "sign",
    [{"pages": 1}, {"next": None}, {"links": {"next": ""}}, {"x_links": [{"rel": "self"}, "next"]}],
    ids=str,
)
def test_g08_a_list_without_a_further_page_is_whole(sign: dict[str, Any]) -> None:
    assert len(read_clusters(as_json({"hyper_clusters": [CLUSTER]} | sign))) == 1
    assert read_occupants(as_json({"data": []} | sign), OccupantKind.SUPERNODE) == ()


@pytest.mark.parametrize("call", ["list", "show", "create"])
def test_g41_an_id_that_is_a_number_is_read_as_its_digits(call: str, stage: ScriptedCloud) -> None:
    row = changed(id=42)
    body = answer(200, as_json({"hyper_clusters": [row]} if call == "list" else row))
    if call == "create":
        error = stage.failing("create", body)  # no proof, but it is followed up
        assert error.exchange is not None
        assert (error.cause, error.exchange.cluster_ids) == ("bad_id", ("42",))
        return
    stage.say(body)
    client = stage.client
    if call == "list":
        found = client.list(type=ClusterType.HPS).value[0]
    else:
        found = client.show(cluster_id="42", type=ClusterType.HPS).value
    assert (found.id, found.odd_id) == ("42", True)


@pytest.mark.parametrize("number", ["4.2", "4e2", "-4", "true"])
def test_g41_no_other_number_is_an_id(number: str) -> None:
    assert named_ids(b'{"id": %s}' % number.encode()) == ()


def test_g41_an_id_is_a_candidate_whatever_else_is_called_one() -> None:
    """The request's own ID is not taken for all that the answer names."""
    location = f"/v1/hyper-clusters/{OTHER_ID}"
    assert named_ids(as_json({"id": "req-1", "cluster": CLUSTER_ID})) == ("req-1", CLUSTER_ID)
    assert named_ids(as_json({"id": "req-1"}), location) == ("req-1", OTHER_ID)
    assert named_ids(as_json({"id": CLUSTER_ID}), location) == (CLUSTER_ID, OTHER_ID)
    assert named_ids(as_json({"id": OTHER_ID, "clusterId": CLUSTER_ID})) == (OTHER_ID, CLUSTER_ID)
    assert named_ids(as_json({"id": CLUSTER_ID, "hyper_cluster_subnet_id": OTHER_ID})) == (CLUSTER_ID,)
    rows = [{"id": f"{number:08}-0000-4000-8000-000000000000"} for number in range(20)]
    assert len(named_ids(as_json({"hyper_clusters": rows}))) == 20


def test_a_list_that_says_that_it_is_whole_is_read(stage: ScriptedCloud) -> None:
    whole = {"hyper_clusters": [CLUSTER], "page_info": {"next_marker": "", "total": 1}, "hasMore": False}
    assert len(stage.call("list", answer(200, as_json(whole))).value) == 1


def test_g41_rows_of_the_same_clusters_under_another_key_do_not_break_a_list(stage: ScriptedCloud) -> None:
    same = as_json(
        {"hyper_clusters": [CLUSTER], "hyperClusters": [changed(id=CLUSTER_ID.upper())], "id": "x"}
    )
    assert len(stage.call("list", answer(200, same)).value) == 1


def test_g31_rows_that_are_nested_deeply_do_not_break_the_search_for_them() -> None:
    depth = 800
    nested = b'{"hyper_clusters": [], "x": ' + b"[" * depth + b'{"id": "a"}' + b"]" * depth + b"}"
    with pytest.raises(MalformedError, match="incomplete_list"):
        read_clusters(nested)


def test_g41_an_id_without_an_end_is_none_at_once() -> None:
    assert named_ids(b'"id": "' + b" " * 1_000_000) == ()
