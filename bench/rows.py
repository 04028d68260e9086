"""A ledger as it looks after a year: a million events of two hundred people, chained as `record` would have chained them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from types import SimpleNamespace
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.utils import timezone

from hyperclusters.audit import people_events, search, triggers
from hyperclusters.audit.chain import DOCUMENTS, PendingEvent, document
from hyperclusters.audit.ledger import sanitize
from hyperclusters.audit.models import ChainHead, Event

PEOPLE, TEAMS, PROJECTS, ADDRESSES = 200, 20, 40, 300
YEAR = timedelta(days=365)
NEEDLE, HITS = "needle-in-the-hay", 210  # a name that so many events have
RARE = "rare-person"  # did little, and nothing of it went wrong
BATCH = 2000
FIELDS = [field.column for field in Event._meta.concrete_fields]


def seed_up_to(count: int) -> None:
    """As `seed`, unless the ledger has so many already."""
    if ChainHead.objects.get().seq < count:
        seed(count)


def seed(count: int) -> None:
    """Put so many events behind the ledger's end."""
    with _without_indexes():
        head = ChainHead.objects.get()
        _write(_tuples(head, count))
        head.save()


def multiply(times: int) -> None:
    """PostgreSQL: make the ledger so many times as long by copies of its events, each a year older than the one before.
    Their seals do not fit, so nothing may verify it."""
    changes = {
        "seq": "seq + {n} * {count}",
        "at": "at - {n} * interval '1 year'",
        "request_id": "CASE request_id WHEN '' THEN '' ELSE md5(request_id || {n}) END",
        "object_id": "CASE object_id WHEN '' THEN '' ELSE md5(object_id || {n}) END",
    }
    columns = ", ".join(f'"{name}"' for name in FIELDS)
    with _without_indexes():
        head = ChainHead.objects.get()
        for n in range(1, times):
            values = ", ".join(changes.get(name, f'"{name}"').format(n=n, count=head.seq) for name in FIELDS)
            with connection.cursor() as cursor:
                cursor.execute(
                    f"INSERT INTO audit_event ({columns}) SELECT {values} FROM audit_event WHERE seq <= {head.seq} ORDER BY seq"  # noqa: S608 -- our own words
                )
        head.seq *= times
        head.save()


@contextmanager
def _without_indexes() -> Iterator[None]:
    """Indexes are made afterwards, which is several times faster."""
    with connection.schema_editor() as editor:
        for index in Event._meta.indexes:
            editor.remove_index(Event, index)
        search.remove(apps, editor)
        people_events.remove(apps, editor)
        if connection.vendor == "sqlite":
            triggers.remove_keeping(apps, editor)
            triggers.remove(apps, editor)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # no trigger runs, and indexes are made in memory
            cursor.execute("SET session_replication_role = replica; SET maintenance_work_mem = '1GB'")
    try:
        yield
    finally:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("RESET session_replication_role")
    with connection.schema_editor() as editor:
        for index in Event._meta.indexes:
            editor.add_index(Event, index)
        search.install(apps, editor)
        if connection.vendor == "sqlite":
            triggers.install(apps, editor)
            triggers.install_keeping(apps, editor)
    with connection.schema_editor(atomic=False) as editor:  # these are made while others write
        people_events.install(apps, editor)
    with connection.cursor() as cursor:
        cursor.execute(
            "VACUUM ANALYZE" if connection.vendor == "postgresql" else "PRAGMA wal_checkpoint(TRUNCATE)"
        )


def _write(rows: Iterator[tuple[Any, ...]]) -> None:
    columns = ", ".join(f'"{name}"' for name in FIELDS)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY audit_event ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join(["?"] * len(FIELDS))
        cursor.execute("BEGIN")
        while batch := list(islice(rows, BATCH)):
            insert = f"INSERT INTO audit_event ({columns}) VALUES ({marks})"  # noqa: S608 -- names of columns, and marks
            cursor.connection.executemany(insert, batch)
        cursor.execute("COMMIT")


def _tuples(head: ChainHead, count: int) -> Iterator[tuple[Any, ...]]:
    pace = YEAR / count
    start = timezone.now() - YEAR
    for event in _events(random.Random(head.seq), count):  # noqa: S311 -- made-up data, the same each time
        event.at = start
        start += pace
        head.seq += 1
        event.seq = head.seq
        event.key_id, key = settings.AUDIT_KEYS[0]
        event.canonical, event.digest = PendingEvent(event).seal(head.seq, head.digest, event.key_id, key)
        head.digest = event.digest
        yield tuple(_stored(name, getattr(event, name)) for name in FIELDS)


def _stored(name: str, value: Any) -> Any:
    if name in DOCUMENTS:
        return None if value is None else document(value)
    if name == "at" and connection.vendor == "sqlite":
        return f"{value:%Y-%m-%d %H:%M:%S.%f}"
    return value


def _events(chance: random.Random, count: int) -> Iterator[SimpleNamespace]:
    """People sign in, create, are refused; lists fail; about as often as one another as in life."""
    made = 0
    needles = {count // HITS * number for number in range(HITS)}
    while made < count:
        for event in _visit(chance):
            if made in needles:
                event.object_name = NEEDLE
            yield event
            made += 1
            if made == count:
                return


def _visit(chance: random.Random) -> list[SimpleNamespace]:
    person = (
        min(int(chance.paretovariate(0.6)) - 1, PEOPLE - 1)
        if chance.random() < 0.5
        else chance.randrange(PEOPLE)
    )
    name = RARE if chance.random() < 0.0005 else f"person-{person:03}"
    base = {
        "person_id": person + 1,
        "person_name": name,
        "team_id": person % TEAMS + 1,
        "team_name": f"Team {person % TEAMS}",
        "project_name": "",
        "ip": f"10.0.{person % 5}.{chance.randrange(ADDRESSES // 5)}",
        "source": "page",
    }
    dice = chance.random()
    if dice < 0.25 or name == RARE:
        return [_event(chance, base, "session:sign-in:succeeded", "done")]
    if dice < 0.28:
        return [_event(chance, base, "session:sign-in:failed", "denied")]
    if dice < 0.31:
        return [
            _event(chance, base, "access:page:denied", "denied", object_kind="page", object_name="/audit/")
        ]
    base |= {"project_name": f"project-{person % TEAMS + TEAMS * chance.randrange(PROJECTS // TEAMS):02}"}
    if dice < 0.35:
        worker = base | {"person_id": None, "person_name": "", "ip": "", "source": "worker"}
        return [
            _event(
                chance, worker, "cluster:list:failed", "failed", object_kind="source", evidence="unreachable"
            )
        ]
    return _creation(chance, base)


def _creation(chance: random.Random, base: dict[str, Any]) -> list[SimpleNamespace]:
    what = {
        "object_kind": "creation",
        "object_id": f"{chance.getrandbits(128):032x}",
        "object_name": f"train-{chance.randrange(10**6):06}-{chance.choice(['hps', 'ecs'])}",
    }
    worker = base | {"source": "worker", "ip": ""}
    body = {
        "name": what["object_name"],
        "type": "HPS",
        "hyper_cluster_subnet_id": f"{chance.getrandbits(128):032x}",
    }
    sent = {
        "method": "POST",
        "url": "https://modelarts.cn-southwest-2.myhuaweicloud.com/v1/x/hyper-clusters",
        "body": json.dumps(body),
    }
    cloud = f"{chance.getrandbits(128):032x}"
    steps = [
        _event(
            chance, base, "cluster:create:requested", "accepted", **what, request=body, reason="Baseline runs"
        ),
        _event(
            chance,
            worker,
            "cluster:create:sending",
            "accepted",
            **what,
            request=sent,
            after={"baseline": [], "send": 1},
        ),
    ]
    dice = chance.random()
    if dice < 0.9:
        reply = {"status": 200, "seconds": 0.812, "body": json.dumps({"id": cloud} | body)}
        end = ("cluster:create:succeeded", "done", {"response": reply, "evidence": "reply"})
    elif dice < 0.98:
        reply = {"status": 400, "code": "ModelArts.0103", "message": "name exists", "proves": "refused"}
        end = ("cluster:create:failed", "failed", {"response": reply, "evidence": "refused"})
    else:
        end = ("cluster:create:unknown", "unknown", {"evidence": "read_timeout"})
    return [
        *steps,
        _event(chance, worker, end[0], end[1], **what, request=sent, upstream_request_id=cloud, **end[2]),
    ]


def _event(
    chance: random.Random, base: dict[str, Any], action: str, outcome: str, **more: Any
) -> SimpleNamespace:
    empty = dict.fromkeys(
        ("reason", "evidence", "object_kind", "object_id", "object_name", "upstream_request_id"), ""
    )
    documents = {name: sanitize(more.pop(name, None)) for name in DOCUMENTS}
    request_id = f"{chance.getrandbits(128):032x}"
    return SimpleNamespace(
        **empty | base | documents | {"action": action, "outcome": outcome, "request_id": request_id} | more
    )
