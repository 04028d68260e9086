"""Two web and two worker processes on one PostgreSQL: one of them is killed while people create, and nothing is lost."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from hyperclusters.simulator import Simulator
from tests.deployment.site import ROOT, Site, site

SERVER = os.environ["DATABASE_URL"]
PEOPLE = 20
EACH = 2
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator.start(
        tmp_path_factory.mktemp("cloud") / "cloud", access_key="TESTKEY", secret_key="test-secret"
    ) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, cloud: Simulator) -> Iterator[Site]:
    """Migrated as the owner, served as a role that can only add to the audit."""
    with site(SERVER, tmp_path_factory.mktemp("site")) as made:
        made.manage("migrate", "--verbosity", "0")
        app = re.sub(r"//[^@]*@", "//replicas_app:made-up@", made.url)
        made.manage("database_roles", APP_DATABASE_URL=app)
        made.manage("collectstatic", "--noinput", "--verbosity", "0")
        made.environment["DATABASE_URL"] = app
        code = (ROOT / "tests/deployment/people.py").read_text()
        made.manage("shell", "-c", code, PASSWORD=PASSWORD, PEOPLE=str(PEOPLE), CLOUD=cloud.endpoint)
        for number in (1, 2):
            made.web(f"web-{number}")
            made.start(f"worker-{number}", str(ROOT / "manage.py"), "worker")
        for address in made.addresses:
            made.wait_for(address)
        yield made


class Person:
    """Somebody with a browser behind the proxy: a web process that does not answer is passed over, as a proxy does."""

    def __init__(self, number: int, addresses: list[str]) -> None:
        self.name = f"person-{number}"
        self.addresses = addresses[number % 2 :] + addresses[: number % 2]
        self.http = httpx.Client(timeout=20, trust_env=False)

    def ask(self, method: str, path: str, **kwargs: object) -> httpx.Response:
        for _ in range(3):
            for address in self.addresses:
                try:
                    return self.http.request(method, f"http://{address}{path}", **kwargs)  # type: ignore[arg-type]
                except httpx.TransportError:
                    continue
        raise AssertionError("no web process answered")

    def post(self, page: str, values: dict[str, str]) -> httpx.Response:
        form = self.ask("GET", page).text
        hidden = dict(re.findall(r'name="(csrfmiddlewaretoken|token)" value="([^"]+)"', form))
        return self.ask("POST", page, data=hidden | values)

    def sign_in(self) -> None:
        answer = self.post(
            "/accounts/login/", {"username": self.name, "login": self.name, "password": PASSWORD}
        )
        assert answer.status_code == 302, answer.text[-500:]

    def create(self, name: str) -> str:
        """The page of the creation that was accepted."""
        answer = self.post(
            "/clusters/new/", {"project": "vision", "type": "HPS", "name": name, "reason": "load"}
        )
        assert answer.status_code == 302, answer.text[-500:]
        return answer.headers["Location"]


def test_g20_the_role_that_serves_can_add_to_the_audit_and_do_nothing_else_to_it(running: Site) -> None:
    app = running.environment["DATABASE_URL"]
    with psycopg.connect(app, autocommit=True) as connection:
        for statement in (
            "UPDATE audit_event SET outcome = 'done'",
            "DELETE FROM audit_event",
            "TRUNCATE audit_event",
            "ALTER TABLE audit_event DISABLE TRIGGER ALL",
            "DROP TABLE audit_event",
            "CREATE TABLE x (y int)",
            "DELETE FROM django_migrations",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(psycopg.Error):
                connection.execute(statement)
        assert connection.execute("SELECT count(*) FROM audit_event").fetchone() is not None
    owner = running.url
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("SET ROLE hyperclusters_auditor")
        assert connection.execute("SELECT count(*) FROM audit_event").fetchone() is not None
        for statement in ("SELECT * FROM clusters_project", "INSERT INTO audit_event DEFAULT VALUES"):
            with pytest.raises(psycopg.Error):
                connection.execute(statement)


def test_nothing_is_lost_when_one_of_four_processes_is_killed_under_load(
    running: Site, cloud: Simulator
) -> None:
    seed = random.randrange(2**32)
    victim = random.Random(seed).choice(sorted(running.processes))
    print(f"seed {seed}: {victim} is killed")
    cloud.fault("latency", "create", before=0.2)
    people = [Person(number, running.addresses) for number in range(PEOPLE)]
    accepted: list[str] = []
    first_ten = threading.Event()

    def work(person: Person) -> None:
        with person.http:
            person.sign_in()
            for turn in range(EACH):
                accepted.append(person.create(f"{person.name}.{turn}"))
                if len(accepted) >= 10:
                    first_ten.set()

    started = time.monotonic()
    with ThreadPoolExecutor(PEOPLE) as pool:
        jobs = [pool.submit(work, person) for person in people]
        assert first_ten.wait(60)
        running.processes[victim].send_signal(signal.SIGKILL)
        for job in jobs:
            job.result()
    states = wait_until_settled(running)
    print(f"{len(accepted)} creations in {time.monotonic() - started:.1f} s")
    assert len(set(accepted)) == PEOPLE * EACH
    assert states == {"created": PEOPLE * EACH}
    posts = Counter(entry.name for entry in cloud.journal() if entry.method == "POST" and entry.accepted)
    assert set(posts.values()) == {1}  # nothing was sent twice
    assert {cluster.name for cluster in cloud.clusters()} == set(posts)
    verdicts = running.rows("SELECT count(*) FROM audit_event WHERE action = 'cluster:create:succeeded'")
    assert verdicts == [(PEOPLE * EACH,)]


def wait_until_settled(running: Site) -> dict[str, int]:
    """How many creations are in each state, once none is open; a killed sender's lease runs out first."""
    until = time.monotonic() + 60
    while True:
        rows = running.rows("SELECT state, count(*) FROM clusters_creation GROUP BY state")
        states = {str(state): int(str(count)) for state, count in rows}
        if not states.keys() & {"queued", "sending", "unknown"} or time.monotonic() > until:
            return states
        time.sleep(0.2)


def test_g14_what_was_told_to_stop_ends_in_order(running: Site) -> None:
    killed = {name for name, process in running.processes.items() if process.poll() == -signal.SIGKILL}
    statuses = running.stop()
    assert len(killed) == 1
    assert {status for name, status in statuses.items() if name not in killed} == {0}
