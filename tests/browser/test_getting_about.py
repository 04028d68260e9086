"""Search, keys, menus, theme and sign-in, by mouse and by keyboard alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.utils import timezone, translation
from playwright.sync_api import Page, expect

from hyperclusters.web.shared.humanize import when
from hyperclusters.web.templatetags.hyperclusters_tags import day_time
from tests.browser.conftest import Watch, Window
from tests.browser.doings import CREATION, expect_rows, expect_state, reach
from tests.conftest import PASSWORD, Cloud, People, Projects, events, run_worker

pytestmark = pytest.mark.browser


SPANS = [
    ("seconds", 40.2),
    ("seconds", 59.6),
    ("minutes", 59.8),
    ("hours", 23.9),
    ("hours", 58),
    ("days", 6.9),
    ("days", 6.3),
    ("days", 10),
    ("days", 29.9),
    ("days", 31),
    ("days", 360),
    ("days", 800),
    ("minutes", -59.8),
    ("days", -6.9),
    ("days", -20),
    ("days", -364),
]


@pytest.fixture
def clusters(projects: Projects, cloud: Cloud) -> None:
    """Three clusters in Vision."""
    for name, kind in (("alpha-1", "HPS"), ("alpha-2", "ECS"), ("beta-1", "HPS")):
        cloud.simulator.add_cluster(projects.vision.project_id, name, kind)
    run_worker()


def ground(page: Page) -> str:
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


def test_search_as_one_types_keeps_the_focus_and_lives_in_the_address_and_back_restores_the_list(
    clusters: None, window: Window
) -> None:
    page = window("ada")
    page.goto("/clusters/?sort=name")
    expect_rows(page, "alpha-1", "alpha-2", "beta-1")
    search = page.get_by_role("searchbox")
    search.press_sequentially("alpha")
    expect_rows(page, "alpha-1", "alpha-2")
    expect(page).to_have_url(re.compile(r"\?q=alpha&sort=name$|\?sort=name&q=alpha$"))
    expect(search).to_be_focused()
    page.keyboard.type("-2")
    expect_rows(page, "alpha-2")
    expect(search).to_have_value("alpha-2")
    page.go_back()
    expect_rows(page, "alpha-1", "alpha-2")
    expect(search).to_have_value("alpha")
    page.go_back()
    expect_rows(page, "alpha-1", "alpha-2", "beta-1")
    expect(search).to_have_value("")
    page.go_forward()
    expect_rows(page, "alpha-1", "alpha-2")


def test_a_filter_chosen_from_a_menu_combines_with_the_search_and_is_cleared_by_a_click(
    clusters: None, window: Window
) -> None:
    page = window("ada")
    page.goto("/clusters/?q=alpha")
    page.get_by_text("Type", exact=True).first.click()
    page.get_by_role("link", name="ECS", exact=True).click()
    expect_rows(page, "alpha-2")
    expect(page.get_by_text("Type: ECS")).to_be_visible()
    page.goto("/clusters/?q=nothing-like-this")
    page.get_by_role("link", name="Clear the filters").click()
    expect(page).to_have_url(re.compile("/clusters/$"))


def test_a_refresh_brings_what_is_new_without_reloading(
    clusters: None, window: Window, projects: Projects, cloud: Cloud
) -> None:
    page = window("ada")
    page.goto("/clusters/?sort=name")
    cloud.simulator.add_cluster(projects.vision.project_id, "gamma")
    page.evaluate("window.here = true")
    page.locator("#freshness summary").click()
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("button", name="Refresh")).to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("button", name="Refresh")).to_be_focused()
    expect(page.get_by_role("button", name="Refresh")).to_have_css(
        "color", "rgba(0, 0, 0, 0)"
    )  # no word under the ring
    run_worker()
    expect_rows(page, "alpha-1", "alpha-2", "beta-1", "gamma")
    assert page.evaluate("window.here")


def test_single_keys_search_open_the_form_and_list_themselves(clusters: None, window: Window) -> None:
    page = window("ada")
    page.goto("/clusters/")
    page.keyboard.press("/")
    search = page.get_by_role("searchbox")
    expect(search).to_be_focused()
    page.keyboard.type("n?/")  # in a field they are letters like any other
    expect(search).to_have_value("n?/")
    page.goto("/")
    opener = page.locator("#nav").get_by_role("link", name="Creations")
    opener.focus()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard")
    expect(keys).to_be_visible()
    for _ in range(8):  # the focus cannot leave it
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('#keys')"
        )
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    expect(opener).to_be_focused()
    page.keyboard.press("n")
    page.wait_for_url("**/clusters/new/")


@pytest.mark.parametrize(
    ("person", "path", "says", "leads"),
    [
        ("ada", "/creations/", "New cluster", "/clusters/new/"),
        ("root", "/projects/", "Connect a project", "/projects/new/"),
        ("vera", "/clusters/", "", ""),
        ("olga", "/audit/", "", ""),
    ],
)
def test_n_does_what_the_list_of_keys_says_and_nothing_for_whom_it_has_nothing(
    person: str, path: str, says: str, leads: str, clusters: None, window: Window
) -> None:
    page = window(person, confirmed=True)
    page.goto(path)
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard")
    expect(keys).to_be_visible()
    if says:
        expect(keys.locator("#key-n dd")).to_have_text(says)
    expect(keys.locator("#key-n")).to_be_visible(visible=bool(says))
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    if leads:
        page.wait_for_url(f"**{leads}")
    page.wait_for_load_state("networkidle")
    assert urlsplit(page.url).path == (leads or path)
    assert events(action="access:denied") == []


def test_the_browser_goes_on_telling_times_in_the_words_of_the_server(people: People, window: Window) -> None:
    spans = [timedelta(**{unit: number}) for unit, number in SPANS]
    page = window("ada")
    page.clock.install()
    page.clock.pause_at(timezone.now() + timedelta(seconds=5))
    page.goto("/access/")
    page.evaluate(
        """spans => document.querySelector("main").append(...spans.map((span) => Object.assign(
          document.createElement("time"), {className: "rel", dateTime: new Date(Date.now() + 30_000 + span).toISOString()})))""",
        [span / timedelta(milliseconds=1) for span in spans],
    )
    page.evaluate("document.querySelectorAll('main > time').forEach((time) => (time.dataset.told = ''))")
    page.clock.run_for(30_000)  # until they are told again
    lines = page.locator("main > time").all_inner_texts()
    assert lines == [when(timezone.now() + span) for span in spans]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_each_step_of_another_day_names_its_day(people: People, window: Window, language: str) -> None:
    page = window("ada")
    page.clock.install()
    page.goto("/access/")
    page.context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": page.url}])
    page.reload()
    first = datetime(2026, 10, 29, 18, 53, 44, tzinfo=UTC)
    moments = [first, first + timedelta(seconds=5), first + timedelta(days=1)]
    page.evaluate(
        """moments => document.querySelector("main").append(...moments.map((moment) => Object.assign(
          document.createElement("time"), {className: "clock", dateTime: moment})))""",
        [moment.isoformat() for moment in moments],
    )
    page.clock.run_for(30_000)
    with translation.override(language):
        words = [day_time(moments[0]), "18:53:49", day_time(moments[2])]
    assert page.locator("main > time").all_inner_texts() == words


def test_the_name_is_typed_at_once_where_there_is_no_project_to_choose(
    clusters: None, window: Window
) -> None:
    page = window("ada")
    page.goto("/clusters/new/")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()


def test_control_k_jumps_by_keyboard_alone_to_what_a_few_letters_name(clusters: None, window: Window) -> None:
    page = window("ada")
    page.goto("/creations/")
    opener = page.locator("#nav").get_by_role("link", name="Home")
    opener.focus()
    page.keyboard.press("Control+k")
    jump = page.get_by_role("dialog", name="Jump to")
    expect(jump.get_by_role("link", name="New cluster")).to_be_visible()
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    page.keyboard.press("Control+k")
    page.keyboard.type("alpha")
    expect(jump.get_by_role("link")).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(jump.get_by_role("link", name="alpha-2")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(jump.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.type("-2")  # typing goes on in the field
    expect(jump.get_by_role("searchbox")).to_have_value("alpha-2")
    expect(jump.get_by_role("link")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="alpha-2")).to_be_visible()


def test_enter_waits_for_the_answer_to_what_was_typed(clusters: None, window: Window) -> None:
    page = window("ada")
    page.goto("/clusters/")
    page.get_by_role("link", name="Jump to").click()
    jump = page.get_by_role("dialog", name="Jump to")
    expect(jump.get_by_role("link", name="Home")).to_be_visible()
    page.keyboard.insert_text("beta")  # what is shown is still the answer to nothing
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="beta-1")).to_be_visible()


def test_single_keys_can_be_switched_off(clusters: None, window: Window) -> None:
    page = window("ada")
    page.goto("/clusters/")
    page.keyboard.press("?")
    page.get_by_label("Use single-key shortcuts in this browser").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).not_to_be_focused()
    page.reload()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()


def test_escape_and_a_click_elsewhere_close_a_menu(clusters: None, window: Window) -> None:
    page = window("ada")
    page.goto("/clusters/")
    summary = page.locator(".account summary")
    out = page.get_by_role("button", name="Sign out")
    summary.click()
    expect(out).to_be_visible()
    page.keyboard.press("Escape")
    expect(out).to_be_hidden()
    expect(summary).to_be_focused()
    summary.click()
    expect(out).to_be_visible()
    page.get_by_role("heading", level=1).click()
    expect(out).to_be_hidden()


def test_the_theme_is_switched_at_once_and_survives_a_reload(people: People, window: Window) -> None:
    page = window("ada", color_scheme="light")
    page.goto("/")
    light = ground(page)
    page.evaluate("window.here = true")
    page.locator(".account summary").click()
    with page.expect_response("**/theme/"):
        page.get_by_role("button", name="Dark").click()
        assert ground(page) != light
    dark = ground(page)
    assert page.evaluate("window.here")
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.reload()
    assert ground(page) == dark
    page.locator(".account summary").click()
    with page.expect_response("**/theme/"):
        page.get_by_role("button", name="As the system").click()
        assert ground(page) == light
    page.emulate_media(color_scheme="dark")
    assert ground(page) == dark
    page.reload()
    assert ground(page) == dark


def test_the_theme_of_the_system_is_followed_before_anybody_signs_in(people: People, window: Window) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        page = window(color_scheme=scheme)
        page.goto("/accounts/login/")
        grounds.add(ground(page))
    assert len(grounds) == 2


def test_a_list_left_open_after_signing_out_elsewhere_leads_to_the_sign_in_page_as_a_whole(
    clusters: None, window: Window
) -> None:
    page = window("ada")
    page.goto("/clusters/")
    other = page.context.new_page()
    other.goto("/")
    other.locator(".account summary").click()
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_role("searchbox").fill("alpha")
    expect(page).to_have_url(re.compile(r"/accounts/login/\?next="))
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.locator("#list, .side")).to_have_count(0)
    page.get_by_label("User").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Clusters", exact=True)).to_be_visible()  # back where it was


def test_a_wrong_password_is_told_and_the_right_one_signs_in(
    people: People, window: Window, watch: Watch
) -> None:
    watch.expect(422)
    page = window()
    page.goto("/clusters/")
    expect(page).to_have_url(re.compile(r"/accounts/login/\?next=/clusters/$"))
    page.get_by_label("User").fill("ada")
    page.get_by_label("Password").fill("not it")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".errors")).to_be_focused()
    expect(page.locator(".errors")).to_contain_text(re.compile("user name and password", re.IGNORECASE))
    expect(page.get_by_label("User")).to_have_value("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("heading", name="Clusters", exact=True)).to_be_visible()


def test_the_keyboard_alone_signs_in_creates_and_opens_menus(
    window: Window, projects: Projects, cloud: Cloud
) -> None:
    page = window()
    page.goto("/")
    reach(page, page.get_by_label("User"))
    page.keyboard.type("ada")
    reach(page, page.get_by_label("Password"))
    page.keyboard.type(PASSWORD)
    reach(page, page.get_by_role("button", name="Sign in"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Home")).to_be_visible()

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()

    reach(page, page.locator(".account summary"))
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("button", name="Sign out"))
    page.keyboard.press("Escape")
    expect(page.locator(".account summary")).to_be_focused()
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()

    reach(page, page.get_by_role("main").get_by_role("link", name="New cluster").first)
    page.keyboard.press("Enter")
    reach(page, page.get_by_label("Name", exact=True))
    page.keyboard.type("by-keyboard")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="ECS")).to_be_checked()
    reach(page, page.get_by_role("button", name="Create cluster"))
    page.keyboard.press("Enter")
    page.wait_for_url(CREATION)
    run_worker()
    expect_state(page, "created")
    assert [entry.type for entry in cloud.posts] == ["ECS"]

    page.goto("/clusters/")
    reach(page, page.locator(".filters .chip-menu summary").first)
    page.keyboard.press("Space")
    reach(page, page.locator(".chip-menu[open] .menu a").last)


def test_the_menu_of_a_phone_opens_and_closes(clusters: None, window: Window) -> None:
    page = window("ada", viewport={"width": 390, "height": 844}, has_touch=True)
    page.goto("/")
    link = page.locator("#side").get_by_role("link", name="Clusters")
    expect(link).to_be_hidden()
    page.locator(".topmenu summary").tap()
    expect(link).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()
    page.locator(".topmenu summary").tap()
    link.tap()
    expect(page.locator("a.name")).to_have_count(3)
