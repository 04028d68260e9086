"""G48 as a person meets it: the session ends while a form is filled in, checks fail, a swap comes at the wrong moment."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Error, Locator, Page, Route, expect

from hyperclusters.accounts.models import Session
from hyperclusters.clusters.models import Creation
from tests.browser.conftest import Watch, Window
from tests.browser.doings import CREATION, create
from tests.conftest import PASSWORD, Cloud, People, Projects, run_worker, submit_creation

pytestmark = pytest.mark.browser

CHINESE = "".join(chr(0x4E00 + n * 37 % 20_000) for n in range(500))
SIZES = [{"width": 1440, "height": 900}, {"width": 390, "height": 844}]


def sign_in(page: Page, name: str = "ada") -> None:
    page.get_by_label("User").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def end_sessions() -> None:
    Session.objects.update(expire_date=timezone.now())


def open_form(page: Page) -> Page:
    page.goto("/clusters/new/")
    sign_in(page)
    expect(page.get_by_role("heading", name="New hyper cluster")).to_be_visible()
    return page


def name_field(page: Page) -> Locator:
    return page.get_by_label("Name", exact=True)


def note(page: Page) -> Locator:
    return page.locator("#id_name_note")


def reason_field(page: Page) -> Locator:
    return page.get_by_label(re.compile("^Reason"))


@pytest.mark.parametrize("size", SIZES, ids=["wide", "narrow"])
def test_g48_the_session_ends_while_one_types_and_everything_is_there_again(
    size: dict[str, int], window: Window, projects: Projects, tmp_path: Path
) -> None:
    page = open_form(window(viewport=size))
    name_field(page).fill("half-typed")
    reason_field(page).fill(CHINESE)
    expect(note(page)).to_contain_text("has not been listed")
    end_sessions()
    name_field(page).fill("half-typed-2")
    toast = page.locator(".toast", has_text="You were signed out")
    expect(toast).to_be_visible()
    expect(toast).to_have_count(1)
    expect(note(page)).not_to_contain_text("has not been listed")
    expect(note(page)).to_contain_text("Could not check this")
    expect(name_field(page)).to_have_value("half-typed-2")
    expect(name_field(page)).to_be_focused()
    page.screenshot(path=tmp_path / f"signed-out-{size['width']}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    toast.get_by_role("link", name="Sign in").click()
    page.wait_for_url("**/accounts/login/**")
    sign_in(page)
    expect(name_field(page)).to_have_value("half-typed-2")
    expect(reason_field(page)).to_have_value(CHINESE)
    assert not Creation.objects.exists()
    page.screenshot(path=tmp_path / f"back-{size['width']}.png")
    create(page)
    page.wait_for_url(CREATION)
    assert Creation.objects.get().reason == CHINESE


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_g48_submitting_after_the_session_ended_leads_back_to_the_form(
    scripts: bool, window: Window, projects: Projects
) -> None:
    page = open_form(window(java_script_enabled=scripts))
    name_field(page).fill("half-typed")
    reason_field(page).fill(CHINESE)
    end_sessions()
    create(page)
    page.wait_for_url("**/accounts/login/**")
    sign_in(page)
    expect(name_field(page)).to_have_value("half-typed")
    expect(reason_field(page)).to_have_value(CHINESE)
    assert not Creation.objects.exists()
    create(page)
    page.wait_for_url(CREATION)


def test_g48_signing_in_again_in_another_tab_brings_the_old_form_back(
    window: Window, projects: Projects
) -> None:
    page = open_form(window())
    name_field(page).fill("half-typed")
    end_sessions()
    other = page.context.new_page()
    other.goto("/clusters/")
    sign_in(other)
    expect(other.get_by_role("heading", name="Clusters", exact=True)).to_be_visible()
    create(page)
    expect(page.get_by_text("This form was too old")).to_be_visible()
    expect(name_field(page)).to_have_value("half-typed")
    assert not Creation.objects.exists()
    create(page)
    page.wait_for_url(CREATION)


def test_g48_another_language_keeps_what_is_typed_and_not_sent(window: Window, projects: Projects) -> None:
    page = open_form(window())
    name_field(page).fill("half-typed")
    reason_field(page).fill("为什么")
    page.locator(".account summary").click()
    page.get_by_role("button", name="简体中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    expect(page.locator("#id_name")).to_have_value("half-typed")
    expect(page.locator("#id_reason")).to_have_value("为什么")


def test_g48_leaving_a_form_and_going_back_keeps_what_is_typed(window: Window, projects: Projects) -> None:
    page = open_form(window())
    name_field(page).fill("half-typed")
    page.get_by_role("link", name="Clusters", exact=True).first.click()
    page.wait_for_url("**/clusters/")
    for _ in range(500):  # the beacon is sent while the page is left, and shows in no event
        if "draft" in {cookie.get("name") for cookie in page.context.cookies()}:
            break
        page.wait_for_timeout(20)
    page.go_back()
    expect(name_field(page)).to_have_value("half-typed")
    create(page)
    page.wait_for_url(CREATION)
    page.goto("/clusters/new/")
    expect(name_field(page)).to_have_value("")


def test_g48_a_reason_of_500_chinese_characters_leaves_the_live_check_true(
    window: Window, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "taken")
    run_worker()
    page = window("ada")
    page.goto("/clusters/new/")
    reason_field(page).fill(CHINESE)
    with page.expect_request("**/clusters/new/?*") as request_info:
        name_field(page).fill("taken")
    assert len(request_info.value.url) < 500
    expect(note(page)).to_contain_text("Already exists in this project:")
    name_field(page).fill("free-one")
    expect(note(page)).to_contain_text("Available (checked")


@pytest.mark.parametrize("how", ["414", "500", "503", "gone"])
def test_g48_a_live_check_that_fails_says_so_and_leaves_no_stale_verdict(
    how: str, window: Window, projects: Projects, watch: Watch
) -> None:
    page = window("ada")
    page.goto("/clusters/new/")
    name_field(page).fill("first")
    expect(note(page)).to_contain_text("has not been listed")

    def fail(route: Route) -> None:
        if how == "gone":
            route.abort("connectionreset")
        else:
            route.fulfill(status=int(how), body="no")

    page.route("**/clusters/new/?*", fail)
    name_field(page).fill("second")
    expect(note(page)).to_contain_text("Could not check this")
    expect(note(page)).not_to_contain_text("has not been listed")
    expect(name_field(page)).to_have_value("second")
    expect(page.locator("#sent-json")).to_be_hidden()
    expect(page.locator(".checks")).to_contain_text("Could not check this")
    page.unroute("**/clusters/new/?*")
    name_field(page).fill("third")
    expect(note(page)).to_contain_text("has not been listed")
    watch.troubles.clear()


def hold(page: Page, button: Locator) -> None:
    button.hover()
    page.mouse.down()


def test_a_swap_that_arrives_between_pressing_and_releasing_loses_no_click(
    window: Window, projects: Projects
) -> None:
    page = window("ada")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/clusters/new/")
    name_field(page).fill("first")
    button = page.get_by_role("button", name="Copy JSON")
    expect(page.locator("#sent-json")).to_contain_text("first")
    kept_back: list[Route] = []
    is_open: list[bool] = []
    page.route("**/clusters/new/?*", lambda route: route.continue_() if is_open else kept_back.append(route))
    with page.expect_request("**/clusters/new/?*name=second*"):
        name_field(page).fill("second")
    hold(page, button)  # the field loses the focus, which may ask once more
    is_open.append(True)
    with page.expect_response("**/clusters/new/?*name=second*"):
        for route in kept_back:
            with suppress(Error):  # the browser has given it up meanwhile
                route.continue_()
    page.unroute("**/clusters/new/?*")
    expect(page.locator(".htmx-request")).to_have_count(0)
    expect(page.locator("#sent-json")).to_contain_text("first")
    page.mouse.up()
    expect(page.locator("#live")).to_have_text("Copied")
    assert "first" in page.evaluate("navigator.clipboard.readText()")
    expect(page.locator("#sent-json")).to_contain_text("second")
    expect(note(page)).to_contain_text("has not been listed")


def test_selected_text_and_the_chosen_tab_outlive_a_swap(window: Window, projects: Projects) -> None:
    page = window("ada")
    page.goto("/clusters/new/")
    name_field(page).fill("first")
    expect(page.locator("#sent-json")).to_contain_text("first")
    old = page.locator("#live-part").element_handle()
    page.get_by_role("radio", name="curl").check()  # leaving the name asks for the checks again
    expect(page.locator("#sent-curl")).to_be_visible()
    page.wait_for_function("old => !old.isConnected", arg=old)
    expect(page.get_by_role("radio", name="curl")).to_be_focused()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.checks li span:last-child'))")
    chosen = page.evaluate("getSelection().toString()")
    assert chosen
    old = page.locator("#live-part").element_handle()
    page.evaluate("document.querySelector('#id_reason').value = 'x'")
    page.evaluate("document.querySelector('#id_reason').dispatchEvent(new Event('input', {bubbles: true}))")
    page.wait_for_function("old => !old.isConnected", arg=old)
    expect(page.get_by_role("radio", name="curl")).to_be_checked()
    page.wait_for_function("chosen => getSelection().toString() === chosen", arg=chosen)


def test_a_page_that_follows_by_itself_goes_on_after_a_press_that_it_waited_for(
    window: Window, projects: Projects, people: People
) -> None:
    creation = submit_creation(people.ada, projects.vision, "followed")
    page = window("ada")
    page.goto(creation.get_absolute_url())
    heading = page.locator("#creation h1")
    expect(heading).to_be_visible()
    hold(page, heading)
    with page.expect_response(lambda answer: "seen=" in answer.url and answer.status == 200):
        run_worker()
    expect(page.locator("#creation")).to_have_attribute("data-state", "queued")
    page.mouse.up()
    expect(page.locator("#creation")).to_have_attribute("data-state", "created")
