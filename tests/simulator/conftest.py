"""A running simulator and a caller with the right key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperclusters.simulator import Simulator
from tests.simulator.simulator_caller import Caller


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator.start(tmp_path / "store") as running:
        yield running


@pytest.fixture
def caller(simulator: Simulator) -> Caller:
    return Caller(simulator)
