"""G38: a machine whose clock is wrong holds nothing up, proves nothing, and says so. With real second processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from hyperclusters.access.models import Grant
from hyperclusters.access.permissions import Permission as May
from hyperclusters.access.permissions import may
from hyperclusters.accounts import lockout
from hyperclusters.accounts.models import Attempt, Session
from hyperclusters.audit import clock, push, tasks
from hyperclusters.audit.ledger import record
from hyperclusters.audit.models import ScheduledTask
from hyperclusters.audit.visits import note_read
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters import breaker, connections, heartbeat, inventory
from hyperclusters.clusters.metrics import exposition
from hyperclusters.clusters.models import ClusterListing, ConnectionTest, Creation, Heartbeat, Project, State
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.operations.evidence import horizon, is_past_horizon
from hyperclusters.notifications.happenings import TASK as MESSAGES
from tests.clusters.moments import send_what_waits
from tests.clusters.other_process import faketime, other
from tests.conftest import Cloud, People, Projects, events, run_worker, run_worker_again, submit_creation

POSTGRESQL = "postgres" in os.environ.get("DATABASE_URL", "")
pytestmark = pytest.mark.skipif(
    not faketime() and os.environ.get("CI") != "true",
    reason="libfaketime is not installed (requirements-dev.txt)",
)
LONGEST = timedelta(minutes=6)  # a little more than the longest pause of work
DAY = timedelta(days=1)


def wrong(**truths: bool) -> list[str]:
    """The cells that are not as promised."""
    return [cell for cell, is_so in truths.items() if not is_so]


@contextmanager
def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> Iterator[None]:
    """This process's rows are judged as of this moment."""
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda: moment)
        yield


def lost(people: People, projects: Projects, cloud: Cloud, name: str = "lost") -> Creation:
    """A creation that the cloud has not carried out yet, and may still."""
    cloud.simulator.fault("lost_request", "create", times=1)
    creation = submit_creation(people.ada, projects.vision, name)
    send_what_waits()
    creation.refresh_from_db()
    assert creation.state == State.UNKNOWN
    return creation


def lists(cloud: Cloud) -> int:
    return sum(entry.call == "list" for entry in cloud.simulator.journal())


@contextmanager
def database_set(seconds: int) -> Iterator[str]:
    """PostgreSQL's clock is so far ahead for whoever adds this to the database's URL."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA jumped")
        cursor.execute(
            "CREATE FUNCTION jumped.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
            f"$$ SELECT pg_catalog.clock_timestamp() + interval '{seconds} s' $$"
        )
    try:
        yield "?options=-c%20search_path=jumped,public,pg_catalog"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA jumped CASCADE")


WORKERS: dict[str, tuple[str, bool]] = {
    "worker ahead": ("+10d", False),
    "worker ahead, monotonic too": ("+10d", True),
    "worker behind": ("-10d", False),
    "database jump": ("", False),
}


@pytest.mark.parametrize("row", WORKERS)
def test_g38_nothing_stands_still_after_a_worker_whose_clock_was_wrong(
    row: str, people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead, fake_monotonic = WORKERS[row]
    unsettled = lost(people, projects, cloud)
    jumps = row == "database jump"
    if jumps and not POSTGRESQL:
        ahead = "+10d"  # SQLite has this machine's clock: it was ahead and is set back
    jump = database_set(10 * 86_400) if jumps and POSTGRESQL else nullcontext("")
    with jump as query, other(ahead, fake_monotonic=fake_monotonic, query=query) as worker:
        worker("beat")
        worker("work")
        worker("look_at_once", times=2)
        submit_creation(people.ada, projects.vision, "left-behind")
        claimed = worker("claim")
        said = worker("now")
    if POSTGRESQL and jumps:
        assert said["rows"] > timezone.now().timestamp() + 9 * 86_400
    elif POSTGRESQL:
        assert abs(said["rows"] - timezone.now().timestamp()) < 5
        assert abs(said["signed"] - timezone.now().timestamp()) < 5
    unsettled.refresh_from_db()
    count, now = lists(cloud), clock.now()
    with at(monkeypatch, now + LONGEST):
        run_worker()
        tasks.run_due()
        inventory_is_due = lists(cloud) >= count + 4
        for _ in range(25):
            record(EventType.ACCESS_DENIED, Outcome.DENIED, by=people.mallory)
        ScheduledTask.objects.filter(name="alerts").update(run_after=clock.now())
        tasks.run_due()
    stuck = Creation.objects.filter(name="left-behind", state=State.QUEUED)
    not_created_after = Creation.objects.get(pk=unsettled.pk).not_created_after
    assert (
        wrong(
            leases=not stuck.exists()
            and (not claimed or Creation.objects.get(pk=claimed).state == State.CREATED),
            horizon=unsettled.state == State.UNKNOWN
            and not_created_after is not None
            and not_created_after < now + LONGEST * 5,
            # But the place that messages to chats have reached in the ledger: it is due at no time.
            scheduled_tasks=not ScheduledTask.objects.exclude(name=MESSAGES)
            .exclude(run_after__lte=now + DAY + LONGEST + timedelta(minutes=1))
            .exists(),
            listings=inventory_is_due,
            alerts=len(events(action="audit:alert:denials")) == 1,
            grants=may(people.ada, May.CREATE, people.vision),
        )
        == []
    )


@pytest.mark.parametrize("ahead", ["+20m", "-20m"], ids=["web ahead", "web behind"])
def test_g38_what_a_web_process_asks_for_by_a_wrong_clock_is_done_at_once(
    ahead: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    before = events()[-1].seq
    run_worker()
    tasks.run_due()
    ClusterListing.objects.update(run_after=clock.now() + timedelta(seconds=50))
    with other(ahead) as web:
        creation = web("ask", name="from-the-web")
        web("give", username="nina")
        web("deny", username="mallory", times=25)
        web("visit")
    lapsed, count = Grant.objects.get(person=people.tom), lists(cloud)
    Grant.objects.filter(pk=lapsed.pk).update(until=clock.now())
    ScheduledTask.objects.update(run_after=clock.now())
    run_worker()
    tasks.run_due()
    note_read(person=people.olga, page="list", filters={})
    recent = Attempt.objects.filter(clock.within("at", lockout.WINDOW), key="shared").count()
    visits = len(events(action="audit:read"))
    assert (
        wrong(
            leases=Creation.objects.get(pk=creation).state == State.CREATED,
            listings=lists(cloud) > count + 2,
            alerts=len(events(action="audit:alert:denials")) == 1,
            grant_begins=may(people.nina, May.VIEW, people.vision),
            grant_ends=not may(people.tom, May.VIEW, people.vision),
            visits=visits == (1 if POSTGRESQL else 2),
            lockout=recent == (50 if POSTGRESQL else 0),
            times=not POSTGRESQL
            or all(abs(event.at - clock.now()) < timedelta(minutes=1) for event in events(seq__gt=before)),
        )
        == []
    )


@pytest.mark.parametrize("ahead", ["+30m", "-30m"])
def test_g38_a_worker_by_a_wrong_clock_proves_nothing_absent(
    ahead: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud)
    with other(ahead) as worker:
        worker("look_at_once", times=4)
    creation.refresh_from_db()
    assert (creation.state, creation.polls >= 2) == (State.UNKNOWN, True)
    assert events(action="cluster:create:absent") == []
    cloud.simulator.add_cluster(projects.vision.project_id, "lost")  # the cloud carries it out after all
    creation = run_worker_again(
        creation, times=2
    )  # the first by the offset to the cloud that the other worker has measured
    assert (creation.state, creation.conflict_at) == (State.CREATED, None)


# What it says of itself.


@pytest.mark.parametrize(
    ("ahead", "role"), [("+20m", "worker"), ("-20m", "worker"), ("+20m", "web"), ("-20m", "web")]
)
def test_g38_a_wrong_clock_is_reported_once_and_in_every_place(
    ahead: str, role: str, projects: Projects, as_: Callable[[str], Browser]
) -> None:
    seconds = 1200 if ahead[0] == "+" else -1200
    heartbeat.beat("here")
    with other(ahead) as process:
        for _ in range(3):
            answer = process("beat", role=role)
            heartbeat.beat("here")
    assert abs(answer["ahead"] - seconds) < 10
    assert answer["readyz"]["status"] == "ok"
    assert answer["readyz"]["clock"].startswith("wrong: ")
    row = Heartbeat.objects.get(holder="other")
    assert row.clock_ahead is not None
    assert abs(row.clock_ahead - seconds) < 10
    (event,) = events(action="audit:clock:wrong")
    assert event.object_kind == "host"
    # SQLite: nobody can tell whose clock is right, so both say it.
    assert (heartbeat.seconds_ahead() is None) == POSTGRESQL
    if POSTGRESQL or ahead[0] == "-":  # on SQLite a beat of the future is no beat of the last minute
        return
    assert b"clock" in as_("root").get("/").content.lower()


def test_g38_the_wrong_clock_is_a_metric_and_a_line_on_every_page(
    projects: Projects, as_: Callable[[str], Browser]
) -> None:
    now = clock.now()
    for holder, role, off in (("a", "worker", -31.5), ("b", "worker", None), ("c", "web", None)):
        Heartbeat.objects.create(
            holder=holder, role=role, host="db7", started_at=now, at=now, clock_ahead=off
        )
    text = exposition().decode()
    assert 'hyperclusters_clock_ahead_seconds{host="db7",role="worker"} -31.5' in text
    assert 'hyperclusters_clock_ahead_seconds{host="db7",role="web"} 0.0' in text
    assert "hyperclusters_workers 2.0" in text
    assert "The clock of db7 is wrong" in as_("vera").get("/").content.decode()
    heartbeat.forget_beats()
    Heartbeat.objects.update(clock_ahead=None)
    assert "The clock of" not in as_("vera").get("/").content.decode()


def test_g38_processes_whose_clocks_agree_say_nothing(projects: Projects) -> None:
    heartbeat.beat("here")
    with other() as process:
        for _ in range(3):
            answer = process("beat")
            heartbeat.beat("here")
    assert (answer["ahead"], heartbeat.seconds_ahead(), answer["readyz"]["clock"]) == (None, None, "ok")
    assert events(action="audit:clock:wrong") == []
    assert clock.is_proved(DAY)


def test_g38_an_episode_that_ends_and_comes_back_is_a_second_event(
    projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    offs = iter((30.0, 31.0, 31.0, None, -30.0, -30.0, None, 30.0))  # the last one was seen only once
    monkeypatch.setattr(heartbeat, "_seconds_ahead", lambda _: next(offs))
    for _ in range(8):
        heartbeat.beat("here")
    assert len(events(action="audit:clock:wrong")) == 2


# What a conclusion needs.


def test_g38_absence_needs_the_horizon_past_by_every_clock(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud)
    now = clock.now()
    later, before = now + timedelta(minutes=22), now + timedelta(minutes=20)
    assert creation.signed_at is not None

    class Seen:
        elapsed = 0.0

        def __init__(self, date: datetime | None) -> None:
            self.server_date = date

    def proves(started_at: datetime, date: datetime | None) -> bool:
        return is_past_horizon(creation, started_at, Seen(date))  # type: ignore[arg-type]  # all that is asked of it

    assert proves(later, later)
    assert proves(later, None)
    assert not proves(before, later)  # by our clock
    assert not proves(later, before)  # by the cloud's
    assert not proves(later, horizon(creation.signed_at))
    clock.doubt("a test")
    assert not proves(later, later)
    assert not proves(later, None)


def test_g38_a_horizon_that_no_clock_can_have_set_begins_anew(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud)
    Creation.objects.update(
        not_created_after=clock.now() + timedelta(days=10), polls=5, run_after=clock.now()
    )
    claimed = CREATIONS.claim("here", State.UNKNOWN)
    assert claimed is not None
    CREATIONS.poll(claimed)
    creation.refresh_from_db()
    assert creation.not_created_after is not None
    assert abs(creation.not_created_after - horizon(clock.now())) < timedelta(minutes=1)


@pytest.mark.parametrize("seconds", [1800, -1800])
def test_g38_a_clock_that_was_set_proves_no_length_of_time_for_a_while(
    seconds: int, database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.now()
    ticks = time.monotonic()
    jumped = datetime.now(UTC) + timedelta(seconds=seconds + 10)
    monkeypatch.setattr("hyperclusters.audit.clock.time.monotonic", lambda: ticks + 10)
    monkeypatch.setattr("hyperclusters.audit.clock.timezone.now", lambda: jumped)
    monkeypatch.setattr(clock, "_read_database_clock", lambda: clock.ClockReading(jumped, ticks + 10))
    assert clock.is_proved(timedelta(minutes=21))
    assert abs(clock.now() - jumped) < timedelta(seconds=1)
    assert not clock.is_proved(timedelta(minutes=21))
    monkeypatch.setattr("hyperclusters.audit.clock.time.monotonic", lambda: ticks + 10 + 22 * 60)
    assert clock.is_proved(timedelta(minutes=21))


# Stored times that lie further ahead than they can.


def test_g38_every_claim_takes_what_is_further_ahead_than_its_longest_interval(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    far = clock.now() + timedelta(days=10)
    creation = submit_creation(people.ada, projects.vision, "far")
    Creation.objects.update(run_after=far, lease_expires_at=far, lease_holder="gone")
    ClusterListing.objects.update(run_after=far, lease_expires_at=far)
    test = connections.ask_test(by=people.root, project=projects.vision)
    type(test).objects.update(lease_expires_at=far)
    Project.objects.update(
        blocked_until=far, blocked_cause="key_refused", probe_until=far, writes_until=far, trusted=False
    )
    project = Project.objects.get(pk=projects.vision.pk)
    longest = timedelta(seconds=push.BACKOFF_AT_MOST)
    ScheduledTask.objects.create(name="alerts", run_after=far, lease_expires_at=far)
    claimed = CREATIONS.claim("here", State.QUEUED)
    assert (
        wrong(
            breaker_and_writes=not project.is_blocked() and breaker.begin_write(project) is None,
            work=claimed is not None and claimed.pk == creation.pk,
            lists=inventory.claim_source("here") is not None,
            tests=ConnectionTest.objects.claim("here") is not None,
            tasks=ScheduledTask.objects.due().filter(clock.due("run_after", longest)).exists(),
            task=tasks._claim("alerts", tasks.SOON) is not None,
        )
        == []
    )


def test_g38_a_lawful_wait_is_waited_for(people: People, projects: Projects, cloud: Cloud) -> None:
    submit_creation(people.ada, projects.vision, "soon")
    soon = clock.now() + timedelta(minutes=4)
    Creation.objects.update(run_after=soon)
    assert CREATIONS.claim("here", State.QUEUED) is None
    Creation.objects.update(run_after=clock.now(), lease_expires_at=clock.now() + timedelta(seconds=20))
    assert CREATIONS.claim("here", State.QUEUED) is None
    Project.objects.update(blocked_until=soon)
    assert Project.objects.get(pk=projects.vision.pk).is_blocked()


def test_g38_a_session_ends_when_its_longest_time_is_over_whatever_was_stored(
    as_: Callable[[str], Browser],
) -> None:
    browser = as_("ada")
    assert browser.get("/").status_code == 200
    Session.objects.update(expire_date=clock.now() + timedelta(days=10))
    assert browser.get("/").status_code == 302
