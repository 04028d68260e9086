"""kill -9 around each commit, each append to the chain and each step of a call to the cloud; and no kill at all."""

from __future__ import annotations

import pytest

from tests.faults.cloud_outcomes import TRUTHS, arm
from tests.faults.kills import kill_each_time
from tests.faults.oracle import breaches
from tests.faults.points import LAID
from tests.faults.world import Environment


@pytest.mark.parametrize("truth", TRUTHS)
def test_g03_an_undisturbed_run_ends_with_a_true_verdict(broken_world: Environment, truth: str) -> None:
    scene = broken_world.scene()
    arm(broken_world, scene, truth)
    assert broken_world.live(scene) == 0
    records = broken_world.records(scene)
    assert breaches(records) == []
    assert records.creations[0]["state"] == ("not_created" if truth == "not created" else "created")


@pytest.mark.parametrize("point", LAID)
def test_g03_a_process_killed_here_leaves_nothing_lost_doubled_or_misjudged(
    broken_world: Environment, point: str
) -> None:
    kill_each_time(broken_world, point)
