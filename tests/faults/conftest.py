"""One world for each module of fault tests."""

from collections.abc import Iterator

import pytest

from tests.faults.world import World, world


@pytest.fixture(scope="module")
def broken_world() -> Iterator[World]:
    """A world whose processes may be killed at will."""
    with world() as made:
        yield made
