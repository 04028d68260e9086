"""What is deployed: an image that runs as nobody with nothing writable, and services that start in order."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
OURS = [name for name, service in SERVICES.items() if service.get("build") == "."]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTALLING = {"requirements.txt", "requirements-tracing.txt", "deploy/build.sh"}


def test_g37_compose_is_as_the_compose_specification_has_it() -> None:
    compose = PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(COMPOSE)))  # it does not merge by itself
    compose.validate()
    assert set(compose.service_names()) == {"database", "migrate", "roles", "web", "worker", "proxy"}


@pytest.mark.parametrize("name", OURS)
def test_g37_a_container_can_write_nothing_gain_nothing_and_is_given_time_to_stop(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["stop_grace_period"].removesuffix("s") == service["environment"]["KILL_AFTER"]
    assert "ports" not in service  # only the proxy is reached from outside
    for variable, value in service["environment"].items():
        if variable.endswith("_FILE") and value:
            assert Path(value).name in service["secrets"], (variable, value)
        assert not re.fullmatch(
            r"(SECRET_KEY|CREDENTIAL_KEYS|AUDIT_KEYS|DATABASE_URL|METRICS_TOKEN)", variable
        )


@pytest.mark.parametrize("name", OURS)
def test_o11_company_sign_in_mail_hosts_and_webhook_are_set_without_editing_it(name: str) -> None:
    service = SERVICES[name]
    assert {"path": ".env", "required": False} in service["env_file"]
    fixed = {variable for variable, value in service["environment"].items() if not value.startswith("${")}
    for variable in ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_GROUP_ROLES", "ALLOWED_HOSTS", "SITE_URL"):
        assert variable not in fixed
    for variable in ("AUDIT_WEBHOOK", "EMAIL_FROM", "UPSTREAM_HOSTS"):
        assert variable not in fixed
    for secret in ("oidc_client_secret", "email_url", "audit_webhook_key"):
        assert secret in service["secrets"]
        assert service["environment"][f"{secret.upper()}_FILE"] == f"/run/secrets/{secret}"


def test_two_web_and_two_worker_processes_follow_one_migration() -> None:
    assert SERVICES["web"]["deploy"]["replicas"] == SERVICES["worker"]["deploy"]["replicas"] == 2
    for name in ("web", "worker"):
        assert SERVICES[name]["depends_on"] == {"roles": {"condition": "service_completed_successfully"}}
        assert "owner_database_url" not in SERVICES[name]["secrets"]  # who serves cannot change the audit
    assert SERVICES["roles"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_g37_the_image_runs_as_nobody_and_its_process_gets_sigterm() -> None:
    stages = DOCKERFILE.split("\nFROM ")
    assert len(stages) == 3  # what comes before the first, and the two
    last = stages[-1]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert re.search(r'^CMD \["gunicorn", ', last, re.MULTILINE)  # exec form: no shell between
    assert re.search(r'^HEALTHCHECK .* CMD \["python", ', last, re.MULTILINE)
    assert not re.search(r"^RUN ", last, re.MULTILINE)  # the second stage only copies
    assert last.index("USER ") > last.index("COPY --from=build /app")


def test_g21_the_anchors_outlive_their_containers_and_are_writable() -> None:
    for name in OURS:
        folder = Path(SERVICES[name]["environment"]["AUDIT_ANCHORS"]).parent
        assert f"anchors:{folder}" in SERVICES[name]["volumes"]
        assert not any(place.startswith(f"{folder}:") for place in SERVICES[name]["tmpfs"])
        assert f"--chown=10001:10001 {folder} {folder}" in DOCKERFILE  # a new volume takes over its owner
    assert "anchors" in yaml.safe_load(COMPOSE)["volumes"]


def test_g36_what_is_installed_is_locked_with_hashes_and_the_base_can_be_pinned() -> None:
    assert "--require-hashes" in (ROOT / "deploy/build.sh").read_text()
    assert re.search(r"^ARG BASE=\S+$", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.count("FROM ${BASE}") == 2
    for name in ("requirements.txt", "requirements-tracing.txt", "requirements-dev.txt"):
        lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
        for line in filter(None, lines):
            assert "--hash=sha256:" in line, line[:60]


def test_no_secret_goes_into_the_image() -> None:
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    assert allowed[0] == "*"
    assert not any("secret" in line or ".env" in line for line in allowed)
    assert not re.search(r"(ARG|ENV) \S*(SECRET|KEY|PASSWORD|TOKEN)", DOCKERFILE)


def test_secrets_are_made_once_and_are_for_their_owner_alone(tmp_path: Path) -> None:
    script = str(ROOT / "deploy/secrets.sh")
    subprocess.run(["sh", script, str(tmp_path / "s")], check=True, capture_output=True)
    values = {path.name: path.read_text() for path in (tmp_path / "s").iterdir()}
    named = set(yaml.safe_load(COMPOSE)["secrets"])
    assert set(values) == named
    assert len(values["secret_key"]) >= 50
    assert {name for name, text in values.items() if not text} == {"oidc_client_secret", "email_url"}
    assert all((tmp_path / "s" / name).stat().st_mode & 0o77 == 0 for name in values)
    assert values["postgres_password"] in values["owner_database_url"]
    subprocess.run(["sh", script, str(tmp_path / "s")], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in (tmp_path / "s").iterdir()} == values


def test_the_rehearsal_copies_what_the_image_copies() -> None:
    script = (ROOT / "deploy/rehearse.sh").read_text()
    rehearsed = re.search(r"^for name in (.*); do", script, re.MULTILINE)
    assert rehearsed
    build = DOCKERFILE.split("\nFROM ")[1]
    copied = {
        name
        for line in re.findall(r"^COPY (.*) \S+$", build, re.MULTILINE)
        for name in line.split()
        if name not in INSTALLING
    }
    assert set(rehearsed[1].split()) == copied
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == copied | INSTALLING
