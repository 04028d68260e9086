"""G21, G40: what an outsider with every right on the database tried in order to stay unseen."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from hyperclusters.audit import (
    anchors,
    archive,
    clock,
    indexes,
    integrity,
    people_events,
    structure,
    verification,
)
from hyperclusters.audit.chain_verifier import END, NUMBERS_REUSED
from hyperclusters.audit.findings import IntegrityIssue, IntegrityIssues, IssueKind
from hyperclusters.audit.fingerprints import raw_fingerprint
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import ChainHead, Event, Segment, Verification
from hyperclusters.audit.search import INDEX
from hyperclusters.audit.segments import archives_since
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.audit import tampering as mallory
from tests.audit.tampering import sql, unguarded

IS_SQLITE = connection.vendor == "sqlite"
Act = Callable[[], None]
on_sqlite = pytest.mark.skipif(not IS_SQLITE, reason="PostgreSQL's columns have types")
on_postgresql = pytest.mark.skipif(IS_SQLITE, reason="SQLite has no such thing")


def noted(count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            record(EventType.CREATE_FAILED, Outcome.FAILED, on=Subject('creation', str(number), f'c-{number}'), person_name='ada')  # fmt: skip


@pytest.fixture
def ledger(database: None, settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_ANCHORS = tmp_path / "anchors.jsonl"
    noted(9)
    verify()
    assert integrity.integrity_status().state == "intact"


def verify() -> list[str]:
    """What a whole verification finds and nobody has acknowledged, stored for pages."""
    result = verification.verify_whole()
    verification.note(integrity.WHOLE, result)
    return [str(each) for each in verification.still_open(result)]


def edit(seq: int = 5, reason: str = "approved") -> None:
    unguarded(lambda: mallory.change(seq, reason=reason))


def acknowledge() -> None:
    call_command("acknowledge_audit", "--reason", "a test", "--by", "olga", stdout=StringIO())


HEAD_AND_NUMBERS: dict[str, tuple[Act, str]] = {
    "head's digest": (lambda: sql("UPDATE audit_head SET digest = 'abc'"), f"({END})"),
    "head's digest emptied": (lambda: sql("UPDATE audit_head SET digest = ''"), f"({END})"),
    "head's number": (lambda: sql("UPDATE audit_head SET seq = %s", 2**63 - 1), f"({END})"),
    "head's number back": (lambda: sql("UPDATE audit_head SET seq = 3"), f"({END})"),
    "head's key": (lambda: sql("UPDATE audit_head SET key_id = 'other'"), f"({END})"),
    "first is 0": (lambda: mallory.move(1, 0), "edited: event 1 (seq)"),
    "first is -1": (lambda: mallory.move(1, -1), "edited: event 1 (seq)"),
    "all shifted": (lambda: mallory.shift(1, ChainHead.objects.get().seq, 100), "(seq)"),
}


@pytest.mark.parametrize("acknowledged", [False, True])
@pytest.mark.parametrize("name", HEAD_AND_NUMBERS)
def test_g21_the_end_and_the_numbers_are_judged_whatever_was_acknowledged(
    name: str, acknowledged: bool, ledger: None
) -> None:
    if acknowledged:
        edit()
        acknowledge()
    act, expected = HEAD_AND_NUMBERS[name]
    unguarded(act)
    names = [str(each) for each in verification.still_open(verification.verify())]
    assert any(expected in each for each in names), names
    assert len(names) == 1 or (acknowledged and name == "all shifted")  # the acknowledged row is another then


def test_g21_numbers_that_close_an_acknowledged_gap_are_named(ledger: None) -> None:
    unguarded(lambda: mallory.delete(4, 4))
    acknowledge()
    last = ChainHead.objects.get().seq
    unguarded(lambda: mallory.shift(5, last, -1))
    assert [str(each) for each in verification.still_open(verification.verify())] == [
        f"deleted: event 4 ({NUMBERS_REUSED})"
    ]


def stored() -> list[dict[str, Any]]:
    return [dict(row) for row in Verification.objects.values()]


def put_back(rows: list[dict[str, Any]]) -> None:
    Verification.objects.all().delete()
    Verification.objects.bulk_create(Verification(**row) for row in rows)


def test_g40_verifications_that_are_put_back_do_not_hide_a_sealed_alarm(ledger: None) -> None:
    good = stored()
    edit()
    assert verify() == ["edited: event 5 (reason)"]
    put_back(good)
    status = integrity.integrity_status()
    assert (status.state, [str(each) for each in status.findings]) == ("broken", ["edited: event 5 (reason)"])  # fmt: skip
    assert [str(each) for each in verification.verify_new().findings] == ["edited: event 5 (reason)"]
    unguarded(
        lambda: mallory.change(5, reason="")
    )  # mended: the next verification of all looks past the alarm
    verify()
    assert integrity.integrity_status().state == "intact"


def test_g40_an_acknowledged_alarm_is_closed_and_the_same_words_later_are_another(ledger: None) -> None:
    edit()
    verify()
    acknowledge()
    acknowledged = stored()
    assert integrity.integrity_status().state == "intact"
    edit(reason="approved again")
    assert verify() == ["edited: event 5 (reason)"]
    put_back(acknowledged)
    assert integrity.integrity_status().state == "broken"


def archived(folder: Path) -> None:
    noted(3)
    archive.archive(before=clock.now() + timedelta(hours=1), folder=folder)


def test_g40_a_row_of_an_archived_number_is_named(ledger: None, tmp_path: Path) -> None:
    archived(tmp_path / "archive")
    values = mallory.row(mallory.lowest())
    unguarded(lambda: mallory.put(values | {"seq": 5}))
    assert any(each.startswith("inserted: event 5 ") for each in verify())
    assert integrity.integrity_status().state == "broken"


def test_g40_a_forged_record_of_an_archive_is_named(ledger: None) -> None:
    Segment.objects.create(first=1, last=4, previous="0" * 64, digest="f" * 64, file="x", sha256="0" * 64,
                           archived_at=clock.now(), key_id="tests", seal="f" * 64)  # fmt: skip
    assert "archive edited: events 1 to 4 (the record of an archive)" in verify()
    assert integrity.integrity_status().state == "broken"


def test_g40_a_record_with_the_highest_number_is_named(ledger: None, tmp_path: Path) -> None:
    archived(tmp_path / "archive")
    Segment.objects.create(first=2**63 - 1, last=2**63 - 1, previous="0" * 64, digest="f" * 64, file="x", sha256="0" * 64,
                           archived_at=clock.now(), key_id="tests", seal="f" * 64)  # fmt: skip
    assert [each.partition(":")[0] for each in verify()] == ["archive edited"]
    assert integrity.integrity_status().state == "broken"


def test_g40_another_time_in_the_record_of_an_archive_is_named(ledger: None, tmp_path: Path) -> None:
    archived(tmp_path / "archive")
    assert archives_since()[0].moved_at
    assert verify() == []
    unguarded(lambda: sql("UPDATE audit_segment SET archived_at = '2020-01-01 00:00:00'"))
    assert [each.partition(":")[0] for each in verify()] == ["archive edited"]


def test_g40_an_event_of_the_number_0_is_named(ledger: None) -> None:
    values = mallory.row(mallory.lowest())
    unguarded(lambda: mallory.put(values | {"seq": 0, "digest": "f" * 64}))
    assert verify() == ["inserted: event 0"]


def test_g40_verifications_of_archives_that_are_gone_are_named(ledger: None) -> None:
    with mallory.undone():
        sql("DROP TABLE audit_segmentcheck")
        names = verify()
        assert "unreadable: the verifications of archives, because of what was changed around them" in names
        assert any(each.startswith("guard changed: column audit_segmentcheck.") for each in names)


VALUES = ["x'ff00fe'", "CAST(x'c328' AS TEXT)", "'abc'", "''", "1e300", "9e999", "'[1]'", "'a' || char(0)", "9223372036854775807",
          "replace(hex(zeroblob(5000)), '0', '[')", "'0000-00-00 00:00:00'", "-9223372036854775808"]  # fmt: skip
TABLES: dict[str, list[str]] = {
    "audit_head": ["seq", "digest", "key_id"],
    "audit_segment": [field.attname for field in Segment._meta.concrete_fields],
    "audit_verification": [field.attname for field in Verification._meta.concrete_fields],
    "audit_anchorfile": ["id", "path", "lines", "at", "host"],
}


@on_sqlite
@pytest.mark.parametrize("table", TABLES)
def test_g40_no_stored_value_around_the_rows_stops_a_verification(
    table: str, ledger: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "ahead", iter)
    archived(tmp_path / "archive")
    anchors.anchor()
    verify()
    wrong = []
    for column in TABLES[table]:
        for value in VALUES:
            with mallory.undone():
                sql(f"UPDATE {table} SET {column} = {value}")
                names = [each.kind for each in verification.verify().findings]
                integrity.integrity_status()
                is_sealed = table in {"audit_head", "audit_segment"}
                if is_sealed and not names and (column[-6:], value) != ("key_id", "''"):
                    wrong.append((column, value))
    assert wrong == []
    assert verification.verify().findings == []


@on_sqlite
@pytest.mark.parametrize(
    "change",
    [
        "seq = 'abc'",
        "seq = CAST(x'c328' AS TEXT)",
        "seq = 9223372036854775807",
        "seq = x'00'",
        "seq = CAST(seq AS BLOB)",
        "digest = CAST(digest AS BLOB)",
        "key_id = CAST(key_id AS BLOB)",
        "key_id = x''",
    ],
)
def test_g40_an_end_that_cannot_be_read_is_kept_as_a_finding(change: str, ledger: None) -> None:
    unguarded(lambda: sql(f"UPDATE audit_head SET {change}"))
    with pytest.raises(CommandError, match="the record of the chain's end"):
        call_command("verify_audit", stdout=StringIO(), stderr=StringIO())
    assert integrity.integrity_status().state == "broken"


def test_g40_the_structure_is_what_the_migrations_made(ledger: None) -> None:
    assert structure.changes() == {}


STRUCTURE: dict[str, list[str]] = {
    "row security": ["ALTER TABLE audit_event ENABLE ROW LEVEL SECURITY"],
    "forced row security": ["ALTER TABLE audit_segment FORCE ROW LEVEL SECURITY"],
    "policy": ["CREATE POLICY p ON audit_event FOR SELECT USING (seq <> 5)"],
    "rule": ["CREATE RULE r AS ON UPDATE TO audit_verification DO INSTEAD NOTHING"],
    "child": ["CREATE TABLE kid () INHERITS (audit_event)"],
    "child of the head": ["CREATE TABLE kid () INHERITS (audit_head)"],
    "numeric number": ["ALTER TABLE audit_event ALTER seq DROP IDENTITY", "ALTER TABLE audit_event ALTER seq TYPE numeric"],
    "time without zone": ["ALTER TABLE audit_event ALTER at TYPE timestamp"],
    "json": ["ALTER TABLE audit_event ALTER after TYPE json"],
    "null": ["ALTER TABLE audit_event ALTER reason DROP NOT NULL"],
    "collation": ["CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
                  "ALTER TABLE audit_event ALTER person_name TYPE varchar(150) COLLATE ci"],
    "other collation": ['ALTER TABLE audit_event ALTER action TYPE varchar(48) COLLATE "C"'],
    "function": ["CREATE FUNCTION public.upper(varchar) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'X' $$"],
    "operator": ["CREATE FUNCTION public.eqv(varchar, text) RETURNS bool LANGUAGE sql AS $$ SELECT false $$",
                 "CREATE OPERATOR public.= (LEFTARG = varchar, RIGHTARG = text, FUNCTION = public.eqv)"],
    "trigger of verifications": ["CREATE FUNCTION z() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
                                 "CREATE TRIGGER z BEFORE UPDATE ON audit_verification FOR EACH ROW EXECUTE FUNCTION z()"],
    "search path of a trigger": ["ALTER FUNCTION audit_event_next() SET search_path = evil"],
    "index": ["DROP INDEX event_time", "CREATE INDEX event_time ON audit_event (at, seq) WHERE seq <> 5"],
    "index off": ["UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'event_time'::regclass"],
    "check": ["ALTER TABLE audit_event ADD CHECK (person_name <> 'eve')"],
    "check of rows to come": ["ALTER TABLE audit_verification ADD CHECK (findings = '[]') NOT VALID"],
    "no check": ["ALTER TABLE audit_head DROP CONSTRAINT audit_one_head"],
    "foreign key": ["CREATE TABLE kid (seq bigint REFERENCES audit_event)"],
    "unique": ["ALTER TABLE audit_duty ADD UNIQUE (failures)"],
    "default": ["ALTER TABLE audit_event ALTER reason SET DEFAULT 'approved'"],
    "no default": ["ALTER TABLE audit_anchorfile ALTER host DROP DEFAULT"],
    "identity": ["ALTER TABLE audit_event ALTER seq SET GENERATED ALWAYS"],
    "trigger of denials": ["CREATE FUNCTION z() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
                           "CREATE TRIGGER z BEFORE INSERT ON audit_denialwindow FOR EACH ROW EXECUTE FUNCTION z()"],
    "rule of tasks": ["CREATE RULE r AS ON UPDATE TO audit_duty DO INSTEAD NOTHING"],
    "policy of checks": ["CREATE POLICY p ON audit_segmentcheck USING (false)"],
    "index of tasks": ["CREATE UNIQUE INDEX mine ON audit_duty (seq) WHERE failures > 0"],
    "cast": ["CREATE FUNCTION f(bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT '1' $$", "CREATE CAST (bigint AS text) WITH FUNCTION f(bigint)"],
    "second end": ["ALTER TABLE audit_head DROP CONSTRAINT audit_one_head", "INSERT INTO audit_head (id, seq, digest) VALUES (2, 1, '')", "DELETE FROM audit_duty",
                   "ALTER TABLE audit_head ADD CONSTRAINT audit_one_head CHECK (id = 1) NOT VALID"],
    "trigger of sessions": ["CREATE FUNCTION z() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('search_path', 'evil', false); RETURN NEW; END $$",
                            "CREATE TRIGGER z BEFORE INSERT ON accounts_session FOR EACH ROW EXECUTE FUNCTION z()"],
    "check of sessions": ["ALTER TABLE accounts_session ADD CHECK (set_config('search_path', 'public', false) <> 'x')"],
    "check by a function": ["CREATE FUNCTION f(text) RETURNS bool LANGUAGE sql AS $$ SELECT true $$",
                            "ALTER TABLE access_user ADD CHECK (f(username))"],
    "default of teams": ["CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$", "ALTER TABLE access_team ADD COLUMN z text DEFAULT f()"],
    "index of people": ["CREATE FUNCTION f(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$", "CREATE INDEX z ON access_user (f(username))"],
    "rule of sessions": ["CREATE RULE z AS ON INSERT TO accounts_session DO ALSO SELECT set_config('search_path', 'evil', false)"],
    "child of sessions": ["CREATE TABLE kid () INHERITS (accounts_session)"],
    "foreign key to teams": ["CREATE TABLE kid (team bigint REFERENCES access_team ON DELETE CASCADE)"],
    "operator in a check": ["CREATE FUNCTION f(text, text) RETURNS bool LANGUAGE sql AS $$ SELECT true $$", "CREATE SCHEMA other", "CREATE OPERATOR other.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = f)",
                            "ALTER TABLE access_user ADD CHECK (username::text OPERATOR(other.===) 'x'::text)"],
    "trigger of the cache": ["CREATE FUNCTION z() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
                             "CREATE TRIGGER z BEFORE INSERT ON accounts_cache FOR EACH ROW EXECUTE FUNCTION z()"],
    "rule of migrations": ["CREATE RULE z AS ON INSERT TO django_migrations DO ALSO NOTHING"],
    "policy of teams": ["CREATE POLICY p ON access_team USING (true)"],
    "domain of sessions": ["CREATE DOMAIN words AS text CHECK (set_config('search_path', 'public', false) <> 'x')", "ALTER TABLE accounts_session ALTER agent TYPE words"],
    "view of teams": ["ALTER TABLE access_team RENAME TO other", "CREATE VIEW access_team AS SELECT * FROM other"],
    "replica": ["DO $$ BEGIN EXECUTE format('ALTER ROLE %I SET session_replication_role = replica', current_user); END $$"],
} if not IS_SQLITE else {
    "check": ["ALTER TABLE audit_anchorfile ADD COLUMN mine int CHECK (lines < 5)"],
    "default": ["PRAGMA writable_schema = ON", "UPDATE sqlite_master SET sql = replace(sql, '\"reason\" text NOT NULL', '\"reason\" text NOT NULL DEFAULT 1') WHERE name = 'audit_event'"],
    "no check": ["PRAGMA writable_schema = ON", "UPDATE sqlite_master SET sql = replace(sql, 'CHECK (\"id\" = 1)', 'CHECK (\"id\" > 0)') WHERE name = 'audit_head'"],
    "strict": ["PRAGMA writable_schema = ON", "UPDATE sqlite_master SET sql = sql || ' STRICT' WHERE name = 'audit_duty'"],
    "trigger of denials": ["CREATE TRIGGER z BEFORE INSERT ON audit_denialwindow BEGIN SELECT RAISE(IGNORE); END"],
    "trigger of tasks": ["CREATE TRIGGER z BEFORE UPDATE ON audit_duty BEGIN SELECT RAISE(IGNORE); END"],
    "trigger of checks": ["CREATE TRIGGER z BEFORE UPDATE ON audit_segmentcheck BEGIN SELECT RAISE(IGNORE); END"],
    "index of tasks": ["CREATE UNIQUE INDEX mine ON audit_duty (seq) WHERE failures > 0"],
    "index": ["DROP INDEX event_time", "CREATE INDEX event_time ON audit_event (at, seq) WHERE seq <> 5"],
    "unique index": ["DROP INDEX event_time", "CREATE UNIQUE INDEX event_time ON audit_event (at, seq)"],
    "collated index": ["DROP INDEX event_time", "CREATE INDEX event_time ON audit_event (at COLLATE NOCASE, seq)"],
    "another index": ["CREATE INDEX mine ON audit_event (lower(reason))"],
    "another column": ["ALTER TABLE audit_event ADD COLUMN mine text"],
    "trigger of verifications": ["CREATE TRIGGER z BEFORE UPDATE ON audit_verification BEGIN SELECT RAISE(IGNORE); END"],
    "collated table": ["ALTER TABLE audit_anchorfile ADD COLUMN mine text COLLATE NOCASE"],
    "search": ["DROP TABLE audit_event_name",
               "CREATE VIRTUAL TABLE audit_event_name USING fts5(words, content='', tokenize='unicode61')"],
    "view": ["ALTER TABLE audit_anchorfile RENAME TO other", "CREATE VIEW audit_anchorfile AS SELECT * FROM other"],
}  # fmt: skip


@pytest.mark.parametrize("name", STRUCTURE)
def test_g40_what_was_changed_around_the_rows_is_named(
    name: str, ledger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "ahead", iter)  # another connection would wait for this one's locks
    with transaction.atomic():
        for statement in STRUCTURE[name]:
            sql(statement)
        assert structure.changes() != {}
        kinds = {each.kind for each in verification.verify_new().findings}
        transaction.set_rollback(True)
    assert IssueKind.GUARD_CHANGED in kinds
    assert structure.changes() == {}


@on_postgresql
@pytest.mark.parametrize("kind", ["VIEW", "TABLE"])
def test_g40_a_temporary_relation_does_not_stand_in_for_the_ledger(kind: str, ledger: None) -> None:
    """A trigger of any table could make one in the session of a process."""
    real = [event.reason for event in Event.objects.order_by("seq")]
    sql(f"CREATE TEMP {kind} audit_event AS SELECT * FROM public.audit_event LIMIT 2")
    try:
        assert [event.reason for event in Event.objects.order_by("seq")] == real
        assert structure.changes() == {}
    finally:
        sql(f"DROP {kind} pg_temp.audit_event")


SETTINGS = {
    "synchronous_commit": "off",
    "gin_fuzzy_search_limit": "1",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "quote_all_identifiers": "on",
    "bytea_output": "escape",
    "DateStyle": "German",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "-5",
    "search_path": "pg_catalog",
}


@on_postgresql
@pytest.mark.parametrize("setting", SETTINGS)
def test_g40_a_setting_of_the_database_changes_no_answer(setting: str, ledger: None) -> None:
    name = connection.settings_dict["NAME"]
    sql(f'ALTER DATABASE "{name}" SET {setting} = {SETTINGS[setting]}')
    connection.close()
    try:
        reason = "it's “\\b”"
        record(EventType.ACCESS_DENIED, Outcome.DENIED, person_name="ada", reason=reason)
        assert Event.objects.order_by("-seq")[0].reason == reason
        assert verify() == []
        with connection.cursor() as cursor:
            cursor.execute(f"SHOW {setting}")
            assert SETTINGS[setting] not in cursor.fetchone()[0]
    finally:
        sql("SET default_transaction_read_only = off")
        sql(f'ALTER DATABASE "{name}" RESET {setting}')
        connection.close()


@on_postgresql
@pytest.mark.parametrize("index", ["audit_event_pkey", INDEX, *people_events.INDEXES, *(index.name for index in Event._meta.indexes)])  # fmt: skip
def test_g40_an_index_that_loses_an_event_is_named(index: str, ledger: None) -> None:
    off = f"UPDATE pg_index SET indisready = %s WHERE indexrelid = '{index}'::regclass"
    values = mallory.row(5)
    with mallory.undone():
        sql(off, False)
        mallory.delete(5, 5)
        mallory.put({name: value if not isinstance(value, dict) else None for name, value in values.items()})
        sql(off, True)
        sql(
            "SET LOCAL enable_tidscan = off"
        )  # whatever the planner takes for cheap, the table is what is compared with
        findings = IntegrityIssues()
        indexes.inspect(findings, 1, 9)
        assert [(each.kind, each.first, each.detail) for each in findings.issues] == [(IssueKind.INDEX_EDITED, 5, f"index {index}")]  # fmt: skip


def test_g21_an_acknowledgement_of_a_release_before_stays_valid(ledger: None) -> None:
    edit()
    issue = IntegrityIssue(IssueKind.EDITED, 5, 5, "reason", raw_fingerprint(5, 5))
    record(
        EventType.AUDIT_ACKNOWLEDGED,
        Outcome.DONE,
        reason="known",
        after={"findings": [issue.as_audit_json()]},
    )
    assert verify() == []
    edit(reason="approved again")
    assert verify() == ["edited: event 5 (reason)"]


def test_g40_files_of_events_are_for_their_owner_alone(ledger: None, tmp_path: Path) -> None:
    call_command("export_audit", "--output", str(tmp_path / "out.jsonl"))
    archived(tmp_path / "archive")
    files = [tmp_path / "out.jsonl", *(tmp_path / "archive").iterdir()]
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_g40_a_second_end_of_the_chain_is_named(ledger: None) -> None:
    with mallory.undone():
        if not IS_SQLITE:
            sql("ALTER TABLE audit_head DROP CONSTRAINT audit_one_head")
        sql("INSERT INTO audit_head (id, seq, digest) VALUES (2, 3, '')")
        assert "second row of audit_head is not ours" in structure.changes()


CRASHES = {
    "column audit_event.object_name was changed or switched off": [
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "ALTER TABLE audit_event ALTER object_name TYPE varchar(200) COLLATE ci"],
    "column audit_event.canonical was changed or switched off": [
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        "ALTER TABLE audit_event ALTER canonical TYPE text COLLATE ci"],
    "cast bigint to text is not ours": [
        "CREATE FUNCTION f(bigint) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$",
        "CREATE CAST (bigint AS text) WITH FUNCTION f(bigint)"],
    "cast character varying to text is not ours": [
        "DELETE FROM pg_cast WHERE castsource = 'varchar'::regtype AND casttarget = 'text'::regtype",
        "CREATE FUNCTION f(varchar) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$",
        "CREATE CAST (varchar AS text) WITH FUNCTION f(varchar)"],
    "column audit_event.reason is missing": ["ALTER TABLE audit_event RENAME reason TO other"],
}  # fmt: skip


@on_postgresql
@pytest.mark.parametrize("name", CRASHES)
def test_g40_a_change_that_keeps_the_database_from_answering_is_a_finding(
    name: str, ledger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "ahead", iter)  # another connection would wait for this one's locks
    with transaction.atomic():
        for statement in CRASHES[name]:
            sql(statement)
        for run in (verification.verify_whole, verification.verify_new):
            assert f"guard changed: {name}" in map(str, run().findings)
        transaction.set_rollback(True)
    assert verify() == []


def test_g39_an_archive_is_found_by_the_times_in_its_texts(ledger: None, tmp_path: Path) -> None:
    first = Event.objects.get(seq=1).at
    later = clock.now() + timedelta(minutes=30)
    unguarded(lambda: mallory.change(1, at=f"{later:%Y-%m-%d %H:%M:%S.%f}" + ("" if IS_SQLITE else "+00")))
    acknowledge()
    archived(tmp_path / "archive")
    segment = Segment.objects.get()
    assert segment.first_at == first
    assert segment.last_at is not None
    assert segment.last_at < later
