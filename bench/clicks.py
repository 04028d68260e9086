"""What a person does who creates a cluster: sends the form, is led to the creation's page, and waits there."""

from __future__ import annotations

import re
import time
import uuid

from bench.browser import Browser
from hyperclusters.clusters.models import State

ASKED_AGAIN = re.compile(r'data-state="(\w+)"(?: hx-get="[^"]+" hx-trigger="load delay:(\d+)ms")?')
GIVE_UP = 60.0  # seconds


def send_form(browser: Browser, project: str, name: str) -> str:
    """Ask for a creation; where its page is."""
    asked = browser.post("/clusters/new/", project=project, name=name, type="HPS", token=str(uuid.uuid4()))
    return asked.location


def wait_for_verdict(browser: Browser, location: str) -> None:
    """Look at the page, and again each time that it says it would ask again. Raises RuntimeError if it is no success."""
    until = time.monotonic() + GIVE_UP
    page, state = browser.get(location).text, "no verdict in time"
    while time.monotonic() < until:
        found = ASKED_AGAIN.search(page)
        if found is None or found[2] is None:
            state = found[1] if found else "no state"
            break
        time.sleep(int(found[2]) / 1000)
        page = browser.get(location, **{"HX-Request": "true"}).text
    if state != State.CREATED:
        raise RuntimeError(f"{location} came to {state}")
