"""The create call: ours, beside httpx with a request prepared once and one connection a call as ours, and beside the vendor's own client."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from statistics import median
from typing import Any

import httpx
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkmodelarts.v1 import CreateHyperClusterRequest, HyperClusterCreateRequest, ModelArtsClient

from bench.figures import Figure, shown
from bench.processes import running
from hyperclusters.modelarts import Client, ClusterType, Credentials, create_request, signing

WARM, CALLS = 100, 1500
AT_MOST = 20.0  # seconds
PROJECT_ID = "0123456789abcdef0123456789abcdef"
KEY = Credentials("BENCHKEY", "bench-secret")
NAME = "bench-hps--1107"
SUBNET_ID = "47be1c96-b00c-4cc9-83cb-089893a632b6"
CLUSTER = {
    "id": "74437437-6810-43b8-ba20-8f8e5bc034da",
    "name": NAME,
    "network_info": [{"hyper_cluster_subnet_id": SUBNET_ID, "is_default": False}],
}


def measure() -> Iterator[Figure]:
    """Our call over raw httpx's, and over the official client's: medians, one call of each in turn."""
    with running("bench.answerer", json.dumps(CLUSTER)) as server:
        endpoint = f"http://127.0.0.1:{server.stdout.readline().strip()}" if server.stdout else ""
        with (
            Client(endpoint=endpoint, project_id=PROJECT_ID, credentials=KEY) as ours,
            httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)) as raw,
        ):
            times = _in_turn(
                {
                    "ours": lambda: ours.create(name=NAME, type=ClusterType.HPS, subnet_id=SUBNET_ID),
                    "raw": _prepared(raw, endpoint),
                    "sdk": _official(endpoint),
                }
            )
    mine, raw_httpx, sdk = times["ours"], times["raw"], times["sdk"]
    yield Figure(
        "create call over raw httpx, median",
        shown(mine),
        shown(raw_httpx),
        median(mine) / median(raw_httpx),
        1.5,
    )
    yield Figure(
        "create call over the official SDK, median", shown(mine), shown(sdk), median(mine) / median(sdk), 0.8
    )


def _in_turn(calls: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in calls}
    until = time.monotonic() + AT_MOST
    for number in range(WARM + CALLS):
        if number > 2 * WARM and time.monotonic() > until:
            break
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - started)
    return {name: seconds[WARM:] for name, seconds in times.items()}


def _prepared(raw: httpx.Client, endpoint: str) -> Callable[[], Any]:
    """The same call, signed once and sent again and again: what it costs in httpx at the least."""
    asked = create_request(project_id=PROJECT_ID, name=NAME, type=ClusterType.HPS, subnet_id=SUBNET_ID)
    headers = {
        "Host": endpoint.removeprefix("http://"),
        "Content-Type": "application/json;charset=utf-8",
        "X-Project-Id": PROJECT_ID,
        "X-Sdk-Date": signing.sdk_date(datetime.now(UTC)),
    }
    headers["Authorization"] = signing.authorization(
        method=asked.method,
        path=asked.path,
        query=asked.query,
        headers=headers,
        body=asked.body,
        access_key=KEY.access_key,
        secret_key=KEY.secret_key,
    )
    request = raw.build_request(asked.method, endpoint + asked.path, headers=headers, content=asked.body)
    return lambda: raw.send(request)


def _official(endpoint: str) -> Callable[[], Any]:
    credentials = BasicCredentials(KEY.access_key, KEY.secret_key, PROJECT_ID)
    client = ModelArtsClient.new_builder().with_credentials(credentials).with_endpoint(endpoint).build()

    def call() -> Any:
        body = HyperClusterCreateRequest(name=NAME, type="HPS", hyper_cluster_subnet_id=SUBNET_ID)
        return client.create_hyper_cluster(CreateHyperClusterRequest(body=body))

    return call
