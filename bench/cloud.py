"""From the click to the verdict on the page, with a cloud that answers a create in one second."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.browser import Browser
from bench.figures import Figure, p95, shown
from bench.people import crew, sign_in
from bench.site import Site
from hyperclusters.clusters.models import Creation, Project, State

ANSWER = 1.0  # seconds
ROUNDS, IN_A_ROW, AT_ONCE = 6, 4, 10
STATE = re.compile(r'data-state="(\w+)"(?: hx-get="[^"]+" hx-trigger="load delay:(\d+)ms")?')
GIVE_UP = 30.0  # seconds


def measure(site: Site) -> Iterator[Figure]:
    """One after the other, and ten at once, by turns; each seen on the page and in the record."""
    ours = crew(site, "clickers", projects=2)
    session = sign_in(ours.creator)
    site.answer_creates_after(ANSWER)
    try:
        with ThreadPoolExecutor(AT_ONCE) as people:
            list(people.map(lambda _: _click(site, session, ours.projects[0]), range(AT_ONCE)))  # warm
            alone: list[tuple[str, float]] = []
            crowd: list[tuple[str, float]] = []
            for _ in range(ROUNDS):
                alone += [_click(site, session, ours.projects[0]) for _ in range(IN_A_ROW)]
                crowd += people.map(lambda _: _click(site, session, ours.projects[1]), range(AT_ONCE))
    finally:
        site.answer_creates_after(0)
    for what, clicks in ("one at a time", alone), (f"{AT_ONCE} at once", crowd):
        yield _figure(f"click to verdict on the page, {what}, p95", [seconds for _, seconds in clicks])
        yield _figure(f"asked to settled in the record, {what}, p95", _recorded([name for name, _ in clicks]))


def _click(site: Site, session: str, project: Project) -> tuple[str, float]:
    """Send the form, follow it to the creation's page, and look as often as that page says until there is a verdict."""
    name = f"click-{uuid.uuid4().hex[:12]}"
    with Browser(site.web, session) as browser:
        started = time.monotonic()
        asked = browser.post("/clusters/new/", project=project.name, name=name, type="HPS", token=str(uuid.uuid4()))
        page = browser.get(asked.location).text
        while time.monotonic() - started < GIVE_UP:
            found = STATE.search(page)
            state, pause = (found[1], found[2]) if found else ("", None)
            if state == State.CREATED:
                return name, time.monotonic() - started
            if not pause:
                break
            time.sleep(int(pause) / 1000)
            page = browser.get(asked.location, **{"HX-Request": "true"}).text
    raise RuntimeError(f"the creation {name} came to {state!r}")


def _recorded(names: list[str]) -> list[float]:
    """Seconds from the commit of the wish to that of the verdict."""
    rows = Creation.objects.filter(name__in=names, settled_at__isnull=False)
    return [
        (settled_at - requested_at).total_seconds()
        for requested_at, settled_at in rows.values_list("requested_at", "settled_at")
        if settled_at
    ]


def _figure(what: str, seconds: list[float]) -> Figure:
    return Figure(what, shown(seconds), f"the cloud's own {ANSWER:.0f} s", p95(seconds) / ANSWER, 1.3)
