"""One world for each module of fault tests."""

from collections.abc import Iterator

import pytest

from tests.faults.world import Environment, world


@pytest.fixture(scope="module")
def broken_world() -> Iterator[Environment]:
    """A world whose processes may be killed at will."""
    with world() as environment:
        yield environment
