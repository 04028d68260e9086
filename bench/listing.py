"""The clusters page with 10,000 clusters, beside the floor and beside itself with few."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench.browser import Browser
from bench.figures import Figure, shown
from bench.people import crew, sign_in, stock
from bench.site import Site

MANY, FEW = 10_000, 100
WARM, ROUNDS = 20, 150
AT_MOST = 30.0  # seconds
LIST, FLOOR = "/clusters/", "/floor/"


def measure(site: Site) -> Iterator[Figure]:
    """The page over the floor, in turn through gunicorn; then how many queries it takes."""
    crowd, handful = crew(site, "crowd", projects=4), crew(site, "handful", projects=4)
    stock(crowd, MANY)
    stock(handful, FEW)
    many, few = sign_in(crowd.creator), sign_in(handful.creator)
    page, floor = _in_turn(site, many)
    yield Figure(
        f"clusters page with {MANY:,} clusters over the floor, median",
        shown(page),
        shown(floor),
        median(page) / median(floor),
        3.0,
    )
    with_many, with_few = _queries(many), _queries(few)
    yield Figure(
        f"its queries at {MANY:,} over those at {FEW}",
        str(with_many),
        str(with_few),
        with_many / with_few,
        1.0,
    )


def _in_turn(site: Site, session: str) -> tuple[list[float], list[float]]:
    times: dict[str, list[float]] = {LIST: [], FLOOR: []}
    with Browser(site.web, session) as browser:
        until = time.monotonic() + AT_MOST
        for number in range(WARM + ROUNDS):
            if number > 2 * WARM and time.monotonic() > until:
                break
            for path, seconds in times.items():
                started = time.perf_counter()
                browser.get(path)
                seconds.append(time.perf_counter() - started)
    return times[LIST][WARM:], times[FLOOR][WARM:]


def _queries(session: str) -> int:
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.cookies["session"] = session
    with CaptureQueriesContext(connection) as captured:
        answer = browser.get(LIST)
    if answer.status_code != 200:
        raise RuntimeError(f"{LIST} was answered with {answer.status_code}")
    return len(captured)
