"""Whom CTS names for a cluster created elsewhere: asked on request, where the project's settings allow it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django.utils.formats import date_format

from hyperclusters.access.models import Grant
from hyperclusters.clusters import inquiries
from hyperclusters.clusters.errors import TracesOff, TracesTooOld
from hyperclusters.clusters.models import Cluster, ClusterListing, Inquiry, Project
from hyperclusters.simulator import JournalEntry
from tests.conftest import (
    VISION_ID,
    Cloud,
    People,
    Projects,
    confirm,
    events,
    run_worker,
    submit_creation,
)
from tests.web.pages import PAYLOADS, SignIn, body, holds_markup, words

pytestmark = pytest.mark.any_database
NO_TRACE = "CTS has no matching trace."


@pytest.fixture
def cluster(people: People, projects: Projects, cloud: Cloud) -> Cluster:
    """A cluster created elsewhere, in a project whose settings allow CTS; its lists are not due for a long time."""
    cloud.simulator.add_cluster(VISION_ID, "elsewhere")
    run_worker()
    ClusterListing.objects.update(run_after=timezone.now() + timedelta(minutes=4))
    Project.objects.filter(pk=projects.vision.pk).update(reads_traces=True)
    return Cluster.objects.get(name="elsewhere")


def address(cluster: Cluster) -> str:
    return f"{cluster.get_absolute_url()}traces/"


def add_trace(cloud: Cloud, cluster: Cluster, **fields: str) -> None:
    known = {"resource_id": cluster.cluster_id, "resource_name": cluster.name, "trace_name": "createIt"}
    at = cluster.found_at - timedelta(minutes=3)
    cloud.simulator.add_trace(VISION_ID, at.timestamp(), **{"user": "eve", **known, **fields})


def calls(cloud: Cloud) -> list[JournalEntry]:
    return [entry for entry in cloud.simulator.journal() if entry.call == "traces"]


def press(cluster: Cluster, as_: SignIn, name: str = "tom") -> str:
    """Press the button, let a worker work, and read the page."""
    browser = as_(name)
    assert browser.post(address(cluster)).status_code == 302
    run_worker()
    return words(browser.get(cluster.get_absolute_url()))


@pytest.mark.parametrize("name", ["tom", "olga"])
def test_an_admin_or_auditor_asks_and_reads_whom_cts_names(
    cluster: Cluster, cloud: Cloud, as_: SignIn, name: str
) -> None:
    add_trace(cloud, cluster, code="200", source_ip="192.0.2.7", request_id="req-9")
    browser = as_(name)
    assert "Not checked yet." in words(browser.get(cluster.get_absolute_url()))
    assert browser.post(address(cluster)).headers["Location"] == f"{cluster.get_absolute_url()}#traces"
    assert calls(cloud) == []  # a worker asks, never a page
    assert "Asking CTS" in words(browser.get(cluster.get_absolute_url()))
    run_worker()
    text = words(browser.get(cluster.get_absolute_url()))
    at = cluster.found_at - timedelta(minutes=3)
    day = date_format(at, "j M Y, H:i")
    assert f"CTS names user eve at {day} UTC. createIt · 200 · 192.0.2.7" in text
    assert "CTS answered" in text
    assert f"· requested by {name}" in text
    assert NO_TRACE not in text
    (call,) = calls(cloud)
    assert f"resource_id={cluster.cluster_id}" in call.path
    asked, answered = events(action__startswith="cluster:traces:")
    assert (asked.action, asked.outcome, asked.person_name) == ("cluster:traces:asked", "accepted", name)
    assert (answered.action, answered.outcome, answered.after) == (
        "cluster:traces:answered",
        "done",
        {"rows": 1},
    )
    assert (answered.request_id, answered.upstream_request_id) == (asked.request_id, call.request_id)


def test_a_trace_without_an_id_is_matched_by_name(cluster: Cluster, cloud: Cloud, as_: SignIn) -> None:
    add_trace(cloud, cluster, resource_id="")
    add_trace(cloud, cluster, resource_id="another", user="mallory")
    text = press(cluster, as_)
    assert "CTS names user eve" in text
    assert "mallory" not in text
    assert len(calls(cloud)) == 2


def test_no_trace_is_no_evidence(cluster: Cluster, cloud: Cloud, as_: SignIn) -> None:
    cloud.simulator.add_trace(VISION_ID, timezone.now().timestamp(), resource_name="other", user="mallory")
    text = press(cluster, as_)
    assert f"{NO_TRACE} That doesn't show who created the cluster, or that nobody did." in text
    assert "mallory" not in text


def test_nothing_is_asked_unless_the_settings_allow_it(
    cluster: Cluster, cloud: Cloud, people: People, as_: SignIn
) -> None:
    Project.objects.update(reads_traces=False)
    tom = as_("tom")
    assert "The project's settings don't allow us to ask CTS." in words(tom.get(cluster.get_absolute_url()))
    assert 'id="ask-traces"' not in body(tom.get(cluster.get_absolute_url()))
    assert "Nothing was sent." in words(tom.post(address(cluster), follow=True))
    with pytest.raises(TracesOff):
        inquiries.ask_traces(by=people.tom, cluster=cluster)
    run_worker()
    assert (calls(cloud), Inquiry.objects.count()) == ([], 0)


def test_settings_that_changed_before_the_call_stop_it(cluster: Cluster, cloud: Cloud, as_: SignIn) -> None:
    as_("tom").post(address(cluster))
    Project.objects.update(reads_traces=False)
    run_worker()
    assert (calls(cloud), Inquiry.objects.get().cause) == ([], "traces_off")


def test_access_that_ended_before_the_call_stops_it(
    cluster: Cluster, cloud: Cloud, people: People, as_: SignIn
) -> None:
    as_("tom").post(address(cluster))
    Grant.objects.filter(person=people.tom).delete()
    run_worker()
    assert (calls(cloud), Inquiry.objects.get().cause) == ([], "right_lost")


def test_nothing_asks_by_itself(cluster: Cluster, cloud: Cloud, as_: SignIn) -> None:
    for name in ("tom", "olga"):
        browser = as_(name)
        for path in (cluster.get_absolute_url(), address(cluster), "/audit/review/?show=outside", "/"):
            browser.get(path)
            browser.get(path, headers={"HX-Request": "true", "X-Poll": "1"})
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()
    assert (calls(cloud), Inquiry.objects.count()) == ([], 0)


def test_others_neither_ask_nor_read_it(cluster: Cluster, cloud: Cloud, as_: SignIn) -> None:
    add_trace(cloud, cluster)
    press(cluster, as_)
    for name in ("ada", "vera"):
        assert as_(name).post(address(cluster)).status_code == 403
        text = words(as_(name).get(cluster.get_absolute_url()))
        assert "CTS" not in text
        assert "eve" not in text.split()
    for name in ("mallory", "nina", "root"):
        assert as_(name).post(address(cluster)).status_code == 404
    assert len(calls(cloud)) == 1


def test_a_cluster_that_was_created_here_has_no_such_part(
    cluster: Cluster, cloud: Cloud, people: People, projects: Projects, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision, "ours")
    run_worker()
    ours = Cluster.objects.get(creation=creation)
    assert "CTS" not in words(as_("tom").get(ours.get_absolute_url()))
    with pytest.raises(TracesOff):
        inquiries.ask_traces(by=people.tom, cluster=ours)


def test_what_cts_no_longer_keeps_is_not_asked_for(
    cluster: Cluster, cloud: Cloud, people: People, as_: SignIn
) -> None:
    Cluster.objects.update(found_at=timezone.now() - timedelta(days=8))
    cluster.refresh_from_db()
    text = words(as_("tom").get(cluster.get_absolute_url()))
    assert "CTS keeps traces for seven days, and this cluster was first seen earlier." in text
    with pytest.raises(TracesTooOld):
        inquiries.ask_traces(by=people.tom, cluster=cluster)
    assert calls(cloud) == []


def test_a_trace_up_to_an_hour_after_the_first_sight_counts_and_none_later(
    cluster: Cluster, cloud: Cloud, as_: SignIn
) -> None:
    Cluster.objects.update(found_at=timezone.now() - timedelta(hours=3))
    cluster.refresh_from_db()
    known = {"resource_id": cluster.cluster_id, "resource_name": cluster.name, "trace_name": "createIt"}
    for minutes, user in ((59, "late-writer"), (61, "too-late")):
        at = cluster.found_at + timedelta(minutes=minutes)
        cloud.simulator.add_trace(VISION_ID, at.timestamp(), user=user, **known)
    text = press(cluster, as_)
    assert "late-writer" in text
    assert "too-late" not in text


FAILURES: dict[str, tuple[str, dict[str, Any], str]] = {
    "not permitted": ("error", {"status": 403}, "The project's access key is not permitted to make this call."),
    "out of order": ("error", {"status": 503}, "The cloud answered"),
    "too often": ("error", {"status": 429, "retry_after": "50"}, "The cloud is being called too often."),
    "not found": ("error", {"status": 404, "error_code": "CTS.0208"}, "CTS.0208"),
    "unreadable": ("garbage", {"kind": "custom", "body": b"<h1>"}, "The cloud's answer could not be read."),
    "another shape": ("garbage", {"kind": "custom", "body": b'{"traces": {}}'}, "did not have the documented form"),
    "silent": ("latency", {"before": 3}, "The cloud did not answer in time."),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_is_said_leaves_the_last_answer_and_stops_no_call_to_modelarts(
    cluster: Cluster, cloud: Cloud, as_: SignIn, settings: Any, case: str
) -> None:
    fault, parameters, text = FAILURES[case]
    add_trace(cloud, cluster)
    press(cluster, as_)
    settings.UPSTREAM_DEADLINE = 0.5 if fault == "latency" else settings.UPSTREAM_DEADLINE
    cloud.simulator.fault(fault, "traces", **parameters)
    page = press(cluster, as_)
    assert "The last look failed" in page
    assert text in page
    assert NO_TRACE not in page
    assert "CTS names user eve" in page
    project = Project.objects.get(pk=cluster.project_id)
    assert (project.failures, project.is_blocked()) == (0, False)
    assert events(action="cluster:traces:answered")[-1].outcome == "failed"


def test_a_refused_key_stops_the_project(cluster: Cluster, cloud: Cloud, as_: SignIn) -> None:
    cloud.simulator.fault("error", "traces", status=401)
    press(cluster, as_)
    assert Project.objects.get(pk=cluster.project_id).is_blocked()
    assert "Calls to the cloud are stopped for this project" in press(cluster, as_)
    assert len(calls(cloud)) == 1


def test_g31_what_a_trace_says_is_text(cluster: Cluster, cloud: Cloud, as_: SignIn) -> None:
    for text in PAYLOADS:
        add_trace(cloud, cluster, user=text, trace_name=text, source_ip=text, request_id=text, code=text)
    press(cluster, as_)
    for path in (cluster.get_absolute_url(), "/audit/review/?show=outside"):
        page = body(as_("olga").get(path))
        assert "CTS names user" in page
        assert not holds_markup(page)


def test_an_endpoint_whose_region_is_unknown_is_said(
    cluster: Cluster, cloud: Cloud, people: People, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperclusters.clusters.upstream.cts_endpoint", lambda _: "https://cts.example.com")
    assert "We don't know where CTS is for this project's endpoint" in press(cluster, as_)
    assert calls(cloud) == []


def test_the_review_says_whom_cts_names_beside_the_cluster(
    cluster: Cluster, cloud: Cloud, as_: SignIn
) -> None:
    olga, queue = as_("olga"), "/audit/review/?show=outside"
    assert f'href="{cluster.get_absolute_url()}#traces"' in body(olga.get(queue))
    assert "CTS names" not in words(olga.get(queue))
    press(cluster, as_, "olga")
    assert NO_TRACE in words(olga.get(queue))
    add_trace(cloud, cluster)
    press(cluster, as_, "olga")
    assert "CTS names user eve" in words(olga.get(queue))
    Project.objects.update(reads_traces=False)
    Inquiry.objects.all().delete()
    assert "CTS" not in words(olga.get(queue))


def test_only_a_platform_admin_changes_the_setting_and_the_audit_has_it(
    projects: Projects, as_: SignIn
) -> None:
    project = projects.vision
    url = f"{project.get_absolute_url()}change/"
    values = {"name": project.name, "team": project.team_id, "region": project.region, "quota": ""}
    for name in ("ada", "tom", "olga"):
        assert confirm(as_(name)).post(url, values | {"reads_traces": "on"}).status_code == 403
    root = confirm(as_("root"))
    assert "Allow CTS queries" in words(root.get(project.get_absolute_url()))
    assert root.post(url, values | {"reads_traces": "on"}).status_code == 302
    assert Project.objects.get(pk=project.pk).reads_traces
    assert 'id="id_reads_traces" checked' in body(root.get(project.get_absolute_url()))
    (event,) = events(action="project:changed")
    assert ((event.before or {})["reads_traces"], (event.after or {})["reads_traces"]) == (False, True)
    assert root.post(url, values).status_code == 302
    assert not Project.objects.get(pk=project.pk).reads_traces
