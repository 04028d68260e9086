"""kill -9 at a point: after a restart everything comes to rest and is true."""

from __future__ import annotations

from itertools import count
from zlib import crc32

from tests.faults.cloud_outcomes import PLAIN_TRUTHS, TRUTHS, arm
from tests.faults.oracle import breaches
from tests.faults.points import POINTS
from tests.faults.world import IS_FULL, LATE, Environment, is_postgres

MOST = 1000  # times that a process may get to one point; more would mean that something turns in circles


def killed_at(world: Environment, point: str, nth: int, truth: str) -> bool:
    """Play one scenario and let the oracle judge it. False if nobody got to that point so often."""
    scene = world.scene()
    arm(world, scene, truth)
    deaths = [death for death in (POINTS.get(point, ""), f"{point}:{nth}") if death]
    died = world.live(scene, *deaths, patience=LATE if "late" in truth else 0.0)
    records = world.records(scene)
    world.forks.run("retire", project=scene.project)
    names = breaches(records)
    assert not names, f"killed at {point}:{nth}, {truth}: {names}"
    assert [row["state"] for row in records.creations] in (["created"], ["not_created"]), (point, nth, truth)
    return died == len(deaths)


def outcomes_for(point: str) -> list[str]:
    """The cloud's outcomes in the order in which a point plays them: each point and database begins with another one."""
    if IS_FULL or point == "breaker_turned":
        return list(TRUTHS)
    first = (crc32(point.encode()) + is_postgres()) % len(PLAIN_TRUTHS)
    return [*PLAIN_TRUTHS[first:], *PLAIN_TRUTHS[:first]]


def kill_each_time(world: Environment, point: str) -> None:
    """Kill where a process first reaches a point, with one outcome; in full each time that it does, with every outcome."""
    reached = 0
    for truth in outcomes_for(point):
        for nth in count(1):
            assert nth < MOST, f"{point} is reached again and again"
            was_reached = killed_at(world, point, nth, truth)
            reached += was_reached
            if not was_reached or not IS_FULL:
                break
        if reached and not IS_FULL:
            break
    assert reached, f"no process ever gets to {point}"
