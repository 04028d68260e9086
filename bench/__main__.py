"""`python -m bench [PART …]`: measure these parts, or all, and print one table.

A ratio of an earlier run stands beside the new one.

PostgreSQL where DATABASE_URL names a server (it gets a database of its own there), else SQLite.
The exit status is 1 if a figure misses what is to be reached.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import django

from bench import calls
from bench.figures import Figure, titles
from bench.site import Site, site

RESULTS = Path("build/bench.json")  # of this run and earlier ones, by what was measured
# The ones that need a site are imported once there is one: their models want Django to be set up.
PARTS = {
    "calls": calls.__name__,
    "list": "bench.listing",
    "cloud": "bench.cloud",
    "creates": "bench.creates",
    "web": "bench.web",
    "ledger": "bench.ledger",
    "api": "bench.api",
    "pages": "bench.pages",
    "audit": "bench.audit",
    "load": "bench.first_load",
    "form": "bench.form",
    "import": "bench.first_import",
    "growth": "bench.growth",
}
ASKED_FOR = {"growth"}  # takes as long as all others together, and ten times their room


def main() -> int:
    """Print each figure as soon as it is known."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="The figures of performance.md.")
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="part",
        help=f"some of: {', '.join(PARTS)}; by default all but {', '.join(ASKED_FOR)}",
    )
    chosen = parser.parse_args().parts
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    started = time.monotonic()
    say(f"{machine()}\n\n{titles()}")
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results: dict[str, dict[str, object]] = {}
    for figure in figures([part for part in PARTS if part in (chosen or PARTS.keys() - ASKED_FOR)]):
        was = before.get(figure.what, {}).get("ratio")
        say(str(figure) + (f"  was {was:.2f}" if was else ""))
        results[figure.what] = asdict(figure) | {"is_reached": figure.is_reached}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(before | results, indent=2))
    say(f"\n{time.monotonic() - started:.0f} s; the figures are in {RESULTS}")
    return 0 if all(each["is_reached"] for each in results.values()) else 1


def figures(parts: list[str]) -> Iterator[Figure]:
    """What these parts measure, one after the other; the site is started for the first that needs it."""
    with ExitStack() as held:
        shared: list[Site] = []
        for part in parts:
            say(f"{part} (a busy loop gets {share():.0%} of a CPU at this moment)")
            if part == "calls":
                yield from calls.measure()
                continue
            if not shared:
                shared.append(held.enter_context(site()))
            yield from import_module(PARTS[part]).measure(*shared)


def share() -> float:
    """How much of one CPU the neighbours leave us: on a busy machine times grow, and only ratios can be believed."""
    wall, used = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < 0.5:
        pass
    return (time.process_time() - used) / (time.perf_counter() - wall)


def machine() -> str:
    """On what this is measured."""
    database = "PostgreSQL" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "SQLite"
    return (
        f"{database} · Python {platform.python_version()} · Django {django.get_version()} · "
        f"{os.cpu_count()} CPUs · times are median / p95"
    )


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
