"""The vendor's own Python client works against the simulator, and can read what it refuses."""

from typing import Any

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkmodelarts.v1 import (
    CreateHyperClusterRequest,
    DeleteHyperClusterRequest,
    GetHyperClusterRequest,
    HyperClusterCreateRequest,
    ListHyperClusterRequest,
    ModelArtsClient,
)

from hyperclusters.simulator import Simulator
from tests.simulator.simulator_caller import PROJECT

SUBNET = "47be1c96-b00c-4cc9-83cb-089893a632b6"


def official(simulator: Simulator, secret_key: str = "") -> Any:
    credentials = BasicCredentials(simulator.access_key, secret_key or simulator.secret_key, PROJECT)
    return (
        ModelArtsClient.new_builder().with_credentials(credentials).with_endpoint(simulator.endpoint).build()
    )


def create(client: Any, **fields: Any) -> Any:
    return client.create_hyper_cluster(CreateHyperClusterRequest(body=HyperClusterCreateRequest(**fields)))


def test_the_official_client_creates_lists_shows_and_deletes(simulator: Simulator) -> None:
    client = official(simulator)
    made = create(client, name="test-hps--1107", type="HPS", hyper_cluster_subnet_id=SUBNET)
    assert made.name == "test-hps--1107"
    assert [(net.hyper_cluster_subnet_id, net.is_default) for net in made.network_info] == [(SUBNET, False)]
    assert [each.id for each in client.list_hyper_cluster(ListHyperClusterRequest()).hyper_clusters] == [
        made.id
    ]
    shown = client.get_hyper_cluster(GetHyperClusterRequest(id=made.id, type="HPS"))
    assert (shown.id, shown.name) == (made.id, made.name)
    client.delete_hyper_cluster(DeleteHyperClusterRequest(id=made.id, type="HPS"))
    assert client.list_hyper_cluster(ListHyperClusterRequest(type="HPS")).hyper_clusters == []


def test_the_official_client_is_told_of_a_default_network(simulator: Simulator) -> None:
    (network,) = create(official(simulator), name="a").network_info
    assert network.is_default is True
    assert len(network.hyper_cluster_subnet_id) == len(SUBNET)


def test_the_official_client_with_a_wrong_secret_reads_code_message_and_request_id(
    simulator: Simulator,
) -> None:
    with pytest.raises(ClientRequestException) as refused:
        create(official(simulator, "wrong"), name="a")
    assert refused.value.status_code == 401
    assert refused.value.error_code == "APIGW.0301"
    assert "verify aksk signature fail" in refused.value.error_msg
    (entry,) = simulator.journal()
    assert refused.value.request_id == entry.request_id
    assert (entry.accepted, entry.effect, simulator.clusters()) == (False, "none", [])


def test_the_official_client_reads_a_not_found_by_its_code(simulator: Simulator) -> None:
    with pytest.raises(ClientRequestException) as refused:
        official(simulator).get_hyper_cluster(GetHyperClusterRequest(id=SUBNET))
    assert (refused.value.status_code, refused.value.error_code) == (400, "ModelArts.6404")
    assert refused.value.request_id == simulator.journal()[-1].request_id


def test_the_official_client_reads_an_invalid_parameter(simulator: Simulator) -> None:
    with pytest.raises(ClientRequestException) as refused:
        create(official(simulator), name="no spaces")
    assert (refused.value.status_code, refused.value.error_code) == (400, "ModelArts.0104")
