"""G51 over two web processes: many clients with one key, and clients that repeat while a process is killed.

LOAD sets how many clients there are, how often each key is sent, and how many keys: `LOAD=50,20,50 pytest …`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from bench.processes import free_port
from hyperclusters.clusters.models import Creation
from tests.api.client import issue
from tests.clusters.other_process import ROOT, environment
from tests.conftest import Cloud, People, Projects, run_worker

CLIENTS, REQUESTS, KEYS = map(int, os.environ.get("LOAD", "20,8,5").split(","))


@pytest.fixture
def web(database: None, tmp_path: Path) -> Iterator[list[tuple[str, subprocess.Popen[bytes]]]]:
    """Two web processes on the tests' database, and their addresses."""
    (tmp_path / "gunicorn.py").touch()  # the product's own file checks what the tests' settings are not
    more = {"API_REQUESTS_PER_MINUTE": "0", "CREATIONS_PER_MINUTE": "0"}
    running = []
    for port in (free_port(), free_port()):
        command = [*(sys.executable, "-m", "gunicorn", "hyperclusters.wsgi", "--threads", "8")]
        command += [*("--bind", f"127.0.0.1:{port}", "--config", str(tmp_path / "gunicorn.py"))]
        process = subprocess.Popen(command, cwd=ROOT, env=environment("", more), stderr=subprocess.DEVNULL)
        running.append((f"http://127.0.0.1:{port}", process))
    try:
        for address, process in running:
            wait_for(address, process)
        yield running
    finally:
        for _address, process in running:
            process.kill()
            process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{address}/healthz", timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"{address} does not answer")


def create(addresses: list[str], token: str, number: int, turn: int) -> str:
    """As a client does that wants it made: again with the same key until there is an answer. The creation's ID."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"run-{number}"}
    body = {"project": "vision-cn-southwest-2", "name": f"load-{number}"}
    for attempt in range(60):
        with suppress(httpx.TransportError):
            url = f"{addresses[(turn + attempt) % len(addresses)]}/api/v1/creations"
            answer = httpx.post(url, json=body, headers=headers, timeout=30)
            if answer.status_code == 202:
                return str(answer.json()["id"])
            assert answer.status_code == 503, answer.text
        time.sleep(0.1)
    raise AssertionError("never answered")


def test_g51_one_key_from_many_clients_and_through_a_kill_is_one_creation(
    people: People, projects: Projects, cloud: Cloud, web: list[tuple[str, subprocess.Popen[bytes]]]
) -> None:
    token, addresses = issue(people.ada), [address for address, _process in web]
    with ThreadPoolExecutor(CLIENTS) as pool:
        ids = set(pool.map(lambda turn: create(addresses, token, 0, turn), range(CLIENTS)))
        assert len(ids) == 1
        calls = [
            pool.submit(create, addresses, token, number, turn)
            for turn in range(REQUESTS)
            for number in range(1, KEYS)
        ]
        calls[0].result()
        web[1][1].kill()
        assert len({call.result() for call in calls}) == KEYS - 1
    assert Creation.objects.count() == KEYS
    run_worker()
    assert sorted(entry.name for entry in cloud.posts) == sorted(f"load-{number}" for number in range(KEYS))
