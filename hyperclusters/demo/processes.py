"""Starts, watches, restarts and stops the demo's processes."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

RESTART_PAUSE = 1.0  # seconds


@dataclass
class Process:
    """One process. `args` is its command line, `log` the file of its output, `env` its environment beyond ours."""

    name: str
    args: list[str]
    log: Path
    env: dict[str, str] = field(default_factory=dict)
    child: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0

    def start(self) -> None:
        """Start it in its own process group: Ctrl-C reaches only the demo, which stops it in order."""
        self.started_at = time.monotonic()
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(  # noqa: S603 -- our own command lines
                self.args,
                env=os.environ | self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 -- no threads here
            )

    def has_died(self) -> int | None:
        """The exit status if it has ended."""
        return self.child.poll() if self.child else None

    def stop(self) -> None:
        """Ask it to end."""
        if self.child and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)


def _end_with_parent() -> None:
    """Have Linux end this process when the demo is killed, so that nothing keeps its ports."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def port_problem(port: int) -> str:
    """Why this port cannot be listened on; empty if it can."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError as error:
        return error.strerror or str(error)
    return ""


@contextmanager
def folder_lock(folder: Path) -> Iterator[bool]:
    """Lock this folder for one demo at a time; False if another has it. The system releases it when we are killed."""
    with (folder / "demo.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def wait_until_ready(process: Process, url: str, *, seconds: float = 60.0) -> None:
    """Wait until this address answers. Raises RuntimeError if the process ends first, or takes too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (status := process.has_died()) is not None:
            raise RuntimeError(f"The {process.name} ended with status {status} before it was ready.")
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310 -- loopback
            return
        time.sleep(0.05)
    raise RuntimeError(
        f"The {process.name} was not ready within {seconds:.0f} seconds: {url} does not answer."
    )


class ErrorLines:
    """What matters of a growing log of JSON lines: the text of each error, not again and again."""

    def __init__(self, log: Path) -> None:
        self.last = ""
        self.file = log.open("rb")
        self.file.seek(0, os.SEEK_END)

    def read(self) -> Iterator[str]:
        """The new ones."""
        for line in self.file.read().splitlines():
            with suppress(ValueError, AttributeError, KeyError):
                entry = json.loads(line)
                text = f"Error: {' '.join(str(entry['event']).split())[:200]}"
                if entry.get("level") in {"error", "critical"} and text != self.last:
                    self.last = text
                    yield text


def watch(
    processes: list[Process],
    *,
    should_stop: Callable[[], bool],
    say: Callable[[str], None],
    errors: ErrorLines,
) -> None:
    """Keep them running until told to stop. A process that ends is restarted and reported, as each error of the log."""
    while not should_stop():
        for text in errors.read():
            say(text)
        for process in processes:
            status = process.has_died()
            if status is not None and time.monotonic() - process.started_at > RESTART_PAUSE:
                say(f"The {process.name} ended with status {status}; starting it again.")
                process.start()
        time.sleep(0.2)


def stop_all(processes: list[Process]) -> None:
    """Ask all to end, and wait; kill what does not end in time."""
    for process in processes:
        process.stop()
    until = time.monotonic() + settings.KILL_AFTER
    for process in processes:
        if process.child:
            try:
                process.child.wait(max(until - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.child.kill()
                process.child.wait()
