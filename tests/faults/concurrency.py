"""Runs acts at the same moment, each in a thread with its own database connection."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Self

from django.db import connections

from hyperclusters.clusters import failpoints

PATIENCE = 20.0  # seconds


def run_concurrently(*acts: Callable[[], Any]) -> list[Any]:
    """What each act returned or raised, in order."""
    barrier = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        barrier.wait(PATIENCE)
        try:
            results[place] = act()
        except Exception as error:  # noqa: BLE001 -- whatever it was is the act's result
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 2)
    return results


class Pause:
    """Holds the first thread that reaches a failpoint until it is released: one side of a race, stopped in the
    middle."""

    def __init__(self, point: str) -> None:
        self._point = point
        self._reached = threading.Event()
        self._go = threading.Event()
        self._first = failpoints.hits[point] + 1

    def __enter__(self) -> Self:
        failpoints.on_hit[self._point] = self._hold
        return self

    def __exit__(self, *_: object) -> None:
        del failpoints.on_hit[self._point]
        self._go.set()

    def wait(self) -> None:
        """Until somebody is held."""
        if not self._reached.wait(PATIENCE):
            raise TimeoutError(f"nobody got to {self._point}")

    def let_go(self) -> None:
        """On with it."""
        self._go.set()

    def _hold(self, nth: int) -> None:
        if nth == self._first:
            self._reached.set()
            self._go.wait(PATIENCE)


class Beside:
    """An act that runs in a thread."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.error: Exception | None = None
        self._act = act
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self, seconds: float = PATIENCE * 2) -> Exception | None:
        """Wait for its end, or so long; what it raised."""
        self._thread.join(seconds)
        return self.error

    def _run(self) -> None:
        try:
            self._act()
        except Exception as error:  # noqa: BLE001 -- whatever it was is the act's result
            self.error = error
        finally:
            connections.close_all()
