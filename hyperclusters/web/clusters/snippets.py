"""The request that creates a cluster, as JSON and as commands that make the same call. No secret is in them."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from hyperclusters.clusters.models import Project
from hyperclusters.modelarts import ClusterType, create_request

FORMS = ("json", "curl", "hcloud", "python")


@dataclass(frozen=True, slots=True)
class Snippets:
    """One request in four forms. `line` is its first line, and `json` its body."""

    line: str
    json: str
    curl: str
    hcloud: str
    python: str


def snippets(project: Project, name: str, kind: ClusterType | None, subnet_id: str) -> Snippets:
    """For valid values. Raises InvalidRequest for others."""
    call = create_request(project_id=project.project_id, name=name, type=kind, subnet_id=subnet_id)
    url, body = f"{project.endpoint}{call.path}", json.loads(call.body)
    return Snippets(
        line=f"{call.method} {call.path}",
        json=json.dumps(body, indent=2),
        curl=_curl(url, project.project_id, call.body.decode()),
        hcloud=_hcloud(project, body),
        python=_python(project, body),
    )


def _curl(url: str, project_id: str, body: str) -> str:
    """With a token, because curl cannot make the vendor's signature."""
    return " \\\n  ".join(
        (
            f"curl -X POST {shlex.quote(url)}",
            "-H 'Content-Type: application/json'",
            f"-H {shlex.quote(f'X-Project-Id: {project_id}')}",
            '-H "X-Auth-Token: $TOKEN"',
            f"-d {shlex.quote(body)}",
        )
    )


def _hcloud(project: Project, body: dict[str, str]) -> str:
    """For the vendor's KooCLI. The endpoint is named where it is not the region's own."""
    options = {"cli-region": project.region} if project.region else {}
    if project.endpoint != f"https://modelarts.{project.region}.myhuaweicloud.com":
        options["cli-endpoint"] = urlsplit(project.endpoint).netloc
    options |= {"project_id": project.project_id, **body}
    lines = (f"--{name}={shlex.quote(value)}" for name, value in options.items())
    return " \\\n  ".join(("hcloud ModelArts CreateHyperCluster", *lines))


def _python(project: Project, body: dict[str, str]) -> str:
    """For the vendor's SDK (huaweicloudsdkmodelarts), with the names that its own provider of keys reads."""
    arguments = ", ".join(f"{name}={json.dumps(value)}" for name, value in body.items())
    return f"""\
import os

from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkmodelarts.v1 import (
    CreateHyperClusterRequest, HyperClusterCreateRequest, ModelArtsClient
)

credentials = BasicCredentials(
    os.environ["HUAWEICLOUD_SDK_AK"], os.environ["HUAWEICLOUD_SDK_SK"], {json.dumps(project.project_id)}
)
client = (
    ModelArtsClient.new_builder()
    .with_credentials(credentials)
    .with_endpoint({json.dumps(project.endpoint)})
    .build()
)
body = HyperClusterCreateRequest({arguments})
print(client.create_hyper_cluster(CreateHyperClusterRequest(body=body)))"""
