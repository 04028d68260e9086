"""The audit's pages at a million events, and again at ten million, in CPU: the median of a
group of pages may not cost more. Not part of a run of all.

BENCH_EVENTS sets how many events there are first (1,000,000), BENCH_GROW how many times as many then (10).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from statistics import median

from bench.audit import EVENTS, OURS, add_people, combinations
from bench.browser import Browser
from bench.figures import Figure
from bench.pages import Side
from bench.people import sign_in
from bench.rows import multiply, seed
from bench.site import Site
from hyperclusters.audit import clock
from hyperclusters.audit.models import ScheduledTask

TIMES = int(os.environ.get("BENCH_GROW", "10"))
TURNS, REACH = 5, 1.2
WITHOUT_VERIFICATION = timedelta(hours=3)  # a lease of the bench's: copies have no seals of their own


def measure(site: Site) -> Iterator[Figure]:
    """The first page, its second request, deep pages and every combination of filters."""
    now = clock.now()
    lease = {"run_after": now, "lease_holder": "bench", "lease_expires_at": now + WITHOUT_VERIFICATION}
    for name in ("verify new", "verify whole"):
        ScheduledTask.objects.update_or_create(name=name, defaults=lease)
    olga = add_people()
    seed(EVENTS)
    groups = {
        "first page": [OURS],
        "its second request": [f"{OURS}summary/"],
        "deep pages": [f"{OURS}?before={EVENTS * part // 10}" for part in range(1, 10)],
        "combinations of filters": combinations(),
    }
    paths = [path for group in groups.values() for path in group]
    with Browser(site.web, sign_in(olga)) as browser:
        before = _costs(site, browser, paths)
        multiply(TIMES)
        after = _costs(site, browser, paths)
    for what, group in groups.items():
        ratios = {path: after[path] / before[path] for path in group}
        yield Figure(
            f"{what}: {TIMES * EVENTS:,} events over {EVENTS:,}",
            _cpu([after[path] for path in group]),
            _cpu([before[path] for path in group]),
            median(ratios.values()),
            REACH,
        )
        if len(group) > 1:
            worst = max(ratios, key=lambda path: ratios[path])
            yield Figure(
                f"  the worst: {worst[len(OURS) :]}"[:61],
                _cpu([after[worst]]),
                _cpu([before[worst]]),
                ratios[worst],
                None,
            )


def _costs(site: Site, browser: Browser, paths: list[str]) -> dict[str, float]:
    """Milliseconds of CPU of each page, web and database: the median of some turns after one that is not counted."""
    sides = {path: Side(browser, site, (path,)) for path in paths}
    turns = [{path: side.cost()[0] for path, side in sides.items()} for _ in range(TURNS + 1)][1:]
    return {path: median(turn[path] for turn in turns) for path in paths}


def _cpu(values: list[float]) -> str:
    return f"{median(values):.1f} ms CPU"
