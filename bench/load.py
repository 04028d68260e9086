"""People who keep creating: whenever fewer than so many creations are without a verdict, another form is sent."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle
from types import TracebackType
from typing import Self

from django.db import connection

from bench.browser import Browser
from bench.clicks import send_form, wait_for_verdict
from bench.people import Crew
from bench.processes import yield_to_the_site
from bench.site import Site
from hyperclusters.clusters.models import Creation

SPREAD, EVERY = (
    16,
    0.125,
)  # the first forms come so many seconds apart: calls that end in lockstep are nobody's life
LOOK = 0.05  # seconds between two counts
PATIENCE = 90.0  # seconds


class Load:
    """Keeps `level` creations in flight for the length of a block, which ends once every one has its verdict.

    `watched`: whoever sent a form has the creation's page open until then, and it asks as often as it does.
    """

    def __init__(self, site: Site, crew: Crew, session: str, *, level: int, watched: bool = False) -> None:
        self._web, self._session, self._level, self._watched = site.web, session, level, watched
        self._crew = crew
        self._projects = cycle(project.name for project in crew.projects)
        self._over = threading.Event()
        self._full = threading.Event()
        self._pool = ThreadPoolExecutor(level, initializer=yield_to_the_site)
        self._thread = threading.Thread(target=self._keep)
        self._people: set[Future[None]] = set()
        self.submits: list[float] = []  # seconds, of those sent once the level was reached
        self.levels: list[int] = []  # how many were in flight, at each count since then

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._full.wait(PATIENCE):
            self._end()
            raise RuntimeError("the load did not come up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        until = time.monotonic() + PATIENCE
        while error is None and self._in_flight():
            if time.monotonic() > until:
                raise RuntimeError("the load did not drain")
            time.sleep(LOOK)

    def _end(self) -> None:
        self._over.set()
        self._thread.join()
        self._pool.shutdown()

    def _keep(self) -> None:
        yield_to_the_site()
        for _ in range(SPREAD):
            self._send()
            self._over.wait(EVERY)
        while not self._over.is_set():
            for person in [each for each in self._people if each.done()]:
                self._people.remove(person)
                person.result()
            count = self._in_flight()
            under_way = len(self._people) if self._watched else count + len(self._people)
            if self._full.is_set():
                self.levels.append(count)
            elif under_way >= self._level:
                self._full.set()
            for _ in range(self._level - under_way):
                self._send()
            self._over.wait(LOOK)
        connection.close()

    def _in_flight(self) -> int:
        return Creation.objects.unresolved().filter(project__team=self._crew.team).count()

    def _send(self) -> None:
        self._people.add(self._pool.submit(self._person, next(self._projects)))

    def _person(self, project: str) -> None:
        measured = self._full.is_set()
        with Browser(self._web, self._session) as browser:
            started = time.perf_counter()
            location = send_form(browser, project, f"load-{uuid.uuid4().hex[:12]}")
            if measured:
                self.submits.append(time.perf_counter() - started)
            if self._watched:
                wait_for_verdict(browser, location)
