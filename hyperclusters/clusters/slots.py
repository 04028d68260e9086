"""The slots of one worker, shared out between projects so that none delays another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from itertools import count
from typing import Any

Turns = Callable[[Iterable[int]], list[int]]  # the projects that may begin work now, in order
SHARE = 2  # a project may have so many times as many slots as stay free


class Slots:
    """The work that one worker has in flight, each with its project.

    Whose slots hang for a project whose cloud does not answer must not fill them all: there is always a slot for a
    project that has none. One busy project gets two thirds of the slots, each of four two ninths.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._projects: dict[Future[None], int | None] = {}
        self._turns: dict[int, int] = {}  # the number of the turn that each project had last
        self._numbers = count(1)
        self.are_short = False  # whether due work may wait for a slot

    def are_free(self) -> bool:
        """Whether more work may begin."""
        self._projects = {work: project for work, project in self._projects.items() if not work.done()}
        self.are_short = len(self._projects) >= self.number
        return not self.are_short

    def in_turn(self, projects: Iterable[int]) -> list[int]:
        """Those of these projects that may have one slot more: first who has fewest, then who had none for longest."""
        busy = Counter(self._projects.values())
        most = max(SHARE * (self.number - len(self._projects) - 1), 1)
        projects = list(projects)
        ready = [project for project in projects if busy[project] < most]
        self.are_short |= len(ready) < len(projects)
        return sorted(ready, key=lambda project: (busy[project], self._turns.get(project, 0)))

    def take(self, work: Future[None], item: Any) -> None:
        """Count this work for the project of its item, if it has one."""
        project = getattr(item, "project", None)
        self._projects[work] = project and project.pk
        if project:
            self._turns[project.pk] = next(self._numbers)
