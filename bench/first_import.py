"""The first list of a large project on SQLite, where one writes at a time: how long another writer waits meanwhile."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

from bench.figures import Figure
from bench.site import KEY, SECRET, Site, environ

CLUSTERS = 4_000
LONGEST = 0.5  # seconds
PAUSE = 0.01  # seconds between two attempts to write


def measure(_site: Any) -> Iterator[Figure]:
    """In a process of its own: this one may be on another database."""
    command = [sys.executable, "-m", __name__]
    plain = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    answer = subprocess.run(command, env=plain, check=True, capture_output=True, text=True)  # noqa: S603 -- ours
    seconds, longest = json.loads(answer.stdout)
    yield Figure(
        f"first list of {CLUSTERS:,} clusters on SQLite: a writer waits",
        f"{longest * 1000:.0f} ms of {seconds:.1f} s",
        f"{LONGEST * 1000:.0f} ms",
        longest / LONGEST,
        1.0,
    )


def main() -> None:
    """Print the seconds that the import took, and the longest that the other writer waited, as JSON."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        os.environ |= environ(folder, f"sqlite:///{folder}/bench.sqlite3")
        django.setup()
        call_command("migrate", verbosity=0)
        sys.stdout.write(json.dumps(_import(folder)))


def _import(folder: Path) -> tuple[float, float]:
    from bench.people import crew  # noqa: PLC0415 -- its models want Django to be set up
    from hyperclusters.clusters.models import Cluster  # noqa: PLC0415
    from hyperclusters.clusters.worker import run_due  # noqa: PLC0415
    from hyperclusters.simulator import Simulator  # noqa: PLC0415

    with Simulator.start(folder / "cloud", access_key=KEY, secret_key=SECRET) as cloud:
        team = crew(Site("", cloud.endpoint.removeprefix("http://"), folder / "log"), "vision", projects=1)
        for number in range(CLUSTERS):
            cloud.add_cluster(team.projects[0].project_id, f"train-{number:04}", "HPS")
        other = _Writer(folder / "bench.sqlite3")
        started = time.monotonic()
        with other:
            while Cluster.objects.count() < CLUSTERS:
                run_due()
        return time.monotonic() - started, other.longest


class _Writer:
    """Somebody else who writes, again and again, for the length of a block."""

    def __init__(self, file: Path) -> None:
        self._file, self._over = file, threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.longest = 0.0

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _write(self) -> None:
        database = sqlite3.connect(self._file, timeout=600, isolation_level=None)
        while not self._over.wait(PAUSE):
            started = time.monotonic()
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
            self.longest = max(self.longest, time.monotonic() - started)
        database.close()


if __name__ == "__main__":
    main()
