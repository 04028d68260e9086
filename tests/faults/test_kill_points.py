"""kill -9 at every named point, with every outcome of the cloud: after a restart everything comes to rest and is
true.

FAULTS=full kills at the first, second, third … time that a process reaches a point, until a run ends without a kill.
Without it each point is played once on each database, each time with another outcome.
"""

from __future__ import annotations

import pytest

from tests.faults.kills import kill_each_time
from tests.faults.points import IN_RECOVERY, ON_THE_WAY
from tests.faults.world import Environment


@pytest.mark.parametrize("point", [*ON_THE_WAY, *IN_RECOVERY])
def test_g03_a_process_killed_here_leaves_nothing_lost_doubled_or_misjudged(
    broken_world: Environment, point: str
) -> None:
    kill_each_time(broken_world, point)
