"""The product as it is deployed: web and worker processes with its own settings, on a database of their own."""

from __future__ import annotations

import base64
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from cryptography.fernet import Fernet
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 2  # seconds that a call to the cloud may take


@dataclass
class Site:
    """Where it is, what it runs with, and its processes by name."""

    url: str
    folder: Path
    environment: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    addresses: list[str] = field(default_factory=list)

    def manage(self, *args: str, **changes: str) -> str:
        """Run `manage.py` with it to its end; its output. Raises CalledProcessError."""
        command = [sys.executable, str(ROOT / "manage.py"), *args]
        done = subprocess.run(
            command,
            env=self.environment | changes,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{args}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, name: str, *command: str, **changes: str) -> None:
        """Start one of its processes; what it says goes to a file of its name."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *command],
                env=self.environment | changes,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """`kill -9`, and with it whatever it has started: as if its machine had lost its power."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()

    def web(self, name: str) -> str:
        """Start a web process; its address."""
        if not (self.folder / "static").exists():
            self.manage("collectstatic", "--noinput", "--verbosity", "0")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.start(name, "-m", "gunicorn", "hyperclusters.wsgi", BIND=address, WEB_PROCESSES="1")
        self.addresses.append(address)
        return address

    def wait_for(self, address: str, seconds: float = 30.0) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(f"http://{address}/healthz", timeout=2):
                return
            time.sleep(0.05)
        raise AssertionError("\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log")))

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """What its database says."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def stop(self) -> dict[str, int]:
        """Ask every process to end, and wait; their exit statuses."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        statuses = {}
        for name, process in self.processes.items():
            try:
                statuses[name] = process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                statuses[name] = process.wait()
        return statuses


@contextmanager
def site(server_url: str, folder: Path, **environment: str) -> Iterator[Site]:
    """A fresh database on this PostgreSQL server, and the environment of an installation upon it."""
    name = f"site_{secrets.token_hex(4)}"
    identifier = sql.Identifier(name)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
    url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
    site = Site(
        url,
        folder,
        {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "hyperclusters.settings",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "CREDENTIAL_KEYS": Fernet.generate_key().decode(),
            "AUDIT_KEYS": "test:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            "DATABASE_URL": url,
            "DATA_DIR": str(folder),
            "HTTPS": "0",
            "UPSTREAM_HOSTS": "127.0.0.1",
            "UPSTREAM_DEADLINE": str(DEADLINE),
        }
        | environment,
    )
    try:
        yield site
    finally:
        site.stop()
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
