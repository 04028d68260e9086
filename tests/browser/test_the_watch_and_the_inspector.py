"""What these tests lean on sees what it should: the watch behind the pages, and the inspector."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import Watch, Window
from tests.browser.inspection import Inspector
from tests.conftest import People

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        ("console.error('oh no')", "console error: oh no"),
        ("console.warn('well')", "console warning: well"),
        ("setTimeout(() => { throw new Error('thrown') })", "thrown"),
        ("document.body.setAttribute('style', 'color: red')", "Content-Security-Policy: style-src"),
        ("fetch('/nothing/').then(() => 0)", "404: GET"),
        ("fetch('https://elsewhere.invalid/').catch(() => 0)", "Content-Security-Policy: connect-src"),
    ],
    ids=["error", "warning", "script", "policy", "missing", "elsewhere"],
)
def test_the_watch_sees_trouble_behind_a_page(
    trouble: str, text: str, chromium: Browser, live_server: LiveServer
) -> None:
    watch, context = Watch(), chromium.new_context(base_url=live_server.url)
    watch.over(context)
    page = context.new_page()
    page.goto("/accounts/login/")
    assert watch.troubles == []
    page.evaluate(trouble)
    page.evaluate(
        "new Promise((done) => setTimeout(() => requestAnimationFrame(done)))"
    )  # and what it set off
    context.close()
    assert any(text in seen for seen in watch.troubles), watch.troubles


def test_the_inspector_sees_an_unnamed_button_pale_text_and_what_is_too_wide(
    window: Window, people: People
) -> None:
    page = window()
    page.goto("/accounts/login/")
    page.evaluate("""() => {
      const button = document.querySelector("form .btn");
      button.textContent = "";
      const label = document.querySelector("label[for=id_username]");
      label.style.color = "rgb(120 130 140 / .3)";
      label.style.width = "700px";
    }""")
    inspector = Inspector()
    inspector.look(page, "spoilt")
    text = "\n".join(inspector.found)
    assert "spoilt (dark, 390 px): button-name:" in text
    assert "spoilt (light, 1280 px): color-contrast:" in text
    assert "spoilt (390 px): scrolls sideways: " in text
    assert "spoilt (1280 px): scrolls" not in text
