"""How long creations wait for the worker: fifty in flight, a burst in one project, a quiet project beside a busy one."""

from __future__ import annotations

import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator

from bench.figures import Figure, p95, shown
from bench.people import Crew, crew
from bench.site import Site
from hyperclusters.clusters.creations import CreateRequest, request_creation
from hyperclusters.clusters.models import Creation, Project

ANSWER = 2.0  # seconds that the cloud takes for a create
IN_FLIGHT, ROUNDS, BURST, QUIET = 50, 3, 120, 10
PATIENCE = 120.0  # seconds


def measure(site: Site) -> Iterator[Figure]:
    """Asked to settled, as the rows record it; the requests come from this process, so no page is in the way."""
    many, burst, quiet = (
        crew(site, name, projects=n) for name, n in (("many", 6), ("burst", 1), ("quiet", 1))
    )
    Project.objects.update(trusted=True)
    site.answer_creates_after(ANSWER)
    yield from _in_flight(many)
    yield from _burst(site, burst, quiet)
    site.answer_creates_after(0)


def _in_flight(many: Crew) -> Iterator[Figure]:
    asked = [_ask(many, number) for number in range(IN_FLIGHT)]
    until = time.monotonic() + ROUNDS * ANSWER * 2
    while time.monotonic() < until:  # as soon as one is settled, the next is asked for
        for _ in range(IN_FLIGHT - _open(asked)):
            asked.append(_ask(many, len(asked)))
        time.sleep(0.05)
    _wait(lambda: not _open(asked))
    waits = _waits(asked[IN_FLIGHT:])
    median = sorted(waits)[len(waits) // 2]
    yield Figure(
        f"asked to settled, {IN_FLIGHT} in flight, p50",
        shown(waits),
        f"the cloud's {ANSWER:.0f} s",
        median / ANSWER,
        1.2,
    )


def _burst(site: Site, burst: Crew, quiet: Crew) -> Iterator[Figure]:
    asked = [_ask(burst, number) for number in range(BURST)]
    beside = []
    for number in range(QUIET):
        beside.append(_ask(quiet, number))
        time.sleep(0.5)
    _wait(lambda: not _open(asked) and not _open(beside))
    calls = _calls(site, burst)
    yield Figure(
        f"calls to the cloud in a burst of {BURST} in one project",
        str(calls),
        f"{BURST} creates",
        calls / BURST,
        2.1,
    )
    waits = _waits(beside)
    yield Figure(
        "asked to settled in a quiet project beside it, p95",
        shown(waits),
        f"the cloud's {ANSWER:.0f} s",
        p95(waits) / ANSWER,
        1.2,
    )


def _ask(team: Crew, number: int) -> Creation:
    project = team.projects[number % len(team.projects)]
    wish = CreateRequest(name=f"wait-{uuid.uuid4().hex[:12]}", type="HPS")
    return request_creation(person=team.creator, project=project, wish=wish, token=uuid.uuid4())


def _calls(site: Site, team: Crew) -> int:
    """Lists and creates that the cloud got for the team's project, as its journal has them; refreshes are among them."""
    with urllib.request.urlopen(f"{site.endpoint}/_simulator/journal", timeout=10) as answer:  # noqa: S310 -- loopback
        entries = json.load(answer)["entries"]
    mine = team.projects[0].project_id
    return sum(each["project_id"] == mine and each["call"] in {"list", "create"} for each in entries)


def _open(asked: list[Creation]) -> int:
    return Creation.objects.unresolved().filter(pk__in=[each.pk for each in asked]).count()


def _waits(asked: list[Creation]) -> list[float]:
    rows = Creation.objects.filter(pk__in=[each.pk for each in asked], settled_at__isnull=False)
    return [
        (end - start).total_seconds() for start, end in rows.values_list("requested_at", "settled_at") if end
    ]


def _wait(is_over: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not is_over():
        if time.monotonic() > until:
            raise RuntimeError("the creations did not settle")
        time.sleep(0.1)
