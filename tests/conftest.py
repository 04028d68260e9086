"""The cast, the simulated cloud, and the rules every test keeps."""

from __future__ import annotations

import gc
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, connections, transaction
from django.test import Client as Browser
from django.test import TransactionTestCase
from django.utils import timezone, translation

from hyperclusters.access.models import Role, Team, User
from hyperclusters.access.services import add_person, add_team, grant
from hyperclusters.accounts.models import Session
from hyperclusters.accounts.recent_login import note_confirmation
from hyperclusters.audit import clock, ledger, search, triggers
from hyperclusters.audit.chain import GENESIS, PendingEvent
from hyperclusters.audit.models import ChainHead, DenialWindow, Event
from hyperclusters.audit.visits import forget_visits
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.creations import CreateRequest, request_creation
from hyperclusters.clusters.heartbeat import forget_beats
from hyperclusters.clusters.models import Creation, Project, State
from hyperclusters.clusters.projects import connect_project
from hyperclusters.clusters.worker import run_due
from hyperclusters.modelarts import Credentials
from hyperclusters.simulator import JournalEntry, Simulator
from hyperclusters.web.shared import ratelimit
from tests.audit.facts import conflicts
from tests.browser.chromium import CHROMIUM
from tests.templates import beside, create_migrated

VISION_ID = "a" * 32
SPEECH_ID = "b" * 32
KEY = Credentials("TESTKEY", "test-secret")
PASSWORD = "correct horse battery"


def pytest_collection() -> None:
    """Thousands of tests are made and none is freed: to look for garbage among them takes a third of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What was collected stays until the end, so the search for garbage goes past it."""
    gc.freeze()
    gc.enable()


LONG = "tests/faults/"  # files of minutes: they start first, so that no worker ends with one


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests need Chromium: without it they are skipped, aloud; on CI that is a failure."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
    if CHROMIUM:
        return
    for item in items:
        if item.get_closest_marker("browser"):
            if os.environ.get("CI") == "true":
                raise pytest.UsageError("Chromium is not installed, and on CI no test may be skipped.")
            item.add_marker(
                pytest.mark.skip(reason="Chromium is not installed (Debian: apt-get install chromium)")
            )


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches beyond this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"a test tried to connect to {address!r}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def own_clock_without_a_database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that may not use the database goes by this machine's clock."""
    uses_database = {"db", "transactional_db"} & set(request.fixturenames)
    if not uses_database and not request.node.get_closest_marker("django_db"):
        monkeypatch.setattr(clock, "_read_database_clock", lambda: None)


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """What a process has learned from one test's database says nothing of the next one's."""
    forget_beats()
    forget_visits()
    clock.forget()
    ratelimit._spent_until.clear()
    translation.deactivate()  # a page in Chinese leaves its language to its thread


@pytest.fixture(autouse=True)
def facts_keep_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the product's events say has one JSON type per path: search engines take no two."""

    def pending(event: Event) -> PendingEvent:
        assert conflicts(event) == []
        return PendingEvent(event)

    monkeypatch.setattr(ledger, "PendingEvent", pending)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """A worker takes the copy that is there."""
    return "PYTEST_XDIST_WORKER" in os.environ


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_keepdb: bool
) -> None:
    """Workers copy one migrated database; a process alone migrates its own."""
    if django_db_keepdb:
        name = connection.creation._get_test_db_name()  # type: ignore[attr-defined]
        create_migrated(beside(os.environ["DATABASE_URL"], name))


@pytest.fixture(scope="session", autouse=True)
def emptied_between_tests() -> Iterator[None]:
    """Tests that commit are emptied by deleting rows, which the audit's triggers refuse: they step aside for that alone."""
    flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
    TransactionTestCase._fixture_teardown = lambda _: _empty()  # type: ignore[attr-defined]
    yield
    TransactionTestCase._fixture_teardown = flush  # type: ignore[attr-defined]


def _tables() -> list[str]:
    keep = {"django_migrations", "django_content_type", "auth_permission"}
    tables = sorted(set(connection.introspection.django_table_names(only_existing=True)) - keep)
    return [*tables, str(settings.CACHES["default"]["LOCATION"])]


def _empty() -> None:
    """Delete every row at once, with references unchecked: several times faster than Django's flush."""
    with suppress(OSError):
        settings.AUDIT_ANCHORS.unlink()  # what the anchors saw is gone with the rows
    statements = [f'DELETE FROM "{table}"' for table in _tables()]
    statements.append(f"INSERT INTO audit_head (id, seq, digest) VALUES (1, 0, '{GENESIS}')")
    if connection.vendor == "postgresql":
        statements = [
            "SET session_replication_role = replica",
            *statements,
            "SET session_replication_role = DEFAULT",
        ]
        with connection.cursor() as cursor:
            cursor.execute("; ".join(statements))
        return
    with connection.schema_editor() as editor:
        triggers.remove_keeping(apps, editor)
        triggers.remove(apps, editor)
        triggers.remove_head(apps, editor)
        for statement in statements:
            editor.execute(statement)
        editor.execute(search.FORGET)
        triggers.install(apps, editor)
        triggers.install_head(apps, editor)
        triggers.install_keeping(apps, editor)


@dataclass
class Table:
    """One table's rows as the database stores them: on PostgreSQL COPY's text, on SQLite rows of plain values."""

    name: str
    columns: list[str]
    rows: Any

    @classmethod
    def read(cls, name: str) -> Table:
        """All there are, by their first column: the audit takes events in order alone."""
        with connection.cursor() as cursor:
            columns = [each.name for each in connection.introspection.get_table_description(cursor, name)]
            if connection.vendor == "postgresql":
                query = f'SELECT {_listed(columns)} FROM "{name}" ORDER BY 1'
                with cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
                    return cls(name, columns, b"".join(copy))
            plain = ", ".join(f'+"{column}"' for column in columns)  # without a type that Python converts
            return cls(name, columns, cursor.execute(f'SELECT {plain} FROM "{name}" ORDER BY 1').fetchall())

    def insert(self) -> None:
        """With columns by name: a migration that goes back and forth changes their order."""
        into = f'"{self.name}" ({_listed(self.columns)})'
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                    copy.write(self.rows)
            else:
                values = ", ".join(["%s"] * len(self.columns))
                cursor.executemany(f"INSERT INTO {into} VALUES ({values})", self.rows)


def _listed(columns: list[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


@pytest.fixture
def database(transactional_db: None) -> None:
    """A database whose commits are real. Most of what we promise is about commits, so tests use this one."""


@dataclass
class People:
    """Ada creates, Tom is her team's admin, Vera looks, Olga audits, Mallory is in another team, Root runs the platform."""

    ada: User
    tom: User
    vera: User
    olga: User
    mallory: User
    root: User
    nina: User
    vision: Team
    speech: Team


NAMES = ("ada", "tom", "vera", "olga", "mallory", "root", "nina")


@dataclass
class Everybody:
    """The rows of the cast, with the audit's end after them and the keys that sealed it."""

    tables: list[Table]
    end: Mapping[str, Any]
    audit_keys: list[tuple[str, bytes]]

    def insert(self) -> None:
        """Into an empty database."""
        for table in self.tables:
            table.insert()
        ChainHead.objects.update(**self.end)


@pytest.fixture
def people(database: None, everybody: Everybody) -> People:
    """Everybody, with their roles."""
    with transaction.atomic():
        if everybody.audit_keys == settings.AUDIT_KEYS:
            everybody.insert()
        else:  # this test has keys of its own
            _add_everybody()
    rows: dict[str, Any] = User.objects.in_bulk(NAMES, field_name="username")
    return People(**rows | Team.objects.in_bulk(field_name="slug"))


@pytest.fixture(scope="session")
def everybody(django_db_setup: None, django_db_blocker: Any) -> Everybody:
    """Made once by the product's own services: to copy the rows takes a tenth of the time."""
    with django_db_blocker.unblock():
        with transaction.atomic():
            _add_everybody()
        tables = [table for name in _tables() if name != "audit_head" and (table := Table.read(name)).rows]
        end = ChainHead.objects.values("seq", "digest").get()
        _empty()
    return Everybody(tables, end, settings.AUDIT_KEYS)


def _add_everybody() -> None:
    people = {
        name: add_person(username=name, email=f"{name}@example.com", password=PASSWORD) for name in NAMES
    }
    vision, speech = add_team(slug="vision", name="Vision"), add_team(slug="speech", name="Speech")
    for name, role, team in (
        ("root", Role.PLATFORM_ADMIN, None),
        ("olga", Role.AUDITOR, None),
        ("tom", Role.ADMIN, vision),
        ("ada", Role.CREATOR, vision),
        ("vera", Role.VIEWER, vision),
        ("mallory", Role.CREATOR, speech),
    ):
        grant(person=people[name], role=role, team=team, reason="the tests' cast")


@dataclass
class Cloud:
    """The simulated cloud, and what it must never see: a create without a committed row and event (promise G1)."""

    simulator: Simulator
    broken: list[str] = field(default_factory=list)

    @property
    def posts(self) -> list[JournalEntry]:
        """The create calls that the cloud accepted, oldest first: its own journal, the oracle."""
        return [entry for entry in self.simulator.journal() if entry.method == "POST" and entry.accepted]

    def saw(self, entry: JournalEntry) -> None:
        """Called in the simulator's own thread, so with a database connection of its own, before the deed."""
        if entry.call != "create":
            return
        try:
            if trouble := _unrecorded(entry):
                self.broken.append(trouble)
        finally:
            connections.close_all()


def _unrecorded(entry: JournalEntry) -> str:
    """What another connection misses at the moment a create arrives; empty if nothing."""
    states = (State.SENDING, State.UNKNOWN)  # unknown where a busy machine delivers it after the deadline
    rows = Creation.objects.filter(project__project_id=entry.project_id, name=entry.name, state__in=states)
    creation = rows.first()
    if creation is None:
        return f"no committed row says that {entry.name!r} is being sent"
    if creation.signed_at is None or f"{creation.signed_at:%Y%m%dT%H%M%SZ}" != entry.sdk_date:
        return f"the row of {entry.name!r} does not hold the X-Sdk-Date {entry.sdk_date}"
    events_seen = Event.objects.filter(object_id=str(creation.pk), action=EventType.CREATE_SENDING)
    if creation.attempts not in {(event.after or {}).get("send") for event in events_seen}:
        return f"no committed event says that {entry.name!r} is being sent"
    return ""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """A simulator on a socket of its own, which fails the test if a create reaches it before its record is committed."""
    seen: list[Cloud] = []

    def on_request(entry: JournalEntry) -> None:
        seen[0].saw(entry)

    with Simulator.start(
        tmp_path / "cloud",
        access_key=KEY.access_key,
        secret_key=KEY.secret_key,
        on_request=on_request,
    ) as simulator:
        seen.append(Cloud(simulator))
        yield seen[0]
    assert not seen[0].broken, "G1 broken: " + "; ".join(seen[0].broken)


@dataclass
class Projects:
    """Vision's and Speech's projects on the simulated cloud."""

    vision: Project
    speech: Project


@pytest.fixture
def projects(people: People, cloud: Cloud) -> Projects:
    """One project a team, connected by Root."""

    def connect(team: Team, name: str, project_id: str) -> Project:
        return connect_project(
            by=people.root,
            name=name,
            team=team,
            endpoint=cloud.simulator.endpoint,
            project_id=project_id,
            credentials=KEY,
            region="cn-southwest-2",
        )

    with transaction.atomic():
        return Projects(
            vision=connect(people.vision, "vision-cn-southwest-2", VISION_ID),
            speech=connect(people.speech, "speech-cn-north-9", SPEECH_ID),
        )


@pytest.fixture
def as_(people: People) -> Callable[[str], Browser]:
    """A signed-in browser: `as_("ada")`."""

    def signed_in(name: str) -> Browser:
        browser = Browser()
        browser.force_login(getattr(people, name))
        # As if the first page had been seen: from where is written then, and again when it changes.
        Session.objects.filter(pk=browser.session.session_key).update(ip="127.0.0.1")
        return browser

    return signed_in


def confirm(browser: Browser) -> Browser:
    """As if the person of this browser had shown who they are a moment ago: sensitive acts ask for that."""
    session = browser.session
    note_confirmation(session)
    session.save()
    return browser


def submit_creation(person: User, project: Project, name: str = "test-hps--1107", **request: Any) -> Creation:
    """Ask for a creation as the form does, with a fresh token."""
    request.setdefault("type", "HPS")
    return request_creation(
        person=person, project=project, wish=CreateRequest(name=name, **request), token=uuid.uuid4()
    )


def run_worker() -> None:
    """Let the worker do what is due, in this thread."""
    run_due()


def events(**filters: Any) -> list[Event]:
    """Audit events, oldest first."""
    return list(Event.objects.filter(**filters).order_by("seq"))


def denied(outcome: str = "denied", **filters: Any) -> int:
    """How many denials (or refusals) the audit has: by events of their own, in a summary, or counted in an open window."""
    recorded = events(outcome=outcome, **filters)
    summed = sum(
        (event.after or {}).get("count", 1) if event.evidence == "repeated" else 1 for event in recorded
    )
    counts = DenialWindow.objects.filter(outcome=outcome, **filters).values_list("count", flat=True)
    return summed + sum(counts)


def make_due(creation: Creation) -> None:
    """Let time pass until the worker may take this creation up again; its project's breaker lapses too."""
    past = timezone.now() - timedelta(seconds=1)
    Creation.objects.filter(pk=creation.pk).update(run_after=past)
    Project.objects.filter(pk=creation.project_id, blocked_until__gt=past).update(blocked_until=past)


def run_worker_again(creation: Creation, times: int = 1) -> Creation:
    """Let the worker take this creation up so many times more, each when it is due; the creation as it is then."""
    for _ in range(times):
        make_due(creation)
        run_worker()
    return Creation.objects.get(pk=creation.pk)
