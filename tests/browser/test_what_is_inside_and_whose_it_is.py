"""Root connects a project by picking it; what has supernodes inside is deleted by an admin's word alone; a cluster
changes hands, and what is asked of the cloud is asked by a button. In both languages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from hyperclusters.clusters.models import Cluster, ClusterListing, Project
from tests.browser.conftest import Window
from tests.conftest import KEY, VISION_ID, Cloud, People, Projects, run_worker, submit_creation

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])]
PICKED = "e" * 32


@pytest.fixture
def cluster(people: People, projects: Projects, cloud: Cloud) -> Cluster:
    """A cluster that Ada created, with a supernode inside that the lists know."""
    creation = submit_creation(people.ada, projects.vision, "busy")
    run_worker()
    cluster = Cluster.objects.get(creation=creation)
    cloud.simulator.add_hyperinstance(VISION_ID, "a3-node-1", cluster.cluster_id)
    cloud.simulator.add_capacity(VISION_ID, cluster.cluster_id, "a3", "zone-1", is_sold_out=True)
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()
    return cluster


def deletions(cloud: Cloud) -> int:
    """How many DELETE calls the cloud has seen."""
    return len([entry for entry in cloud.simulator.journal() if entry.method == "DELETE"])


def test_root_connects_a_project_by_picking_it(
    locale: str, window: Window, people: People, cloud: Cloud, worker: None
) -> None:
    cloud.simulator.add_project(PICKED, "cn-southwest-2_research")
    root = window("root", confirmed=True, locale=locale)
    root.goto("/projects/new/?region=cn-southwest-2")
    for field, text in (
        ("name", "research"),
        ("endpoint", cloud.simulator.endpoint),
        ("access_key", KEY.access_key),
        ("secret_key", KEY.secret_key),
    ):
        root.locator(f"#id_{field}").fill(text)
    root.locator("#find-projects").click()
    root.get_by_role("radio", name="cn-southwest-2_research").check()
    root.locator("#id_team").select_option("Vision")
    root.locator("button.primary").click()
    expect(root.locator("[data-diagnosis]")).to_have_attribute("data-diagnosis", "well")
    assert Project.objects.get(name="research").project_id == PICKED


def test_what_is_not_empty_is_deleted_by_nobody_but_an_admin_who_says_why(
    locale: str, window: Window, cluster: Cluster, cloud: Cloud, worker: None
) -> None:
    ada, tom = window("ada", locale=locale), window("tom", locale=locale)
    delete = f"{cluster.get_absolute_url()}delete/"
    ada.goto(delete)
    expect(ada.locator("#blockers .blockers")).to_contain_text("a3-node-1")
    expect(ada.locator("[name=reason]")).to_have_count(0)

    ada.goto(cluster.get_absolute_url())
    ada.locator("#danger-zone summary").click()
    ada.locator("#lock-reason").fill("Needed until the paper is out")
    ada.locator("form[action$='/lock/'] button").click()
    expect(ada.get_by_text("Needed until the paper is out").first).to_be_visible()

    tom.goto(delete)
    expect(tom.locator("#blockers .blockers li")).to_have_count(2)
    expect(tom.locator("#override-name")).to_have_count(0)  # first the lock, then what is inside
    tom.goto(cluster.get_absolute_url())
    tom.locator("#danger-zone summary").click()
    tom.locator("form[action$='/unlock/'] button").click()
    expect(tom.locator("#danger-zone a.danger")).to_have_count(1)
    assert deletions(cloud) == 0

    tom.goto(delete)
    tom.locator("#override summary").click()
    tom.locator("#override-name").fill("busy")
    tom.locator("#override-reason").fill("The supernode moves today")
    tom.locator("#override button.danger").click()
    tom.wait_for_url("**/clusters/**")
    expect(tom.get_by_text("The supernode moves today").first).to_be_visible()
    expect(tom.locator("[data-deletion-state]")).to_have_attribute("data-deletion-state", "deleted")
    assert deletions(cloud) == 1


def test_a_cluster_changes_hands_and_the_cloud_is_asked_by_a_button(
    locale: str, window: Window, cluster: Cluster, cloud: Cloud, worker: None
) -> None:
    tom = window("tom", locale=locale)
    tom.goto(cluster.get_absolute_url())
    tom.locator("#hand-over summary").click()
    tom.locator("#owner-person").fill("tom")
    tom.locator("#owner-reason").fill("Ada is away in June")
    tom.locator("#hand-over button").click()
    expect(tom.get_by_text("Ada is away in June").first).to_be_visible()
    cluster.refresh_from_db()
    assert cluster.owner
    assert cluster.owner.username == "tom"
    tom.locator("#ask-capacity").click()
    expect(tom.locator("#capacity table")).to_contain_text("zone-1")


def test_who_created_it_elsewhere_is_asked_of_cts_by_a_button(
    locale: str, window: Window, people: People, projects: Projects, cloud: Cloud, worker: None
) -> None:
    made = cloud.simulator.add_cluster(VISION_ID, "elsewhere")
    Project.objects.filter(pk=projects.vision.pk).update(reads_traces=True)
    olga = window("olga", locale=locale)
    olga.goto("/clusters/")
    olga.get_by_role("link", name="elsewhere", exact=True).click()
    at = (timezone.now() - timedelta(minutes=3)).timestamp()
    cloud.simulator.add_trace(VISION_ID, at, user="eve", resource_id=made.id, resource_name="elsewhere")
    olga.locator("#ask-traces").click()
    expect(olga.locator("#traces table")).to_contain_text("eve")
