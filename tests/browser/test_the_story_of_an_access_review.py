"""Olga asks for an access review, Tom carries it out, and Olga reads its evidence: with and without scripts, on a phone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from hyperclusters.access.models import AccessReview, Grant, Role
from hyperclusters.access.services import grant
from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import EventType
from tests.browser.conftest import Window
from tests.conftest import People, events

pytestmark = pytest.mark.browser
REVIEW = "/teams/vision/review/"


@pytest.mark.parametrize("scripts", [True, False])
def test_a_review_is_asked_for_carried_out_and_leaves_its_evidence(
    scripts: bool, window: Window, people: People
) -> None:
    grant(person=people.nina, role=Role.ADMIN, team=people.vision, reason="leads too", by=people.tom)
    phone = {"width": 320, "height": 640}
    olga, tom, nina = (
        window(name, java_script_enabled=scripts, viewport=phone) for name in ("olga", "tom", "nina")
    )
    olga.goto(REVIEW)
    olga.get_by_role("link", name="Start review").click()
    olga.get_by_label("Due date").fill((clock.today() + timedelta(days=7)).isoformat())
    olga.get_by_role("button", name="Start review").click()
    expect(olga.get_by_text("0 of 4 decided")).to_be_visible()
    expect(olga.get_by_role("button", name="Save decisions")).to_have_count(0)

    tom.goto("/")
    tom.get_by_role("link", name="Review access Vision").click()
    assert tom.evaluate("document.documentElement.scrollWidth") <= 320 if scripts else True
    tom.get_by_label("Decision about vera, Viewer").select_option("end")
    tom.get_by_role("button", name="Save decisions").click()
    expect(tom.get_by_text("Review saved: 0 kept, 1 revoked, 3 not decided.").first).to_be_visible()
    expect(tom.get_by_text("Another admin decides")).to_be_visible()
    tom.get_by_role("button", name="Keep all the rest").click()
    expect(tom.get_by_text("3 of 4 decided")).to_be_visible()

    nina.goto(REVIEW)
    nina.get_by_label("Decision about tom, Admin").select_option("keep")
    nina.get_by_role("button", name="Save decisions").click()
    expect(nina).to_have_url(AccessReview.objects.get().get_absolute_url())
    expect(nina.get_by_text("Everything was reviewed.")).to_be_visible()

    olga.goto(REVIEW)
    olga.locator(f"a[href*='{REVIEW}']").last.click()
    with olga.expect_download() as download:
        olga.get_by_role("link", name="Download JSON").click()
    assert download.value.suggested_filename.endswith(".json")
    assert not Grant.objects.active().filter(person=people.vera)
    acts = [each.action for each in events(action__startswith="access:review:")]
    assert acts == [EventType.REVIEW_OPENED, EventType.REVIEW_COMPLETED]
