"""Ada creates clusters in a browser, sees them listed, and Olga finds them in the audit."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from hyperclusters.clusters.models import Cluster, Creation
from tests.browser.conftest import Start, Window
from tests.browser.doings import CREATION, SUBNET, create, expect_state, row
from tests.conftest import Cloud, People, Projects, run_worker, run_worker_again, submit_creation

pytestmark = pytest.mark.browser
HERE = "window.here = true"  # a reload would lose it


def test_ada_follows_a_creation_to_its_end_without_reloading(
    window: Window, projects: Projects, cloud: Cloud, start_worker: Start
) -> None:
    page = window("ada")
    page.goto("/")
    page.get_by_role("link", name="New cluster").first.click()
    page.get_by_label("Name", exact=True).fill("test-hps--1107")
    create(page)
    page.wait_for_url(CREATION)
    page.evaluate(HERE)
    expect(page.get_by_role("heading", name="Waiting to be sent")).to_be_visible()
    under_way = page.locator("#nav li").filter(has_text="Creations").locator(".n")
    expect(under_way).to_contain_text("1")

    start_worker()

    expect_state(page, "created")

    assert page.evaluate("window.here")
    expect(page.get_by_role("heading", name="Created").first).to_be_visible()
    cluster = cloud.simulator.clusters()[0]
    verdict = page.locator(".verdict")
    expect(verdict).to_contain_text(cluster.id)
    expect(verdict).to_contain_text(cluster.networks[0].subnet_id)
    expect(verdict).to_contain_text("default")
    expect(under_way).to_have_count(0)  # nothing is under way any more, and the sidebar knows


def test_a_known_subnet_is_picked_by_a_click_and_both_clusters_are_listed_with_their_networks(
    window: Window, people: People, projects: Projects, cloud: Cloud, start_worker: Start
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "known", "ECS", subnet_ids=[SUBNET])
    submit_creation(people.ada, projects.vision, "test-hps--1107")
    page = window("ada")
    page.goto("/clusters/")
    start_worker()
    expect(row(page, "known")).to_be_visible()  # the list asks for itself until the first lists are there
    page.goto("/clusters/new/")
    page.get_by_label("Name", exact=True).fill("train-ecs")
    page.locator("#id_type").get_by_text("ECS", exact=True).click()
    page.get_by_title(SUBNET).click()
    expect(page.get_by_label("Subnet ID")).to_have_value(SUBNET)
    expect(page.get_by_label("Subnet ID")).to_be_focused()
    create(page)
    expect_state(page, "created")

    page.get_by_role("link", name="Clusters", exact=True).first.click()

    hps, ecs = cloud.simulator.clusters(projects.vision.project_id)[1:]
    for cluster in (hps, ecs):
        line = row(page, cluster.name)
        expect(line).to_contain_text(cluster.type)
        expect(line).to_contain_text("ada")
        subnet = cluster.networks[0].subnet_id
        expect(line).to_contain_text(subnet)
        expect(line.get_by_role("button", name=f"Copy subnet ID {subnet[:8]}")).to_be_visible()
    expect(row(page, "test-hps--1107").get_by_text("default", exact=True)).to_be_visible()
    expect(row(page, "train-ecs").get_by_text("default", exact=True)).to_have_count(0)


def test_a_click_copies_a_subnet_id_whole_and_says_so(
    window: Window, people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "known", subnet_ids=[SUBNET])
    run_worker()
    page = window("ada", permissions=["clipboard-read", "clipboard-write"])
    page.goto("/clusters/")
    page.get_by_role("button", name="Copy subnet ID 3f1f6e1c").click()
    expect(page.locator("#live")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == SUBNET


def test_olga_finds_who_when_what_was_sent_and_what_came_back_in_four_clicks(
    window: Window, people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision, "test-hps--1107", reason="Baseline run")
    for number in range(12):
        submit_creation(people.mallory, projects.speech, f"noise-{number}")
    run_worker()
    page = window("olga")
    page.goto("/")
    page.get_by_role("link", name="Audit").click()
    page.get_by_role("searchbox").click()
    page.keyboard.type("test-hps--1107")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=test-hps--1107"))
    done = page.get_by_role("row").filter(has=page.get_by_title("cluster:create:succeeded"))
    done.get_by_role("link").first.click()

    cluster = cloud.simulator.clusters(projects.vision.project_id)[0]
    creation = Creation.objects.get(name="test-hps--1107")
    content = page.get_by_role("main")
    expect(content).to_contain_text("ada")
    expect(content).to_contain_text("Vision")
    assert creation.settled_at is not None
    expect(content).to_contain_text(f"{creation.settled_at:%-d %b %Y, %H:%M}")
    expect(content).to_contain_text(creation.upstream_request_id)
    sent = page.locator("section").filter(has=page.get_by_role("heading", name="Request"))
    expect(sent).to_contain_text('"name": "test-hps--1107"')
    answer = page.locator("section").filter(has=page.get_by_role("heading", name="Response"))
    expect(answer).to_contain_text(cluster.id)


def test_a_lost_answer_is_told_as_unclear_and_then_found_in_the_list(
    window: Window, projects: Projects, cloud: Cloud, start_worker: Start
) -> None:
    cloud.simulator.fault("lost_answer", "create", times=1)
    page = window("ada")
    page.goto("/clusters/new/")
    page.get_by_label("Name", exact=True).fill("lost-and-found")
    create(page)
    expect_state(page, "queued")
    page.evaluate(HERE)
    run_worker()
    expect(
        page.get_by_role("heading", name="No clear answer from the cloud. The cluster may exist.")
    ).to_be_visible()
    expect(page.get_by_text("Don't create it again")).to_be_visible()
    start_worker()
    expect_state(page, "created")
    expect(page.get_by_text("We got no clear answer, but the cluster is in the cloud")).to_be_visible()
    assert page.evaluate("window.here")
    assert len(cloud.posts) == 1


def test_check_now_looks_at_once(window: Window, people: People, projects: Projects, cloud: Cloud) -> None:
    cloud.simulator.fault("lost_answer", "create", times=1)
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    page = window("ada")
    page.goto(creation.get_absolute_url())
    page.get_by_role("button", name="Check now").click()
    page.wait_for_load_state()
    run_worker()
    expect_state(page, "created")


def test_of_two_candidates_tom_chooses_one_and_ada_may_not(
    window: Window, people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.fault("lost_answer", "create", times=1)
    creation = submit_creation(people.ada, projects.vision, "twins")
    run_worker()
    twin = cloud.simulator.add_cluster(projects.vision.project_id, "twins")
    run_worker_again(creation)

    adas = window("ada")
    adas.goto(creation.get_absolute_url())
    expect(adas.get_by_role("heading", name="A person must decide")).to_be_visible()
    expect(adas.get_by_text("Who can decide:")).to_contain_text("tom")
    expect(adas.get_by_label("None of them")).to_have_count(0)
    expect(adas.get_by_role("button", name="Decide")).to_have_count(0)

    toms = window("tom")
    toms.goto("/")
    inbox = toms.locator("#waiting")
    expect(inbox.get_by_role("heading", name="Needs you")).to_be_visible()
    inbox.get_by_role("link", name="Decide twins").click()
    expect(toms.locator(".radio b")).to_have_count(3)
    toms.get_by_text(twin.id).click()
    toms.get_by_label("Reason").fill("Its subnet is the one we asked for")
    toms.get_by_role("button", name="Decide").click()
    expect_state(toms, "created")
    expect(toms.get_by_text("A person decided which of the cloud's clusters is this one.")).to_be_visible()
    expect(toms.locator(".verdict")).to_contain_text(twin.id)
    assert len(cloud.posts) == 1


def test_a_refusal_of_the_cloud_is_told_with_what_to_do_and_keeps_what_was_typed_for_the_next_try(
    window: Window, projects: Projects, cloud: Cloud, worker: None
) -> None:
    cloud.simulator.set(quota=0)
    page = window("ada")
    page.goto("/clusters/new/")
    page.get_by_label("Name", exact=True).fill("one-too-many")
    page.get_by_label("Reason").fill("Baseline run")
    create(page)
    expect_state(page, "failed")
    expect(page.get_by_role("heading", name="Failed: the cloud refused the request")).to_be_visible()
    expect(page.locator(".verdict")).to_contain_text("Huawei Cloud's quota is used up.")
    cloud.simulator.set(quota=None)
    page.get_by_role("link", name="Edit and retry").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("one-too-many")
    expect(page.get_by_label("Reason")).to_have_value("Baseline run")
    create(page)
    expect_state(page, "created")


def test_a_deletion_wants_the_name_and_is_followed_to_its_end_without_reloading(
    window: Window, projects: Projects, cloud: Cloud, start_worker: Start
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "old-one")
    run_worker()
    page = window("tom")
    page.goto("/clusters/")
    page.get_by_role("link", name="old-one").click()
    page.get_by_text("Danger zone").click()
    page.get_by_role("link", name="Delete cluster").click()
    page.get_by_label("Type old-one to confirm").first.fill("old-one")
    page.get_by_role("button", name="Delete cluster").click()
    expect(page.get_by_role("heading", name="Waiting to be deleted")).to_be_visible()
    page.evaluate(HERE)
    start_worker()
    expect(page.get_by_role("heading", name="Deleted", exact=True)).to_be_visible()
    assert page.evaluate("window.here")
    assert cloud.simulator.clusters() == []


def test_a_refused_deletion_brings_its_form_back_and_keeps_what_is_typed_beside_it(
    window: Window, projects: Projects, cloud: Cloud, start_worker: Start
) -> None:
    cluster = cloud.simulator.add_cluster(projects.vision.project_id, "full-one")
    run_worker()
    page = window("tom")
    page.goto(Cluster.objects.get().get_absolute_url())
    page.get_by_text("Danger zone").click()
    page.get_by_role("link", name="Delete cluster").click()
    page.get_by_label("Type full-one to confirm").first.fill("full-one")
    page.get_by_role("button", name="Delete cluster").click()
    expect(page.get_by_role("heading", name="Waiting to be deleted")).to_be_visible()
    page.evaluate(HERE)
    page.get_by_text("Danger zone").click()
    page.locator("#hand-over summary").click()
    page.locator("#lock-reason").fill("needed until Friday")
    page.locator("#owner-person").fill("vera")
    page.get_by_role("heading", name="full-one").click()  # nothing has the focus now
    cloud.simulator.add_hyperinstance(projects.vision.project_id, "node-1", cluster.id)
    start_worker()
    expect(page.get_by_role("heading", name="Not deleted: nothing was sent")).to_be_visible()
    expect(page.get_by_role("link", name="Delete cluster")).to_be_visible()
    expect(page.locator("#lock-reason")).to_have_value("needed until Friday")
    expect(page.locator("#owner-person")).to_have_value("vera")
    assert page.evaluate("window.here")


def test_the_page_says_so_while_no_worker_is_running_and_stops_once_one_is(
    window: Window, people: People, projects: Projects, start_worker: Start
) -> None:
    page = window("ada")
    banner = page.get_by_text("No worker is running: new creations wait until an operator starts one.")
    page.goto("/clusters/new/")
    expect(banner).to_be_visible()
    creation = submit_creation(people.ada, projects.vision)
    page.goto(creation.get_absolute_url())
    expect(banner).to_be_visible()
    expect_state(page, "queued")
    start_worker()
    expect_state(page, "created")
    page.reload()
    expect(page.get_by_role("main")).to_be_visible()
    expect(banner).to_have_count(0)
