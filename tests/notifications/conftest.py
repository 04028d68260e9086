"""Chats for every test of messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from hyperclusters.notifications import happenings
from tests.conftest import People
from tests.notifications.chats import Chats, chats


@pytest.fixture
def services(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Iterator[Chats]:
    """The services, which take everything. What happened before is told to nobody."""
    happenings.queue_new()
    with chats(tmp_path, monkeypatch, settings) as here:
        yield here
