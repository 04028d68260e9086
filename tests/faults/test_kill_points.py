"""kill -9 at every named point, with every outcome of the cloud: after a restart everything comes to rest and is
true.

FAULTS=full kills at the first, second, third … time that a process reaches a point, until a run ends without a kill,
and at every statement to the database. Without it each point is played once with each plain outcome, and every 16th
statement.
"""

from __future__ import annotations

from itertools import count

import pytest

from tests.faults.cloud_outcomes import PLAIN_TRUTHS, TRUTHS, arm
from tests.faults.oracle import breaches
from tests.faults.points import POINTS, STATEMENTS
from tests.faults.world import IS_FULL, LATE, Environment

MOST = 500  # times that a process may get to one point; more would mean that something turns in circles


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


@pytest.mark.parametrize("truth", TRUTHS)
def test_g03_an_undisturbed_run_ends_with_a_true_verdict(broken_world: Environment, truth: str) -> None:
    scene = broken_world.scene()
    arm(broken_world, scene, truth)
    assert broken_world.live(scene) == 0
    records = broken_world.records(scene)
    assert breaches(records) == []
    assert records.creations[0]["state"] == ("not_created" if truth == "not created" else "created")


@pytest.mark.parametrize("point", POINTS)
def test_g03_a_process_killed_here_leaves_nothing_lost_doubled_or_misjudged(
    broken_world: Environment, point: str
) -> None:
    reached = 0
    for truth in TRUTHS if IS_FULL or point == "breaker_turned" else PLAIN_TRUTHS:
        for nth in count(1):
            assert nth < MOST, f"{point} is reached again and again"
            was_reached = killed_at(broken_world, point, nth, truth)
            reached += was_reached
            if not was_reached or not IS_FULL:
                break
    assert reached, f"no process ever gets to {point}"


@pytest.mark.parametrize("truth", TRUTHS if IS_FULL else ["created, the answer is lost"])
@pytest.mark.parametrize("point", STATEMENTS)
def test_g03_a_process_killed_at_any_statement_leaves_nothing_lost(
    broken_world: Environment, point: str, truth: str
) -> None:
    stride = 1 if IS_FULL else 16
    nth = next(
        nth for nth in count(1, stride) if nth > MOST or not killed_at(broken_world, point, nth, truth)
    )
    assert 20 < nth < MOST
