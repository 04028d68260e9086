"""Everything works by plain forms and links where JavaScript is off."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from hyperclusters.clusters.models import Cluster
from tests.browser.conftest import Start, Watch, Window
from tests.browser.doings import CREATION, SUBNET, create, expect_rows, expect_state, row
from tests.conftest import PASSWORD, Cloud, People, Projects, run_worker, submit_creation

pytestmark = pytest.mark.browser


@pytest.fixture
def plain(window: Window) -> Window:
    """A browser whose JavaScript is off."""

    def opened(person: str = "") -> Page:
        return window(person, java_script_enabled=False)

    return opened


def test_signing_in_and_out_works(plain: Window, people: People, watch: Watch) -> None:
    watch.expect(422)
    page = plain()
    page.goto("/clusters/")
    page.get_by_label("User").fill("ada")
    page.get_by_label("Password").fill("not it")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".errors")).to_contain_text(re.compile("user name and password", re.IGNORECASE))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/clusters/$"))
    page.locator(".account summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/clusters/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_subnet_is_searched_and_chosen(plain: Window, projects: Projects, cloud: Cloud) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "taken", subnet_ids=[SUBNET])
    cloud.simulator.add_cluster(projects.vision.project_id, "other")
    run_worker()
    page = plain("ada")
    page.goto("/clusters/new/")
    page.get_by_label("Name", exact=True).fill("no-scripts")
    page.get_by_label("Subnet ID").fill("tak")
    page.get_by_role("button", name="Search subnets").click()
    expect(page.locator("#subnets li")).to_have_count(1)
    page.get_by_title(SUBNET).click()
    expect(page.get_by_label("Subnet ID")).to_have_value(SUBNET)
    expect(page.get_by_label("Name", exact=True)).to_have_value("no-scripts")
    page.get_by_label("Name", exact=True).press("Enter")
    page.wait_for_url(CREATION)


def test_creating_works_and_its_page_follows_by_itself(
    plain: Window, projects: Projects, cloud: Cloud, start_worker: Start, watch: Watch
) -> None:
    watch.expect(422)
    page = plain("ada")
    page.goto("/clusters/new/")
    page.get_by_label("Name", exact=True).fill("no scripts")
    page.get_by_text("ECS", exact=True).click()
    page.get_by_label("Subnet ID").fill(SUBNET)
    page.get_by_label("Reason").fill("Baseline run")
    create(page)
    expect(page.locator(".errors")).to_contain_text("Name")
    expect(page.locator("#id_name_note")).to_contain_text("Remove the space (position 3).")
    expect(page.get_by_label("Subnet ID")).to_have_value(SUBNET)
    expect(page.get_by_label("Reason")).to_have_value("Baseline run")
    expect(page.get_by_role("radio", name="ECS")).to_be_checked()
    page.get_by_label("Name", exact=True).fill("no-scripts")
    create(page)
    page.wait_for_url(CREATION)
    expect_state(page, "queued")
    start_worker()
    expect_state(page, "created")
    expect(page.locator(".verdict")).to_contain_text(SUBNET)
    assert [(entry.name, entry.type) for entry in cloud.posts] == [("no-scripts", "ECS")]


def test_the_list_is_searched_filtered_sorted_and_refreshed(
    plain: Window, projects: Projects, cloud: Cloud
) -> None:
    for name, kind in (("alpha-1", "HPS"), ("alpha-2", "ECS"), ("beta-1", "HPS")):
        cloud.simulator.add_cluster(projects.vision.project_id, name, kind)
    run_worker()
    page = plain("ada")
    page.goto("/clusters/")
    page.get_by_role("link", name="Name", exact=True).click()
    expect_rows(page, "alpha-1", "alpha-2", "beta-1")
    page.get_by_role("searchbox").fill("alpha")
    page.get_by_role("searchbox").press("Enter")
    expect_rows(page, "alpha-1", "alpha-2")
    page.get_by_text("Type", exact=True).first.click()
    page.get_by_role("link", name="ECS", exact=True).click()
    expect_rows(page, "alpha-2")
    expect(page.get_by_role("searchbox")).to_have_value("alpha")
    page.goto("/clusters/?sort=name")
    cloud.simulator.add_cluster(projects.vision.project_id, "gamma")
    page.locator("#freshness summary").click()
    page.get_by_role("button", name="Refresh").click()
    page.wait_for_url("**/clusters/")
    run_worker()
    page.reload()
    expect(row(page, "gamma")).to_be_visible()


def test_the_audit_is_searched_and_filtered(
    plain: Window, people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision, "hers")
    submit_creation(people.tom, projects.vision, "his")
    run_worker()
    page = plain("olga")
    page.goto("/audit/")
    page.locator("summary", has_text="Person").click()
    page.get_by_role("checkbox", name="ada").check()
    page.locator("summary", has_text="Outcome").click()
    page.get_by_role("checkbox", name="Done").check()
    page.locator("[data-several][open]").get_by_role("button", name="Apply").click()
    rows = page.locator("tbody:not(.day) tr")
    expect(rows).to_have_count(1)
    expect(rows.get_by_title("cluster:create:succeeded")).to_be_visible()
    rows.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Response")).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="Clear").click()
    page.get_by_role("searchbox").fill("his")
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_role("main")).not_to_contain_text("hers")
    expect(rows.first).to_contain_text("his")


def test_theme_and_language_are_switched(plain: Window, people: People) -> None:
    page = plain("ada")
    page.goto("/clusters/?q=kept")
    root = page.locator("html")
    expect(root).to_have_attribute("lang", "en")
    page.locator(".account summary").click()
    page.get_by_role("button", name="Dark").click()
    expect(root).to_have_class("dark")
    expect(page).to_have_url(re.compile(r"/clusters/\?q=kept$"))
    page.locator(".account summary").click()
    page.get_by_role("button", name="简体中文").click()
    expect(root).to_have_attribute("lang", "zh-hans")
    expect(page.locator("#nav a[href='/clusters/']")).to_have_text("集群")
    expect(root).to_have_class("dark")
    page.locator(".account summary").click()
    page.get_by_role("button", name="English").click()
    expect(root).to_have_attribute("lang", "en")
    expect(page).to_have_url(re.compile(r"/clusters/\?q=kept$"))


def test_deleting_wants_the_name_and_works(
    plain: Window, people: People, projects: Projects, cloud: Cloud, watch: Watch
) -> None:
    watch.expect(422)
    cloud.simulator.add_cluster(projects.vision.project_id, "old-one")
    run_worker()
    page = plain("tom")
    page.goto(Cluster.objects.get().get_absolute_url())
    page.get_by_text("Danger zone").click()
    page.get_by_role("link", name="Delete cluster").click()
    page.get_by_label("Type old-one to confirm").first.fill("old-two")
    page.get_by_role("button", name="Delete cluster").click()
    expect(page.get_by_text("This is not the cluster's name. Nothing was sent.")).to_be_visible()
    page.get_by_label("Type old-one to confirm").first.fill("old-one")
    page.get_by_role("button", name="Delete cluster").click()
    expect(page.get_by_role("heading", name="Waiting to be deleted")).to_be_visible()
    run_worker()
    page.reload()
    expect(page.get_by_role("heading", name="Deleted", exact=True)).to_be_visible()
    assert cloud.simulator.clusters() == []


def test_withdrawing_and_trying_again_work(
    plain: Window, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision, "second-thoughts")
    page = plain("ada")
    page.goto(creation.get_absolute_url())
    page.get_by_role("button", name="Withdraw").click()
    expect_state(page, "cancelled")
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("second-thoughts")
    create(page)
    expect_state(page, "queued")
    expect(page.get_by_text("Tried before")).to_be_visible()
