"""What is written is kept: nothing changes or removes an event, and nothing hostile keeps one from being written."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from hyperclusters.access.models import User
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.ledger import Subject, record, sanitize
from hyperclusters.audit.models import Event
from hyperclusters.audit.paging import page
from hyperclusters.audit.request_context import RequestContext, current, request_context
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.conftest import People, events

COLUMNS = [str(field.column) for field in Event._meta.concrete_fields]


@pytest.fixture
def event(database: None) -> Event:
    return record(EventType.SIGNED_OUT, Outcome.DONE, person_name="ada", reason="first")


def as_stored() -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM audit_event ORDER BY seq")
        rows: list[tuple[object, ...]] = cursor.fetchall()
        return rows


def refused(statement: str) -> None:
    """The database refuses this, by its own rule, and everything is as it was."""
    before = as_stored()
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert as_stored() == before
    assert before


COPY = f"INTO audit_event ({', '.join(COLUMNS)}) SELECT {', '.join(COLUMNS)} FROM audit_event"


CHANGES = [
    *(f"UPDATE audit_event SET {column} = {column}" for column in COLUMNS),
    "DELETE FROM audit_event",
    "DELETE FROM audit_event WHERE seq = (SELECT max(seq) FROM audit_event)",
    "UPDATE audit_event SET seq = seq + 1",
]


def test_g20_no_statement_changes_or_removes_an_event(event: Event) -> None:
    for statement in CHANGES:
        refused(statement)


WAYS_PAST = {
    "postgresql": [
        "TRUNCATE audit_event",
        "TRUNCATE audit_event CASCADE",
        f"INSERT {COPY} ON CONFLICT (seq) DO UPDATE SET reason = 'changed'",
        "WITH gone AS (DELETE FROM audit_event RETURNING seq) SELECT count(*) FROM gone",
        "MERGE INTO audit_event a USING (SELECT 1) b ON true WHEN MATCHED THEN UPDATE SET reason = 'changed'",
    ],
    # With recursive triggers off, REPLACE removes rows past every trigger on DELETE.
    "sqlite": [
        f"PRAGMA recursive_triggers = {switch}; {statement}"
        for switch in ("ON", "OFF")
        for statement in (
            f"INSERT OR REPLACE {COPY}",
            f"REPLACE {COPY}",
            "UPDATE OR REPLACE audit_event SET reason = 'changed'",
            f"INSERT {COPY} WHERE true ON CONFLICT (seq) DO UPDATE SET reason = 'changed'",
        )
    ],
}


@pytest.mark.parametrize("statement", WAYS_PAST[connection.vendor])
def test_g20_no_way_of_this_database_s_own_gets_past(statement: str, event: Event) -> None:
    pragma, _, statement = statement.rpartition("; ")
    with connection.cursor() as cursor:
        if pragma:
            cursor.execute(pragma)
        try:
            refused(statement)
        finally:
            if pragma:
                cursor.execute("PRAGMA recursive_triggers = ON")


def test_g20_the_orm_refuses_as_well(event: Event) -> None:
    event.reason = "changed"
    with pytest.raises(TypeError, match="never changed"):
        event.save()
    kept = Event.objects.get(pk=event.pk)
    with pytest.raises(TypeError, match="never changed"):
        kept.save(update_fields=["reason"])
    for change in (
        lambda: Event.objects.update(reason="changed"),
        lambda: Event.objects.all().delete(),
        kept.delete,
        lambda: Event.objects.bulk_update([event], ["reason"]),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert Event.objects.get().reason == "first"


def test_an_event_is_written_with_the_work_it_speaks_of_or_not_at_all(database: None) -> None:
    def fail_afterwards() -> None:
        with transaction.atomic():
            record(EventType.SIGNED_OUT, Outcome.DONE)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_afterwards()
    assert events() == []


def test_names_are_frozen_as_they_were(people: People) -> None:
    record(
        EventType.SIGNED_OUT,
        Outcome.DONE,
        on=Subject("thing", "1", "Name", team=people.vision),
        by=people.ada,
    )
    User.objects.filter(pk=people.ada.pk).update(username="married")
    people.vision.name = "Renamed"
    people.vision.save()
    event = events()[-1]
    assert (event.person_name, event.team_name, event.object_name) == ("ada", "Vision", "Name")
    assert (event.person_id, event.team_id) == (people.ada.pk, people.vision.pk)


HOSTILE = [
    ("nul\x00", "nul\\x00"),
    ("\x1b[2Jcleared", "\\x1b[2Jcleared"),
    ("lone \ud800 surrogate", "lone \\ud800 surrogate"),
    ("\u202eright to left", "\\u202eright to left"),
    ("zero\u200bwidth", "zero\\u200bwidth"),
    ("\x7f\x80\x9f", "\\x7f\\x80\\x9f"),
    ("carriage\rreturn", "carriage\\rreturn"),
    ("line\nand\ttab", "line\nand\ttab"),
    ("plain é 中文 🚀 ' \" < > & \\ %s {}", "plain é 中文 🚀 ' \" < > & \\ %s {}"),
]


@pytest.mark.parametrize(("said", "value"), HOSTILE, ids=[ascii(text)[:20] for text, _ in HOSTILE])
def test_g31_hostile_text_is_kept_as_a_safe_escape_wherever_it_stands(
    said: str, value: str, database: None
) -> None:
    nested = {said: [said, {"deep": (said, 1, None, True, 1.5)}]}
    record(
        EventType.SIGN_IN_FAILED,
        Outcome.DENIED,
        on=Subject("thing", said, said),
        person_name=said,
        reason=said,
        before=nested,
        after=nested,
        request=nested,
        response=nested,
        evidence=said,
        upstream_request_id=said,
    )
    event = events()[0]
    for text in (event.person_name, event.object_id, event.object_name, event.reason, event.evidence):
        assert text == value
    assert event.upstream_request_id == value
    expected = {value: [value, {"deep": [value, 1, None, True, 1.5]}]}
    assert event.before == event.after == event.request == event.response == expected


def test_text_too_long_for_its_column_is_cut_visibly_and_still_kept(database: None) -> None:
    record(
        EventType.SIGN_IN_FAILED,
        Outcome.DENIED,
        on=Subject("thing", "i" * 1000, "\x00" * 1000),
        person_name="n" * 1000,
        evidence="e" * 1000,
        upstream_request_id="r" * 1000,
        reason="kept whole " * 1000,
    )
    event = events()[0]
    assert event.person_name == "n" * 149 + "…"
    assert len(event.object_name) == 200
    assert len(event.upstream_request_id) == 128
    assert event.reason == "kept whole " * 1000


def test_what_is_storable_already_stays_as_it_is() -> None:
    value = {"a": [1, "two", None], "b": {"c": 3.5}}
    assert sanitize(value) == value


def test_where_an_act_came_from_is_written_down_and_does_not_leak_into_the_next(database: None) -> None:
    with request_context(RequestContext("page", "192.0.2.7", "request-1")):
        record(EventType.SIGNED_OUT, Outcome.DONE)
        with request_context(RequestContext("worker")):
            record(EventType.SIGNED_OUT, Outcome.DONE)
        record(EventType.SIGNED_OUT, Outcome.DONE)
    record(EventType.SIGNED_OUT, Outcome.DONE)
    rows = [(event.source, event.ip, event.request_id) for event in events()]
    assert rows == [
        ("page", "192.0.2.7", "request-1"),
        ("worker", "", ""),
        ("page", "192.0.2.7", "request-1"),
        ("command", "", ""),
    ]
    assert current() == RequestContext()


def found(text: str) -> set[str]:
    """The objects of the events that a text finds, as one query and as several."""
    event_filter, events = EventFilter(text=text), Event.objects.all()
    ids = {event.object_id for event in event_filter.apply(events)}
    assert ids == {event.object_id for event in page(event_filter.alternatives([events])).events}
    return ids


def test_an_event_is_found_by_a_part_of_its_name_or_of_any_id(database: None) -> None:
    with request_context(RequestContext("page", "", "request-1")):
        record(
            EventType.CREATE_FAILED,
            Outcome.FAILED,
            on=Subject("creation", "id-1", "Train_100%"),
            upstream_request_id="cloud-1",
        )
    record(EventType.CREATE_FAILED, Outcome.FAILED, on=Subject("creation", "id-2", "other"))
    for text in ("train", "N_1", "00%", "id-1", "request-1", "cloud-1", "quest", "oud-"):
        assert found(text) == {"id-1"}, text
    assert found("id-") == {"id-1", "id-2"}
    for text in ("t_ain", "trai%", "id", "id-1\nrequest"):
        assert not found(text), text
