"""The commands that the form shows make the call that it promises: run as they are, against a cloud on a socket."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from hyperclusters.clusters.models import Project
from hyperclusters.modelarts import ENDPOINTS, ClusterType
from hyperclusters.simulator import Simulator
from hyperclusters.web.clusters.snippets import snippets

PROJECT_ID = "0f5181caba0024e72f89c0045e707b91"
SUBNET = "3f1f6e1c-1d2c-4a5b-8c9d-0123456789ab"
REQUESTS: list[tuple[str, ClusterType | None, str]] = [
    ("test-hps--1107", None, ""),
    ("train-a3", ClusterType.HPS, ""),
    ("--help", ClusterType.ECS, SUBNET),
]


def project(
    endpoint: str = "https://modelarts.cn-southwest-2.myhuaweicloud.com", region: str = ""
) -> Project:
    return Project(name="vision", endpoint=endpoint, project_id=PROJECT_ID, region=region)


def sent_fields(name: str, kind: ClusterType | None, subnet_id: str) -> dict[str, str]:
    fields = {"name": name, "hyper_cluster_subnet_id": subnet_id, "type": str(kind or "")}
    return {name: value for name, value in fields.items() if value}


class Recorder(HTTPServer):
    """A server that keeps the one request it got."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: dict[str, Any] = {}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen = {"path": self.path, "headers": dict(self.headers), "body": body}  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- its name there
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        Thread(target=server.handle_request, daemon=True).start()
        yield server


@pytest.mark.parametrize(("name", "kind", "subnet_id"), REQUESTS)
def test_curl_sends_the_promised_request_with_a_token_of_the_environment(
    recorder: Recorder, name: str, kind: ClusterType | None, subnet_id: str
) -> None:
    shown = snippets(project(f"http://127.0.0.1:{recorder.server_port}"), name, kind, subnet_id)
    subprocess.run(
        ["sh", "-c", shown.curl],
        env=os.environ | {"TOKEN": "a token"},
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert recorder.seen["path"] == f"/v1/{PROJECT_ID}/dev-servers/hyper-clusters"
    assert json.loads(recorder.seen["body"]) == json.loads(shown.json) == sent_fields(name, kind, subnet_id)
    headers = recorder.seen["headers"]
    assert headers["Content-Type"] == "application/json"
    assert (headers["X-Auth-Token"], headers["X-Project-Id"]) == ("a token", PROJECT_ID)


@pytest.mark.parametrize(("name", "kind", "subnet_id"), REQUESTS)
def test_the_vendor_s_sdk_creates_what_is_promised(
    tmp_path: Path, name: str, kind: ClusterType | None, subnet_id: str
) -> None:
    with Simulator.start(tmp_path / "cloud") as simulator:
        keys = {"HUAWEICLOUD_SDK_AK": simulator.access_key, "HUAWEICLOUD_SDK_SK": simulator.secret_key}
        shown = snippets(project(simulator.endpoint), name, kind, subnet_id)
        script = tmp_path / "create.py"
        script.write_text(shown.python)
        answer = subprocess.run(
            [sys.executable, script],
            env=os.environ | keys,
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        (cluster,) = simulator.clusters(PROJECT_ID)
    assert (cluster.name, cluster.type) == (name, kind or "HPS")
    assert cluster.id in answer.stdout
    if subnet_id:
        assert [network.subnet_id for network in cluster.networks] == [subnet_id]


@pytest.mark.parametrize(("name", "kind", "subnet_id"), REQUESTS)
def test_hcloud_gets_the_documented_call_and_each_value_as_one_option(
    name: str, kind: ClusterType | None, subnet_id: str
) -> None:
    region = "cn-southwest-2"
    shown = snippets(project(ENDPOINTS[region], region), name, kind, subnet_id)
    command, service, operation, *options = shlex.split(shown.hcloud.replace("\\\n", " "))
    assert (command, service, operation) == ("hcloud", "ModelArts", "CreateHyperCluster")
    given = dict(option.removeprefix("--").split("=", 1) for option in options)
    fields = {"cli-region": region, "project_id": PROJECT_ID, **sent_fields(name, kind, subnet_id)}
    assert given == fields


def test_hcloud_names_an_endpoint_that_is_not_the_region_s_own() -> None:
    shown = snippets(project("https://modelarts.example.com"), "a", None, "").hcloud
    assert "--cli-endpoint=modelarts.example.com" in shown
    assert "--cli-region" not in shown


def test_no_form_has_a_secret_and_none_states_a_type_that_is_not_sent() -> None:
    shown = snippets(project(), "a", None, "")
    for text in (shown.json, shown.curl, shown.hcloud, shown.python):
        assert "type=" not in text
        assert '"type"' not in text
    assert '"$TOKEN"' in shown.curl or "$TOKEN" in shown.curl
