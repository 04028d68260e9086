"""G52: told to stop, a worker ends within SHUTDOWN_GRACE, whatever it is busy with. With real processes and servers."""

from __future__ import annotations

import contextlib
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from hyperclusters.access.invitations import invite
from hyperclusters.access.models import Invitation, OutgoingMail, Role
from hyperclusters.audit.models import ScheduledTask
from hyperclusters.clusters import connections
from hyperclusters.clusters.models import ConnectionTest, Creation, Diagnosis, State
from tests.clusters.other_process import ROOT, environment
from tests.conftest import Cloud, People, Projects, submit_creation

GRACE = 10  # of the 25 s that all letters would take; a busy machine takes its time to end a process
LETTERS = 25


class SlowMail(socketserver.StreamRequestHandler):
    """A mail server that takes its time over each letter."""

    def handle(self) -> None:
        self._say("220 slow")
        while line := self.rfile.readline().decode():
            word = line[:4].upper().strip()
            if word == "DATA":
                self._say("354 go on")
                while self.rfile.readline() not in {b".\r\n", b""}:
                    pass
                self.server.busy.set()  # type: ignore[attr-defined]
                time.sleep(1)
                self.server.letters.append(line)  # type: ignore[attr-defined]
            self._say("221 bye" if word == "QUIT" else "250 well")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Dripping(socketserver.StreamRequestHandler):
    """A webhook whose answer never ends: a byte is always on its way in time."""

    def handle(self) -> None:
        self.server.busy.set()  # type: ignore[attr-defined]
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while True:
                self.wfile.write(b"x")
                time.sleep(0.5)


@contextmanager
def serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[Any]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler, bind_and_activate=True)
    server.daemon_threads = True
    server.busy, server.letters = threading.Event(), []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def stopped_when_busy(is_busy: Callable[[], bool], log: Path, **env: str) -> tuple[int, float]:
    """Start a worker, tell it to stop once it is busy; its exit status, and how long it took to end."""
    times = {"UPSTREAM_DEADLINE": "2", "SHUTDOWN_GRACE": str(GRACE), "KILL_AFTER": "60"}
    with log.open("w") as said:
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=ROOT,
            env=environment("", times | env),
            stderr=said,
        )
        try:
            assert is_busy(), log.read_text()
            began = time.monotonic()
            worker.send_signal(signal.SIGTERM)
            return worker.wait(60), time.monotonic() - began
        finally:
            worker.kill()


def arrived(cloud: Cloud) -> bool:
    """Whether a call has reached the cloud within a minute."""
    until = time.monotonic() + 60
    while not cloud.simulator.journal() and time.monotonic() < until:
        time.sleep(0.05)
    return bool(cloud.simulator.journal())


def test_g52_letters_that_go_out_slowly_are_left_to_the_next_worker(people: People, tmp_path: Path) -> None:
    for number in range(LETTERS):
        invite(
            email=f"guest{number}@example.com",
            team=people.vision,
            role=Role.VIEWER,
            reason="x",
            by=people.tom,
        )
    with serving(SlowMail) as server:
        url = f"smtp://127.0.0.1:{server.server_address[1]}"
        status, seconds = stopped_when_busy(partial(server.busy.wait, 60), tmp_path / "log", EMAIL_URL=url)
    assert (status, seconds < GRACE) == (0, True)
    assert Invitation.objects.exclude(mailed_at=None).count() == LETTERS
    assert OutgoingMail.objects.count() == LETTERS - len(server.letters)
    assert OutgoingMail.objects.due().count() == OutgoingMail.objects.count()  # and none of them has to wait


def test_g52_what_cannot_be_stopped_is_left_and_named(people: People, tmp_path: Path) -> None:
    with serving(Dripping) as server:
        hook = f"http://127.0.0.1:{server.server_address[1]}/"
        status, seconds = stopped_when_busy(
            partial(server.busy.wait, 60), tmp_path / "log", AUDIT_WEBHOOK=hook, AUDIT_WEBHOOK_KEY="k" * 32
        )
    assert (status, seconds < GRACE) == (1, True)
    assert "not everything ended within SHUTDOWN_GRACE" in (tmp_path / "log").read_text()
    assert "ledger" in (tmp_path / "log").read_text()
    assert ScheduledTask.objects.get(name="push to webhook").seq == 0  # what was not taken is handed on again


def test_g52_a_connection_test_makes_no_second_call_when_told_to_stop(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.set(clock_offset=timedelta(hours=1).total_seconds())
    connections.ask_test(by=people.root, project=projects.vision)
    test = ConnectionTest.objects.claim("here")
    assert test is not None
    connections.run_test(test, may_begin=lambda: False)
    assert len(cloud.simulator.journal()) == 1
    assert ConnectionTest.objects.get().diagnosis == Diagnosis.CLOCK


def test_g52_a_creation_that_waits_is_not_begun_by_a_worker_that_is_to_stop(
    people: People, projects: Projects, cloud: Cloud, tmp_path: Path
) -> None:
    cloud.simulator.fault("latency", "list", before=1.7)
    submit_creation(people.ada, projects.vision, "waits")
    status, seconds = stopped_when_busy(partial(arrived, cloud), tmp_path / "log")
    assert (status, seconds < GRACE) == (0, True)
    assert (Creation.objects.get().state, cloud.posts) == (State.QUEUED, [])
