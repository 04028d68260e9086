"""Names, types, IDs and answers are those of the documentation."""

import json
import re
import uuid
from typing import Any

import pytest

from hyperclusters.simulator import Simulator
from tests.simulator.simulator_caller import PROJECT, Caller, collection

DOCUMENTED_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
SUBNET = "47be1c96-b00c-4cc9-83cb-089893a632b6"
GOOD_NAMES = ["a", ".", "..", "-rf", "--help", "-2", "_", "test-hps--1107", "A.b_c-9", "x" * 64]
BAD_NAMES = ["", "x" * 65, "a\n", "\na", "a b", "a/b", "集群", "é", "a\x00", None, 1, True, ["a"], {"a": 1}]
BAD_SUBNETS = [
    "",
    SUBNET.upper(),
    "{" + SUBNET + "}",
    "urn:uuid:" + SUBNET,
    SUBNET.replace("-", ""),
    SUBNET + "\n",
    "00000000-0000-0000-0000-000000000000",
    "0198c7a0-5f00-7abc-8def-0123456789ab",
    "47be1c96-b00c-4cc9-c3cb-089893a632b6",
    "my-subnet",
    None,
    7,
]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_every_documented_name_can_be_created(caller: Caller, name: str) -> None:
    reply = caller.create(name)
    assert (reply.status, reply.json["name"]) == (200, name)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_outside_the_grammar_is_an_invalid_parameter(simulator: Simulator, name: Any) -> None:
    reply = Caller(simulator).create(name)
    assert (reply.status, reply.code) == (400, "ModelArts.0104")
    assert simulator.clusters() == []
    assert simulator.journal()[-1].effect == "none"


@pytest.mark.parametrize("subnet", BAD_SUBNETS)
def test_a_subnet_outside_the_grammar_is_an_invalid_parameter(caller: Caller, subnet: Any) -> None:
    reply = caller.create(hyper_cluster_subnet_id=subnet)
    assert (reply.status, reply.code) == (400, "ModelArts.0104")


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_a_subnet_of_each_documented_version_is_taken_as_it_is(caller: Caller, version: int) -> None:
    subnet = str(uuid.UUID(int=uuid.uuid4().int, version=version))
    answer = caller.create(hyper_cluster_subnet_id=subnet).json
    assert answer["network_info"] == [{"hyper_cluster_subnet_id": subnet, "is_default": False}]


@pytest.mark.parametrize("wrong", ["BMS", "hps", "", "HPS\n", None, 1, ["HPS"]])
def test_an_unknown_type_is_an_invalid_parameter(caller: Caller, wrong: Any) -> None:
    assert caller.create(type=wrong).code == "ModelArts.0104"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"a"', b"name=a", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_an_invalid_parameter(caller: Caller, body: bytes) -> None:
    assert caller.send("POST", collection(), body).code == "ModelArts.0104"


@pytest.mark.parametrize("project", ["p_1", "x" * 65, "a.b", "项目".encode().hex(" ").replace(" ", "%20")])
def test_a_project_id_outside_the_grammar_is_an_invalid_parameter(caller: Caller, project: str) -> None:
    reply = caller.create(project=project)
    assert (reply.status, reply.code) == (400, "ModelArts.0104")


@pytest.mark.parametrize("query", ["type=BMS", "type=", "type=HPS&type=ECS", "type=HPS%0A"])
def test_a_list_of_an_unknown_type_is_an_invalid_parameter(caller: Caller, query: str) -> None:
    assert caller.send("GET", f"{collection()}?{query}").code == "ModelArts.0104"


def test_a_created_cluster_answers_in_exactly_the_documented_shape(caller: Caller) -> None:
    reply = caller.create("test-hps--1107")
    answer = reply.json
    assert reply.status == 200
    assert list(answer) == ["id", "name", "network_info"]
    assert DOCUMENTED_ID.fullmatch(answer["id"])
    (network,) = answer["network_info"]
    assert network["is_default"] is True
    assert DOCUMENTED_ID.fullmatch(network["hyper_cluster_subnet_id"])
    assert caller.show(answer["id"]).json == answer
    assert caller.list().json == {"hyper_clusters": [answer]}


def test_clusters_without_a_subnet_each_get_a_network_of_their_own(caller: Caller) -> None:
    first, second = caller.create("a").json, caller.create("b").json
    assert first["network_info"] != second["network_info"]


def test_both_types_are_kept_apart(caller: Caller) -> None:
    made = caller.create("servers", type="ECS").json
    assert caller.list().json == {"hyper_clusters": []}
    assert caller.list("HPS").json == {"hyper_clusters": []}
    assert caller.list("ECS").json == {"hyper_clusters": [made]}
    for call in (caller.show, caller.delete):
        assert (call(made["id"]).status, call(made["id"]).code) == (400, "ModelArts.6404")
    assert caller.show(made["id"], "ECS").json == made


def test_a_create_without_a_type_makes_what_a_list_without_a_type_shows(caller: Caller) -> None:
    made = caller.create("plain").json
    assert caller.list().json["hyper_clusters"] == [made]


def test_a_deleted_cluster_is_gone_for_good(caller: Caller) -> None:
    made = caller.create("short-lived").json
    reply = caller.delete(made["id"])
    assert (reply.status, reply.body) == (204, b"")
    assert "Content-Length" not in reply.headers
    assert caller.list().json == {"hyper_clusters": []}
    assert caller.show(made["id"]).code == "ModelArts.6404"
    assert caller.delete(made["id"]).code == "ModelArts.6404"


def test_a_cluster_of_another_project_is_not_found(caller: Caller) -> None:
    made = caller.create("elsewhere", project="another-project").json
    assert caller.show(made["id"]).code == "ModelArts.6404"
    assert caller.delete(made["id"]).code == "ModelArts.6404"
    assert caller.list().json == {"hyper_clusters": []}


def test_names_are_not_unique_unless_the_switch_says_so(caller: Caller) -> None:
    assert caller.create("twin").json["id"] != caller.create("twin").json["id"]


def test_the_journal_tells_what_was_asked_and_done(simulator: Simulator, caller: Caller) -> None:
    made = caller.create("noted", type="ECS").json
    caller.list("ECS")
    caller.delete(made["id"], "ECS")
    create, listing, delete = simulator.journal()
    assert [entry.seq for entry in (create, listing, delete)] == [1, 2, 3]
    assert (create.call, create.method, create.path) == ("create", "POST", collection())
    assert (create.project_id, create.type, create.name) == (PROJECT, "ECS", "noted")
    assert (create.access_key, create.accepted) == (simulator.access_key, True)
    assert (create.effect, create.answer) == (f"created {made['id']}", "200")
    assert re.fullmatch(r"\d{8}T\d{6}Z", create.sdk_date)
    assert (listing.path, listing.effect) == (f"{collection()}?type=ECS", "none")
    assert (delete.name, delete.effect, delete.answer) == ("noted", f"deleted {made['id']}", "204")
    assert create.arrived_at < listing.arrived_at < delete.arrived_at


def test_a_cluster_made_outside_is_listed_and_leaves_no_row_in_the_journal(
    simulator: Simulator, caller: Caller
) -> None:
    outside = simulator.add_cluster(PROJECT, "from-outside", "ECS", subnet_ids=[SUBNET])
    (listed,) = caller.list("ECS").json["hyper_clusters"]
    assert json.dumps(listed) == json.dumps(outside.as_answer())
    assert simulator.remove_cluster(outside.id)
    assert not simulator.remove_cluster(outside.id)
    assert [entry.call for entry in simulator.journal()] == ["list"]


def test_a_watcher_sees_each_create_and_delete_before_the_deed(tmp_path: Any) -> None:
    rows: list[tuple[str, str, int]] = []

    def watch(entry: Any) -> None:
        rows.append((entry.call, entry.name, len(simulator.clusters())))

    with Simulator.start(tmp_path, on_request=watch) as simulator:
        caller = Caller(simulator)
        made = caller.create("watched").json
        caller.list()
        caller.delete(made["id"])
        Caller(simulator, "wrong").create("refused")
    assert rows == [("create", "watched", 0), ("delete", "watched", 1)]


def test_what_a_watcher_finds_wrong_fails_the_test_but_not_the_call(tmp_path: Any) -> None:
    def watch(_: Any) -> None:
        raise AssertionError("no row was there")

    with (
        pytest.raises(AssertionError, match="no row was there"),
        Simulator.start(tmp_path, on_request=watch) as sim,
    ):
        assert Caller(sim).create().status == 200
