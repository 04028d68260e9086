"""Twenty people who read the audit at once, beside twenty who read a plain list of the same events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from bench.browser import Browser
from bench.figures import Figure
from bench.processes import yield_to_the_site

PEOPLE, SECONDS, TURNS = 20, 4.0, 4
Reader = tuple[str, str, str]  # the site's address, a session, what is read


def measure(ours: Reader, theirs: Reader) -> Iterator[Figure]:
    """Answers a second, turn by turn."""
    with ThreadPoolExecutor(PEOPLE, initializer=yield_to_the_site) as people:
        _rate(people, ours, 1), _rate(people, theirs, 1)
        turns = [(_rate(people, ours, SECONDS), _rate(people, theirs, SECONDS)) for _ in range(TURNS)]
    mine, others = (median(rates) for rates in zip(*turns, strict=True))
    yield Figure(
        f"audit, {PEOPLE} people at once, answers of a plain list over ours",
        f"{mine:.0f} /s",
        f"{others:.0f} /s",
        median(other / our for our, other in turns),
        1.0,
    )


def _rate(people: ThreadPoolExecutor, reader: Reader, seconds: float) -> float:
    until = time.monotonic() + seconds
    return sum(people.map(lambda _: _read(reader, until), range(PEOPLE))) / seconds


def _read(reader: Reader, until: float) -> int:
    address, session, path = reader
    answers = 0
    with Browser(address, session) as browser:
        while time.monotonic() < until:
            browser.get(path)
            answers += 1
    return answers
