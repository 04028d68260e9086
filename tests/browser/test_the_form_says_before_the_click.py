"""While Ada types, the form says what is wrong, what stands in the way, and exactly what will be sent."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Watch, Window
from tests.browser.doings import CREATION, SUBNET, create
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation

pytestmark = pytest.mark.browser


@pytest.fixture
def form(window: Window, projects: Projects, cloud: Cloud) -> Page:
    """Ada's empty form, in a project with one cluster."""
    cloud.simulator.add_cluster(projects.vision.project_id, "taken", subnet_ids=[SUBNET])
    run_worker()
    page = window("ada")
    page.goto("/clusters/new/")
    return page


def note(page: Page) -> Locator:
    return page.locator("#id_name_note")


def preview(page: Page) -> Locator:
    return page.locator(".tabs > .panel pre:visible")


def test_a_bad_name_says_why_while_one_types_and_stops_when_it_is_corrected(form: Page) -> None:
    name = form.get_by_label("Name", exact=True)
    name.press_sequentially("my cluster")
    expect(note(form)).to_contain_text("Remove the space (position 3).")
    expect(preview(form)).to_have_count(0)
    expect(name).to_be_focused()
    name.fill("集群")
    expect(note(form)).to_contain_text("Remove “集” (position 1)")
    name.fill("a" * 65)
    expect(note(form)).to_contain_text("This is 1 character too long.")
    name.fill("my-cluster")
    expect(note(form)).to_contain_text("Available (checked")
    expect(note(form)).not_to_contain_text("Remove")
    expect(preview(form)).to_contain_text("my-cluster")
    name.fill("")
    expect(note(form)).to_be_empty()


def test_a_taken_name_leads_to_its_cluster_and_is_free_again_once_changed(form: Page) -> None:
    form.get_by_label("Name", exact=True).fill("taken")
    expect(note(form)).to_contain_text("Already exists in this project:")
    expect(form.locator(".checks")).to_contain_text("taken already exists in this project")
    form.get_by_label("Name", exact=True).fill("taken-2")
    expect(note(form)).to_contain_text("Available (checked")
    expect(form.locator(".checks")).not_to_contain_text("taken already exists in this project")
    form.get_by_label("Name", exact=True).fill("taken")
    note(form).get_by_role("link", name="taken").click()
    expect(form.get_by_role("heading", level=1)).to_have_text("taken")
    expect(form.get_by_text("Created elsewhere", exact=True)).to_be_visible()


def test_a_name_whose_creation_is_open_leads_to_it(form: Page, people: People, projects: Projects) -> None:
    creation = submit_creation(people.tom, projects.vision, "open-one")
    form.get_by_label("Name", exact=True).fill("open-one")
    expect(note(form)).to_contain_text("A creation of this name is not settled yet:")
    note(form).get_by_role("link", name="open-one").click()
    form.wait_for_url(f"**{creation.get_absolute_url()}")


def test_a_bad_subnet_says_why_and_stops_when_a_known_one_is_picked(form: Page) -> None:
    subnet, said = form.get_by_label("Subnet ID"), form.locator("#id_hyper_cluster_subnet_id_note")
    form.get_by_label("Name", exact=True).fill("fine")
    subnet.fill(SUBNET.upper())
    expect(said).to_contain_text("A subnet ID has no capital letters.")
    expect(preview(form)).to_have_count(0)
    form.get_by_title(SUBNET).click()
    expect(subnet).to_have_value(SUBNET)
    expect(said).not_to_contain_text("no capital letters")
    expect(preview(form)).to_contain_text(SUBNET)


def test_a_subnet_is_found_by_a_cluster_s_name_and_chosen_by_keys(form: Page) -> None:
    subnet = form.get_by_label("Subnet ID")
    form.get_by_label("Name", exact=True).fill("by-keys")
    subnet.fill("TAK")
    expect(form.locator("#subnets summary")).to_contain_text("1 of 1 known subnets match")
    subnet.press("ArrowDown")
    expect(form.get_by_title(SUBNET)).to_be_focused()
    form.keyboard.press("ArrowUp")
    expect(subnet).to_be_focused()
    subnet.press("ArrowDown")
    form.keyboard.press("Enter")
    expect(subnet).to_have_value(SUBNET)
    expect(subnet).to_be_focused()
    expect(form.locator("#id_hyper_cluster_subnet_id_note")).to_contain_text("Used by taken")
    subnet.press("Enter")  # creates, although the subnets' buttons come before that one
    form.wait_for_url(CREATION)


def test_the_box_of_errors_loses_its_entries_as_they_are_fixed(form: Page, watch: Watch) -> None:
    watch.expect(422)
    name, subnet = form.get_by_label("Name", exact=True), form.get_by_label("Subnet ID")
    name.fill("not valid")
    expect(name).to_have_attribute("aria-invalid", "true")  # at once, before anything is sent
    subnet.fill("not a subnet")
    create(form)
    entries = form.locator(".errors li")
    expect(entries).to_have_count(2)
    name.fill("valid")
    expect(note(form)).to_contain_text("Available")
    expect(entries).to_have_count(1)
    expect(name).not_to_have_attribute("aria-invalid", "true")
    expect(subnet).to_have_attribute("aria-invalid", "true")
    subnet.fill("")
    expect(form.locator(".errors")).to_have_count(0)
    expect(form.get_by_text("Will wait")).to_be_visible()  # no worker runs


def test_on_phones_the_checks_stand_above_the_button_and_the_request_is_closed(form: Page) -> None:
    form.set_viewport_size({"width": 390, "height": 844})
    form.get_by_label("Name", exact=True).fill("taken")
    first, button = form.locator(".checks li").first, form.locator(".send .btn")
    expect(first).to_contain_text("taken already exists")
    above, below = first.bounding_box(), button.bounding_box()
    assert above
    assert below
    assert above["y"] < below["y"]
    expect(form.locator("#sent-json")).to_be_hidden()
    form.locator("#request summary").click()
    expect(form.locator("#sent-json")).to_be_visible()
    expect(form.get_by_text("Would not be sent now.").first).to_be_visible()


def test_the_preview_is_exactly_what_is_sent(form: Page, cloud: Cloud) -> None:
    form.get_by_label("Name", exact=True).fill("train-ecs")
    form.get_by_text("ECS", exact=True).click()
    form.get_by_title(SUBNET).click()
    expect(preview(form)).to_contain_text(SUBNET)
    expect(preview(form)).to_contain_text("ECS")
    line, _, text = preview(form).inner_text().partition("\n")
    assert json.loads(text) == {"name": "train-ecs", "type": "ECS", "hyper_cluster_subnet_id": SUBNET}
    create(form)
    form.wait_for_url(CREATION)
    run_worker()
    (post,) = cloud.posts
    assert line == f"{post.method} {post.path}"
    (sent,) = events(action="cluster:create:succeeded")
    assert sent.request is not None
    assert json.loads(sent.request["body"]) == json.loads(text)


def test_what_will_be_sent_is_copied_by_a_click_in_each_of_its_forms(form: Page) -> None:
    form.context.grant_permissions(["clipboard-read", "clipboard-write"])
    form.get_by_label("Name", exact=True).fill("copied")
    expect(preview(form)).to_contain_text("copied")
    for shown_as, begins in (
        ("JSON", "{"),
        ("curl", "curl -X POST"),
        ("hcloud", "hcloud ModelArts"),
        ("Python", "import os"),
    ):
        form.get_by_role("radio", name=shown_as).check()
        form.get_by_role("button", name=f"Copy {shown_as}").click()
        expect(form.locator("#live")).to_have_text("Copied")
        copied = form.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(begins)
        assert "copied" in copied


def choose_curl(page: Page) -> None:
    """Have the preview of a valid form shown as curl."""
    page.get_by_label("Name", exact=True).fill("first")
    expect(preview(page)).to_contain_text('"first"')
    page.get_by_role("radio", name="curl").check()
    expect(preview(page)).to_contain_text("curl -X POST")


def test_the_chosen_form_of_the_preview_stays_while_one_types(form: Page) -> None:
    choose_curl(form)
    form.get_by_label("Name", exact=True).fill("second")
    expect(preview(form)).to_contain_text('"name": "second"')
    expect(preview(form)).to_contain_text("curl -X POST")


def test_a_form_of_the_preview_that_is_chosen_while_a_check_is_out_stays_chosen(form: Page) -> None:
    name = form.get_by_label("Name", exact=True)
    name.fill("first")
    expect(preview(form)).to_contain_text('"first"')
    kept_back: list[Route] = []

    def keep_back(route: Route) -> None:
        kept_back.append(route)

    form.route("**/clusters/new/?*", keep_back)
    with form.expect_request("**/clusters/new/?*name=second*"):
        name.fill("second")
    curl = form.get_by_role("radio", name="curl")
    curl.evaluate("radio => (radio.checked = true)")  # its own check has not begun
    kept_back[0].continue_()
    expect(preview(form)).to_contain_text("second")
    expect(curl).to_be_checked()
    expect(preview(form)).to_contain_text("curl -X POST")


def test_the_chosen_form_of_the_preview_outlives_a_name_that_is_wrong_for_a_moment(form: Page) -> None:
    choose_curl(form)
    form.get_by_label("Name", exact=True).fill("not valid")
    expect(preview(form)).to_have_count(0)
    form.get_by_label("Name", exact=True).fill("third")
    expect(preview(form)).to_contain_text("third")
    expect(preview(form)).to_contain_text("curl -X POST")


def test_no_live_check_is_sent_with_the_form_s_one_time_token(form: Page) -> None:
    with form.expect_request("**/clusters/new/?*") as request_info:
        form.get_by_label("Name", exact=True).fill("fine")
    assert "token" not in request_info.value.url
    expect(preview(form)).to_contain_text("fine")
