"""What refers to a hyper cluster: only a whole, readable list is an answer."""

from collections.abc import Iterator
from typing import Any

import pytest

from hyperclusters.modelarts import Client, Occupant, OccupantKind, Unavailable
from tests.modelarts.cloud import CLUSTER_ID, KEY, PROJECT, answer, answering, as_json, playing
from tests.modelarts.scripted_cloud import ScriptedCloud, staged

REFERENCES = {OccupantKind.SUPERNODE: "hps_cluster_id", OccupantKind.GROUP: "hyperinstance_cluster_id"}
NODE = {"id": "node-1", "name": "Node 1", "status": "ACTIVE"}


@pytest.fixture(scope="module")
def stage() -> Iterator[ScriptedCloud]:
    with staged() as stage:
        yield stage


def listed(stage: ScriptedCloud, kind: OccupantKind, status: int, body: Any) -> tuple[Occupant, ...]:
    stage.say(answer(status, body if isinstance(body, bytes) else as_json(body)))
    return stage.client.list_occupants(kind).value


@pytest.mark.parametrize("kind", OccupantKind)
def test_a_list_names_what_refers_to_which_cluster(stage: ScriptedCloud, kind: OccupantKind) -> None:
    rows = [
        NODE | {REFERENCES[kind]: CLUSTER_ID.upper(), "servers": [{"id": "x"}]},
        NODE | {REFERENCES[kind]: None},
        NODE | {REFERENCES[kind]: ""},
        NODE,
    ]
    found = listed(stage, kind, 200, {"data": rows, "total": 4, "pages": 1, "current": 1, "size": 4})
    assert [item.cluster_id for item in found] == [CLUSTER_ID, "", "", ""]
    assert found[0] == Occupant(kind, "node-1", "Node 1", "ACTIVE", CLUSTER_ID)


def test_one_row_with_the_field_proves_that_the_list_tells_it(stage: ScriptedCloud) -> None:
    rows = [NODE, NODE | {"hps_cluster_id": None}]
    assert [item.cluster_id for item in listed(stage, OccupantKind.SUPERNODE, 200, {"data": rows})] == [
        "",
        "",
    ]


@pytest.mark.parametrize(
    "body", [{"data": []}, {"data": [], "total": 0, "pages": 0}, {"data": None, "total": 0}], ids=str
)
def test_an_empty_list_is_an_answer(stage: ScriptedCloud, body: Any) -> None:
    assert listed(stage, OccupantKind.SUPERNODE, 200, body) == ()


def test_names_and_states_are_text_to_show_and_never_a_reason_to_lose_a_row(stage: ScriptedCloud) -> None:
    row = {"hps_cluster_id": CLUSTER_ID, "id": 7, "name": "a\u202e\x00b" + "c" * 300, "status": ["x"]}
    (item,) = listed(stage, OccupantKind.SUPERNODE, 200, {"data": [row]})
    assert (item.id, item.status, item.name[:13]) == ("", "", "a\\u202e\\x00bc")
    assert item.name.isprintable()
    assert len(item.name) == 255


UNUSABLE: dict[str, tuple[int, Any]] = {
    "no list": (200, {}),
    "null": (200, {"data": None}),
    "an object": (200, {"data": {}}),
    "another field": (200, {"hyper_clusters": []}),
    "more than it lists": (200, {"data": [NODE], "total": 2}),
    "more pages": (200, {"data": [NODE], "total": 1, "pages": 2}),
    "a row that is no object": (200, {"data": [NODE, None]}),
    "a reference that is no text": (200, {"data": [NODE | {"hps_cluster_id": 7}]}),
    "a reference that is no ID": (200, {"data": [NODE | {"hps_cluster_id": "../x"}]}),
    "no row with the field": (200, {"data": [NODE, NODE | {"hyperinstance_cluster_id": CLUSTER_ID}]}),
    "an error in a 200": (200, {"data": [], "error_code": "ModelArts.6404"}),
    "cut": (200, b'{"data": ['),
    "no such thing": (400, {"error_code": "ModelArts.6404"}),
    "no such page": (404, b"<h1>404</h1>"),
    "out of order": (500, b""),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_g50_what_is_not_a_whole_list_is_never_taken_for_an_empty_one(
    stage: ScriptedCloud, case: str
) -> None:
    with pytest.raises(Unavailable):
        listed(stage, OccupantKind.SUPERNODE, *UNUSABLE[case])


def test_g15_a_list_that_is_too_large_is_not_read() -> None:
    with (
        playing(answering(answer(200, as_json({"data": [NODE] * 10})))) as cloud,
        Client(endpoint=cloud.endpoint, project_id=PROJECT, credentials=KEY, list_limit=100) as client,
        pytest.raises(Unavailable) as caught,
    ):
        client.list_occupants(OccupantKind.GROUP)
    assert caught.value.cause == "list_too_large"
