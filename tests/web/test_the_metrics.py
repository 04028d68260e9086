"""What Prometheus gets, who gets it, and that alarms and dashboard speak of nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client as Browser
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from hyperclusters.access.models import OutgoingMail
from hyperclusters.audit import clock, integrity, verification
from hyperclusters.audit.findings import IntegrityIssue
from hyperclusters.clusters import counters, heartbeat
from hyperclusters.clusters.models import (
    CallCounter,
    ClusterListing,
    Creation,
    Project,
    RequestCounter,
    State,
)
from hyperclusters.clusters.upstream import client_for
from hyperclusters.modelarts import ClusterType
from tests.conftest import PASSWORD, Cloud, People, Projects, run_worker, submit_creation
from tests.web.pages import SignIn, body

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "prometheus-" + "x" * 20
RULES = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
PANELS = json.loads((ROOT / "deploy/grafana/hyperclusters.json").read_text())["panels"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in PANELS for target in panel["targets"]
]


@pytest.fixture(autouse=True)
def on(settings: Settings) -> None:
    """An operator has switched it on, and no test before left counts in memory."""
    settings.METRICS_TOKEN = TOKEN
    counters._counts.clear()


def scrape(token: str = TOKEN) -> Any:
    return Browser().get("/metrics", headers={"Authorization": f"Bearer {token}"} if token else {})


def samples() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels, as Prometheus would read it."""
    families = text_string_to_metric_families(body(scrape()))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(name: str, **labels: str) -> float:
    return samples()[f"hyperclusters_{name}", tuple(sorted(labels.items()))]


def test_metrics_are_off_unless_a_token_is_set_and_for_its_holder_alone(
    settings: Settings, database: None
) -> None:
    assert scrape().status_code == 200
    for wrong in ("", "x", TOKEN[:-1], f"{TOKEN}x"):
        answer = scrape(wrong)
        assert (answer.status_code, body(answer)) == (401, "")
    settings.METRICS_TOKEN = ""
    for token in (TOKEN, ""):
        assert scrape(token).status_code == 404


def test_what_happens_is_counted(people: People, cloud: Cloud, projects: Projects) -> None:
    heartbeat.beat("one")
    submit_creation(people.ada, projects.vision, "made")
    run_worker()
    submit_creation(people.ada, projects.vision, "waiting")
    cloud.simulator.fault("lost_answer", "create", times=1)
    assert value("work", kind="creation", state="created") == 1
    assert value("work", kind="creation", state="queued") == 1
    assert value("work", kind="deletion", state="queued") == 0
    assert value("upstream_calls_total", call="create", result="Answer", status="200") == 1
    assert value("upstream_calls_total", call="list", result="Answer", status="200") >= 5
    assert value("upstream_seconds_count", call="create") == 1
    assert value("verdict_seconds_count", state="created") == 1
    assert value("verdict_seconds_bucket", state="created", le="60.0") == 1
    assert value("workers") == 1
    assert value("breaker_open", project=projects.vision.name) == 0
    assert value("list_age_seconds", project=projects.vision.name, type="HPS") < 60
    assert value("audit_head") > 10
    run_worker()
    assert value("work", kind="creation", state="unknown") == 1
    assert value("upstream_calls_total", call="create", result="OutcomeUnknown", status="0") == 1


def test_what_should_wake_somebody_shows(people: People, cloud: Cloud, projects: Projects) -> None:
    now = timezone.now()
    creation = submit_creation(people.ada, projects.vision)
    long_ago = now - timedelta(hours=2)
    Creation.objects.filter(pk=creation.pk).update(
        state=State.UNKNOWN, requested_at=long_ago, not_created_after=long_ago, run_after=long_ago
    )
    Project.objects.filter(pk=projects.vision.pk).update(
        blocked_until=now + timedelta(minutes=5),
        clock_offset=timedelta(hours=1),
        key_until=now + timedelta(minutes=30),
    )
    ClusterListing.objects.filter(project=projects.speech, type="ECS").update(failed_at=now)
    assert value("creations_overdue") == 1
    assert value("work_oldest_seconds", kind="creation", state="unknown") >= 7200
    assert value("queue_late_seconds", kind="creation") >= 7200
    assert value("breaker_open", project=projects.vision.name) == 1
    assert value("clock_offset_seconds", project=projects.vision.name) == 3600
    assert 1700 < value("key_ends_seconds", project=projects.vision.name) < 1801
    assert value("list_failing", project=projects.speech.name, type="ECS") == 1
    assert value("workers") == 0


def test_the_key_of_a_retired_project_wakes_nobody(projects: Projects) -> None:
    ended = {"key_until": timezone.now(), "blocked_until": timezone.now() + timedelta(minutes=5)}
    Project.objects.filter(pk=projects.vision.pk).update(retired_at=timezone.now(), **ended)
    projects_of_breakers = {
        dict(labels)["project"] for name, labels in samples() if name == "hyperclusters_breaker_open"
    }
    assert projects_of_breakers == {projects.speech.name}
    assert not any(name == "hyperclusters_key_ends_seconds" for name, _labels in samples())


def test_how_the_last_verification_of_the_audit_came_out_and_how_long_ago_that_was(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = {
        (labels, number)
        for (name, labels), number in samples().items()
        if name.endswith("verified_age_seconds")
    }
    assert {number for _, number in never} == {float("inf")}
    assert not any(name.endswith("audit_intact") for name, _ in samples())
    found = verification.verify()
    verification.note(integrity.WHOLE, found)
    assert value("audit_intact") == 1
    assert value("audit_verified_age_seconds", what="whole") < 60
    later = clock.now() + timedelta(hours=30)
    with monkeypatch.context() as ahead:
        ahead.setattr(clock, "now", lambda: later)
        assert value("audit_verified_age_seconds", what="new") >= 30 * 3600 - 60
        assert not any(name.endswith("audit_intact") for name, _ in samples())  # overdue is neither
    verification.note(
        integrity.NEW, replace(found, is_whole=False, findings=[IntegrityIssue("edited", 7, 7)])
    )
    assert value("audit_intact") == 0
    assert value("audit_findings", state="open") == 1
    assert value("audit_verified_age_seconds", what="new") < 60


def test_the_labels_are_of_known_values_whatever_the_cloud_says(
    people: People, cloud: Cloud, projects: Projects
) -> None:
    for number in range(5):
        cloud.simulator.fault("error", "list", status=599, error_code=f"Made.{number}", times=1)
        ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1), lease_expires_at=None)
        run_worker()
    kept = {labels for name, labels in samples() if name == "hyperclusters_upstream_calls_total"}
    assert not any("Made" in text for labels in kept for pair in labels for text in pair)


def test_calls_of_the_cloud_are_added_to_those_written_down_before(
    people: People, cloud: Cloud, projects: Projects
) -> None:
    counters.flush()  # what earlier tests have counted
    CallCounter.objects.all().delete()
    client = client_for(projects.vision)
    for calls in (1, 2):
        for _ in range(calls):
            client.list(type=ClusterType.HPS)
        counters.flush()
    row = CallCounter.objects.get()
    assert (row.call, row.result, row.status, row.count) == ("list", "Answer", 200, 3)
    assert row.within_10s == 3
    assert 0 < row.seconds < 30
    counters.flush()  # nothing is added twice
    assert CallCounter.objects.get().count == 3


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_and_scrapers_are_answered_by_a_process_s_own_address_without_tls(
    path: str, settings: Settings, database: None
) -> None:
    settings.SECURE_SSL_REDIRECT, settings.ALLOWED_HOSTS = True, [".example.com"]
    browser = Browser(headers={"Authorization": f"Bearer {TOKEN}"})
    for host in ("10.1.2.3:8000", "web-0", "[fd00::1]", "evil.example"):
        assert browser.get(path, headers={"Host": host}).status_code in {
            200,
            503,
        }  # static files are not collected
        assert browser.get("/", headers={"Host": host}).status_code == 400
    assert browser.get("/", headers={"Host": "a.example.com"}).status_code == 301


def test_web_requests_are_counted_by_page_and_answer(people: People, projects: Projects, as_: SignIn) -> None:
    counters.flush()
    RequestCounter.objects.all().delete()
    ada = as_("ada")
    counters.flush()
    RequestCounter.objects.all().delete()
    ada.get("/clusters/")
    ada.get("/clusters/")
    ada.get("/people/")
    ada.get("/nothing/here/")
    ada.generic("BREW", "/clusters/")
    ada.get("/healthz")
    counters.flush()
    assert value("http_requests_total", view="clusters:list", method="GET", status="200") == 2
    assert value("http_requests_total", view="people:list", method="GET", status="403") == 1
    assert value("http_requests_total", view="", method="GET", status="404") == 1
    assert value("http_requests_total", view="clusters:list", method="other", status="405") == 1
    assert value("http_seconds_count", view="clusters:list") == 3
    assert value("http_seconds_bucket", view="clusters:list", le="+Inf") == 3
    assert not any("healthz" in str(key) for key in samples())


def test_sign_ins_and_mails_that_fail_show(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    assert value("mails_waiting") == value("mails_failing") == value("mails_late_seconds") == 0
    OutgoingMail.objects.create(
        kind="sent",
        about="1",
        address="a@example.com",
        run_after=clock.now() - timedelta(minutes=20),
        tries=2,
    )
    assert (value("mails_waiting"), value("mails_failing")) == (1, 1)
    assert 1190 < value("mails_late_seconds") < 1300
    for password in (PASSWORD, "wrong"):
        Browser().post("/accounts/login/", {"username": "ada", "password": password})
    assert value("sign_ins", result="succeeded") == 1
    assert value("sign_ins", result="failed") == 1
    for number in range(40):  # of many people: most have no event of their own
        Browser().post("/accounts/login/", {"username": f"person-{number}", "password": "wrong"})
    assert sum(value("sign_ins", result=result) for result in ("failed", "locked")) >= 40
    monkeypatch.setattr(clock, "now", lambda: timezone.now() + timedelta(minutes=11))
    assert value("sign_ins", result="failed") == 0


def test_alarms_and_dashboard_ask_for_what_there_is(
    people: People, cloud: Cloud, projects: Projects, settings: Settings
) -> None:
    settings.AUDIT_STDOUT = True
    heartbeat.beat("one")
    verification.note(integrity.WHOLE, verification.verify())
    Project.objects.update(key_until=timezone.now() + timedelta(hours=1))
    submit_creation(people.ada, projects.vision)
    run_worker()
    Browser().get("/")
    counters.flush()
    labels: dict[str, set[str]] = {}
    for name, pairs in samples():
        labels.setdefault(name, set()).update(key for key, _ in pairs)
    for expression in EXPRESSIONS:
        named = re.findall(r"(hyperclusters_\w+)(?:\{([^}]*)\})?", expression)
        assert named or expression.startswith("up{")
        for name, matchers in named:
            assert name in labels, expression
            assert set(re.findall(r"(\w+)\s*[=!~]", matchers)) <= labels[name], expression
            for grouped in re.findall(r"by \(([^)]*)\)", expression):
                assert set(re.split(r",\s*", grouped)) <= labels[name] | {"le"}, expression


def test_every_alarm_says_what_to_do() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).strip().replace(" ", "-")
        for line in (ROOT / "docs/operating.md").read_text().splitlines()
        if line.startswith("#")
    }
    for rule in RULES:
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/operating.md"
        assert anchor in headings, rule["alert"]
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
