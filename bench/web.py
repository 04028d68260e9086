"""The clusters page while 50 creations are in flight to a slow cloud, beside itself while nothing is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import fmean

from bench.browser import Browser
from bench.figures import Figure, p95, shown
from bench.load import Load
from bench.people import Crew, crew, sign_in, stock
from bench.probe import prober, reload
from bench.site import Site

ANSWER = 2.0  # seconds that the cloud takes for a create
IN_FLIGHT = 50
ROUNDS, SECONDS, SETTLE = 2, 7.0, 2.0
THREADS = 16  # of the web server, each with a database connection of its own
SUBMIT = 0.1  # seconds in which a form is to be answered
PAGE = "/clusters/"


@dataclass
class Busy:
    """What was seen while creations were in flight."""

    what: str
    watched: bool
    pages: list[float] = field(default_factory=list)
    submits: list[float] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)


def measure(site: Site) -> Iterator[Figure]:
    """Idle, busy, and busy with the creators' pages open, by turns; one worker as it comes, 16 calls at once.

    The last is told, not judged: here the fifty who watch share the CPUs with what they watch.
    """
    readers, makers = crew(site, "readers", projects=1), crew(site, "makers", projects=4)
    stock(readers, 200)
    reader, maker = sign_in(readers.creator), sign_in(makers.creator)
    idle: list[float] = []
    states = [Busy("in flight", watched=False), Busy("in flight and watched", watched=True)]
    site.answer_creates_after(ANSWER)
    with prober() as pool:
        _warm(site, reader)
        for _ in range(ROUNDS):
            idle += _probe(pool, site, reader)
            for busy in states:
                _measure_busy(busy, pool, site, reader, makers, maker)
    site.answer_creates_after(0)
    for busy in states:
        yield from _figures(busy, idle)


def _measure_busy(
    busy: Busy, pool: ProcessPoolExecutor, site: Site, reader: str, makers: Crew, maker: str
) -> None:
    with Load(site, makers, maker, level=IN_FLIGHT, watched=busy.watched) as load:
        busy.pages += _probe(pool, site, reader)
    busy.submits += load.submits
    busy.levels += load.levels


def _figures(busy: Busy, idle: list[float]) -> Iterator[Figure]:
    yield Figure(
        f"clusters page over idle, {fmean(busy.levels):.0f} {busy.what}, p95",
        shown(busy.pages),
        shown(idle),
        p95(busy.pages) / p95(idle),
        None if busy.watched else 1.3,
    )
    yield Figure(
        f"the submit itself meanwhile ({len(busy.submits)} forms), p95",
        shown(busy.submits),
        f"{SUBMIT * 1000:.0f} ms",
        p95(busy.submits) / SUBMIT,
        None if busy.watched else 1.0,
    )


def _probe(pool: ProcessPoolExecutor, site: Site, session: str) -> list[float]:
    time.sleep(SETTLE)
    return pool.submit(reload, site.web, session, PAGE, SECONDS).result(SECONDS + 60)


def _warm(site: Site, session: str) -> None:
    """Have every thread of the web server connected."""

    def visit(_: int) -> None:
        with Browser(site.web, session) as browser:
            browser.get(PAGE)

    with ThreadPoolExecutor(THREADS) as visitors:
        list(visitors.map(visit, range(4 * THREADS)))
