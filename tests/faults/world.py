"""A world to break: its own database, the simulated cloud in a process, and the parent of the children."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from hyperclusters.simulator import Simulator
from tests.faults.forks import Died, Forks, end_with_parent
from tests.faults.oracle import Records, breaches
from tests.templates import FOLDER, create_migrated

KEY = ("FAULTSKEY", "faults-secret")
LATE = 0.25  # seconds until a late deed
DEADLINE = 2
IS_FULL = os.environ.get("FAULTS", "ci") == "full"  # all counts, not the ones for every day


def is_postgres() -> bool:
    """Whether this run is on PostgreSQL (`python tests/postgres.py COMMAND` sets DATABASE_URL)."""
    return os.environ.get("DATABASE_URL", "").startswith("postgres")


@dataclass(frozen=True)
class ProjectSetup:
    """One project with its person, apart from all others of the world."""

    project: int
    person: int
    team: int
    project_id: str


class Environment:
    """See the module. Scenes are cheap; a world costs a second or two."""

    def __init__(
        self, folder: Path, database_url: str, forks: Forks, cloud: Simulator, endpoint: str
    ) -> None:
        self.folder = folder
        self.database_url = database_url
        self.forks = forks
        self.cloud = (
            cloud  # the same store as the process that serves it, for faults and for reading the journal
        )
        self.endpoint = endpoint

    def scene(self, **settings: Any) -> ProjectSetup:
        """A fresh project and somebody who may create in it."""
        made = self.forks.run(
            "scene", endpoint=self.endpoint, access_key=KEY[0], secret_key=KEY[1], **settings
        )
        return ProjectSetup(**made)

    def records(self, scene: ProjectSetup) -> Records:
        """Both sides' records of a scene."""
        return self.judged(scene.project_id, self.forks.run("collect", project=scene.project))

    def judged(self, project_id: str, record: dict[str, Any]) -> Records:
        """What the database holds of a project, beside the cloud's own records of it."""
        notes = self.folder / "witness"
        witnessed = notes.read_text().splitlines() if notes.exists() else []
        return Records(
            **record,
            journal=[entry for entry in self.cloud.journal() if entry.project_id == project_id],
            living={cluster.id for cluster in self.cloud.clusters(project_id)},
            witnessed=[line for line in witnessed if project_id in line],
        )

    def breaches(self, scene: ProjectSetup) -> list[str]:
        """What the oracle finds broken in a scene."""
        return breaches(self.records(scene))

    def live(
        self,
        scene: ProjectSetup,
        *deaths: str,
        patience: float = LATE,
        breakage: str = "",
        name: str = "alpha",
    ) -> int:
        """One creation from the form to rest. Whoever dies is started again, armed with the next of `deaths`.

        Returns how many died.
        """
        request = {"project": scene.project, "person": scene.person, "name": name, "token": str(uuid.uuid4())}
        return self._act([("submit", request), ("work", {})], scene, deaths, patience, breakage)

    def delete(self, scene: ProjectSetup, *deaths: str, patience: float = LATE, name: str = "alpha") -> int:
        """One deletion from the form to rest, as `live`."""
        request = {"project": scene.project, "person": scene.person, "name": name}
        return self._act([("submit_deletion", request), ("work", {})], scene, deaths, patience)

    def update(self, scene: ProjectSetup, *deaths: str) -> int:
        """The project's lists from the cloud until they are at rest, as `live`."""
        return self._act([], scene, deaths, 0.0)

    def _act(
        self,
        acts: list[tuple[str, dict[str, Any]]],
        scene: ProjectSetup,
        deaths: Sequence[str],
        patience: float,
        breakage: str = "",
    ) -> int:
        pending = list(deaths)
        broken = {"breakage": breakage} if breakage else {}
        for job, arguments in [*acts, ("rest", {"project": scene.project, "patience": patience})]:
            ended = False
            while not ended:
                try:
                    self.forks.run(job, failpoint=pending[0] if pending else "", **arguments, **broken)
                    ended = True
                except Died:
                    del pending[:1]
        return len(deaths) - len(pending)


@contextmanager
def world(**environ: str) -> Iterator[Environment]:
    """A world, taken down entirely at the end. `environ` are settings of the product."""
    # In memory where there is such a folder: a killed process loses nothing that it wrote, and this is no test of disks.
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        with _database(folder) as url:
            variables = {
                "DJANGO_SETTINGS_MODULE": "tests.settings",
                "DATABASE_URL": url,
                "DATA_DIR": str(folder),
                "HYPERCLUSTERS_FAILPOINTS": "1",
                "UPSTREAM_HOSTS": "127.0.0.1",
                "UPSTREAM_DEADLINE": str(DEADLINE),
                "UPSTREAM_CONNECT_TIMEOUT": "1",
                "LOG_LEVEL": "ERROR",
                "CLOUD_AK": KEY[0],
                "CLOUD_SK": KEY[1],
            } | environ
            with _cloud(folder / "cloud", variables) as port, Forks(folder, variables) as forks:
                forks.run("appoint")
                cloud = Simulator(folder / "cloud", access_key=KEY[0], secret_key=KEY[1])
                try:
                    yield Environment(folder / "cloud", url, forks, cloud, f"http://127.0.0.1:{port}")
                finally:
                    cloud.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _cloud(folder: Path, environ: dict[str, str]) -> Iterator[int]:
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.cloud", str(folder)],
        env=os.environ | environ,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509 -- no threads here
    )
    try:
        until = time.monotonic() + 30
        while not (folder / "port").exists():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the simulated cloud did not come up")
            time.sleep(0.01)
        yield int((folder / "port").read_text())
    finally:
        process.kill()
        process.wait()


@contextmanager
def _database(folder: Path) -> Iterator[str]:
    """The URL of a database without people: a file, or one more on the throw-away server."""
    os.environ.setdefault(FOLDER, str(folder))  # outside pytest there is one world
    if not is_postgres():
        url = f"sqlite:///{folder}/faults.sqlite3"
        create_migrated(url)
        yield url
        return
    server = os.environ["DATABASE_URL"]
    name = f"faults_{uuid.uuid4().hex[:12]}"
    url = urlsplit(server)._replace(path=f"/{name}").geturl()
    create_migrated(url)
    try:
        yield url
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
