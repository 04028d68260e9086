"""Capacities, traces and projects: set by the control surface, listed, journalled, and able to fail."""

from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException, ServerResponseException
from huaweicloudsdkiam.v3 import IamClient, KeystoneListAuthProjectsRequest
from huaweicloudsdkmodelarts.v1 import (
    HyperinstanceClustersCapacityRequest,
    ListHyperinstanceClustersCapacityRequest,
)

from hyperclusters.simulator import Simulator
from tests.simulator.simulator_caller import PROJECT, Caller
from tests.simulator.test_simulator_official_client import official


def capacities(simulator: Simulator, ids: list[str]) -> list[Any]:
    body = HyperinstanceClustersCapacityRequest(hyperinstance_cluster_ids=ids)
    request = ListHyperinstanceClustersCapacityRequest(body)
    return list(official(simulator).list_hyperinstance_clusters_capacity(request).capacities)


def test_the_official_client_reads_the_capacities_that_were_added(
    simulator: Simulator, caller: Caller
) -> None:
    first, second = (simulator.add_cluster(PROJECT, name) for name in ("first", "second"))
    row = {"project_id": PROJECT, "hyperinstance_cluster_id": first.id, "flavor": "a3"}
    for zone, is_sold_out in (("zone-1", True), ("zone-2", False)):
        added = row | {"availability_zone": zone, "is_sold_out": is_sold_out}
        assert caller.control("POST", "capacities", added).status == 201
    found = capacities(simulator, [first.id])
    assert [(each.availability_zone, each.is_sold_out) for each in found] == [
        ("zone-1", True),
        ("zone-2", False),
    ]
    assert {each.hyperinstance_cluster_name for each in found} == {"first"}
    assert len(capacities(simulator, [])) == 2
    assert capacities(simulator, [second.id]) == []
    assert [entry.call for entry in simulator.journal()] == ["capacity"] * 3
    assert len(caller.control("GET", "capacities").json["capacities"]) == 2
    assert caller.control("DELETE", "capacities").status == 204
    assert capacities(simulator, [first.id]) == []


def test_capacities_of_what_is_no_hps_cluster_are_an_error(simulator: Simulator) -> None:
    servers = simulator.add_cluster(PROJECT, "servers", "ECS")
    for ids in ([servers.id], ["none"], ["x"] * 6, ["x" * 129]):
        with pytest.raises(ClientRequestException):
            capacities(simulator, ids)


def test_a_fault_of_its_own_makes_it_fail(simulator: Simulator) -> None:
    simulator.fault("error", "capacity", status=500)
    with pytest.raises(ServerResponseException):
        capacities(simulator, [])


@pytest.mark.parametrize(
    "changes", [{"is_sold_out": "yes"}, {"flavor": 7}, {"project_id": "a b"}, {"price": "1"}], ids=str
)
def test_what_makes_no_sense_is_refused_with_a_sentence(caller: Caller, changes: dict[str, Any]) -> None:
    refused = caller.control("POST", "capacities", {"project_id": PROJECT} | changes)
    assert refused.status == 400
    assert refused.json["error"]


def test_the_path_takes_no_other_method(caller: Caller) -> None:
    path = f"/v1/{PROJECT}/dev-servers/hyperinstance/cluster-capacity-evaluations"
    refused = caller.bare("GET", path)
    assert (refused.status, refused.headers["Allow"]) == (405, "POST")


def test_traces_are_listed_newest_first_within_their_times_and_filters(
    simulator: Simulator, caller: Caller
) -> None:
    path = f"/v3/{PROJECT}/traces"
    for second, name in ((1, "a"), (2, "b"), (3, "a")):
        row = {"project_id": PROJECT, "resource_name": name, "user": "eve", "time": second * 1000}
        assert caller.control("POST", "traces", row).status == 201
    found = caller.send("GET", f"{path}?from=0&to=9000&resource_name=a").json["traces"]
    assert [each["time"] for each in found] == [3000, 1000]
    assert found[0]["user"] == {"name": "eve"}
    assert len(caller.send("GET", f"{path}?from=1000&to=3000").json["traces"]) == 1
    assert len(caller.send("GET", f"{path}?limit=2").json["traces"]) == 2
    for query in ("limit=0", "limit=201", "from=x", "trace_type=data", "colour=red"):
        assert caller.send("GET", f"{path}?{query}").status == 400
    assert {entry.call for entry in simulator.journal()} == {"traces"}


def iam(simulator: Simulator, secret_key: str = "") -> Any:
    credentials = GlobalCredentials(simulator.access_key, secret_key or simulator.secret_key, "an-account")
    return IamClient.new_builder().with_credentials(credentials).with_endpoint(simulator.endpoint).build()


def test_the_official_client_lists_the_projects_that_were_added(simulator: Simulator, caller: Caller) -> None:
    row = {"project_id": PROJECT, "name": "cn-north-4_vision"}
    assert caller.control("POST", "projects", row).status == 201
    simulator.add_project("another", "cn-north-9", is_enabled=False)
    found = iam(simulator).keystone_list_auth_projects(KeystoneListAuthProjectsRequest()).projects
    assert [(each.id, each.name, each.enabled) for each in found] == [
        (PROJECT, "cn-north-4_vision", True),
        ("another", "cn-north-9", False),
    ]
    assert [(entry.call, entry.project_id) for entry in simulator.journal()] == [("projects", "")]
    assert len(caller.control("GET", "projects").json["projects"]) == 2
    assert caller.control("DELETE", "projects").status == 204
    assert iam(simulator).keystone_list_auth_projects(KeystoneListAuthProjectsRequest()).projects == []


def test_projects_are_listed_for_a_right_key_by_get_alone(simulator: Simulator, caller: Caller) -> None:
    with pytest.raises(ClientRequestException) as refused:
        iam(simulator, "wrong").keystone_list_auth_projects(KeystoneListAuthProjectsRequest())
    assert (refused.value.status_code, refused.value.error_code) == (401, "APIGW.0301")
    simulator.fault("error", "projects", status=403, error_code="IAM.0003")
    with pytest.raises(ClientRequestException):
        iam(simulator).keystone_list_auth_projects(KeystoneListAuthProjectsRequest())
    assert caller.bare("POST", "/v3/auth/projects").headers["Allow"] == "GET"
    assert caller.control("POST", "projects", {"project_id": "p", "enabled": "yes"}).status == 400
