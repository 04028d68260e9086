"""The audit's chain: how many events a second processes append to it, how large they are, and how fast it is verified."""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
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

PROCESSES, EVENTS_IN_ALL = (1, 2, 4, 8), 2_000
SYNCS = 300
EVENTS, BATCH = 100_000, 5_000
BYTES_WANTED = 1_600.0
ODD = 'a "few" words\nof why, \\ and “more”'  # what JSON writes otherwise
ROWS_WANTED = 100_000.0  # a second
MEMORY_WANTED = 32.0  # MiB that a verification may add


def measure(_site: Site) -> Iterator[Figure]:
    """Real events through `record`; then a hundred thousand more, verified whole: none may raise an alarm."""
    yield from _appends_of_all()
    before_bytes, count = _bytes(), Event.objects.count()
    fill(EVENTS)
    size = (_bytes() - before_bytes) / (Event.objects.count() - count)
    yield Figure(
        "bytes of an event, indexes included",
        f"{size:,.0f}",
        f"{BYTES_WANTED:,.0f}",
        size / BYTES_WANTED,
        1.0,
    )
    yield from _verifications("as recorded")
    fill(EVENTS, reason=ODD)
    yield from _verifications("half of them with quotes and line breaks")


def _appends_of_all() -> Iterator[Figure]:
    rates = {number: _appends(number) for number in PROCESSES}
    syncs = _syncs()
    for number, rate in rates.items():
        yield Figure(
            f"chained appends from {number} processes",
            f"{rate:,.0f} /s",
            f"{rates[1]:,.0f} /s alone; {syncs:,.0f} fdatasync/s",
            rates[1] / rate,
            None if number == 1 else 1.0,
        )


def _syncs() -> float:
    """How many small writes a second reach the disk one after the other."""
    with tempfile.NamedTemporaryFile(dir=".") as file:
        started = time.perf_counter()
        for _ in range(SYNCS):
            file.write(b"x" * 512)
            file.flush()
            os.fdatasync(file.fileno())
        return SYNCS / (time.perf_counter() - started)


def _bytes() -> int:
    """Of the table and its indexes; SQLite: of the file."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_total_relation_size('audit_event')")
        else:
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        return int(cursor.fetchone()[0])


def _verifications(what: str) -> Iterator[Figure]:
    before = _memory()
    results = [verify() for _ in range(3)]
    grown = _memory() - before
    if names := [str(issue) for issue in results[-1].findings]:
        raise RuntimeError(f"a false alarm: {names}")
    rate = max(result.count / result.seconds for result in results)
    yield Figure(
        f"verification of {results[-1].count:,} events, {what}",
        f"{rate:,.0f} /s",
        f"{ROWS_WANTED:,.0f} /s",
        ROWS_WANTED / rate,
        1.0,
    )
    yield Figure(
        f"memory that it adds, {what}",
        f"{grown:.0f} MiB",
        f"{MEMORY_WANTED:.0f} MiB",
        grown / MEMORY_WANTED,
        1.0,
    )


def fill(count: int, reason: str = "a few words of why") -> None:
    """So many events that look like a creation being sent, chained as all are."""
    now = timezone.now()
    for start in range(0, count, BATCH):
        with transaction.atomic():
            append(
                connection,
                [
                    PendingEvent(_event(number, now, reason))
                    for number in range(start, min(start + BATCH, count))
                ],
            )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE audit_event")  # as its autovacuum does a minute later


def _event(number: int, now: datetime, reason: str) -> Event:
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
        reason=reason,
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


def _appends(processes: int) -> float:
    """Events a second."""
    connections.close_all()
    context = multiprocessing.get_context("fork")
    each = EVENTS_IN_ALL // processes
    start = context.Barrier(processes + 1)
    children = [context.Process(target=_append, args=(start, each)) for _ in range(processes)]
    for child in children:
        child.start()
    start.wait()
    began = time.perf_counter()
    for child in children:
        child.join()
    taken = time.perf_counter() - began
    if any(child.exitcode for child in children):
        raise RuntimeError("a process could not append")
    return processes * each / taken


def _append(start: Barrier, count: int) -> None:
    connection.ensure_connection()
    start.wait()
    for number in range(count):
        facts: dict[str, Any] = {"after": {"state": "failed"}, "request": {"name": "train", "type": "HPS"}}
        subject = Subject("creation", str(number), f"train-{number}")
        record(EventType.CREATE_FAILED, Outcome.FAILED, on=subject, person_name="ada", **facts)
    connections.close_all()


def _memory() -> float:
    """The most that this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
