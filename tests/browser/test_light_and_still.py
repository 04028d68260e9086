"""Pages are small, come from the cache the second time, and nothing on them moves while they come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from hyperclusters.web.templatetags import hyperclusters_tags
from tests.browser.conftest import Window
from tests.conftest import Cloud, People, Projects, run_worker, submit_creation

pytestmark = pytest.mark.browser
KB = 1000
ROWS = 60  # more than a page shows
MAIN = ("/", "/clusters/", "/clusters/new/", "/creations/", "/audit/", "/teams/vision/", "/access/")
# A hundredth of what counts as still; a table of which half a row is there already moves by less, when the rest comes.
NOTE_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => list.getEntries().filter(({value}) => value >= 0.001).forEach(({value, sources}) =>
  window.shifts.push(`${value}: ${sources.map(({node}) => node?.outerHTML?.slice(0, 80)).join(" | ")}`)
)).observe({type: "layout-shift", buffered: true});
"""
IDLE = "new Promise((done) => requestIdleCallback(done))"
TWO_FRAMES = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


@pytest.fixture
def full(people: People, projects: Projects, cloud: Cloud) -> None:
    """More clusters than a page shows, and some creations."""
    for number in range(ROWS):
        cloud.simulator.add_cluster(projects.vision.project_id, f"train-{number}", ("HPS", "ECS")[number % 2])
    for name in ("baseline-1", "baseline-2"):
        submit_creation(people.ada, projects.vision, name, reason="Baseline run")
    run_worker()


@pytest.fixture
def collected(live_server: LiveServer, settings: Settings, tmp_path: Path) -> Iterator[str]:
    """The address of a server that serves its static files as an installation does: collected, compressed, named by
    what is in them."""
    settings.STATIC_ROOT = tmp_path / "static"
    staticfiles = {"BACKEND": "hyperclusters.web.shared.static_files.MinifiedStaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": staticfiles}
    call_command("collectstatic", interactive=False, verbosity=0)
    hyperclusters_tags._render.cache_clear()
    server = LiveServer("localhost", start=False)
    # Django's own handler would keep WhiteNoise from them.
    server.thread.static_handler = lambda application: application  # type: ignore[assignment]  # it is only called
    server.start()
    yield server.url
    server.stop()
    hyperclusters_tags._render.cache_clear()


class Transfer:
    """What comes over the wire, headers included, as Chromium counts it."""

    def __init__(self, page: Page) -> None:
        self.responses: dict[str, dict[str, Any]] = {}
        self.sizes: dict[str, int] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.responseReceived", self._received)
        session.on("Network.loadingFinished", self._finished)

    def _received(self, event: dict[str, Any]) -> None:
        self.responses[event["requestId"]] = event["response"]

    def _finished(self, event: dict[str, Any]) -> None:
        self.sizes[event["requestId"]] = event["encodedDataLength"]

    def contents(self) -> int:
        """Their bytes without headers, which any proxy may add to."""
        headers = {request: answer["encodedDataLength"] for request, answer in self.responses.items()}
        return sum(size - headers[request] for request, size in self.sizes.items())

    def of(self, page: Page, path: str) -> dict[str, int]:
        """The size of each file that going there takes, by its address."""
        self.sizes.clear()
        page.goto(path)
        expect(page.locator("[hx-trigger^=load]")).to_have_count(0)
        page.evaluate(IDLE)  # the icon of the page comes last
        return {self.responses[request]["url"]: size for request, size in self.sizes.items()}


@pytest.mark.parametrize("path", MAIN)
def test_a_first_page_is_light_and_takes_few_requests(
    full: None, collected: str, window: Window, path: str
) -> None:
    page = window("tom", base_url=collected)
    transfer = Transfer(page)
    first = {url: size for url, size in transfer.of(page, path).items() if not url.startswith("data:")}
    assert transfer.contents() <= 40 * KB, first
    assert sum(first.values()) <= 46 * KB, first  # with headers
    assert len(first) <= 6, first


def test_other_pages_are_lighter_and_files_are_kept_for_ever(
    full: None, collected: str, window: Window
) -> None:
    page = window("tom", base_url=collected)
    transfer = Transfer(page)
    transfer.of(page, "/clusters/")
    expect(page.locator("a.name")).to_have_count(50)
    static = [answer for answer in transfer.responses.values() if "/static/" in answer["url"]]
    assert len(static) == 4, "two of styles, two scripts"
    for answer in static:
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        assert headers["cache-control"] == "max-age=315360000, public, immutable", answer["url"]
        assert (headers["content-encoding"], headers["vary"]) == ("br", "Accept-Encoding"), answer["url"]
    for path in ("/clusters/", *MAIN):
        assert sum((sizes := transfer.of(page, path)).values()) <= 15 * KB, sizes


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_moves_while_a_page_comes(full: None, window: Window, width: int) -> None:
    page = window("tom", viewport={"width": width, "height": 900})
    page.add_init_script(NOTE_SHIFTS)
    for path in MAIN:
        # A machine with other work paints half a table now and then: what moves by itself moves at every visit.
        assert any(not _shifts(page, path) for _ in range(3)), path


def _shifts(page: Page, path: str) -> list[str]:
    page.goto(path)
    expect(page.locator("[hx-trigger^=load]")).to_have_count(0)  # what comes a little later is there
    page.evaluate(TWO_FRAMES)
    shifts: list[str] = page.evaluate("window.shifts")
    return shifts
