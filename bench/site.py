"""The whole product as it is run: gunicorn, workers and a cloud, each a process, on a database of its own."""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import django
import psycopg
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connections

from bench.processes import free_port, running

KEY, SECRET = "BENCHKEY", "bench-secret"
WEB = ("--workers", "2", "--threads", "8", "--log-level", "warning")
READY_WITHIN = 30.0  # seconds


@dataclass(frozen=True)
class Site:
    """Where its parts are, `host:port` each."""

    web: str
    cloud: str
    log: Path
    web_pid: int = 0
    wsgi: str = "hyperclusters.wsgi"

    def web_pids(self) -> list[int]:
        """The web server's processes."""
        children = Path(f"/proc/{self.web_pid}/task/{self.web_pid}/children").read_text().split()
        return [self.web_pid, *map(int, children)]

    def web_cpu(self) -> float:
        """Seconds of CPU that the web server's processes have used."""
        threads = (each for pid in self.web_pids() for each in Path(f"/proc/{pid}/task").glob("*/schedstat"))
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9

    @property
    def endpoint(self) -> str:
        """The cloud as a project knows it."""
        return f"http://{self.cloud}"

    def answer_creates_after(self, seconds: float) -> None:
        """Have the cloud take this long for a create, from now on."""
        slow = {"fault": "latency", "call": "create", "before": seconds}
        request = urllib.request.Request(  # noqa: S310 -- loopback
            f"{self.endpoint}/_simulator/switches",
            method="PUT",
            data=json.dumps({"faults": [slow] if seconds else []}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass


@contextmanager
def site() -> Iterator[Site]:
    """A site without people, for the length of a block; Django is set up in this process too."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with _database(folder) as url:
            os.environ |= environ(folder, url)
            django.setup()
            call_command("migrate", verbosity=0)
            call_command("collectstatic", verbosity=0, interactive=False)
            connections.close_all()
            try:
                with _processes(folder) as site:
                    yield site
            finally:
                connections.close_all()


@contextmanager
def _processes(folder: Path) -> Iterator[Site]:
    site = Site(f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}", folder / "log")
    cloud = ("--port", site.cloud.partition(":")[2], "--data", str(folder / "cloud"))
    with (
        running("hyperclusters.simulator", *cloud, log=site.log, elsewhere=True),
        running("django", "worker", log=site.log),
        running("gunicorn", site.wsgi, "--bind", site.web, *WEB, log=site.log) as web,
    ):
        wait_for(f"http://{site.cloud}/_simulator/switches", site.log)
        wait_for(f"http://{site.web}/healthz", site.log)
        yield replace(site, web_pid=web.pid)


def wait_for(url: str, log: Path) -> None:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310 -- loopback
            return
        time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text()[-2000:]}")


def environ(folder: Path, url: str) -> dict[str, str]:
    """Only what must be given; every other knob stands as people get it."""
    return {
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "DATABASE_URL": url,
        "DATA_DIR": str(folder),
        "SECRET_KEY": secrets.token_urlsafe(50),
        "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
        "AUDIT_KEYS": "bench:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "HTTPS": "0",
        "UPSTREAM_HOSTS": "127.0.0.1",
        "LOG_LEVEL": "WARNING",
        # One maker stands for fifty people here, and one reader for many.
        "CREATIONS_PER_MINUTE": "100000",
        "SEARCHES_PER_MINUTE": "0",
        "API_REQUESTS_PER_MINUTE": "100000",
        "EXPORTS_PER_MINUTE": "0",
        "SIMULATOR_AK": KEY,
        "SIMULATOR_SK": SECRET,
    }


@contextmanager
def _database(folder: Path) -> Iterator[str]:
    """The URL of an empty database: one more on the server that DATABASE_URL names, or a file."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield f"sqlite:///{folder}/bench.sqlite3"
        return
    name = f"bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
