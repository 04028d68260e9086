"""A worker touches a file while its loop turns, whatever the database does; the probe looks at that file alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import DatabaseError
from pytest_django import Settings

from hyperclusters.clusters.worker import Worker
from tests.workers import worker_thread

PROBE = Path(__file__).resolve().parents[2] / "deploy/probe.py"


def probe(file: Path) -> int:
    return subprocess.run([sys.executable, PROBE, file], capture_output=True, check=False).returncode


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", [lambda: False, lambda: (_ for _ in ()).throw(DatabaseError("away"))])
def test_a_running_worker_is_alive_with_and_without_its_database(
    step: Callable[[], bool], settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WORKER_ALIVE_FILE = file = tmp_path / "alive"
    worker = Worker(concurrency=1)
    monkeypatch.setattr(worker, "step", step)
    with worker_thread(worker) as thread:
        thread.start()
        give_up = time.monotonic() + 30
        while not file.exists() and time.monotonic() < give_up:
            time.sleep(0.02)
        assert probe(file) == 0


def test_a_worker_that_hangs_or_never_began_is_not(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    assert probe(file) == 1
    file.touch()
    assert probe(file) == 0
    os.utime(file, (time.time() - 70, time.time() - 70))
    assert probe(file) == 1


@pytest.mark.django_db(transaction=True)
def test_a_disk_that_takes_no_file_stops_no_work(settings: Settings, tmp_path: Path) -> None:
    settings.WORKER_ALIVE_FILE = tmp_path / "no such folder" / "alive"
    worker = Worker(concurrency=1)
    worker._show_life()
    assert not settings.WORKER_ALIVE_FILE.exists()
