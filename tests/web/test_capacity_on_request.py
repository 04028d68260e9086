"""The capacity of an HPS cluster: asked when somebody presses the button, and never by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hyperclusters.access.models import Grant
from hyperclusters.clusters import inquiries
from hyperclusters.clusters.errors import AlreadyGone, NotReported
from hyperclusters.clusters.models import Cluster, ClusterListing, Inquiry, Project
from tests.conftest import VISION_ID, Cloud, People, Projects, events, run_worker, submit_creation
from tests.web.pages import SignIn, body, holds_markup, words

pytestmark = pytest.mark.any_database
BUTTON = "Check capacity"


@pytest.fixture
def cluster(people: People, projects: Projects, cloud: Cloud) -> Cluster:
    """An HPS cluster whose lists are not due for a long time."""
    cluster = created(people, projects, "training")
    ClusterListing.objects.update(run_after=timezone.now() + timedelta(minutes=4))
    return cluster


def created(people: People, projects: Projects, name: str, kind: str = "HPS") -> Cluster:
    creation = submit_creation(people.ada, projects.vision, name, type=kind)
    run_worker()
    return Cluster.objects.get(creation=creation)


def address(cluster: Cluster) -> str:
    return f"{cluster.get_absolute_url()}capacity/"


def calls(cloud: Cloud) -> int:
    return len([entry for entry in cloud.simulator.journal() if entry.call == "capacity"])


def press(cluster: Cluster, as_: SignIn, name: str = "vera") -> str:
    """Press the button, let a worker work, and read the page."""
    browser = as_(name)
    assert browser.post(address(cluster)).status_code == 302
    run_worker()
    return words(browser.get(cluster.get_absolute_url()))


def test_a_person_asks_and_reads_what_is_sold_out_and_since_when_it_is_known(
    cluster: Cluster, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.add_capacity(VISION_ID, cluster.cluster_id, "a3", "zone-1", is_sold_out=True)
    cloud.simulator.add_capacity(VISION_ID, cluster.cluster_id, "a3", "zone-2", is_sold_out=False)
    vera = as_("vera")
    assert "Not checked yet." in words(vera.get(cluster.get_absolute_url()))
    assert vera.post(address(cluster)).headers["Location"] == f"{cluster.get_absolute_url()}#capacity"
    waiting = vera.get(cluster.get_absolute_url())
    assert "Asking ModelArts" in words(waiting)
    assert 'hx-select="#capacity"' in body(waiting)
    assert calls(cloud) == 0  # a worker asks, never a page
    run_worker()
    done = vera.get(cluster.get_absolute_url())
    assert 'hx-select="#capacity"' not in body(done)
    text = words(done)
    assert "a3 zone-1 Sold out a3 zone-2 Available" in text
    assert "Checked just now by vera. It may have changed since." in text
    assert calls(cloud) == 1
    Inquiry.objects.update(done_at=timezone.now() - timedelta(minutes=7))
    assert "Checked 7 minutes ago by vera" in words(vera.get(cluster.get_absolute_url()))
    asked, answered = events(action__startswith="cluster:capacity:")
    assert (asked.action, asked.outcome, asked.person_name) == ("cluster:capacity:asked", "accepted", "vera")
    assert (answered.action, answered.outcome) == ("cluster:capacity:answered", "done")
    assert answered.request_id == asked.request_id
    assert (answered.upstream_request_id, answered.after) == (
        next(entry.request_id for entry in cloud.simulator.journal() if entry.call == "capacity"),
        {"rows": 2},
    )


def test_an_empty_answer_says_that_modelarts_listed_nothing(cluster: Cluster, as_: SignIn) -> None:
    assert "ModelArts listed no flavors for this cluster." in press(cluster, as_)


def test_nothing_asks_by_itself(cluster: Cluster, cloud: Cloud, as_: SignIn) -> None:
    vera = as_("vera")
    for path in (cluster.get_absolute_url(), address(cluster), "/clusters/", "/"):
        vera.get(path)
        vera.get(path, headers={"HX-Request": "true", "X-Poll": "1"})
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()
    run_worker()
    assert (calls(cloud), Inquiry.objects.count()) == (0, 0)


def test_asked_twice_before_the_answer_is_one_call(
    cluster: Cluster, cloud: Cloud, people: People, as_: SignIn
) -> None:
    as_("vera").post(address(cluster))
    as_("ada").post(address(cluster))
    run_worker()
    run_worker()
    assert (calls(cloud), Inquiry.objects.count()) == (1, 1)
    assert len(events(action="cluster:capacity:asked")) == 1


ODD_BODIES: dict[str, tuple[bytes, str]] = {
    "no list": (b"{}", "The cloud's list did not have the documented form."),
    "no JSON": (b"<html>", "The cloud's answer could not be read."),
    "nothing": (b"", "The cloud's answer could not be read."),
    "no object": (b"[]", "The cloud's answer did not have the documented form."),
    "a row that is none": (b'{"capacities": [7]}', "a row that could not be read"),
    "odd values": (b'{"capacities": [{"flavor": 7, "availability_zone": ["x"], "is_sold_out": "no", "resource_flavor": "r"}]}', "r – Not stated"),
    "a NUL": (b'{"capacities": [{"flavor": "a\\u0000\\ud800b", "is_sold_out": false}]}', r"a\x00\ud800b – Available"),
    "markup": (b'{"capacities": [{"flavor": "<script>alert(1)</script>", "is_sold_out": true}]}', "<script>alert(1)</script> – Sold out"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD_BODIES)
def test_an_odd_answer_is_shown_as_text_or_said_to_be_unreadable(
    cluster: Cluster, cloud: Cloud, as_: SignIn, case: str
) -> None:
    odd, text = ODD_BODIES[case]
    cloud.simulator.fault("garbage", "capacity", kind="custom", body=odd, content_type="application/json")
    assert text in press(cluster, as_)
    assert not holds_markup(body(as_("vera").get(cluster.get_absolute_url())))


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "not permitted": ({"status": 403}, "The project's access key is not permitted to make this call."),
    "out of order": ({"status": 500}, "The cloud answered"),
    "the gateway": ({"status": 502}, "The cloud answered"),
    "another error": ({"status": 409, "error_code": "ModelArts.9999"}, "ModelArts.9999"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_failure_is_said_leaves_the_last_answer_and_stops_no_other_call(
    cluster: Cluster, cloud: Cloud, as_: SignIn, case: str
) -> None:
    parameters, text = FAULTS[case]
    cloud.simulator.add_capacity(VISION_ID, cluster.cluster_id, "a3", "zone-1", is_sold_out=True)
    press(cluster, as_)
    cloud.simulator.fault("error", "capacity", **parameters)
    for _ in range(6):  # more than are kept
        page = press(cluster, as_)
    assert "The last check failed" in page
    assert text in page
    assert "a3 zone-1 Sold out" in page
    assert calls(cloud) == 7
    project = Project.objects.get(pk=cluster.project_id)
    assert (project.failures, project.is_blocked()) == (0, False)
    assert events(action="cluster:capacity:answered")[-1].outcome == "failed"


def test_no_answer_in_time_is_said(cluster: Cluster, cloud: Cloud, as_: SignIn, settings: Any) -> None:
    settings.UPSTREAM_DEADLINE = 0.5
    cloud.simulator.fault("latency", "capacity", before=3)
    assert "The cloud did not answer in time." in press(cluster, as_)


def test_a_refused_key_stops_the_project_and_a_stopped_project_is_not_asked(
    cluster: Cluster, cloud: Cloud, as_: SignIn
) -> None:
    cloud.simulator.fault("error", "capacity", status=401)
    press(cluster, as_)
    assert Project.objects.get(pk=cluster.project_id).is_blocked()
    assert "Calls to the cloud are stopped for this project, so nothing was sent." in press(cluster, as_)
    assert calls(cloud) == 1


def test_who_lost_access_meanwhile_has_nothing_asked(
    cluster: Cluster, cloud: Cloud, people: People, as_: SignIn
) -> None:
    as_("vera").post(address(cluster))
    Grant.objects.filter(person=people.vera).delete()
    run_worker()
    assert calls(cloud) == 0
    assert Inquiry.objects.get().cause == "right_lost"


def test_strangers_get_a_page_that_does_not_exist(cluster: Cluster, as_: SignIn) -> None:
    for name in ("mallory", "nina", "root"):
        assert as_(name).post(address(cluster)).status_code == 404
    assert Inquiry.objects.count() == 0


def test_ecs_clusters_and_clusters_that_are_gone_have_no_button_and_are_not_asked_about(
    cluster: Cluster, people: People, projects: Projects, cloud: Cloud, as_: SignIn
) -> None:
    ecs = created(people, projects, "servers", "ECS")
    Cluster.objects.filter(pk=cluster.pk).update(gone_at=timezone.now())
    vera = as_("vera")
    for each, text in (
        (ecs, "ModelArts doesn't report this for ECS clusters. Nothing"),
        (cluster, "any more"),
    ):
        assert BUTTON not in words(vera.get(each.get_absolute_url()))
        assert text in words(vera.post(address(each), follow=True))
    cluster.refresh_from_db()
    with pytest.raises(AlreadyGone):
        inquiries.ask_capacity(by=people.vera, cluster=cluster)
    with pytest.raises(NotReported):
        inquiries.ask_capacity(by=people.vera, cluster=ecs)
    assert Inquiry.objects.count() == 0


def test_a_worker_that_lost_its_lease_changes_no_answer(
    cluster: Cluster, cloud: Cloud, people: People
) -> None:
    inquiries.ask_capacity(by=people.vera, cluster=cluster)
    slow = Inquiry.objects.claim("slow")
    assert slow is not None
    assert Inquiry.objects.claim("other") is None
    Inquiry.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    run_worker()
    cloud.simulator.add_capacity(VISION_ID, cluster.cluster_id, "a3", "zone-1", is_sold_out=True)
    inquiries.run_inquiry(slow)
    assert Inquiry.objects.get().rows == []
    assert len(events(action="cluster:capacity:answered")) == 1
