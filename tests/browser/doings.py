"""What people do in a browser, in words that several tests use."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

CREATION = re.compile(r"/creations/[0-9a-f-]{36}/$")
SUBNET = "3f1f6e1c-1d2c-4a5b-8c9d-0123456789ab"


def create(page: Page) -> None:
    """Click on Create."""
    page.get_by_role("button", name="Create cluster").click()


def expect_state(page: Page, state: str) -> None:
    """The creation page shows this state, sooner or later."""
    expect(page.locator("#creation")).to_have_attribute("data-state", state)


def row(page: Page, name: str) -> Locator:
    """The row of a table whose link has this name."""
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def expect_rows(page: Page, *names: str) -> None:
    """A list shows just these, in this order."""
    expect(page.locator("table.rows a.name")).to_have_text(list(names))


def reach(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus, and see that one can see it."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if target.evaluate("each => each === document.activeElement"):
            break
    expect(target).to_be_focused()
    seen = target.evaluate(
        "each => { const {outlineStyle, boxShadow} = getComputedStyle(each);"
        " return outlineStyle !== 'none' || boxShadow !== 'none' }"
    )
    assert seen, f"the focus on {target} cannot be seen"
