"""Olga asks: who made clusters with a failed outcome last week, and what are the cloud's request IDs? And takes it away."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch, Window
from tests.browser.inspection import Inspector
from tests.conftest import Cloud, People, Projects, run_worker, submit_creation

pytestmark = pytest.mark.browser


@pytest.fixture
def past(people: People, projects: Projects, cloud: Cloud) -> None:
    """One creation that the cloud refuses, one that it carries out, one cluster that somebody made elsewhere."""
    cloud.simulator.add_cluster(projects.vision.project_id, "outside", "ECS")
    submit_creation(people.ada, projects.vision, "fine")
    run_worker()
    cloud.simulator.set(quota=0)
    submit_creation(people.ada, projects.vision, "refused-one")
    run_worker()


def read(page: Page, path: Path) -> list[dict[str, str]]:
    """Download by the button, and read the file."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    download.value.save_as(path)
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("scripts", [True, False])
def test_who_failed_last_week_and_the_cloud_s_request_ids_in_four_clicks_and_exported(
    scripts: bool, past: None, window: Window, cloud: Cloud, tmp_path: Path
) -> None:
    page = window("olga", java_script_enabled=scripts)
    page.goto("/")
    page.get_by_role("link", name="Failed creations of the last 7 days").click()  # 1
    row = page.get_by_role("row").filter(has_text="refused-one")
    expect(row).to_contain_text("ada")
    query = cloud.posts[-1].request_id
    expect(row.locator(f'[title="{query}"]')).to_be_visible()
    if scripts:
        copy = row.get_by_role("button", name="Copy the cloud's request ID")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        copy.click()
        expect(page.locator("#live")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == query
    page.get_by_role("link", name="Export").click()  # 2
    rows = read(page, tmp_path / "failed.csv")  # 3
    assert [(each["person_name"], each["upstream_request_id"]) for each in rows[:-1]] == [("ada", query)]
    assert rows[-1]["seq"] == "manifest"
    if scripts:
        expect(page.get_by_text("The file is complete.")).to_be_visible()


def test_filters_combine_by_clicks_and_the_chart_comes_by_itself(past: None, window: Window) -> None:
    page = window("olga")
    page.goto("/audit/")
    expect(page.locator("#summary svg[role=group]")).to_be_visible()
    page.locator("summary", has_text="Outcome").click()
    page.get_by_role("checkbox", name="Failed").check()
    page.get_by_role("checkbox", name="Refused").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.locator("[data-several][open]").get_by_role("button", name="Apply").click()
    page.locator("summary", has_text="Time").click()
    page.get_by_role("link", name="Last 7 days").click()
    expect(page).to_have_url(re.compile(r"outcome=refused&outcome=failed.*range=7d"))
    page.locator("summary", has_text="Person").click()
    page.get_by_role("checkbox", name="ada").check()
    page.get_by_role("checkbox", name="ada").press("Enter")
    expect(page).to_have_url(re.compile(r"person=ada.*outcome=refused&outcome=failed.*range=7d"))
    expect(page.locator("tbody tr").filter(has_text="refused-one").first).to_be_visible()


def test_the_queue_is_worked_off_by_mouse(past: None, window: Window) -> None:
    page = window("olga")
    page.goto("/audit/review/")
    page.get_by_role("checkbox", name="Select all on this page").check()
    page.get_by_role("button", name="Mark as reviewed").click()
    expect(page.get_by_text("2 creations were marked.")).to_be_visible()
    expect(page.get_by_text("Everything is reviewed")).to_be_visible()


def test_the_bar_counts_the_ticked_clusters_and_one_box_ticks_them_all(past: None, window: Window) -> None:
    page = window("olga")
    page.goto("/audit/review/?show=outside")
    expect(page.locator("[data-ticked]")).to_have_text("0")
    page.get_by_role("checkbox", name="outside", exact=True).check()
    expect(page.locator("[data-ticked]")).to_have_text("1")
    every = page.get_by_role("checkbox", name="Select all on this page")
    expect(every).to_be_checked()
    every.uncheck()
    expect(page.locator("[data-ticked]")).to_have_text("0")


def test_a_follow_up_without_a_note_loses_no_tick_and_the_note_has_the_focus(
    past: None, window: Window, watch: Watch
) -> None:
    watch.expect(422)
    page = window("olga")
    page.goto("/audit/review/")
    page.get_by_role("checkbox", name="fine").check()
    page.get_by_role("button", name="Mark for follow-up").click()
    expect(page.get_by_label("Note")).to_be_focused()
    expect(page.get_by_label("Note")).to_have_accessible_description(re.compile("A follow-up needs a note"))
    expect(page.get_by_role("checkbox", name="fine")).to_be_checked()
    page.get_by_label("Note").fill("which budget?")
    page.get_by_role("button", name="Mark for follow-up").click()
    expect(page.get_by_text("1 creation was marked.")).to_be_visible()
    page.get_by_role("button", name="Mark as reviewed").click(trial=True)  # no message lies over it


@pytest.mark.parametrize("width", [390, 800, 1024, 1280, 1440])
def test_what_marks_stays_in_sight_however_long_the_queue_is(
    width: int, past: None, people: People, projects: Projects, window: Window
) -> None:
    for number in range(12):
        submit_creation(people.ada, projects.vision, f"one-of-many-{number}")
    run_worker()
    page = window("olga", viewport={"width": width, "height": 600})
    page.goto("/audit/review/")
    follow_up = page.get_by_role("button", name="Mark for follow-up")
    if width > 760:  # on phones the bar covers rows only once there is something to send
        expect(follow_up).to_be_in_viewport(ratio=1)
    page.get_by_role("checkbox", name="Select all on this page").check()
    page.evaluate("window.scrollTo(0, 0)")
    expect(follow_up).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("checkbox", name="one-of-many-11")).to_be_checked()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for tab in page.get_by_role("navigation", name="Parts of the queue").get_by_role("link").all():
        expect(tab).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("height", [600, 900])
def test_the_button_of_more_filters_is_in_sight_as_soon_as_they_are(
    height: int, past: None, window: Window
) -> None:
    page = window("olga", viewport={"width": 1280, "height": height})
    page.goto("/audit/")
    page.locator("summary", has_text="More").click()
    apply = page.locator(".chip-menu[open]").get_by_role("button", name="Apply")
    expect(apply).to_be_in_viewport(ratio=1)
    apply.click(trial=True)


def test_the_audit_s_own_pages_are_for_everybody(past: None, window: Window, watch: Watch) -> None:
    inspector, page = Inspector(), window("olga")
    for path in (
        "/audit/?range=7d&outcome=failed",
        "/audit/?team=nowhere",
        "/audit/export/?outcome=failed",
        "/audit/chain/",
        "/audit/summary/",
        "/audit/review/",
        "/audit/review/?show=outside",
        "/audit/review/?show=follow-up",
    ):
        page.goto(path)
        if path.startswith("/audit/?range"):
            expect(page.locator("#summary svg[role=group]")).to_be_visible()
            page.locator("summary", has_text="Action").click()
        inspector.look(page, path)
    inspector.judge()
