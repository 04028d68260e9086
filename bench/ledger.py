"""The audit's chain: how many events a second eight processes append to it, and how fast it is verified."""

from __future__ import annotations

import multiprocessing
import resource
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier
from typing import Any

from django.db import connection, connections, transaction
from django.utils import timezone

from bench.figures import Figure
from bench.site import Site
from hyperclusters.audit.chain import PendingEvent, append
from hyperclusters.audit.ledger import Subject, record, sanitize
from hyperclusters.audit.models import Event
from hyperclusters.audit.verification import verify
from hyperclusters.audit.vocabulary import EventType, Outcome

PROCESSES, EACH = 8, 500
APPENDS_WANTED = 500.0  # a second
EVENTS, BATCH = 100_000, 5_000
ROWS_WANTED = 100_000.0  # a second
MEMORY_WANTED = 32.0  # MiB that a verification may add


def measure(_site: Site) -> Iterator[Figure]:
    """Real events through `record`; then a hundred thousand more, verified whole: none may raise an alarm."""
    rate = _appends()
    yield Figure(
        f"chained appends from {PROCESSES} processes",
        f"{rate:,.0f} /s",
        f"{APPENDS_WANTED:,.0f} /s",
        APPENDS_WANTED / rate,
        1.0,
    )
    fill(EVENTS)
    before = _memory()
    results = [verify() for _ in range(3)]
    grown = _memory() - before
    if names := [str(issue) for issue in results[-1].findings]:
        raise RuntimeError(f"a false alarm: {names}")
    rate = max(result.count / result.seconds for result in results)
    yield Figure(
        f"chain verification of {results[-1].count:,} events",
        f"{rate:,.0f} /s",
        f"{ROWS_WANTED:,.0f} /s",
        ROWS_WANTED / rate,
        1.0,
    )
    yield Figure(
        "memory that it adds", f"{grown:.0f} MiB", f"{MEMORY_WANTED:.0f} MiB", grown / MEMORY_WANTED, 1.0
    )


def fill(count: int) -> None:
    """So many events that look like a creation being sent, chained as all are."""
    now = timezone.now()
    for start in range(0, count, BATCH):
        with transaction.atomic():
            append(
                connection,
                [PendingEvent(_event(number, now)) for number in range(start, min(start + BATCH, count))],
            )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE audit_event")  # as its autovacuum does a minute later


def _event(number: int, now: datetime) -> Event:
    body = '{"name":"train","type":"HPS"}'
    return Event(
        at=now + timedelta(milliseconds=number),
        action=EventType.CREATE_SENDING,
        outcome=Outcome.ACCEPTED,
        person_id=number % 50,
        person_name=f"ada{number % 50}",
        team_id=number % 5,
        team_name=f"Team {number % 5}",
        object_kind="creation",
        object_id=str(uuid.uuid4()),
        object_name=f"train-{number}",
        reason="a few words of why",
        before={"state": "queued"},
        after=sanitize({"state": "sending", "send": 1, "baseline": [], "signed_at": now.isoformat()}),
        request=sanitize(
            {"method": "POST", "url": "https://modelarts.example/v1/x/hyper-clusters", "body": body}
        ),
        response=sanitize({"status": 200, "seconds": 0.25}) if number % 2 else None,
        evidence="",
        source="worker",
        request_id=uuid.uuid4().hex,
    )


def _appends() -> float:
    connections.close_all()
    context = multiprocessing.get_context("fork")
    start = context.Barrier(PROCESSES + 1)
    children = [context.Process(target=_append, args=(start,)) for _ in range(PROCESSES)]
    for child in children:
        child.start()
    start.wait()
    began = time.perf_counter()
    for child in children:
        child.join()
    taken = time.perf_counter() - began
    if any(child.exitcode for child in children):
        raise RuntimeError("a process could not append")
    return PROCESSES * EACH / taken


def _append(start: Barrier) -> None:
    connection.ensure_connection()
    start.wait()
    for number in range(EACH):
        facts: dict[str, Any] = {"after": {"state": "failed"}, "request": {"name": "train", "type": "HPS"}}
        subject = Subject("creation", str(number), f"train-{number}")
        record(EventType.CREATE_FAILED, Outcome.FAILED, on=subject, person_name="ada", **facts)
    connections.close_all()


def _memory() -> float:
    """The most that this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
