"""Parts of pages that come by themselves: seen to be late, at rest when nobody looks, and still where motion disturbs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Window
from tests.browser.doings import expect_rows, expect_state
from tests.conftest import Cloud, People, Projects, run_worker, run_worker_again, submit_creation

pytestmark = pytest.mark.browser
NOTE_LATE = """
addEventListener("animationend", ({animationName, pseudoElement}) => {
  if (animationName === "late" && pseudoElement === "::before") document.body.dataset.late = "shown";
});
"""
LINE = "getComputedStyle(document.body, '::before').content"
COUNT_WITHHELD = """
addEventListener("htmx:beforeRequest", ({defaultPrevented}) => {
  if (defaultPrevented) document.body.dataset.withheld = Number(document.body.dataset.withheld ?? 0) + 1;
});
"""
MOVES = "document.getAnimations().some(({effect}) => effect.getTiming().duration > 0)"


def look_away(page: Page, away: bool) -> None:
    """As if another tab came to the front, or this one again."""
    page.evaluate(
        "(away) => { Object.defineProperty(document, 'hidden', {value: away, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')) }",
        away,
    )


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_an_answer_that_is_late_is_seen_to_be_under_way(
    motion: str, projects: Projects, cloud: Cloud, window: Window
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "alpha")
    run_worker()
    page, held = window("ada", reduced_motion=motion), list[Route]()
    page.add_init_script(NOTE_LATE)
    page.goto("/clusters/")
    assert page.evaluate(LINE) == "none"

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/clusters/?*", hold)
    page.get_by_role("searchbox").fill("alp")
    expect(page.locator("body")).to_have_attribute("data-late", "shown")
    assert page.evaluate(LINE) != "none"
    assert page.evaluate(MOVES) is (motion != "reduce")
    held.pop().continue_()
    expect_rows(page, "alpha")
    expect(page.locator(".htmx-request")).to_have_count(0)
    assert page.evaluate(LINE) == "none"


def test_a_page_that_nobody_sees_asks_for_nothing_and_asks_at_once_when_it_is_seen_again(
    people: People, projects: Projects, cloud: Cloud, window: Window
) -> None:
    creation = submit_creation(people.ada, projects.vision, "watched")
    page, queries = window("ada"), list[str]()
    page.on("request", lambda request: queries.append(request.url))
    page.goto(creation.get_absolute_url())
    page.evaluate(COUNT_WITHHELD)
    look_away(page, away=True)
    queries.clear()
    expect(page.locator("body")).to_have_attribute("data-withheld", re.compile("[3-9]"))
    run_worker()
    assert queries == []
    expect_state(page, "queued")
    look_away(page, away=False)
    expect_state(page, "created")
    expect(page.locator("#creation[hx-get]")).to_have_count(0)  # it is at rest now

    page.goto("/clusters/")
    page.evaluate(COUNT_WITHHELD)
    page.locator("#freshness summary").click()
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#rows[hx-get]")).to_have_count(1)
    look_away(page, away=True)
    expect(page.locator("body")).to_have_attribute(
        "data-withheld", "1"
    )  # it asks once only, so it must be told to ask again
    with page.expect_request(re.compile(r"/clusters/\??$")):
        look_away(page, away=False)


def test_a_page_asks_no_more_once_a_person_must_decide(
    people: People, projects: Projects, cloud: Cloud, window: Window
) -> None:
    cloud.simulator.fault("lost_answer", "create", times=1)
    creation = submit_creation(people.ada, projects.vision, "twins")
    run_worker()
    page = window("tom")
    page.goto(creation.get_absolute_url())
    expect(page.locator("#creation[hx-get]")).to_have_count(1)
    cloud.simulator.add_cluster(projects.vision.project_id, "twins")
    run_worker_again(creation)
    expect_state(page, "needs_attention")
    expect(page.locator("#creation[hx-get]")).to_have_count(0)
