"""What `deploy/kubernetes` applies: valid by Kubernetes' own schema, with the rights, probes and time that compose gives."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import hyperclusters
from hyperclusters.settings import VARIABLES

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
OBJECTS: list[dict[str, Any]] = [
    each for name in KUSTOMIZATION["resources"] for each in yaml.safe_load_all((FOLDER / name).read_text())
]
SETTINGS = dict(
    line.split("=", 1)
    for line in (FOLDER / "settings.env").read_text().splitlines()
    if line and not line.startswith("#")
)
PODS = {
    each["metadata"]["name"]: each["spec"]["template"]["spec"]
    for each in OBJECTS
    if each["kind"] in {"Deployment", "StatefulSet", "Job"}
}
PROBES = {"startupProbe", "livenessProbe", "readinessProbe"}


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def volumes(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {volume["name"]: volume for volume in pod["volumes"]}


@pytest.mark.parametrize("thing", OBJECTS, ids=lambda thing: f"{thing['kind']} {thing['metadata']['name']}")
def test_each_object_is_valid_by_the_schema(thing: dict[str, Any]) -> None:
    # Loaded here: it builds grammars for more than a second, in every worker that only collects this file.
    importlib.import_module("kubernetes_validate").validate(thing, "1.34", strict=True)


def test_every_file_is_applied_and_the_image_is_this_release_s() -> None:
    assert {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"} == set(
        KUSTOMIZATION["resources"]
    )
    assert KUSTOMIZATION["images"] == [{"name": "hyperclusters", "newTag": hyperclusters.__version__}]
    assert set(PODS) == {"web", "worker", "migrate"}


@pytest.mark.parametrize("name", PODS)
def test_g37_a_pod_can_write_nothing_and_gain_nothing(name: str) -> None:
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    for container in containers(pod):
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"]
        assert not rights["allowPrivilegeEscalation"]
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", ["web", "worker"])
def test_who_serves_has_time_to_stop_and_is_no_owner_of_the_audit(name: str) -> None:
    pod = PODS[name]
    assert pod["terminationGracePeriodSeconds"] == int(SETTINGS["KILL_AFTER"])
    assert {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume} == {
        "hyperclusters"
    }
    replicas = [
        each["spec"]["replicas"]
        for each in OBJECTS
        if each["metadata"]["name"] == name and "replicas" in each.get("spec", {})
    ]
    assert replicas == [2]


def test_settings_are_ours_and_their_files_are_what_the_script_makes(tmp_path: Path) -> None:
    subprocess.run(["sh", str(ROOT / "deploy/secrets.sh"), str(tmp_path)], check=True, capture_output=True)
    made = {path.name for path in tmp_path.iterdir()}
    variables = SETTINGS | {
        each["name"]: each["value"]
        for pod in PODS.values()
        for c in containers(pod)
        for each in c.get("env", [])
    }
    for name, value in variables.items():
        assert name.removesuffix("_FILE") in VARIABLES, name
        if name.endswith("_FILE") and name != "WORKER_ALIVE_FILE" and value:
            assert Path(value).name in made, name
            assert any(
                value.startswith(f"{mount['mountPath']}/")
                for pod in PODS.values()
                for c in containers(pod)
                for mount in c["volumeMounts"]
            )


def test_g21_the_anchors_of_each_worker_outlive_its_pod() -> None:
    worker = next(each for each in OBJECTS if each["kind"] == "StatefulSet")
    claims = {claim["metadata"]["name"] for claim in worker["spec"]["volumeClaimTemplates"]}
    (container,) = PODS["worker"]["containers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    anchors = next(each["value"] for each in container["env"] if each["name"] == "AUDIT_ANCHORS")
    assert mounts[str(Path(anchors).parent)] in claims


def test_probes_ask_what_answers_under_any_name_and_only_readiness_asks_the_database() -> None:
    (web,), (worker,) = PODS["web"]["containers"], PODS["worker"]["containers"]
    paths = {probe: web[probe]["httpGet"] for probe in PROBES}
    assert {probe: get["path"] for probe, get in paths.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert not any("httpHeaders" in get for get in paths.values())
    script, file = worker["livenessProbe"]["exec"]["command"][1:]
    assert (ROOT / script).exists()
    assert file == "/data/worker-alive"
    assert re.search(r"DATA_DIR=/data\b", (ROOT / "Dockerfile").read_text())
