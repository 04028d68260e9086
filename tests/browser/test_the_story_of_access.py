"""Nina asks, Tom is told and decides, Nina creates, Tom ends it, and Nina is told kindly: every step in the audit."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from hyperclusters.access.models import Grant
from hyperclusters.audit.vocabulary import EventType
from tests.browser.conftest import Start, Window
from tests.browser.doings import CREATION, create, expect_state
from tests.conftest import Cloud, People, Projects, events

pytestmark = pytest.mark.browser


def badge(page: Page, name: str) -> str:
    """What stands beside this link of the menu."""
    return page.locator(".nav a").filter(has_text=name).locator(".n").inner_text()


@pytest.mark.parametrize("scripts", [True, False])
def test_access_is_asked_for_given_for_a_week_used_ended_and_every_step_is_in_the_audit_with_its_reason(
    scripts: bool, window: Window, people: People, projects: Projects, cloud: Cloud, start_worker: Start
) -> None:
    nina, tom = (window(name, java_script_enabled=scripts) for name in ("nina", "tom"))
    nina.goto("/")
    nina.get_by_role("link", name="Request access").click()
    expect(nina.get_by_label("Team")).to_have_value("")
    nina.get_by_label("Team").select_option("vision")
    nina.locator("#ask").get_by_role("radio", name="Creator").check()
    nina.locator("#ask").get_by_label("Reason").fill("Evaluation of the spring model")
    nina.get_by_role("button", name="Send request").click()
    expect(nina.get_by_text("Creator in Vision")).to_be_visible()

    tom.goto("/")
    assert badge(tom, "Teams").startswith("1")
    tom.get_by_role("button", name="Approve for 1 week").click()
    expect(tom.locator(".nav a").filter(has_text="Teams").locator(".n")).to_have_count(0)

    nina.goto("/")
    nina.get_by_role("link", name="New cluster").first.click()
    nina.get_by_label("Name", exact=True).fill("nina-s-first")
    nina.get_by_label("Reason").fill("First evaluation")
    create(nina)
    nina.wait_for_url(CREATION)
    start_worker()
    expect_state(nina, "created")

    grant = Grant.objects.active().get(person=people.nina)
    assert grant.until
    assert grant.until - grant.since == timedelta(days=7)
    tom.goto(f"/teams/vision/grants/{grant.pk}/")
    if scripts:
        tom.get_by_role("radio", name="Viewer").check()
        expect(tom.get_by_text("Replaces Creator")).to_be_visible()
    tom.get_by_role("link", name="Revoke access").click()
    expect(tom.get_by_text("nina has no access.")).to_be_visible()
    tom.get_by_label("Reason").fill("The evaluation is done")
    tom.get_by_role("button", name="Revoke access").click()
    expect(tom).to_have_url("/teams/vision/")

    nina.get_by_role("link", name="Home").click()
    words = nina.get_by_text(re.compile(r"was ended by tom on .+: “The evaluation is done”\."))
    expect(words).to_be_visible()
    expect(nina.get_by_role("link", name="Request again")).to_be_visible()
    expect(nina.get_by_text("nina-s-first")).to_have_count(0)

    steps = [each for each in events(team_name="Vision") if each.person_name in {"nina", "tom"}]
    assert [(each.action, each.person_name, each.reason) for each in steps] == [
        (EventType.ACCESS_ASKED, "nina", "Evaluation of the spring model"),
        (
            EventType.ACCESS_APPROVED,
            "tom",
            "Evaluation of the spring model",
        ),  # without a note of his it is hers
        (EventType.CREATE_REQUESTED, "nina", "First evaluation"),
        (EventType.CREATE_SENDING, "nina", ""),
        (EventType.CREATE_SUCCEEDED, "nina", ""),
        (EventType.GRANT_ENDED, "tom", "The evaluation is done"),
    ]
    assert (steps[1].after or {})["reason"] == "Evaluation of the spring model"
