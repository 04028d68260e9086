"""Each event names the one before it and is sealed with a key; numbers have no gap, whatever else a transaction does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from hyperclusters.audit import triggers
from hyperclusters.audit.chain import COLUMNS, GENESIS, HeadLost, digest
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import ChainHead, Event
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.conftest import events


def noted(number: int, **facts: Any) -> Event:
    return record(
        EventType.CREATE_FAILED, Outcome.FAILED, on=Subject("creation", str(number), f"c-{number}"), **facts
    )


def assert_chained(keys: list[tuple[str, bytes]]) -> None:
    previous, number = GENESIS, 0
    for number, event in enumerate(events(), 1):
        told = json.loads(event.canonical)
        assert (event.seq, told["seq"], told["previous"], told["key"]) == (
            number,
            number,
            previous,
            event.key_id,
        )
        assert event.digest == digest(dict(keys)[event.key_id], event.canonical)
        for name in set(COLUMNS) - {"at", "key_id", "canonical", "digest"}:
            assert told[name] == getattr(event, name)
        assert told["at"] == f"{event.at:%Y-%m-%dT%H:%M:%S.%f}Z"
        previous = event.digest
    head = ChainHead.objects.get()
    assert (head.seq, head.digest) == (number, previous)


def test_g21_every_event_is_sealed_and_names_the_one_before_it(database: None, settings: Any) -> None:
    noted(1, reason="ümlaut 中文 \x00 ' \" \\ %s\n", after={"b": [1, 2.5, None, True], "a": {"z": "é"}})
    noted(2, response={"nan": float("nan"), "huge": 10**400 - 1})
    with transaction.atomic():
        for number in range(3, 1205):
            noted(number)
    assert_chained(settings.AUDIT_KEYS)


def undone(number: int) -> None:
    with transaction.atomic():
        noted(number)
        raise ZeroDivisionError


def test_g21_what_was_undone_leaves_no_gap(database: None, settings: Any) -> None:
    noted(1)
    with pytest.raises(ZeroDivisionError):
        undone(2)
    with transaction.atomic():
        noted(3)
        with pytest.raises(ZeroDivisionError):
            undone(2)
        with transaction.atomic():
            noted(4)
    noted(5)
    assert [event.object_id for event in events()] == ["1", "3", "4", "5"]
    assert_chained(settings.AUDIT_KEYS)


def test_an_event_has_its_number_once_it_is_committed(database: None) -> None:
    assert noted(1).seq == 1
    with transaction.atomic():
        event = noted(2)
        assert str(event.seq) == "None"
    assert event.seq == 2


def a_bug_at_the_worst_moment() -> None:
    """An error that is not the database's own."""
    for held in connection.run_on_commit:
        cast("Any", held[1]).seal = None


def an_event_in_the_way() -> None:
    empty = {"person_id", "team_id", "before", "after", "request", "response"}
    values = ", ".join("NULL" if name in empty else "''" for name in COLUMNS[2:])
    with connection.cursor() as cursor:
        columns = ", ".join(f'"{name}"' for name in COLUMNS)
        cursor.execute(f"INSERT INTO audit_event ({columns}) VALUES (1, '2026-01-01 00:00:00+00', {values})")


def no_end_of_the_chain() -> None:
    with connection.schema_editor() as editor:
        triggers.remove_head(apps, editor)
        editor.execute("DELETE FROM audit_head")


TROUBLES = [(a_bug_at_the_worst_moment, TypeError), (an_event_in_the_way, DatabaseError)]
if connection.vendor == "postgresql":  # SQLite changes no schema inside a transaction
    TROUBLES.append((no_end_of_the_chain, HeadLost))


@pytest.mark.parametrize(("trouble", "error"), TROUBLES)
def test_g02_what_cannot_be_appended_undoes_the_work_it_speaks_of(
    trouble: Callable[[], None], error: type[Exception], database: None
) -> None:
    def work() -> None:
        with transaction.atomic():
            Session.objects.create(session_key="deed", expire_date=timezone.now())
            noted(1)
            trouble()

    with pytest.raises(error):
        work()
    assert not Session.objects.exists()
    assert events() == []
    assert noted(2).seq == 1


def test_g20_the_end_of_the_chain_only_moves_forward(database: None) -> None:
    noted(1)
    for statement in (
        "UPDATE audit_head SET seq = seq",
        "UPDATE audit_head SET seq = 0",
        "DELETE FROM audit_head",
        *(["TRUNCATE audit_head"] if connection.vendor == "postgresql" else []),
    ):
        with (
            pytest.raises(DatabaseError, match="only moves forward"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_g35_events_from_before_the_chain_are_taken_into_it_and_keep_what_they_say(
    database: None, settings: Any
) -> None:
    """Their numbers had holes, where a transaction was undone; a chain has none."""
    call_command("migrate", "audit", "0002", verbosity=0)
    try:
        before = ("seq", "at", "action", "outcome", "person_name", "team_name", "object_kind", "object_id")
        empty = ("object_name", "reason", "evidence", "source", "ip", "request_id", "upstream_request_id")
        names = ", ".join(f'"{name}"' for name in (*before, *empty, "after"))
        with connection.cursor() as cursor:
            for seq in (1, 2, 5, 9, 1500):
                cursor.execute(
                    f"INSERT INTO audit_event ({names}) VALUES ({', '.join(['%s'] * 16)})",
                    [seq, f"2026-01-02 03:04:05.{seq:06}", "cluster:create:failed", "failed", "ada", "", "creation",
                     str(seq), *[""] * 7, '{"b": 1.50, "a": "é"}'],
                )  # fmt: skip
    finally:
        call_command("migrate", "audit", verbosity=0)
    noted(10)
    assert [event.object_id for event in events()] == ["1", "2", "5", "9", "1500", "10"]
    assert [event.seq for event in events()] == [1, 2, 3, 4, 5, 6]
    assert events()[0].after == {"a": "é", "b": 1.5}
    assert_chained(settings.AUDIT_KEYS)


def test_g35_the_chain_can_be_taken_out_again(database: None) -> None:
    noted(1)
    call_command("migrate", "audit", "0002", verbosity=0)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT seq, object_id FROM audit_event")
            assert cursor.fetchall() == [(1, "1")]
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                cursor.execute("DELETE FROM audit_event")
            if connection.vendor == "postgresql":
                cursor.execute("SELECT nextval(pg_get_serial_sequence('audit_event', 'seq'))")
                assert cursor.fetchone() == (2,)
    finally:
        call_command("migrate", "audit", verbosity=0)
    assert [event.object_id for event in events()] == ["1"]
