"""The signer gives what the vendor's own gives, and our requests are the official client's."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from huaweicloudsdkmodelarts.v1 import (
    CreateHyperClusterRequest,
    DeleteHyperClusterRequest,
    GetHyperClusterRequest,
    HyperClusterCreateRequest,
    HyperinstanceClustersCapacityRequest,
    ListAllHyperinstancesRequest,
    ListHyperClusterRequest,
    ListHyperinstanceClustersCapacityRequest,
    ListHyperinstanceGroupRequest,
    ModelArtsClient,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperclusters.modelarts import (
    Client,
    ClusterType,
    Credentials,
    OccupantKind,
    create_request,
    list_request,
)
from hyperclusters.modelarts.signing import authorization, query_string, sdk_date
from tests.modelarts.cloud import (
    CLUSTER_ID,
    KEY,
    NAME,
    PROJECT,
    SUBNET_ID,
    Cloud,
    Received,
    client_of,
    healthy,
    playing,
)

HOST = "modelarts.cn-southwest-2.myhuaweicloud.com"
MOMENT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("method", "query", "content_type", "body", "signature"),
    [
        (
            "POST",
            (),
            "application/json;charset=UTF-8",
            b'{"name": "test-hps--1107"}',
            "80e756a4556e3a6998f9aec98677d755d1962cac8dcdd927bee26377e680eb1e",
        ),
        (
            "GET",
            (("type", "ECS"),),
            "application/json",
            b"",
            "f9122fefc4348a81acb394ba5cc3eb39e6b414beab9a6f9b158fb188fa47865f",
        ),
    ],
)
def test_the_known_signatures_come_out(
    method: str, query: tuple[tuple[str, str], ...], content_type: str, body: bytes, signature: str
) -> None:
    value = authorization(
        method=method,
        path=f"/v1/{PROJECT}/dev-servers/hyper-clusters",
        query=query,
        headers={
            "Host": HOST,
            "Content-Type": content_type,
            "X-Project-Id": PROJECT,
            "X-Sdk-Date": sdk_date(MOMENT),
        },
        body=body,
        access_key="AKTEST",
        secret_key="SKTEST",
    )
    assert value == (
        "SDK-HMAC-SHA256 Access=AKTEST, SignedHeaders=content-type;host;x-project-id;x-sdk-date, "
        f"Signature={signature}"
    )


def vendor_authorization(
    method: str,
    path: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
    credentials: Credentials,
) -> tuple[str, str]:
    """What the vendor's signer makes of it: the header, and the target that is sent."""
    request = SdkRequest(
        method=method,
        schema="https",
        host=headers.get("Host", HOST),
        resource_path=path,
        query_params=list(query),
        header_params=dict(headers),
        body=body,
    )
    signed = Signer(BasicCredentials(credentials.access_key, credentials.secret_key, PROJECT)).sign(request)
    return signed.header_params["Authorization"], signed.uri


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
HEADER_NAME = st.from_regex(r"X-[A-Za-z][A-Za-z0-9-]{0,12}", fullmatch=True)


@settings(deadline=None)  # a busy machine is no failure
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "put"]),
    path=st.lists(TEXT, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    query=st.lists(st.tuples(TEXT, TEXT), max_size=4),
    extra=st.dictionaries(HEADER_NAME, TEXT, max_size=4),
    body=st.one_of(st.binary(max_size=64), TEXT.map(str.encode)),
    access_key=WORD,
    secret_key=TEXT.filter(bool),
)
def test_any_request_is_signed_as_the_vendor_signs_it(
    method: str,
    path: str,
    query: list[tuple[str, str]],
    extra: dict[str, str],
    body: bytes,
    access_key: str,
    secret_key: str,
) -> None:
    # Names that differ only in case are one header; the vendor keeps whichever comes last.
    extra = {name.title(): value for name, value in extra.items()}
    headers = extra | {"Host": HOST, "X-Sdk-Date": sdk_date(MOMENT), "Content-Type": "application/json"}
    key = Credentials(access_key, secret_key)
    theirs, target = vendor_authorization(method, path, query, headers, body, key)
    ours = authorization(
        method=method,
        path=path,
        query=query,
        headers=headers,
        body=body,
        access_key=key.access_key,
        secret_key=key.secret_key,
    )
    assert ours == theirs
    assert (f"{path}?{query_string(query)}" if query else path) == target


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with playing(healthy) as cloud:
        yield cloud


def is_signed(request: Received, credentials: Credentials) -> bool:
    """Whether the signature fits the request as received, by the vendor's signer."""
    match = re.fullmatch(
        r"SDK-HMAC-SHA256 Access=(.+), SignedHeaders=(.+), Signature=([0-9a-f]{64})",
        request.headers["authorization"],
    )
    assert match is not None
    names = match[2].split(";")
    assert {"host", "x-sdk-date"} <= set(names)
    path, _, query = request.target.partition("?")
    pairs = [(key, value) for key, _, value in (pair.partition("=") for pair in query.split("&") if pair)]
    headers = {name.title(): request.headers[name] for name in names}
    theirs, _ = vendor_authorization(request.method, path, pairs, headers, request.body, credentials)
    return theirs == request.headers["authorization"]


def official(endpoint: str) -> ModelArtsClient:
    builder = ModelArtsClient.new_builder()
    key = BasicCredentials(KEY.access_key, KEY.secret_key, PROJECT)
    return builder.with_credentials(key).with_endpoint(endpoint).build()


OFFICIAL_CALLS = {
    "create": lambda client: client.create_hyper_cluster(
        CreateHyperClusterRequest(HyperClusterCreateRequest(NAME, SUBNET_ID, "HPS"))
    ),
    "create without subnet": lambda client: client.create_hyper_cluster(
        CreateHyperClusterRequest(HyperClusterCreateRequest(name=NAME, type="ECS"))
    ),
    "list": lambda client: client.list_hyper_cluster(ListHyperClusterRequest(type="ECS")),
    "show": lambda client: client.get_hyper_cluster(GetHyperClusterRequest(id=CLUSTER_ID, type="HPS")),
    "delete": lambda client: client.delete_hyper_cluster(
        DeleteHyperClusterRequest(id=CLUSTER_ID, type="HPS")
    ),
    "supernodes": lambda client: client.list_all_hyperinstances(ListAllHyperinstancesRequest()),
    "groups": lambda client: client.list_hyperinstance_group(ListHyperinstanceGroupRequest()),
    "capacity": lambda client: client.list_hyperinstance_clusters_capacity(
        ListHyperinstanceClustersCapacityRequest(
            HyperinstanceClustersCapacityRequest(hyperinstance_cluster_ids=[CLUSTER_ID])
        )
    ),
}
OUR_CALLS = {
    "create": lambda client: client.create(name=NAME, type=ClusterType.HPS, subnet_id=SUBNET_ID),
    "create without subnet": lambda client: client.create(name=NAME, type=ClusterType.ECS),
    "list": lambda client: client.list(type=ClusterType.ECS),
    "show": lambda client: client.show(cluster_id=CLUSTER_ID, type=ClusterType.HPS),
    "delete": lambda client: client.delete(cluster_id=CLUSTER_ID, type=ClusterType.HPS),
    "supernodes": lambda client: client.list_occupants(OccupantKind.SUPERNODE),
    "groups": lambda client: client.list_occupants(OccupantKind.GROUP),
    "capacity": lambda client: client.evaluate_capacity(cluster_id=CLUSTER_ID),
}


@pytest.mark.parametrize("call", OUR_CALLS)
def test_each_request_is_the_official_clients(cloud: Cloud, call: str) -> None:
    theirs_client = official(cloud.endpoint)
    OFFICIAL_CALLS[call](theirs_client)
    theirs_client._http_client._session.close()
    with client_of(cloud.endpoint) as client:
        OUR_CALLS[call](client)
    theirs, ours = cloud.requests
    assert (ours.method, ours.target) == (theirs.method, theirs.target)
    assert (json.loads(ours.body) if ours.body else None) == (
        json.loads(theirs.body) if theirs.body else None
    )
    for name in ("host", "content-type", "x-project-id"):
        assert ours.headers[name] == theirs.headers[name]
    assert is_signed(ours, KEY)
    assert is_signed(theirs, KEY)


def test_a_temporary_keys_token_is_sent_and_signed(cloud: Cloud) -> None:
    key = Credentials("AKTEST", "SKTEST", "TOKEN/with+odd=signs")
    with Client(endpoint=cloud.endpoint, project_id=PROJECT, credentials=key) as client:
        client.list(type=ClusterType.HPS)
    (request,) = cloud.requests
    assert request.headers["x-security-token"] == "TOKEN/with+odd=signs"
    assert "x-security-token" in request.headers["authorization"]
    assert is_signed(request, key)


def test_a_changed_byte_breaks_the_signature(cloud: Cloud) -> None:
    with client_of(cloud.endpoint) as client:
        client.create(name=NAME, type=ClusterType.HPS)
    (request,) = cloud.requests
    assert is_signed(request, KEY)
    request.body = request.body.replace(b"1107", b"1108")
    assert not is_signed(request, KEY)


def test_the_moment_given_is_the_moment_signed_and_kept(cloud: Cloud) -> None:
    with client_of(cloud.endpoint) as client:
        answer = client.create(name=NAME, type=ClusterType.HPS, signed_at=MOMENT)
    assert cloud.requests[0].headers["x-sdk-date"] == "20261123T000000Z"
    assert answer.exchange.signed_at == MOMENT


def test_g32_the_body_sent_is_the_body_that_the_builder_shows(cloud: Cloud) -> None:
    with client_of(cloud.endpoint) as client:
        answer = client.create(name="-rf", type=ClusterType.ECS, subnet_id=SUBNET_ID)
        listed = client.list(type=ClusterType.ECS)
    built = create_request(project_id=PROJECT, name="-rf", type=ClusterType.ECS, subnet_id=SUBNET_ID)
    assert cloud.requests[0].body == built.body == answer.exchange.request.body
    assert json.loads(built.body) == {"name": "-rf", "hyper_cluster_subnet_id": SUBNET_ID, "type": "ECS"}
    assert list(json.loads(built.body)) == ["name", "hyper_cluster_subnet_id", "type"]
    assert listed.exchange.request == list_request(project_id=PROJECT, type=ClusterType.ECS)
