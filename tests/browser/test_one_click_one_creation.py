"""However often somebody clicks, goes back or reloads: one form makes one creation, and the cloud is asked once."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from hyperclusters.clusters.models import Creation
from tests.browser.conftest import Watch, Window
from tests.browser.doings import CREATION, create, expect_state
from tests.conftest import Cloud, Projects, run_worker

pytestmark = pytest.mark.browser


@pytest.fixture
def filled(window: Window, projects: Projects) -> Page:
    """Ada's form, ready to be sent."""
    page = window("ada")
    page.goto("/clusters/new/")
    page.get_by_label("Name", exact=True).fill("only-once")
    return page


def expect_one_creation(cloud: Cloud) -> None:
    run_worker()
    assert Creation.objects.count() == 1
    assert [entry.name for entry in cloud.posts] == ["only-once"]


def test_a_double_click_on_create_makes_one_creation(filled: Page, cloud: Cloud) -> None:
    filled.get_by_role("button", name="Create cluster").dblclick()
    filled.wait_for_url(CREATION)
    expect_one_creation(cloud)
    expect_state(filled, "created")


def test_enter_pressed_again_and_again_makes_one_creation(filled: Page, cloud: Cloud) -> None:
    posts: list[str] = []
    filled.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    name = filled.get_by_label("Name", exact=True)
    name.evaluate("field => { for (const _ of '123') field.form.requestSubmit() }")
    filled.wait_for_url(CREATION)
    assert len(posts) == 1
    expect_one_creation(cloud)


def test_the_same_form_sent_from_two_tabs_leads_both_to_one_creation(filled: Page, cloud: Cloud) -> None:
    other = filled.context.new_page()
    other.goto("/clusters/new/")
    token = filled.locator("input[name=token]").input_value()
    other.locator("input[name=token]").evaluate("(field, token) => { field.value = token }", token)
    other.get_by_label("Name", exact=True).fill("only-once")
    create(filled)
    filled.wait_for_url(CREATION)
    create(other)
    other.wait_for_url(CREATION)
    assert other.url == filled.url
    expect_one_creation(cloud)


def test_a_used_form_sent_with_other_values_is_told_that_nothing_was_sent(
    filled: Page, cloud: Cloud, watch: Watch
) -> None:
    watch.expect(409)
    other = filled.context.new_page()
    other.goto("/clusters/new/")
    token = filled.locator("input[name=token]").input_value()
    other.locator("input[name=token]").evaluate("(field, token) => { field.value = token }", token)
    other.get_by_label("Name", exact=True).fill("something-else")
    create(filled)
    filled.wait_for_url(CREATION)
    create(other)
    expect(other.get_by_role("heading", name="This form was already used")).to_be_visible()
    expect(other.get_by_text("so nothing was sent this time")).to_be_visible()
    other.get_by_role("link", name="What it made").click()
    expect(other).to_have_url(filled.url)
    expect_one_creation(cloud)


@pytest.mark.parametrize("settled", [False, True], ids=["while it is under way", "after it is made"])
def test_going_back_and_sending_again_makes_no_second_one_and_says_so(
    settled: bool, filled: Page, cloud: Cloud, watch: Watch
) -> None:
    watch.expect(422)
    create(filled)
    filled.wait_for_url(CREATION)
    text = filled.url
    if settled:
        run_worker()
        expect_state(filled, "created")
    filled.go_back()
    button = filled.get_by_role("button", name="Create cluster")
    expect(button).to_be_enabled()
    filled.get_by_label("Name", exact=True).fill("only-once")
    button.click()
    expect(filled.get_by_text(re.compile("Nothing was sent")).first).to_be_visible()
    expect(filled.locator(".errors")).to_be_focused()
    expect_one_creation(cloud)
    filled.locator("#id_name_note a").click()  # what is there already is a click away
    if not settled:
        expect(filled).to_have_url(text)
    expect(filled.get_by_role("heading", level=1)).to_have_text("only-once")


def test_going_back_and_forward_shows_the_creation_as_it_is_now(filled: Page, cloud: Cloud) -> None:
    create(filled)
    expect_state(filled, "queued")
    filled.go_back()
    expect(filled.get_by_role("button", name="Create cluster")).to_be_visible()
    run_worker()
    filled.go_forward()
    expect_state(filled, "created")
    expect_one_creation(cloud)


def test_reloading_the_creation_s_page_sends_nothing_again(filled: Page, cloud: Cloud) -> None:
    create(filled)
    filled.wait_for_url(CREATION)
    filled.reload()
    expect_state(filled, "queued")
    run_worker()
    expect_state(filled, "created")
    filled.reload()
    expect_state(filled, "created")
    expect_one_creation(cloud)


def test_a_form_that_came_back_with_errors_is_sent_once_more_and_makes_one_creation(
    filled: Page, cloud: Cloud, watch: Watch
) -> None:
    watch.expect(422)
    filled.get_by_label("Name", exact=True).fill("only once")
    filled.get_by_label("Reason").fill("Baseline run")
    create(filled)
    expect(filled.locator(".errors")).to_be_focused()
    expect(filled.get_by_text("Remove the space (position 5).").first).to_be_visible()
    expect(filled.get_by_label("Reason")).to_have_value("Baseline run")
    filled.get_by_label("Name", exact=True).fill("only-once")
    filled.get_by_label("Name", exact=True).press("Enter")
    filled.wait_for_url(CREATION)
    expect_one_creation(cloud)
