"""What the simulator knows outlives its process, and several processes share it."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hyperclusters.simulator import Simulator
from hyperclusters.simulator.database import Database
from tests.simulator.simulator_caller import Caller, collection

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "hyperclusters.simulator"]


class Process:
    """A simulator process, and what a caller must know of it."""

    access_key = "DEMOACCESSKEY"
    secret_key = "demo-secret-key"

    def __init__(self, data: Path, port: str = "0") -> None:
        self.popen = subprocess.Popen(
            [*COMMAND, "--port", port, "--data", str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self.popen.stdout is not None
        self.line = self.popen.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:(\d+),", self.line)
        assert match, self.line
        self.port = int(match[1])

    def end(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        code = self.popen.wait(30)
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        return code


@contextmanager
def process(data: Path) -> Iterator[Process]:
    running = Process(data)
    try:
        yield running
    finally:
        if running.popen.poll() is None:
            running.end(signal.SIGKILL)


@contextmanager
def under_way(caller: Caller, method: str, body: bytes = b"") -> Iterator[None]:
    """A request that was sent and whose answer nobody has read yet."""
    connection = caller.connect()
    try:
        connection.request(method, collection(), body, caller.signed(method, collection(), body))
        yield
    finally:
        connection.close()


def caller_of(running: Process) -> Caller:
    return Caller(running)  # type: ignore[arg-type]  # it has what a caller reads


def test_a_restart_keeps_clusters_journal_switches_and_faults(tmp_path: Path) -> None:
    with Simulator.start(tmp_path) as first:
        Caller(first).create("kept")
        first.set(unique_names=True)
        first.fault("error", "list", times=1)
        clusters, journal = first.clusters(), first.journal()
    with Simulator.start(tmp_path) as second:
        assert (second.clusters(), second.journal()) == (clusters, journal)
        assert Caller(second).create("kept").code == "ModelArts.0103"
        assert [Caller(second).list().status for _ in range(2)] == [503, 200]


def test_a_simulator_without_a_folder_leaves_nothing_behind() -> None:
    with Simulator.start() as simulator:
        folder = simulator.data
        Caller(simulator).create()
        assert folder.is_dir()
    assert not folder.exists()


def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    with process(tmp_path) as running:
        made = [caller_of(running).create(f"c{number}").json["id"] for number in range(5)]
        running.end(signal.SIGKILL)
    with Simulator.start(tmp_path) as simulator:
        assert [each.id for each in simulator.clusters()] == made
        assert [entry.effect for entry in simulator.journal()] == [f"created {each}" for each in made]


def test_a_kill_before_the_deed_leaves_the_request_in_the_journal(tmp_path: Path) -> None:
    with process(tmp_path) as running:
        caller = caller_of(running)
        caller.control("POST", "faults", {"fault": "latency", "before": 60})
        with under_way(caller, "POST", b'{"name": "half-way"}'):
            while not (rows := caller.control("GET", "journal").json["entries"]):
                pass
            running.end(signal.SIGKILL)
    assert (rows[0]["name"], rows[0]["effect"], rows[0]["answer"]) == ("half-way", "none", "pending")
    with Simulator.start(tmp_path) as simulator:
        assert simulator.clusters() == []
        assert simulator.journal()[0].answer == "pending"


def test_two_processes_share_one_store(tmp_path: Path) -> None:
    with process(tmp_path) as first, process(tmp_path) as second:
        one, other = caller_of(first), caller_of(second)
        made = one.create("shared").json
        assert other.list().json["hyper_clusters"] == [made]
        other.control("PUT", "switches", {"unique_names": True})
        assert one.create("shared").code == "ModelArts.0103"
        one.control("POST", "faults", {"fault": "error", "status": 500, "times": 1})
        assert [other.list().status, one.list().status] == [500, 200]
        for _ in range(3):
            Caller(first, "wrong").list()  # type: ignore[arg-type]
            Caller(second, "wrong").list()  # type: ignore[arg-type]
        assert [one.list().status, other.list().status] == [401, 401]


def test_no_write_is_lost_or_torn_when_two_processes_and_many_threads_write(tmp_path: Path) -> None:
    ids: list[str] = []
    with process(tmp_path) as first, process(tmp_path) as second:

        def create(running: Process) -> None:
            ids.extend(caller_of(running).create("busy").json["id"] for _ in range(5))

        threads = [threading.Thread(target=create, args=(each,)) for each in (first, second) * 8]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        entries = caller_of(first).control("GET", "journal").json["entries"]
    assert len(set(ids)) == 80
    assert {entry["effect"] for entry in entries} == {f"created {each}" for each in ids}


def test_many_can_open_a_new_store_at_once(tmp_path: Path) -> None:
    problems: list[sqlite3.Error] = []

    def open_it() -> None:
        try:
            Database(tmp_path / "new").close()
        except sqlite3.Error as problem:
            problems.append(problem)

    threads = [threading.Thread(target=open_it) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_cleanly_on_a_signal_even_while_answering(tmp_path: Path, number: int) -> None:
    with process(tmp_path) as running:
        caller = caller_of(running)
        caller.control("POST", "faults", {"fault": "latency", "before": 60})
        with under_way(caller, "GET"):
            assert running.end(number) == 0


def test_the_command_says_where_it_listens(tmp_path: Path) -> None:
    with process(tmp_path) as running:
        assert str(tmp_path) in running.line
        assert f"http://127.0.0.1:{running.port}/_simulator/" in running.line


def failed_start(*arguments: str, **environment: str) -> str:
    ended = subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr


def test_a_busy_port_gives_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = failed_start("--port", str(taken.getsockname()[1]), "--data", str(tmp_path))
    assert text.count("\n") == 1
    assert "in use" in text


@pytest.mark.parametrize("port", ["http", "70000", "-1", "１"])
def test_a_bad_port_gives_one_sentence(tmp_path: Path, port: str) -> None:
    assert failed_start(f"--port={port}", "--data", str(tmp_path)).count("\n") == 1
    assert failed_start("--data", str(tmp_path), SIMULATOR_PORT=port).count("\n") == 1


def test_a_folder_that_cannot_be_made_gives_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert failed_start("--port", "0", "--data", str(tmp_path / "file")).count("\n") == 1
