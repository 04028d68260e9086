"""One person who reloads a page at a steady pace, in a process of its own, so that nothing else here slows the clock."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from bench.browser import Browser

PAUSE = 0.02  # seconds between an answer and the next request


def reload(address: str, session: str, path: str, seconds: float) -> list[float]:
    """How long each answer took, for so many seconds. A connection a request, so that every web worker has its turn."""
    times = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with Browser(address, session) as browser:
            started = time.perf_counter()
            browser.get(path)
            times.append(time.perf_counter() - started)
        time.sleep(PAUSE)
    return times


@contextmanager
def prober() -> Iterator[ProcessPoolExecutor]:
    """Where to submit `reload`."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool
