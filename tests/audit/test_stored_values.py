"""G40: the seal covers every byte that is shown, filtered or exported, and no stored value stops the verification."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from hyperclusters.audit import anchors, clock, integrity, structure, tasks, verification
from hyperclusters.audit.chain import COLUMNS, DOCUMENTS, SCALARS
from hyperclusters.audit.chain_verifier import END, ChainPosition
from hyperclusters.audit.findings import IssueKind
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import Event, ScheduledTask
from hyperclusters.audit.raw_rows import LEAST, MOST, NUMBERS
from hyperclusters.audit.search import sqlite_words
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.audit import tampering as mallory

IS_SQLITE = connection.vendor == "sqlite"
EVENTS, PLACES = 9, (1, 5, 9)
PLAIN, ODD = (
    5,
    {"tiny": 1e-07, "huge": 1e16},
)  # PostgreSQL writes these otherwise: all events but one have them
TEXTS = [name for name in SCALARS if name not in NUMBERS]
Act = Callable[[], None]


class Person:
    """Enough of a person and a team for `record`."""

    pk, name = 7, "Ä 12"


def noted(number: int) -> None:
    record(
        EventType.CREATE_FAILED,
        Outcome.FAILED,
        on=Subject("creation", str(number), f"train-{number} é", team=Person(), project=Person()),
        person_name="adé",
        reason='why "so"\nand \\ so' if number % 2 else "whý",
        before={"state": "sendé", "n": 1},
        after={"send": 1, "is": True, "seconds": 1.5} | ({} if number == PLAIN else ODD),
        request={"body": '{"name": "x"}'},
        response={"status": 409},
        evidence="refusé",
        upstream_request_id="cloud-é",
    )


@pytest.fixture
def ledger(database: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.AUDIT_ANCHORS = tmp_path / "anchors.jsonl"
    for number in range(1, EVENTS + 1):
        noted(number)
    # Tampering is undone by a rollback: it is verified on the same connection, not on one that reads ahead.
    monkeypatch.setattr(verification, "ahead", iter)
    assert found() == []


def found() -> list[tuple[str, int, int, str]]:
    return [(each.kind, each.first, each.last, each.detail) for each in verification.verify().findings]


def edits() -> Iterator[tuple[str, str, int, Act]]:
    """What was edited, in which column and row, and how. Every one changes what a column holds."""
    for seq in PLACES:
        for name in COLUMNS[1:]:
            for kind, value in sorted(_values(name, seq).items()):
                sql, given = value if isinstance(value, tuple) else (value, [])
                statement = f'UPDATE audit_event SET "{name}" = {sql} WHERE seq = %s'
                yield kind, name, seq, partial(mallory.sql, statement, *given, seq)


def _values(name: str, seq: int) -> dict[str, Any]:
    """SQL for other values of this column, with what they are."""
    column = f'"{name}"'
    if name in NUMBERS:
        values: dict[str, Any] = {
            "another number": f"coalesce({column}, 0) + 1",
            "smallest number": str(LEAST),
        }
        if IS_SQLITE:
            values |= {"BLOB": f"CAST(coalesce({column}, 0) AS BLOB)", "text": "'seven'", "text null": "'null'",
                       "real": f"coalesce({column}, 0) + 0.5"}  # fmt: skip
        return values
    if name == "at":
        return _times()
    values = {} if name in DOCUMENTS else {"trailing blank": f"{column} || ' '", "case": f"upper({column})",
                                           "words": f"{column} || 'x'"}  # fmt: skip
    if IS_SQLITE:
        values |= {"NUL suffix": f"{column} || char(0)", "NUL and words": f"{column} || char(0) || ' (approved)'",
                   "BLOB": f"CAST({column} AS BLOB)", "BLOB with NUL": f"CAST({column} || char(0) AS BLOB)",
                   "trailing blank": f"{column} || ' '", "no text": "CAST(x'ff' AS TEXT)", "any bytes": "x'00ff'"}  # fmt: skip
    else:
        values |= {"emptied": "NULL"} if name in DOCUMENTS else {}
    stored = mallory.row(seq)[name]
    if name not in DOCUMENTS:  # what the text has between its quotes, and a value that goes on like the text
        values["next name"] = ("%s", [f'{stored}","outcome":"x'])
        if (in_text := json.dumps(stored, ensure_ascii=False)[1:-1]) != stored:
            values["escapes"] = ("%s", [in_text])
    if stored and unicodedata.normalize("NFD", stored) != stored:
        values["NFD"] = ("%s", [unicodedata.normalize("NFD", stored)])
    if name in DOCUMENTS:
        values |= _documents(name, stored)
    elif name == "object_id":
        values["number as text"] = ("%s", [f"0{stored}"])
    return values


def _times() -> dict[str, Any]:
    values: dict[str, Any] = {"other time": "'2026-01-01 00:00:00'"}
    if not IS_SQLITE:
        return values | {"before Christ": "CAST(CAST(at AS text) || ' BC' AS timestamptz)",
                             "infinity": "'infinity'", "year 20000": "'20000-01-01'"}  # fmt: skip
    return values | {"NUL suffix": "at || char(0)", "NUL and words": "at || char(0) || ' or so'",
                         "BLOB": "CAST(at AS BLOB)", "trailing blank": "at || ' '", "T": "replace(at, ' ', 'T')",
                         "offset": "at || '+00:00'", "other zone": "at || '+08:00'", "number": "17",
                         "no text": "CAST(x'ff' AS TEXT)", "garbage": "'yesterday'", "empty": "''"}  # fmt: skip


def _documents(name: str, stored: str) -> dict[str, Any]:
    """SQL for other documents."""
    values: dict[str, Any] = {"JSON null": "'null'", "list": "'[]'", "string": "'\"x\"'", "number": "'5'"}
    told = json.loads(stored)
    first, value = next(iter(told.items()))
    values["more"] = ("%s", [json.dumps(told | {"more": 1})])
    values["number as text"] = ("%s", [json.dumps(told | {"n": "1"})])
    values["duplicate key"] = ("%s", [stored[:-1] + f', "{first}": "other"}}'])
    if name == "after":
        values["1 as 1.0"] = ("%s", [stored.replace('"send": 1', '"send": 1.0')])
        values["1 as true"] = ("%s", [stored.replace('"send": 1', '"send": true')])
    if IS_SQLITE:
        values |= {"spacing": ("%s", [json.dumps(told, ensure_ascii=False, separators=(",", ":"))]),
                   "order": ("%s", [json.dumps(dict(reversed(told.items())) | {}, ensure_ascii=False)]),
                   "same key twice": ("%s", [stored[:-1] + f', "{first}": {json.dumps(value, ensure_ascii=False)}}}']),
                   "deep": ("%s", ["[" * 100_000]), "cut": ("%s", [stored[:-1]])}  # fmt: skip
    return values


def test_g40_every_stored_value_that_differs_is_named(ledger: None) -> None:
    tried, wrong = 0, {}
    for kind, name, seq, act in list(edits()):
        before = mallory.row_bytes(seq)
        with mallory.undone():
            try:
                with transaction.atomic():
                    act()
            except DatabaseError:
                continue  # PostgreSQL refuses what is too long
            if mallory.row_bytes(seq) == before:
                continue  # PostgreSQL normalised it, or there is nothing in capitals
            tried += 1
            named = [each for each in found() if seq in range(each[1], each[2] + 1)]
            if not named or (
                len(named) == 1 and name not in named[0][3] and name in (*SCALARS, *DOCUMENTS, "at")
            ):
                wrong[f"{kind}: {name} of {seq}"] = named
    assert wrong == {}
    assert tried > (700 if IS_SQLITE else 200), tried
    assert found() == []


def forged(number: Any) -> None:
    mallory.put(mallory.row(1) | {"seq": number, "reason": "made up", "canonical": "{}", "digest": "f" * 64})


@pytest.mark.parametrize("number", [LEAST, LEAST + 1, -1, 0, EVENTS + 1, EVENTS + 7, 2**62, MOST - 1, MOST])
def test_g40_no_number_lies_outside_the_walk(number: int, ledger: None) -> None:
    with mallory.undone():
        forged(number)
        assert found() == [(IssueKind.INSERTED, number, number, "")]
        if number <= 0:
            verification.note(
                integrity.WHOLE, verification.Result([], EVENTS, ChainPosition(EVENTS, "f" * 64), 0)
            )
            assert (IssueKind.INSERTED, number) in [
                (each.kind, each.first) for each in verification.verify_new().findings
            ]
        # Beside an edited event, which is named for itself.
        mallory.change(1, reason="edited")
        mallory.change(EVENTS, canonical="edited")
        assert sorted(found()) == sorted([
            (IssueKind.INSERTED, number, number, ""),
            (IssueKind.EDITED, 1, 1, "reason"),
            (IssueKind.EDITED, EVENTS, EVENTS, "canonical" if number <= 0 else ""),
        ])  # fmt: skip


def test_g40_numbers_at_both_ends_at_once(ledger: None) -> None:
    with mallory.undone():
        for number in (LEAST, -5, 0, EVENTS + 3, MOST):
            forged(number)
        assert found() == [
            (IssueKind.INSERTED, number, number, "") for number in (LEAST, -5, 0, EVENTS + 3, MOST)
        ]  # fmt: skip


@contextmanager
def without_a_key() -> Iterator[None]:
    """The table made again, as somebody with every right may do, so that its numbers can be anything."""
    with mallory.undone():
        if IS_SQLITE:
            mallory.sql("ALTER TABLE audit_event RENAME TO audit_event_was")
            mallory.sql("CREATE TABLE audit_event AS SELECT * FROM audit_event_was")
        else:
            mallory.sql("ALTER TABLE audit_event DROP CONSTRAINT audit_event_pkey")
            mallory.sql("ALTER TABLE audit_event ALTER seq DROP IDENTITY")
            mallory.sql("ALTER TABLE audit_event ALTER seq DROP NOT NULL")
        yield


STRANGE = [None, "5", "x", 5.5, b"\x05"] if IS_SQLITE else [None]


@pytest.mark.parametrize("number", STRANGE)
def test_g40_what_has_no_number_is_named(number: Any, ledger: None) -> None:
    with without_a_key():
        values = mallory.row(5)
        mallory.put(values | {"seq": number})
        if IS_SQLITE and number == "5":  # the new table's column takes it for the number that it looks like
            assert found() == [(IssueKind.INSERTED, 5, 5, "a copy of event 5")]
            return
        assert any(each[0] == IssueKind.INSERTED and "its number is" in each[3] for each in found())


@pytest.mark.parametrize("copies", [1, 3])
def test_g40_two_rows_with_one_number_are_named(
    copies: int, ledger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperclusters.audit.raw_rows.AT_ONCE", 5)  # the copies stand at the end of a batch
    with without_a_key():
        for _ in range(copies):
            mallory.put(mallory.row(5))
        assert found() == [(IssueKind.INSERTED, 5, 5, "a copy of event 5")] * copies


def sealed_with_our_key() -> list[str]:
    """Texts with a seal of ours that are no events: an anchor's line, as it is sealed."""
    line = anchors.anchor()
    return [json.dumps({name: line[name] for name in sorted(line.keys() - {"seal"})}), line["seal"]]


def test_g40_no_stored_value_stops_the_walk(ledger: None) -> None:
    text, seal = sealed_with_our_key()
    acts: dict[str, Act] = {"an anchor's text": partial(mallory.change, 5, canonical=text, digest=seal)}
    for text in (
        "",
        "{}",
        "[]",
        '{"previous":"',
        "{" * 100_000,
        "x" * 5_000_000,
        '{"previous":"%s","seq":' % ("0" * 64),
    ):
        acts[f"canonical {text[:20]}"] = partial(mallory.change, 5, canonical=text)
    if IS_SQLITE:
        for name in ("canonical", "digest", "key_id"):
            for value in (
                "x'ff'",
                "CAST(x'ff' AS TEXT)",
                f"CAST({name} AS BLOB)",
                f"{name} || char(0)",
                "zeroblob(3000000)",
            ):
                statement = f"UPDATE audit_event SET {name} = {value} WHERE seq = 5"
                acts[f"{name} {value}"] = partial(mallory.sql, statement)
    wrong = {}
    for name, act in acts.items():
        with mallory.undone():
            act()
            mallory.delete(3, 3)
            mallory.change(7, reason="edited")
            kinds = [each[:3] for each in found()]
            if (
                len(kinds) != 3
                or (IssueKind.DELETED, 3, 3) not in kinds
                or (IssueKind.EDITED, 7, 7) not in kinds
                or not {(IssueKind.EDITED, 5, 5), (IssueKind.UNREADABLE, 5, 5)} & set(kinds)
            ):
                wrong[name] = kinds
    assert wrong == {}


@pytest.mark.skipif(not IS_SQLITE, reason="PostgreSQL takes nothing into a text that is none")
def test_g40_an_unreadable_row_is_named_with_what_is_unreadable(ledger: None) -> None:
    with mallory.undone():
        for seq, name in ((1, "canonical"), (5, "digest"), (6, "key_id"), (9, "canonical")):
            mallory.sql(f"UPDATE audit_event SET {name} = CAST(x'ff' AS TEXT) WHERE seq = {seq}")
        assert found() == [
            (IssueKind.UNREADABLE, seq, seq, f"cannot be read: {name}")
            for seq, name in ((1, "canonical"), (5, "digest"), (6, "key_id"), (9, "canonical"))
        ]


def test_g40_a_column_that_may_be_null_is_named(ledger: None) -> None:
    with mallory.undone():
        if IS_SQLITE:
            mallory.sql("ALTER TABLE audit_event RENAME TO audit_event_was")
            mallory.sql("CREATE TABLE audit_event AS SELECT * FROM audit_event_was")
        for name in [name for name in COLUMNS[1:] if name not in (*NUMBERS, *DOCUMENTS)]:
            if not IS_SQLITE:
                mallory.sql(f'ALTER TABLE audit_event ALTER "{name}" DROP NOT NULL')
            with transaction.atomic():
                mallory.sql(f'UPDATE audit_event SET "{name}" = NULL WHERE seq = 5')
                assert [each[:3] for each in found()] == [(IssueKind.EDITED, 5, 5)], name
                transaction.set_rollback(True)


def test_g40_a_scheduled_verification_keeps_the_finding_and_the_pill_says_broken(
    ledger: None, settings: Any
) -> None:
    settings.AUDIT_VERIFY_HOURS = 24
    value = "CAST(canonical AS BLOB)" if IS_SQLITE else "'{}'"
    mallory.unguarded(lambda: mallory.sql(f"UPDATE audit_event SET canonical = {value} WHERE seq = 5"))
    tasks.run_due()
    assert integrity.integrity_status().state == "broken"
    assert [
        each.first for each in integrity.integrity_status().findings if each.kind != IssueKind.INDEX_EDITED
    ] == [5]
    with pytest.raises(CommandError, match="edited: event 5"):
        call_command("verify_audit", stdout=StringIO())


@pytest.mark.parametrize("name", ["verify whole", "alerts", "denials"])
@pytest.mark.parametrize(
    "value",
    ["'abc'", "x'ff00'", "CAST(x'ff' AS TEXT)", "'99999-01-01'"]
    if IS_SQLITE
    else ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'99999-01-01'"],
)
@pytest.mark.parametrize("column", ["due_at", "held_until"])
def test_g38_a_task_whose_time_is_none_is_due_and_delays_no_other(
    ledger: None, name: str, value: str, column: str
) -> None:
    tasks.run_due()
    mallory.sql(f"UPDATE audit_duty SET {column} = {value} WHERE name = %s", name)
    at = clock.now()
    ScheduledTask.objects.exclude(name=name).update(run_after=at)
    tasks.run_due()
    assert not ScheduledTask.objects.exclude(name=name).filter(run_after=at).exists()
    ScheduledTask.objects.filter(name=name).update(run_after=at)
    tasks.run_due()
    assert ScheduledTask.objects.get(name=name).run_after > at


def test_g40_a_record_of_the_end_that_is_gone_is_kept_as_a_finding(ledger: None) -> None:
    """Nothing can be recorded any more then, the alert neither."""
    mallory.unguarded(lambda: mallory.sql("DELETE FROM audit_head"))
    with suppress(Exception):
        tasks.run_due()
    assert integrity.integrity_status().state == "broken"


@pytest.mark.parametrize("number", [LEAST, -1, 0, 1, EVENTS, EVENTS + 2, MOST])
def test_g40_the_database_refuses_a_number_that_is_not_the_next(number: int, ledger: None) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        forged(number)
    noted(EVENTS + 1)
    assert found() == []


@pytest.mark.skipif(not IS_SQLITE, reason="PostgreSQL stores no text that cannot be read")
def test_g40_an_end_that_cannot_be_read_is_named_and_no_event_with_it(ledger: None) -> None:
    mallory.unguarded(lambda: mallory.sql("UPDATE audit_head SET digest = CAST(x'80' AS TEXT)"))
    assert f"unreadable: {END}" in [str(each) for each in verification.verify().findings]


DROPPED = "DROP TRIGGER audit_event_no_update" + ("" if IS_SQLITE else " ON audit_event")
CHANGES = {
    "trigger audit_event_no_update is missing": [DROPPED],
    "trigger audit_event_next was changed or switched off": (
        ["DROP TRIGGER audit_event_next",
         "CREATE TRIGGER audit_event_next BEFORE INSERT ON audit_event WHEN 0 BEGIN SELECT RAISE(ABORT, 'x'); END"]
        if IS_SQLITE else
        ["CREATE OR REPLACE FUNCTION audit_event_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"]
    ),
    "trigger helpful is not ours": (
        ["CREATE TRIGGER helpful AFTER INSERT ON audit_event BEGIN SELECT 1; END"] if IS_SQLITE else
        ["CREATE FUNCTION helpful() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
         "CREATE TRIGGER helpful BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION helpful()"]
    ),
}  # fmt: skip
if not IS_SQLITE:
    CHANGES["trigger audit_head_forward was changed or switched off"] = [
        "ALTER TABLE audit_head DISABLE TRIGGER audit_head_forward"
    ]
    CHANGES["trigger audit_event_no_update was changed or switched off"] = [
        "ALTER TABLE audit_event ENABLE REPLICA TRIGGER audit_event_no_update"
    ]


@pytest.mark.parametrize("name", CHANGES)
def test_g40_a_trigger_that_was_changed_is_named(name: str, ledger: None) -> None:
    assert structure.changes() == {}
    assert verification.verify_whole().findings == []
    with transaction.atomic():
        for statement in CHANGES[name]:
            mallory.sql(statement)
        for run in (verification.verify_whole, verification.verify_new):
            assert [str(each) for each in run().findings] == [f"guard changed: {name}"]
        transaction.set_rollback(True)


@pytest.mark.skipif(
    not IS_SQLITE, reason="PostgreSQL's search is an index, which nobody but the server writes"
)
@pytest.mark.parametrize("hidden", [True, False])
def test_g40_a_search_that_hides_or_invents_an_event_is_named(hidden: bool, ledger: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sqlite_words()} FROM audit_event WHERE seq = 5")
        (words,) = cursor.fetchone()
    with transaction.atomic():
        mallory.sql(
            "INSERT INTO audit_event_name (audit_event_name, rowid, words) VALUES ('delete', 5, %s)",
            words,
        )
        if not hidden:
            mallory.sql("INSERT INTO audit_event_name (rowid, words) VALUES (5, 'another-name')")
        assert [(each.kind, each.first) for each in verification.verify_whole().findings] == [
            (IssueKind.INDEX_EDITED, 5)
        ]
        transaction.set_rollback(True)


@pytest.mark.skipif(not IS_SQLITE, reason="only SQLite keeps its search in tables")
def test_g40_a_search_that_finds_no_page_of_its_index_is_named(ledger: None) -> None:
    for number in range(60):  # an index of one page needs no way to it
        record(
            EventType.CREATE_FAILED,
            Outcome.FAILED,
            on=Subject("creation", str(number), f"c-{number}"),
            reason=f"{number:x}" * 50,
        )
    with transaction.atomic():
        mallory.sql("INSERT INTO audit_event_name (audit_event_name) VALUES ('optimize')")  # writes all pages
        assert not verification.verify_whole().findings
        mallory.sql("DELETE FROM audit_event_name_idx")
        (finding,) = verification.verify_whole().findings
        assert str(finding) == "index edited: the search does not find what its index has"
        transaction.set_rollback(True)
    assert not verification.verify_whole().findings


@pytest.mark.skipif(not IS_SQLITE, reason="nobody but PostgreSQL's server writes its indexes")
def test_g40_an_index_that_differs_from_the_events_is_named(ledger: None) -> None:
    """Filled while it was partial, then called whole: a filter by person does not find event 5 any more."""
    definition = "CREATE INDEX {} ON audit_event (request_id, seq){}"
    with transaction.atomic():
        mallory.sql("DROP INDEX event_request_page")
        mallory.sql(definition.format("event_request_page", " WHERE seq <> 5"))
        mallory.sql("PRAGMA writable_schema = ON")
        mallory.sql(
            "UPDATE sqlite_master SET sql = %s WHERE name = 'event_request_page'",
            definition.format("event_request_page", ""),
        )
    try:
        connection.close()
        assert IssueKind.INDEX_EDITED in {each.kind for each in verification.verify_whole().findings}
    finally:
        mallory.sql("REINDEX audit_event")
    assert verification.verify_whole().findings == []


hostile = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40) | st.sampled_from(
    [
        '"',
        "\\",
        '\\"',
        "\n\t\r\b\f",
        "\x1f\x7f",
        "\u2028",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        "é",
        "e\u0301",
        "%s%%",
        "null",
        "1",
        "{}",
        "ſK",
    ]
)
numbers = (
    st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=True)
    | st.sampled_from([1e-7, 1e16, 1e300, -0.0, 10**400])
)
documents = st.none() | st.dictionaries(
    hostile,
    hostile | numbers | st.booleans() | st.none() | st.lists(hostile | numbers, max_size=3),
    max_size=4,
)
ROWS = 500


def test_g40_no_false_alarm_over_hostile_texts(ledger: None) -> None:
    """Every event says something else; all are verified together."""

    @effort(max_examples=ROWS, deadline=None, database=None)
    @given(
        texts=st.tuples(*[hostile] * 8),
        told=st.tuples(*[documents] * 4),
        number=st.none() | st.integers(LEAST, MOST),
    )
    def write(texts: tuple[str, ...], told: tuple[Any, ...], number: int | None) -> None:
        team = Person()
        team.pk, team.name = number, texts[0]  # type: ignore[assignment]
        record(EventType.CREATE_FAILED, Outcome.FAILED, on=Subject('creation', texts[2], texts[3], team=team), person_name=texts[1], reason=texts[4], evidence=texts[5], upstream_request_id=texts[6], before=told[0], after=told[1], request=told[2], response=told[3])  # fmt: skip

    with transaction.atomic():
        write()
    assert Event.objects.count() > ROWS
    assert [str(each) for each in verification.verify_whole().findings] == []


@pytest.mark.parametrize("depth", [200, 1000, 3000])
def test_a_document_nested_deeply_hides_no_other_event(ledger: None, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    with mallory.undone():
        mallory.change(5, after=nested)
        mallory.change(7, reason="forged")
        named = {each.first: each.kind for each in verification.verify().findings}
    assert named == {5: IssueKind.EDITED, 7: IssueKind.EDITED}


def test_a_line_of_anchors_nested_deeply_is_a_finding(ledger: None, settings: Any) -> None:
    anchors.anchor()
    with settings.AUDIT_ANCHORS.open("a") as file:
        file.write("[" * 100_000 + "\n")
    assert [kind for kind, *_ in found()] == [IssueKind.ANCHOR_EDITED]
