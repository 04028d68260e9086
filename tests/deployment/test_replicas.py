"""The drill of docs/operating.md: two web and two worker processes on PostgreSQL behind a proxy that speaks TLS, sign-in with
the company's account, twenty people creating, one web and one worker process killed meanwhile, and nothing is lost."""

from __future__ import annotations

import os
import random
import re
import secrets
import signal
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import sql

from bench.processes import free_port
from hyperclusters.simulator import Simulator
from tests.accounts import provider as company
from tests.deployment.proxy import CADDY, proxy
from tests.deployment.site import ROOT, Site, site

SERVER = os.environ["DATABASE_URL"]
PEOPLE = 20
EACH = 2
AGAIN = {502, 503, 504}  # what a proxy says for a web process that has died; a person sends the form again
VERIFY = "from hyperclusters.audit import integrity, verification as v; v.note(integrity.WHOLE, v.verify())"

if CADDY is None and os.environ.get("CI") == "true":
    raise pytest.UsageError("Caddy is not installed, and on CI no test may be skipped.")
pytestmark = pytest.mark.skipif(
    CADDY is None, reason="Caddy is not installed (Debian: apt-get install caddy)"
)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator.start(
        tmp_path_factory.mktemp("cloud") / "cloud", access_key="TESTKEY", secret_key="test-secret"
    ) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def provider() -> Iterator[company.Provider]:
    with company.running() as process:
        for number in range(PEOPLE):
            name = f"person-{number}"
            values = {"preferred_username": name, "email": f"{name}@example.com", "email_verified": True}
            process.knows(name, groups=["ml-vision"], **values)
        yield process


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, cloud: Simulator, provider: company.Provider
) -> Iterator[Site]:
    """Migrated as an owner who is no superuser, served as a role that can only add to the audit."""
    port = free_port()
    provider.register(f"https://localhost:{port}/accounts/company/callback/")
    settings = {
        "HTTPS": "1",
        "TRUSTED_PROXIES": "1",
        "CSRF_TRUSTED_ORIGINS": f"https://localhost:{port}",
        "OIDC_ISSUER": provider.issuer,
        "OIDC_CLIENT_ID": provider.client_id,
        "OIDC_CLIENT_SECRET": provider.client_secret,
        "OIDC_GROUP_ROLES": "ml-vision=vision:creator",
        "PUBLIC": f"https://localhost:{port}",
    }
    folder = tmp_path_factory.mktemp("site")
    with site(SERVER, folder, **settings) as made, owner_of(made):
        made.manage("migrate", "--verbosity", "0")
        app = with_role(made.url, "replicas_app")
        made.manage("database_roles", APP_DATABASE_URL=app)
        made.manage("collectstatic", "--noinput", "--verbosity", "0")
        made.environment["DATABASE_URL"] = app
        code = (ROOT / "tests/deployment/people.py").read_text()
        made.manage("shell", "-c", code, PASSWORD="correct horse battery", PEOPLE="0", CLOUD=cloud.endpoint)
        for number in (1, 2):
            made.web(f"web-{number}")
            made.start(f"worker-{number}", str(ROOT / "manage.py"), "worker")
        for address in made.addresses:
            made.wait_for(address)
        yield made
        made.stop()


def with_role(url: str, role: str) -> str:
    """The same database as this role, with a password."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    return urlsplit(url)._replace(netloc=f"{role}:made-up@{host}").geturl()


class owner_of:  # noqa: N801 -- a context manager, used as a function
    """The database's owner, with the rights that docs/operating.md gives them: their own database, and making roles."""

    def __init__(self, site: Site) -> None:
        self.made, self.role = site, f"owner_{secrets.token_hex(4)}"

    def __enter__(self) -> None:
        name = urlsplit(self.made.url).path[1:]
        with psycopg.connect(SERVER, autocommit=True) as connection:
            for statement in (
                "CREATE ROLE {role} LOGIN CREATEROLE PASSWORD 'made-up'",
                "ALTER DATABASE {name} OWNER TO {role}",
            ):
                parts = {"role": sql.Identifier(self.role), "name": sql.Identifier(name)}
                connection.execute(sql.SQL(statement).format(**parts))
        self.made.environment["DATABASE_URL"] = with_role(self.made.url, self.role)

    def __exit__(self, *_: object) -> None:
        """The role goes with the throw-away server."""


class Person:
    """Somebody with a browser at the proxy. What gets no answer, or one of a proxy's own, is sent again as it was."""

    def __init__(self, number: int, origin: str, trusted: ssl.SSLContext) -> None:
        self.name, self.origin = f"person-{number}", origin
        self.http = httpx.Client(base_url=origin, timeout=20, trust_env=False, verify=trusted)
        self.sent_again = self.signed_in_again = 0

    def ask(self, method: str, path: str, **kwargs: object) -> httpx.Response:
        for _ in range(20):
            try:
                answer = self.http.request(method, path, **kwargs)  # type: ignore[arg-type]
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code not in AGAIN:
                return answer
            self.sent_again += 1
            time.sleep(0.2)
        raise AssertionError("no web process answered")

    def sign_in(self, provider: company.Provider) -> None:
        """There and back again. The provider's code is good once: whose process died over it is told to try again, and does."""
        for _ in range(5):
            there = self.ask("GET", "/accounts/company/").headers["Location"]
            back = provider.lets_in(self.name, there)
            assert back.startswith(self.origin)
            answer = self.ask("GET", back.removeprefix(self.origin))
            assert answer.status_code == 302, answer.text[-500:]
            assert all(name.startswith("__Host-") for name in self.http.cookies)
            if not answer.headers["Location"].startswith("/accounts/login/"):
                return
            assert "/accounts/company/?next=" in self.ask("GET", answer.headers["Location"]).text
            self.signed_in_again += 1
        raise AssertionError(f"{self.name} could not sign in")

    def create(self, name: str) -> str:
        """The page of the creation that was accepted."""
        form = self.ask("GET", "/clusters/new/").text
        hidden = dict(re.findall(r'name="(csrfmiddlewaretoken|token)" value="([^"]+)"', form))
        values = {"project": "vision", "type": "HPS", "name": name, "reason": "load"}
        headers = {"Referer": f"{self.origin}/clusters/new/"}
        answer = self.ask("POST", "/clusters/new/", data=hidden | values, headers=headers)
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
            "DELETE FROM audit_head",
            "INSERT INTO audit_segment DEFAULT VALUES",
            "CREATE TABLE x (y int)",
            "DELETE FROM django_migrations",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
        assert connection.execute("SELECT count(*) FROM audit_event").fetchone() is not None
    with psycopg.connect(running.url, autocommit=True) as connection:
        connection.execute("SET ROLE hyperclusters_auditor")
        assert connection.execute("SELECT count(*) FROM audit_event").fetchone() is not None
        for statement in ("SELECT * FROM clusters_project", "INSERT INTO audit_event DEFAULT VALUES"):
            with pytest.raises(psycopg.Error):
                connection.execute(statement)


def test_g21_the_roles_verify_the_audit_and_keep_its_anchors_and_only_the_owner_archives(
    running: Site,
) -> None:
    with psycopg.connect(running.url, autocommit=True) as connection:
        for role, group in (("olga_db", "hyperclusters_auditor"), ("anchor_db", "hyperclusters_anchor")):
            login = "CREATE ROLE {} LOGIN PASSWORD 'made-up' IN ROLE {}"
            connection.execute(sql.SQL(login).format(sql.Identifier(role), sql.Identifier(group)))
    running.manage("shell", "-c", VERIFY)  # as a worker does once a day
    running.manage("anchor_audit", DATABASE_URL=with_role(running.url, "anchor_db"))
    as_olga = {"DATABASE_URL": with_role(running.url, "olga_db")}
    assert "intact" in running.manage("verify_audit", "--no-note", **as_olga)
    with pytest.raises(AssertionError, match="Run this as the owner of the tables"):
        running.manage("archive_audit", "--before", "2999-01-01")
    owner = running.rows("SELECT tableowner FROM pg_tables WHERE tablename = 'audit_event'")[0][0]
    as_owner = {"DATABASE_URL": with_role(running.url, str(owner))}
    assert "events 1 to" in running.manage("archive_audit", "--before", "2999-01-01", **as_owner)


def test_nothing_is_lost_when_a_web_and_a_worker_process_are_killed_under_load(
    running: Site, cloud: Simulator, provider: company.Provider
) -> None:
    chance = random.Random(seed := random.randrange(2**32))
    victims = [f"{kind}-{chance.choice((1, 2))}" for kind in ("web", "worker")]
    origin = running.environment["PUBLIC"]
    cloud.fault("latency", "create", before=0.2)
    accepted: list[str] = []
    at_work = threading.Event()

    def work(person: Person) -> None:
        with person.http:
            person.sign_in(provider)
            for turn in range(EACH):
                accepted.append(person.create(f"{person.name}.{turn}"))
                if len(accepted) >= 10:
                    at_work.set()

    folder = running.folder
    with proxy(folder, urlsplit(origin).port or 0, running.addresses) as trusted:
        people = [Person(number, origin, trusted) for number in range(PEOPLE)]
        started = time.monotonic()
        with ThreadPoolExecutor(PEOPLE) as pool:
            jobs = [pool.submit(work, person) for person in people]
            assert at_work.wait(60)
            killed_at = datetime.now(UTC)
            for victim in victims:
                running.kill(victim)
            for job in jobs:
                job.result()
        took = time.monotonic() - started
        states = wait_until_settled(running, cloud)
    again, settled = sum(person.sent_again for person in people), time.monotonic() - started
    again_in = sum(person.signed_in_again for person in people)
    print(f"seed {seed}: {victims} killed, {len(accepted)} accepted in {took:.1f} s")
    print(f"{again} requests sent again, {again_in} sign-ins begun again")
    print(f"all settled after {settled:.1f} s: { {state: len(names) for state, names in states.items()} }")
    failed = "SELECT reason FROM audit_event WHERE action = 'session:sign-in:failed' AND at < %s"
    assert running.rows(failed, killed_at) == []  # only the killing costs anybody a sign-in
    assert len(set(accepted)) == PEOPLE * EACH
    rows = {str(pk) for (pk,) in running.rows("SELECT id FROM clusters_creation")}
    assert rows == {page.rstrip("/").rpartition("/")[2] for page in accepted}
    assert states.keys() <= {"created", "not_created"}, states
    posts = Counter(entry.name for entry in cloud.journal() if entry.method == "POST" and entry.accepted)
    assert set(posts.values()) == {1}  # nothing was sent twice
    assert states["created"] == set(posts) == {cluster.name for cluster in cloud.clusters()}
    assert len(states.get("not_created", ())) <= 16  # what one worker can have had in hand
    verdicts = running.rows("SELECT count(*) FROM audit_event WHERE action = 'cluster:create:succeeded'")
    assert verdicts == [(len(posts),)]
    assert "intact" in running.manage("verify_audit")


def wait_until_settled(running: Site, cloud: Simulator) -> dict[str, set[str]]:
    """The names of the creations by their state, once none is open. A killed sender's lease runs out first; and what it had
    written down but never sent is looked for until 15 minutes and more have passed, which are let pass here."""
    until = time.monotonic() + 60
    while True:
        states: dict[str, set[str]] = {}
        for state, name in running.rows("SELECT state, name FROM clusters_creation"):
            states.setdefault(str(state), set()).add(str(name))
        if not states.keys() & {"queued", "sending", "unknown"} or time.monotonic() > until:
            return states
        if not states.keys() & {"queued", "sending"}:
            never_sent = states["unknown"] - {entry.name for entry in cloud.journal()}
            later = "UPDATE clusters_creation SET horizon_at = now() - interval '1 s', signed_at = signed_at - interval '30 min', due_at = now() WHERE name = ANY(%s) AND state = 'unknown' RETURNING name"
            running.rows(later, list(never_sent))
        time.sleep(0.2)


def test_g14_what_was_told_to_stop_ends_in_order(running: Site) -> None:
    killed = {name for name, process in running.processes.items() if process.poll() == -signal.SIGKILL}
    statuses = running.stop()
    assert len(killed) == 2
    assert {status for name, status in statuses.items() if name not in killed} == {0}
