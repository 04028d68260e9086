"""A real Chromium before a real server, with the simulated cloud and a real worker behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    WebError,
    expect,
    sync_playwright,
)
from pytest_django.live_server_helper import LiveServer

from hyperclusters.clusters.worker import Worker
from tests.browser.chromium import ARGUMENTS, CHROMIUM
from tests.conftest import People, Projects, confirm
from tests.web.pages import SignIn
from tests.workers import worker_thread

Window = Callable[..., Page]
Start = Callable[[], None]
PATIENCE = 10_000  # milliseconds that an expectation may take on a busy machine; a met one waits for nothing
# Chromium tells of each status, which `Watch` judges by itself; htmx tells of each request that was replaced by a newer
# one or left behind, and of one that failed says htmx:sendError, htmx:responseError or htmx:timeout besides.
TOLD_ELSEWHERE = re.compile(r".*server responded with a status of|htmx:(afterRequest|sendAbort),")
TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`Content-Security-Policy: ${event.violatedDirective} broken by ${event.blockedURI} ${event.sample}`));
"""


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One Chromium for the tests of this folder that follow one another.

    Playwright's synchronous API keeps an event loop running in this thread between its calls, and Django refuses
    queries where a loop runs, lest two coroutines meet in one transaction. Here nothing but Playwright's own coroutines
    is ever in that loop, and they know no database, so the check is switched off. Only while the loop is there, though:
    pytest-playwright's own fixtures would keep it, and the switch, until the end of the run, under every other test of
    this process. Hence fixtures of our own, which end with the folder.
    """
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Watch:
    """What goes wrong behind the pages: in the console, in scripts, against the policy, in what pages load."""

    def __init__(self) -> None:
        self.troubles: list[str] = []
        self.expected: set[int] = set()

    def expect(self, *statuses: int) -> None:
        """Whole pages may come with these statuses in this test. What a page loads or asks for never may."""
        self.expected |= set(statuses)

    def over(self, context: BrowserContext) -> None:
        """Listen to every page of this context."""
        context.add_init_script(TELL_VIOLATIONS)
        context.on("console", self._said)
        context.on("weberror", self._thrown)
        context.on("response", self._answered)
        context.on("requestfailed", self._failed)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not TOLD_ELSEWHERE.match(message.text):
            self.troubles.append(f"console {message.type}: {message.text} ({message.location['url']})")

    def _thrown(self, error: WebError) -> None:
        self.troubles.append(f"script: {error.error}")

    def _answered(self, response: Response) -> None:
        is_page = response.request.is_navigation_request()
        if response.status >= 400 and not (is_page and response.status in self.expected):
            self.troubles.append(f"{response.status}: {response.request.method} {response.url}")

    def _failed(self, request: Request) -> None:
        if (
            request.failure != "net::ERR_ABORTED"
        ):  # left behind by going elsewhere, or replaced by a newer one
            self.troubles.append(f"{request.failure}: {request.method} {request.url}")


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fails the test that left something wrong behind its pages."""
    watch = Watch()
    yield watch
    assert watch.troubles == []


@pytest.fixture
def window(chromium: Browser, live_server: LiveServer, as_: SignIn, watch: Watch) -> Iterator[Window]:
    """A new browser's first page: `window()`, or signed in, `window("ada")`, as if a while ago unless `confirmed`;
    options as for Playwright's new_context."""
    contexts: list[BrowserContext] = []

    def opened(person: str = "", *, confirmed: bool = False, **options: Any) -> Page:
        options = {"base_url": live_server.url, "reduced_motion": "reduce", "locale": "en-GB"} | options
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        watch.over(context)
        if person:
            name = settings.SESSION_COOKIE_NAME
            browser = confirm(as_(person)) if confirmed else as_(person)
            session = browser.cookies[name].value
            context.add_cookies([{"name": name, "value": session, "url": live_server.url}])
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def start_worker(people: People, projects: Projects) -> Iterator[Start]:
    """Starts a real worker in a thread of this process, when the test has seen what is there before."""
    with worker_thread(Worker(concurrency=4)) as thread:
        yield thread.start


@pytest.fixture
def worker(start_worker: Start) -> None:
    """A real worker, from the beginning."""
    start_worker()
