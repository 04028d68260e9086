"""Real processes at the price of a fork: a parent sets Django up, opens no connection, and forks a child for each
job.

The child gets its job over a socket and answers there. If it is killed, the socket just ends: that is how the harness
notices, like a caller of a dead process.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Self

JOB_ENDS_WITHIN = 150  # seconds; a child that takes longer is ended by its own alarm
PARENT_DEATH_SIGNAL = 1


class Died(Exception):
    """The child ended without an answer: it was killed."""


class JobFailed(Exception):
    """The child's job raised; the text is its trace."""


class Child:
    """One forked process at work."""

    def __init__(self, place: Path, job: str, environ: dict[str, str], arguments: dict[str, Any]) -> None:
        self.job = job
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(JOB_ENDS_WITHIN + 10)
        self._socket.connect(str(place))
        self._answers = self._socket.makefile("rb")
        request = {"job": job, "environ": environ, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        self.pid = int(json.loads(self._answers.readline())["pid"])

    def kill(self) -> None:
        """End it as a power cut would."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def ask_to_stop(self) -> None:
        """SIGTERM. One that has ended by itself is asked nothing: `result` says how it ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def has_answered(self) -> bool:
        """Whether it has ended, or is just ending: then `result` does not wait."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def result(self) -> Any:
        """What the job returned. Raises Died or JobFailed."""
        try:
            line = self._answers.readline()
        finally:
            self.close()
        if not line:
            raise Died(self.job)
        answer = json.loads(line)
        if "failed" in answer:
            raise JobFailed(answer["failed"])
        return answer["result"]

    def close(self) -> None:
        """Let go of the socket."""
        self._answers.close()
        self._socket.close()


class Forks:
    """The parent of the children, as the harness holds it."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.place = folder / "forks"
        self.log = folder / "children.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.forks", str(self.place)],
                env=os.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 -- no threads here
            )
        until = time.monotonic() + 30
        while not self.place.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"no parent to fork from:\n{self.log.read_text()}")
            time.sleep(0.01)

    def start(self, job: str, *, failpoint: str = "", folder: Path | None = None, **arguments: Any) -> Child:
        """A child at work on `job`; `failpoint` as in `hyperclusters.clusters.failpoints`."""
        environ = {"FAILPOINT": failpoint, "FAILPOINT_FOLDER": str(folder or "")}
        return Child(self.place, job, environ, arguments)

    def run(self, job: str, *, failpoint: str = "", **arguments: Any) -> Any:
        """The job's result. Raises Died or JobFailed."""
        return self.start(job, failpoint=failpoint, **arguments).result()

    def stop(self) -> None:
        """End the parent and every child."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.place.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def end_with_parent() -> None:
    """Make Linux end this process when its parent ends, so that nothing is left behind."""
    ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)


def serve(place: str) -> None:
    """Fork a child for every connection, for ever."""
    jobs = _prepared()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place + ".new")
    listener.listen(64)
    Path(place + ".new").rename(place)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _work(connection, jobs)
        connection.close()


def _prepared() -> dict[str, Callable[..., Any]]:
    """Everything that takes time, done once: Django, the product, the jobs."""
    import django  # noqa: PLC0415 -- the harness's side of this module needs no Django

    django.setup()
    points = import_module("tests.faults.points")  # these import models, which need what is above
    jobs = import_module("tests.faults.jobs")
    for more in (
        "races_of_people",
        "races_of_approvals",
        "races_of_workers",
        "races_of_deletions",
        "races_of_lists",
        "races_of_the_ledger",
        "disturbed",
    ):
        import_module(f"tests.faults.{more}")
    import_module("django.urls").reverse("web:home")  # reads the URLconf, and with it every view
    points.install()
    values: dict[str, Callable[..., Any]] = jobs.JOBS
    return values


def _work(connection: socket.socket, jobs: dict[str, Callable[..., Any]]) -> None:
    end_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.alarm(JOB_ENDS_WITHIN)
    answer: dict[str, Any]
    try:
        connection.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")
        with connection.makefile("rb") as lines:
            request = json.loads(lines.readline())
        os.environ.update(request["environ"])
        answer = {"result": jobs[request["job"]](**request["arguments"])}
    except BaseException:  # noqa: BLE001 -- whatever it was, the harness is told
        answer = {"failed": traceback.format_exc()}
    try:
        connection.sendall(json.dumps(answer, default=str).encode() + b"\n")
    finally:
        os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
