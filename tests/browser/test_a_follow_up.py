"""Olga asks Ada about a creation, Ada answers, Olga closes: with and without scripts, and all of it is for everybody."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from hyperclusters.clusters.models import FollowUp
from tests.browser.conftest import Watch, Window
from tests.browser.inspection import Inspector
from tests.conftest import Cloud, People, Projects, run_worker, submit_creation

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scripts", [True, False])
def test_from_the_queue_to_the_answer_and_to_its_end(
    scripts: bool, people: People, projects: Projects, cloud: Cloud, window: Window, watch: Watch
) -> None:
    submit_creation(people.ada, projects.vision, "train-1")
    run_worker()
    inspector = Inspector()
    olga = window("olga", java_script_enabled=scripts)
    olga.goto("/audit/review/")
    olga.get_by_role("link", name="Start follow-up train-1").click()
    expect(olga.get_by_label("Assigned to")).to_have_value("ada")
    olga.get_by_label("What should be answered?").fill("Why no test run?")
    olga.get_by_role("button", name="Start follow-up").click()
    expect(olga.get_by_text("Waiting for ada")).to_be_visible()

    ada = window("ada", java_script_enabled=scripts)
    ada.goto("/")
    ada.get_by_role("link", name="Answer train-1").click()
    expect(ada.get_by_text("Why no test run?")).to_be_visible()
    ada.get_by_label("Reply").fill("There was one.\nOn Monday.")
    ada.get_by_role("button", name="Send reply").click()
    expect(ada.get_by_text("On Monday.")).to_be_visible()
    expect(ada.get_by_role("button", name="Close follow-up")).to_have_count(0)

    olga.goto("/")
    olga.get_by_role("link", name="Review train-1").click()
    expect(olga.get_by_text("There was one.")).to_be_visible()
    if scripts:
        for page, name in ((olga, "olga's"), (ada, "ada's")):
            inspector.look(page, name)
    olga.locator("#close summary").click()
    olga.get_by_label("Closing note").fill("Seen")
    olga.get_by_role("button", name="Close follow-up").click()
    expect(olga.get_by_text("olga closed it")).to_be_visible()
    olga.goto("/audit/review/?show=follow-up&state=closed")
    expect(olga.get_by_role("link", name="train-1")).to_be_visible()
    if scripts:
        inspector.look(olga, "the list")
        inspector.judge()
    assert list(FollowUp.objects.get().entries.values_list("kind", flat=True)) == [
        "opened",
        "answer",
        "closed",
    ]
