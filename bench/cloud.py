"""From the click to the verdict on the page, with a cloud that answers a create in one second."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.browser import Browser
from bench.clicks import send_form, wait_for_verdict
from bench.figures import Figure, p95, shown
from bench.people import crew, sign_in
from bench.site import Site
from hyperclusters.clusters.models import Creation

ANSWER = 1.0  # seconds
ROUNDS, IN_A_ROW, AT_ONCE = 5, 4, 10


@dataclass(frozen=True, slots=True)
class Click:
    """One creation, and the seconds until its page said that it is there."""

    name: str
    seconds: float


def measure(site: Site) -> Iterator[Figure]:
    """One after the other, and ten at once, by turns; each as seen on the page and as recorded.

    What ten at once come to is told, not judged: here all of them, the site, its database and the cloud share the CPUs.
    """
    ours = crew(site, "clickers", projects=2)
    one, other = (project.name for project in ours.projects)
    session = sign_in(ours.creator)
    alone: list[Click] = []
    crowd: list[Click] = []
    site.answer_creates_after(ANSWER)
    with ThreadPoolExecutor(AT_ONCE) as people:

        def all_at_once() -> list[Click]:
            return list(people.map(lambda _: _click(site, session, other), range(AT_ONCE)))

        all_at_once()  # warm: every thread and worker connected
        for _ in range(ROUNDS):
            alone += [_click(site, session, one) for _ in range(IN_A_ROW)]
            crowd += all_at_once()
    site.answer_creates_after(0)
    for what, clicks, reach in ("one at a time", alone, 1.15), (f"{AT_ONCE} at once", crowd, None):
        yield _figure(
            f"click to verdict on the page, {what}, p95", [click.seconds for click in clicks], reach
        )
        yield _figure(f"asked to settled in the record, {what}, p95", _recorded(clicks), reach)


def _click(site: Site, session: str, project: str) -> Click:
    name = f"click-{uuid.uuid4().hex[:12]}"
    with Browser(site.web, session) as browser:
        started = time.monotonic()
        wait_for_verdict(browser, send_form(browser, project, name))
        return Click(name, time.monotonic() - started)


def _recorded(clicks: list[Click]) -> list[float]:
    """Seconds between the two moments that the rows hold."""
    rows = Creation.objects.filter(name__in=[click.name for click in clicks])
    return [
        (settled_at - requested_at).total_seconds()
        for requested_at, settled_at in rows.values_list("requested_at", "settled_at")
        if settled_at
    ]


def _figure(what: str, seconds: list[float], reach: float | None) -> Figure:
    return Figure(what, shown(seconds), f"the cloud's own {ANSWER:.0f} s", p95(seconds) / ANSWER, reach)
