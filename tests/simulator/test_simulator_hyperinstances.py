"""Supernodes and groups that refer to clusters: set by the control surface, listed, journalled, and able to fail."""

from typing import Any

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ServerResponseException
from huaweicloudsdkmodelarts.v1 import ListAllHyperinstancesRequest, ListHyperinstanceGroupRequest

from hyperclusters.simulator import Simulator
from tests.simulator.simulator_caller import PROJECT, Caller
from tests.simulator.test_simulator_official_client import official

NODE = {"project_id": PROJECT, "name": "node-1", "hps_cluster_id": "c-1", "status": "ERROR", "servers": 2}
GROUP = {"project_id": PROJECT, "name": "group-1", "hyperinstance_cluster_id": "c-1"}


def test_the_official_client_lists_what_was_added_until_it_is_removed(
    simulator: Simulator, caller: Caller
) -> None:
    client = official(simulator)
    node = caller.control("POST", "hyperinstances", NODE).json
    group = caller.control("POST", "groups", GROUP).json
    caller.control("POST", "groups", GROUP | {"project_id": "elsewhere"})
    nodes = client.list_all_hyperinstances(ListAllHyperinstancesRequest())
    assert (nodes.total, nodes.pages, len(nodes.data[0].servers)) == (1, 1, 2)
    assert (nodes.data[0].id, nodes.data[0].status, nodes.data[0].hps_cluster_id) == (
        node["id"],
        "ERROR",
        "c-1",
    )
    groups = client.list_hyperinstance_group(ListHyperinstanceGroupRequest())
    assert [(each.id, each.hyperinstance_cluster_id) for each in groups.data] == [(group["id"], "c-1")]
    assert caller.control("DELETE", f"groups/{node['id']}").status == 404
    assert caller.control("DELETE", f"hyperinstances/{node['id']}").status == 204
    assert client.list_all_hyperinstances(ListAllHyperinstancesRequest()).data == []
    assert [entry.call for entry in simulator.journal()] == ["hyperinstances", "groups", "hyperinstances"]
    assert [each["name"] for each in caller.control("GET", "groups").json["groups"]] == ["group-1"] * 2


def test_a_fault_of_its_own_makes_one_list_fail(simulator: Simulator) -> None:
    simulator.fault("error", "hyperinstances", status=500)
    client = official(simulator)
    with pytest.raises(ServerResponseException):
        client.list_all_hyperinstances(ListAllHyperinstancesRequest())
    assert client.list_hyperinstance_group(ListHyperinstanceGroupRequest()).total == 0


@pytest.mark.parametrize(
    ("resource", "content"),
    [
        ("hyperinstances", NODE | {"status": "ASLEEP"}),
        ("hyperinstances", NODE | {"servers": -1}),
        ("hyperinstances", GROUP),
        ("groups", NODE),
        ("groups", GROUP | {"name": None}),
        ("groups", GROUP | {"project_id": "a b"}),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    caller: Caller, resource: str, content: dict[str, Any]
) -> None:
    refused = caller.control("POST", resource, content)
    assert refused.status == 400
    assert refused.json["error"]


def test_the_paths_take_no_other_method(caller: Caller) -> None:
    for kind in ("all", "groups"):
        path = f"/v1/{PROJECT}/dev-servers/hyperinstance/{kind}"
        refused = caller.bare("POST", path)
        assert (refused.status, refused.headers["Allow"]) == (405, "GET")
    assert caller.bare("GET", f"/v1/{PROJECT}/dev-servers/hyperinstance/none").code == "APIGW.0101"
