"""A long run of random kills: `python -m tests.faults.soak [--creations N] [--kills N] [--minutes N] [--seed N]`.

Round after round, people submit while several workers send, and the cloud loses answers, refuses and acts late. Any
process may be killed at any moment; whoever dies is started again. Then each round is brought to rest and judged.
Runs on SQLite, or on the PostgreSQL that DATABASE_URL names (`python tests/postgres.py python -m tests.faults.soak`).
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.faults.forks import Child, Died, JobFailed
from tests.faults.oracle import breaches
from tests.faults.world import LATE, Environment, ProjectSetup, is_postgres, world

A_ROUND = 200  # creations
PROJECTS = 8  # in a round
WORKERS = 3
SUBMITTERS = 2
BATCH = 10  # submits of one submitter's process
PAUSE = (0.02, 0.25)  # seconds between two kills
FAULTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("lost_answer", "create", {"probability": 0.08}),
    ("lost_request", "create", {"probability": 0.08}),
    ("late_deed", "create", {"probability": 0.08, "seconds": LATE}),
    ("error", "create", {"probability": 0.04, "status": 429, "retry_after": "1"}),
    ("error", "create", {"probability": 0.04, "status": 502, "deed": True}),
    ("garbage", "create", {"probability": 0.03, "kind": "html"}),
    ("error", "list", {"probability": 0.02, "status": 503}),
    ("latency", "any", {"probability": 0.2, "after": 0.05}),
)


@dataclass
class Figures:
    """What a soak has done so far."""

    creations: int = 0
    kills: int = 0
    posts: int = 0
    states: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in self.states.most_common())
        return (
            f"{self.creations} creations, {self.kills} kills, {self.posts} creates seen by the cloud; {states or 'none'}; "
            f"{len(self.breaches)} breaches"
        )


class Round:
    """Some projects, submitted to and worked on under fire, then brought to rest."""

    def __init__(
        self, broken: Environment, figures: Figures, chance: random.Random, creations: int, kills: int
    ) -> None:
        self.world, self.figures, self.chance = broken, figures, chance
        self.kills = kills
        self.scenes = [broken.scene() for _ in range(PROJECTS)]
        self.wishes = [self._wish(number) for number in range(creations)]
        self.running: dict[Child, list[dict[str, Any]]] = {}

    def play(self) -> None:
        """Fire until everything is submitted and all kills of this round are done, then judge."""
        for number, (fault, call, parameters) in enumerate(FAULTS):
            self.world.cloud.fault(fault, call, seed=self.chance.randrange(2**31) + number, **parameters)
        waiting = list(self.wishes)
        try:
            while waiting or self.kills > 0 or any(self.running.values()):
                self._fill(waiting)
                time.sleep(self.chance.uniform(*PAUSE))
                if self.kills > 0 and self.running:
                    self._kill(waiting)
                self._reap(waiting)
        finally:
            for child in list(self.running):
                child.kill()
                child.close()
        time.sleep(LATE + 0.5)
        self._judge()

    def _wish(self, number: int) -> dict[str, Any]:
        scene = self.scenes[number % PROJECTS]
        name = f"soak-{number}"
        return {"project": scene.project, "person": scene.person, "name": name, "token": str(uuid.uuid4())}

    def _fill(self, waiting: list[dict[str, Any]]) -> None:
        """As many workers and submitters as there should be."""
        workers = sum(not wishes for wishes in self.running.values())
        for _ in range(WORKERS - workers):
            self.running[self.world.forks.start("worker")] = []
        for _ in range(SUBMITTERS - (len(self.running) - WORKERS)):
            batch, waiting[:] = waiting[:BATCH], waiting[BATCH:]
            if batch:
                self.running[self.world.forks.start("submit_all", wishes=batch)] = batch

    def _kill(self, waiting: list[dict[str, Any]]) -> None:
        victim = self.chance.choice(list(self.running))
        victim.kill()
        self.kills -= 1
        self.figures.kills += 1
        waiting.extend(self.running.pop(victim))  # the person sends the same form again
        victim.close()

    def _reap(self, waiting: list[dict[str, Any]]) -> None:
        for child in [child for child in self.running if child.has_answered()]:
            wishes = self.running.pop(child)
            try:
                waiting.extend(wishes[index] for index in child.result())
            except (Died, JobFailed) as error:
                self.figures.breaches.append(f"a {child.job} ended by itself: {error}"[:2000])
                waiting.extend(wishes)

    def _judge(self) -> None:
        self.world.cloud.reset()
        for scene in self.scenes:
            self._rest(scene)
        for scene in self.scenes:
            records = self.world.records(scene)
            self.figures.creations += len(records.creations)
            self.figures.posts += sum(entry.call == "create" for entry in records.journal)
            self.figures.states.update(row["state"] for row in records.creations)
            self.figures.breaches += breaches(records)
            wanted = {request["token"] for request in self.wishes if request["project"] == scene.project}
            if {row["token"] for row in records.creations} != wanted:
                self.figures.breaches.append("G5 a form that was sent until it was accepted has no creation")

    def _rest(self, scene: ProjectSetup) -> None:
        """To rest, under fire too: the first attempt is killed somewhere on its way."""
        child = self.world.forks.start("rest", project=scene.project)
        time.sleep(self.chance.uniform(0.0, 0.5))
        if not child.has_answered():
            child.kill()
            self.figures.kills += 1
        child.close()
        self.world.forks.run("rest", project=scene.project)


def soak(*, creations: int, kills: int, minutes: float, seed: int) -> Figures:
    """Rounds until both counts are reached or the time is over."""
    figures, chance, until = Figures(), random.Random(seed), time.monotonic() + minutes * 60
    with world(WRITES_PER_MINUTE="6000") as broken:
        while time.monotonic() < until and (figures.creations < creations or figures.kills < kills):
            share = min(A_ROUND, max(creations - figures.creations, PROJECTS))
            rounds_left = max(-(-(creations - figures.creations) // A_ROUND), 1)
            Round(broken, figures, chance, share, max((kills - figures.kills) // rounds_left, 0)).play()
            say(str(figures))
    return figures


def say(line: str) -> None:
    """To whoever watches."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()


def main() -> int:
    """1 if a promise was broken or the counts were not reached in time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--creations", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    options = parser.parse_args()
    engine = "PostgreSQL" if is_postgres() else "SQLite"
    say(f"soak on {engine}, seed {options.seed}")
    figures = soak(
        creations=options.creations, kills=options.kills, minutes=options.minutes, seed=options.seed
    )
    say(f"{engine}: {figures}")
    for line in figures.breaches:
        say(line)
    is_whole = figures.creations >= options.creations and figures.kills >= options.kills
    return 0 if is_whole and not figures.breaches else 1


if __name__ == "__main__":
    sys.exit(main())
