"""One world for each module of fault tests; in full for each test, since what has happened in a world is read again and
again by its judge."""

from collections.abc import Iterator
from typing import Literal

import pytest

from tests.faults.world import IS_FULL, World, world


def _scope(fixture_name: str, config: pytest.Config) -> Literal["function", "module"]:
    return "function" if IS_FULL else "module"


@pytest.fixture(scope=_scope)
def broken_world() -> Iterator[World]:
    """A world whose processes may be killed at will."""
    with world() as made:
        yield made
