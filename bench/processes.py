"""Processes that end with the block that started them, whatever happens in it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

STOP_WITHIN = 15.0  # seconds


@contextmanager
def running(*args: str, log: Path | None = None, elsewhere: bool = False) -> Iterator[subprocess.Popen[str]]:
    """`python -m ARGS` in a group of its own. What it says goes to `log`; without one its output can be read.

    `elsewhere`: in life it runs on another machine, see `yield_to_the_site`.
    """
    with _sink(log) as sink:
        process = subprocess.Popen(  # noqa: S603 -- our own command lines
            [sys.executable, "-m", *args],
            stdin=subprocess.DEVNULL,
            stdout=sink or subprocess.PIPE,
            stderr=sink,
            text=True,
            start_new_session=True,
            env=os.environ
            | {"PGAPPNAME": " ".join(args[:2])},  # so that the database says whose a connection is
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 -- it calls prctl alone
        )
        if elsewhere:
            yield_to_the_site(process.pid)
        try:
            yield process
        finally:
            _stop(process)


def yield_to_the_site(pid: int = 0) -> None:
    """What is not of the site, the cloud and the people, has its own CPUs in life. Here it takes what the site leaves.

    `pid`: a process; 0 is the calling thread.
    """
    os.setpriority(os.PRIO_PROCESS, pid, 10)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _sink(log: Path | None) -> Iterator[IO[str] | None]:
    if log is None:
        yield None
    else:
        with log.open("a") as file:
            yield file


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_WITHIN)
    with suppress(ProcessLookupError):  # its children, or itself if it did not end
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


def _end_with_parent() -> None:
    """Have Linux end this process when the bench itself is killed."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
