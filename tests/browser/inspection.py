"""Whether a page is usable by everybody: wide and narrow, light and dark, by whatever means one reads it."""

from __future__ import annotations

from itertools import product
from typing import Literal

from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from playwright.sync_api import Page, expect

WIDE, NARROW, NARROWEST = 1280, 390, 320
HEIGHT = 900
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

# A page that asks for itself again and again would be exchanged under the inspection.
HOLD_STILL = """
document.addEventListener("htmx:beforeRequest", (event) => event.preventDefault());
"""
UNDER_WAY = ".htmx-request, .htmx-swapping, .htmx-settling"
# Axe leaves the size of targets out by itself, since it is new with WCAG 2.2. An open menu covers parts of what was scanned
# before it opened, whichever they are: then only the menu is scanned.
RUN_AXE = """
axe.run(document.querySelector(".chip-menu[open]") ?? document, {resultTypes: ["violations"], rules: {"target-size": {enabled: true}}}).then(({violations}) => violations.flatMap(({id, nodes}) =>
  nodes.map((node) => `${id}: ${node.target.join(" ")}: ${(node.any[0] ?? node.all[0] ?? node.none[0])?.message}`)))
"""
TOO_WIDE = """
() => {
  const width = document.documentElement.clientWidth;
  if (document.scrollingElement.scrollWidth <= width) return [];
  const wide = [...document.querySelectorAll("body *")].filter((each) => each.getBoundingClientRect().right > width + 1);
  return ["scrolls sideways: " + wide.slice(0, 5).map((each) => each.tagName + "." + each.getAttribute("class")).join(", ")];
}
"""
# Rules of style sheets that the page does not load, and that something on it is waiting for.
UNSTYLED = """
(sheets) => {
  const found = [];
  const walk = (name, rules) => [...rules].forEach(({ selectorText, cssRules }) => {
    const still = selectorText?.replace(/::[-\\w]+/g, "").replace(/:(hover|focus-visible|disabled)/g, ":not(x)");
    if (still && document.querySelector(still)) found.push(`not loaded: ${name}: ${selectorText}`);
    else if (!still && cssRules) walk(name, cssRules);
  });
  for (const [name, text] of Object.entries(sheets)) {
    if (document.querySelector(`link[rel="stylesheet"][href*="/css/${name}."]`)) continue;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    walk(name, sheet.cssRules);
  }
  return found;
}
"""
SHEETS = {path.stem: path.read_text() for path in (settings.BASE_DIR / "static" / "css").glob("*.css")}


class Inspector:
    """Looks at pages and keeps what is wrong with each, so that one bad page does not hide the next."""

    def __init__(self) -> None:
        self.pages = 0
        self.found: list[str] = []

    def look(self, page: Page, title: str, *, every: bool = True) -> None:
        """Scan the page as it is now in both themes and widths, and see that it never scrolls sideways.

        Not `every`: wide in light and narrow in dark, for pages made of parts that others show in every variant.
        """
        self.pages += 1
        page.evaluate(HOLD_STILL)
        expect(page.locator(UNDER_WAY)).to_have_count(0)
        self._note(page.evaluate(UNSTYLED, SHEETS), title)
        page.evaluate(AXE_SCRIPT)
        variants = product((WIDE, NARROW), SCHEMES) if every else zip((WIDE, NARROW), SCHEMES, strict=True)
        for width, scheme in variants:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.emulate_media(color_scheme=scheme)
            self._note(page.evaluate(RUN_AXE), f"{title} ({scheme}, {width} px)")
        for width in (NARROW, NARROWEST, WIDE):
            page.set_viewport_size({"width": width, "height": HEIGHT})
            self._note(page.evaluate(TOO_WIDE), f"{title} ({width} px)")

    def judge(self) -> None:
        """Fails with everything that was found."""
        assert not self.found, "\n".join(["", *self.found])

    def _note(self, troubles: list[str], where: str) -> None:
        self.found += [f"{where}: {trouble}" for trouble in troubles]
