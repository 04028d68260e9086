"""kill -9 at any statement to the database: every one with FAULTS=full, else every 16th."""

from __future__ import annotations

from itertools import count

import pytest

from tests.faults.cloud_outcomes import TRUTHS
from tests.faults.kills import MOST, killed_at
from tests.faults.points import STATEMENTS
from tests.faults.world import IS_FULL, Environment


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
