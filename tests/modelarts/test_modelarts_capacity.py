"""The capacity of a cluster: read loosely, never taken for a change, and never larger than its caps."""

from collections.abc import Iterator
from typing import Any

import pytest

from hyperclusters.modelarts import (
    Capacity,
    Client,
    CredentialsRefused,
    Denied,
    Invalid,
    InvalidRequest,
    ModelArtsError,
    NotFound,
    OutcomeUnknown,
    Throttled,
    Unavailable,
)
from tests.modelarts.cloud import CLUSTER_ID, KEY, PROJECT, Visit, answer, as_json, playing
from tests.modelarts.scripted_cloud import ScriptedCloud, staged

ROW = {
    "hyperinstance_cluster_id": CLUSTER_ID,
    "hyperinstance_cluster_name": "training",
    "flavor": "modelarts.a3",
    "resource_flavor": "a3-pod",
    "availability_zone": "zone-1",
    "is_sold_out": True,
}


@pytest.fixture(scope="module")
def stage() -> Iterator[ScriptedCloud]:
    with staged() as stage:
        yield stage


def evaluated(stage: ScriptedCloud, status: int, body: Any) -> tuple[Capacity, ...]:
    stage.say(answer(status, body if isinstance(body, bytes) else as_json(body)))
    return stage.client.evaluate_capacity(cluster_id=CLUSTER_ID).value


def test_each_row_says_whether_a_flavor_is_sold_out_in_a_zone(stage: ScriptedCloud) -> None:
    rows = [ROW, ROW | {"availability_zone": "zone-2", "is_sold_out": False}, ROW]
    assert evaluated(stage, 200, {"capacities": rows}) == (
        Capacity("modelarts.a3", "a3-pod", "zone-1", is_sold_out=True),
        Capacity("modelarts.a3", "a3-pod", "zone-2", is_sold_out=False),
    )


@pytest.mark.parametrize("rows", [[], None, [{}], [ROW | {"hyperinstance_cluster_id": "another"}]], ids=str)
def test_nothing_about_this_cluster_is_an_empty_answer(stage: ScriptedCloud, rows: Any) -> None:
    assert evaluated(stage, 200, {"capacities": rows}) == ()


ODD_VALUES: tuple[Any, ...] = (None, 7, "", "yes", [], {}, ["x"], {"a": 1}, 1.5, "\u202e\x00", "x" * 70_000)


@pytest.mark.parametrize("field", [name for name in ROW if name != "hyperinstance_cluster_id"])
@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: repr(value)[:12])
def test_an_odd_value_is_not_stated_and_costs_no_row(stage: ScriptedCloud, field: str, value: Any) -> None:
    (capacity,) = evaluated(stage, 200, {"capacities": [ROW | {field: value}]})
    for text in (capacity.flavor, capacity.resource_flavor, capacity.zone):
        assert len(text) <= 255
        assert text.isprintable()
    if field == "is_sold_out":
        assert capacity.is_sold_out is None


@pytest.mark.parametrize("value", [None, 7, "", CLUSTER_ID.upper()], ids=str)
def test_a_row_that_names_no_other_cluster_is_about_this_one(stage: ScriptedCloud, value: Any) -> None:
    assert len(evaluated(stage, 200, {"capacities": [ROW | {"hyperinstance_cluster_id": value}]})) == 1


UNUSABLE: dict[str, tuple[int, Any]] = {
    "no list": (200, {}),
    "an object": (200, {"capacities": {}}),
    "text": (200, {"capacities": "none"}),
    "a row that is no object": (200, {"capacities": [ROW, None]}),
    "too many rows": (200, {"capacities": [ROW] * 501}),
    "too many bytes": (200, b'{"capacities": [' + b" " * 1024 * 1024 + b"]}"),
    "an unknown error in a 200": (200, {"capacities": [], "error_code": "X.1"}),
    "no object": (200, []),
    "cut": (200, b'{"capacities": ['),
    "empty": (200, b""),
    "another success": (202, {"capacities": []}),
    "out of order": (500, b""),
    "a gateway's": (502, {"error_code": "APIGW.0201"}),
    "timed out": (504, b"<html>"),
    "odd": (418, b""),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_unusable_answer_is_unavailable_and_never_an_unknown_outcome(
    stage: ScriptedCloud, case: str
) -> None:
    with pytest.raises(Unavailable):
        evaluated(stage, *UNUSABLE[case])


REFUSED: dict[str, tuple[int, Any, type[ModelArtsError]]] = {
    "not permitted": (403, {"error_code": "ModelArts.6407"}, Denied),
    "not permitted, without a code": (403, b"", Denied),
    "the key": (401, {"error_code": "APIGW.0301"}, CredentialsRefused),
    "no such cluster": (400, {"error_code": "ModelArts.6404"}, NotFound),
    "too often": (429, {"error_code": "APIGW.0308"}, Throttled),
    "a conflict": (409, {}, Invalid),
    "refused in a 200": (200, {"error_code": "ModelArts.6407"}, Denied),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_keeps_its_meaning(stage: ScriptedCloud, case: str) -> None:
    status, body, kind = REFUSED[case]
    with pytest.raises(kind) as caught:
        evaluated(stage, status, body)
    assert type(caught.value) is kind


@pytest.mark.parametrize("cluster_id", ["", "..", "a/b", "x" * 65, "a\n"])
def test_g32_an_id_that_breaks_the_grammar_is_not_sent(stage: ScriptedCloud, cluster_id: str) -> None:
    with pytest.raises(InvalidRequest):
        stage.client.evaluate_capacity(cluster_id=cluster_id)


def test_no_answer_in_time_is_unavailable() -> None:
    with (
        playing(Visit.stall) as cloud,
        Client(endpoint=cloud.endpoint, project_id=PROJECT, credentials=KEY, deadline=0.3) as client,
        pytest.raises(Unavailable) as caught,
    ):
        client.evaluate_capacity(cluster_id=CLUSTER_ID)
    assert not isinstance(caught.value, OutcomeUnknown)
    assert caught.value.cause == "deadline"
