"""A second process on the tests' database, by a clock that may be wrong: reads names of jobs, answers each with JSON.

`Other` starts one from a test. libfaketime fakes the clock of that process alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def faketime() -> str:
    """The library to preload; empty if it is not installed."""
    found = importlib.util.find_spec("libfaketime")
    place = (
        Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
        if found and found.origin
        else None
    )
    return str(place) if place and place.exists() and sys.platform == "linux" else ""


def environment(
    ahead: str, more: Mapping[str, str] | None = None, *, fake_monotonic: bool = False, query: str = ""
) -> dict[str, str]:
    """What a process gets that works on the tests' database. `ahead` as libfaketime has it: `+20m`, `-10d`, or empty.
    `query`: as of `other`."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "postgresql":
        url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    else:
        url = f"sqlite:///{name}"
    env = (
        os.environ
        | {"DATABASE_URL": url + query, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)}
        | dict(more or {})
    )
    if ahead:
        env |= {
            "LD_PRELOAD": faketime(),
            "FAKETIME": ahead,
            "DONT_FAKE_MONOTONIC": "" if fake_monotonic else "1",
        }
        if fake_monotonic:
            del env["DONT_FAKE_MONOTONIC"]
    return env


class Other:
    """The second process, as a test sees it: `other("beat")` has it do that job; the answer is what the job returns."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def __call__(self, job: str, **facts: Any) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([job, facts]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the other process has ended"
        return json.loads(line)


@contextmanager
def other(ahead: str = "", *, fake_monotonic: bool = False, query: str = "") -> Iterator[Other]:
    """A second process whose clock is so far ahead. `query`: of the URL of its database, with `?`."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.clusters.other_process"],
        env=environment(ahead, fake_monotonic=fake_monotonic, query=query),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Other(process)
        finally:
            process.kill()


def _sleep(seconds: Any) -> None:
    """Python's own computes the end by the clock that libfaketime fakes, and the kernel waits for it by the true one: for
    ten days, if the fake is ahead."""
    select.select([], [], [], seconds)


def main() -> None:
    """Do each job that is named on stdin."""
    time.sleep = _sleep
    django.setup()
    able = importlib.import_module("tests.clusters.other_jobs")
    for line in sys.stdin:
        name, facts = json.loads(line)
        print(json.dumps(getattr(able, name)(**facts)), flush=True)


if __name__ == "__main__":
    main()
