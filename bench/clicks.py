"""What a person does who creates a cluster: sends the form, is led to the creation's page, and waits there."""

from __future__ import annotations

import re
import time
import uuid
from html import unescape

from bench.browser import Browser
from hyperclusters.clusters.models import State

STATE = re.compile(r'id="creation" data-state="(\w+)"')
ASKS_AGAIN = re.compile(r'hx-get="([^"]+)" hx-trigger="every (\d+)ms"')
GIVE_UP = 60.0  # seconds


def send_form(browser: Browser, project: str, name: str) -> str:
    """Ask for a creation; where its page is."""
    asked = browser.post("/clusters/new/", project=project, name=name, type="HPS", token=str(uuid.uuid4()))
    return asked.location


def wait_for_verdict(browser: Browser, location: str) -> None:
    """Look at the page, and then ask what it asks, as often as it does, until there is a verdict.

    Raises RuntimeError if that is not success.
    """
    page, asked_at = browser.get(location).text, time.monotonic()
    until = asked_at + GIVE_UP
    while (asks := ASKS_AGAIN.search(page)) and asked_at < until:
        asked_at = max(asked_at + int(asks[2]) / 1000, time.monotonic())
        time.sleep(max(asked_at - time.monotonic(), 0))
        page = browser.get(unescape(asks[1]), **{"HX-Request": "true"}).text or page
    match = STATE.search(page)
    if match is None or match[1] != State.CREATED:
        raise RuntimeError(f"{location} came to {match[1] if match else 'no state'}")
