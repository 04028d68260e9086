"""The ledger is verified, anchored and archived by commands and by the worker; pages are told how it stands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hyperclusters.audit import (
    alerts,
    anchor_files,
    anchors,
    archive,
    archive_files,
    clock,
    integrity,
    keys,
    raw_rows,
    tasks,
    verification,
)
from hyperclusters.audit.findings import IntegrityIssue, IssueKind
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import Event, ScheduledTask, Segment, Verification
from hyperclusters.audit.visits import VISIT, forget_visits, note_read
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.audit.tampering import sql, unguarded
from tests.conftest import People, events
from tests.faults.concurrency import run_concurrently


def noted(count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            record(
                EventType.CREATE_FAILED, Outcome.FAILED, on=Subject("creation", str(number), f"c-{number}")
            )


@pytest.fixture(autouse=True)
def own_files(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_ANCHORS = tmp_path / "anchors.jsonl"


def tamper() -> None:
    unguarded(lambda: sql("UPDATE audit_event SET reason = 'changed' WHERE seq = 2"))


def verified(kind: str = integrity.WHOLE) -> None:
    run = verification.verify if kind == integrity.WHOLE else verification.verify_new
    verification.note(kind, run())


def test_g21_the_command_says_intact_and_exits_in_order(
    database: None, capsys: pytest.CaptureFixture[str]
) -> None:
    noted(3)
    call_command("anchor_audit")
    call_command("verify_audit")
    assert "intact: 3 events up to 3" in capsys.readouterr().out
    assert integrity.integrity_status().state == "intact"


def test_g21_the_command_says_what_is_broken_and_where_and_fails(database: None) -> None:
    noted(3)
    tamper()
    with pytest.raises(CommandError, match=r"edited: event 2 \(reason\)") as failed:
        call_command("verify_audit")
    assert failed.value.returncode == 1
    status = integrity.integrity_status()
    assert (status.state, status.findings) == ("broken", (IntegrityIssue(IssueKind.EDITED, 2, 2, "reason"),))


def test_g21_a_command_that_is_to_write_nothing_writes_nothing(database: None) -> None:
    noted(3)
    call_command("verify_audit", "--no-note")
    assert integrity.integrity_status() == integrity.IntegrityStatus("never")
    assert len(events()) == 3


def test_g21_a_ledger_without_its_end_is_still_told_to_be_broken(database: None) -> None:
    noted(3)
    unguarded(lambda: sql("DELETE FROM audit_head"))
    with pytest.raises(CommandError, match="record of the chain's end"):
        call_command("verify_audit")


def test_g21_a_breach_raises_one_alert_and_its_end_is_told(database: None) -> None:
    noted(3)
    verified()
    tamper()
    for _ in range(3):
        verified()
        verified(integrity.NEW)
    assert len(events(action=EventType.AUDIT_BROKEN)) == 1
    assert events(action=EventType.AUDIT_BROKEN)[0].after == {"issues": ["edited: event 2 (reason)"]}
    unguarded(lambda: sql("UPDATE audit_event SET reason = '' WHERE seq = 2"))
    verified(integrity.NEW)
    assert integrity.integrity_status().state == "broken"  # until all was looked at
    verified()
    assert integrity.integrity_status().state == "intact"
    assert len(events(action=EventType.AUDIT_MENDED)) == 1


@pytest.mark.parametrize("kind", [integrity.NEW, integrity.WHOLE])
def test_g21_a_breach_that_came_to_light_during_a_verification_of_all_is_not_ended_by_it(
    kind: str, database: None
) -> None:
    noted(3)
    tamper()
    verified()
    unguarded(lambda: sql("UPDATE audit_event SET reason = '' WHERE seq = 2"))
    slow = verification.verify()
    noted(3)
    unguarded(lambda: sql("UPDATE audit_event SET reason = 'changed' WHERE seq = 6"))
    verified(kind)
    verified(integrity.NEW)
    verification.note(integrity.WHOLE, slow)
    status = integrity.integrity_status()
    assert (status.state, status.findings) == ("broken", (IntegrityIssue(IssueKind.EDITED, 6, 6, "reason"),))
    assert not events(action=EventType.AUDIT_MENDED)
    verified(integrity.NEW)
    verified()
    assert len(events(action=EventType.AUDIT_BROKEN)) == 2
    unguarded(lambda: sql("UPDATE audit_event SET reason = '' WHERE seq = 6"))
    verified()
    assert integrity.integrity_status().state == "intact"


def test_g21_a_breach_is_written_down_once_however_often_it_is_seen(database: None) -> None:
    noted(3)
    tamper()
    verified()
    for _ in range(3):
        verified(integrity.NEW)
    assert [len(row.findings) for row in Verification.objects.all()] == [1, 1]


def test_g21_new_events_are_verified_from_where_the_last_verification_ended(database: None) -> None:
    noted(5)
    verified()
    noted(3)
    assert (verification.verify_new().count, verification.verify_new().findings) == (3, [])
    unguarded(lambda: sql("UPDATE audit_event SET person_name = 'x' WHERE seq = 7"))
    assert verification.verify_new().findings == [IntegrityIssue(IssueKind.EDITED, 7, 7, "person_name")]
    unguarded(lambda: sql("DELETE FROM audit_event WHERE seq = 6"))
    assert IntegrityIssue(IssueKind.DELETED, 6, 6) in verification.verify_new().findings


def test_g21_an_older_database_is_noticed_by_the_next_look_at_what_is_new(database: None) -> None:
    noted(5)
    verified()
    value = Event.objects.get(seq=5).digest
    noted(3)
    anchors.anchor()

    def put_back() -> None:
        sql("DELETE FROM audit_event WHERE seq > 5")
        sql("UPDATE audit_head SET seq = 5, digest = %s", value)

    unguarded(put_back)
    assert [issue.kind for issue in verification.verify_new().findings] == [IssueKind.ROLLED_BACK]


@pytest.fixture
def later_release(database: None) -> Iterator[None]:
    """A later release has migrated the database, after this one's workers verified it."""
    tasks.run_due()
    MigrationRecorder(connection).record_applied("audit", "9999_later")
    sql("ALTER TABLE audit_event ADD COLUMN later varchar(9) NULL")
    yield
    sql("ALTER TABLE audit_event DROP COLUMN later")
    MigrationRecorder(connection).record_unapplied("audit", "9999_later")


def test_g21_a_worker_of_the_release_before_leaves_the_ledger_to_later_workers(later_release: None) -> None:
    before = integrity.integrity_status()
    ScheduledTask.objects.filter(name__startswith="verify ").update(run_after=timezone.now())
    tasks.run_due()
    assert integrity.integrity_status() == before
    assert before.state == "intact"
    with pytest.raises(CommandError, match="does not know 9999_later"):
        call_command("verify_audit")


def test_g21_what_no_later_worker_verifies_is_overdue(
    later_release: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = timezone.now() + 2 * integrity.NEW_OVERDUE
    monkeypatch.setattr(clock, "now", lambda: at)
    tasks.run_due()
    assert integrity.integrity_status().state == "overdue"


def test_an_anchor_is_due_every_hour_also_when_nothing_happens_and_with_every_new_key(
    database: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert anchors.anchor_if_due()
    assert anchors.anchor_if_due() is None
    later = timezone.now() + anchors.EVERY
    monkeypatch.setattr("hyperclusters.audit.anchors.clock.now", lambda: later)
    assert anchors.anchor_if_due()
    assert anchors.anchor_if_due() is None
    settings.AUDIT_KEYS = [*settings.AUDIT_KEYS, ("next", b"n" * 32)]
    assert anchors.anchor_if_due() is None
    keys.activate("next")
    assert anchors.anchor_if_due()
    monkeypatch.undo()
    assert verification.verify().findings == []


def test_a_clock_that_was_ahead_does_not_silence_the_anchors(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as ahead:
        next_year = timezone.now() + timedelta(days=365)
        ahead.setattr("hyperclusters.audit.anchors.clock.now", lambda: next_year)
        anchors.anchor()
    assert anchors.anchor_if_due()
    assert anchors.anchor_if_due() is None
    assert verification.verify().findings == []


def test_g38_two_processes_whose_clocks_disagree_write_one_anchor_each_in_an_hour(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    memories: dict[str, dict[Any, Any]] = {"right": {}, "ahead": {}}
    clocks = {"right": timedelta(), "ahead": timedelta(hours=2)}
    elapsed = 0.0
    monkeypatch.setattr("hyperclusters.audit.anchors.time.monotonic", lambda: elapsed)
    for minute in range(181):
        elapsed = minute * 60.0
        for name, memory in memories.items():
            moment = timezone.now() + clocks[name] + timedelta(seconds=elapsed)
            monkeypatch.setattr(anchors, "_last_lines", memory)
            monkeypatch.setattr("hyperclusters.audit.anchors.clock.now", lambda moment=moment: moment)
            anchors.anchor_if_due()
    assert len(anchor_files.lines()) in range(4, 9)


def test_a_line_that_a_power_cut_left_half_written_is_no_alarm(database: None, settings: Any) -> None:
    anchors.anchor()
    with settings.AUDIT_ANCHORS.open("a") as file:
        file.write('{"file": "half a li')
    assert verification.verify().findings == []
    anchors.anchor()
    assert verification.verify().findings == []
    assert [line["line"] for line in anchor_files.lines()] == [1, 2]
    assert settings.AUDIT_ANCHORS.read_text().count("\n") == 2


def test_anchors_that_cannot_be_written_are_said_and_stop_nothing_else(
    database: None, settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    settings.AUDIT_ANCHORS = tmp_path / "file" / "anchors"
    tasks.run_due()
    assert "cannot be written" in caplog.text
    assert integrity.integrity_status().state == "intact"
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("anchor_audit")


def test_duties_are_done_once_whoever_asks_and_again_when_they_are_due(database: None) -> None:
    noted(2)
    tasks.run_due()
    first = Verification.objects.get(kind=integrity.WHOLE).at
    tasks.run_due()
    assert Verification.objects.get(kind=integrity.WHOLE).at == first
    ScheduledTask.objects.update(
        run_after=timezone.now() - timedelta(seconds=1),
        lease_expires_at=timezone.now() + timedelta(minutes=1),
    )
    tasks.run_due()  # another worker has them
    assert Verification.objects.get(kind=integrity.WHOLE).at == first
    ScheduledTask.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    tasks.run_due()
    assert Verification.objects.get(kind=integrity.WHOLE).at > first


def test_a_duty_that_fails_is_said_tried_again_soon_and_keeps_no_other_from_being_done(
    database: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def cut_off(_duty: ScheduledTask) -> None:
        if connection.vendor == "postgresql":
            sql("SELECT pg_terminate_backend(pg_backend_pid())")
        raise OperationalError("the connection was reset")

    noted(2)
    tasks.run_due()
    ScheduledTask.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    seen = Verification.objects.get(kind=integrity.NEW).at
    with monkeypatch.context() as fault:
        fault.setattr(alerts, "warn", cut_off)
        fault.setattr(verification, "verify_whole", lambda _go_on: 1 / 0)
        tasks.run_due()
    assert Verification.objects.get(kind=integrity.NEW).at > seen
    for name, error in (("alerts", "OperationalError"), ("verify whole", "ZeroDivisionError")):
        assert f"the audit's duty '{name}' ended with an error" in caplog.text
        assert error in caplog.text
        task = ScheduledTask.objects.get(name=name)
        assert task.lease_expires_at is None
        assert task.run_after - timezone.now() <= timedelta(seconds=tasks.SOON)


def test_a_duty_is_given_back_once_the_database_answers_again(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that restarts is away for longer than the statement that it broke off."""
    left, is_away = 3, False

    def execute(run: Callable[..., Any], *statement: Any) -> Any:
        nonlocal left, is_away
        is_away = is_away or 'FROM "audit_event"' in statement[0]
        if is_away and left:
            left -= 1
            raise OperationalError("the database system is starting up")
        return run(*statement)

    noted(2)
    monkeypatch.setattr(tasks, "DATABASE_AWAY", 0.0)
    tasks.run_due()
    ScheduledTask.objects.filter(name="alerts").update(run_after=timezone.now() - timedelta(seconds=1))
    with connection.execute_wrapper(execute):
        tasks.run_due()
    assert left == 0
    assert ScheduledTask.objects.get(name="alerts").lease_expires_at is None
    assert ScheduledTask.objects.get(name="alerts").run_after - timezone.now() <= timedelta(
        seconds=tasks.SOON
    )


def test_a_verification_ends_when_its_process_is_to_stop(database: None) -> None:
    noted(2)
    tasks.run_due(lambda: False)
    assert integrity.integrity_status().state == "never"
    tasks.run_due()
    assert integrity.integrity_status().state == "intact"


# Archives.


def archived(folder: Path) -> Segment:
    return archive.archive(before=timezone.now() + timedelta(hours=1), folder=folder)


def test_g21_what_is_archived_leaves_the_database_and_stays_verifiable(
    database: None, tmp_path: Path
) -> None:
    noted(5)
    anchors.anchor()
    noted(5)
    first = archived(tmp_path)
    assert (first.first, first.last) == (1, 9)
    noted(5)
    second = archived(tmp_path)
    assert (second.first, second.last) == (10, 15)
    assert [event.seq for event in events()] == [16, 17]
    assert [event.action for event in events()][-1] == EventType.AUDIT_ARCHIVED
    assert verification.verify().findings == []
    for segment in (first, second):
        call_command("verify_audit", "--archive", str(tmp_path / segment.file))
        lines = [json.loads(line) for line in (tmp_path / segment.file).read_text().splitlines()]
        assert [line["seq"] for line in lines] == list(range(segment.first, segment.last + 1))
    noted(1)
    verified(integrity.NEW)
    assert integrity.integrity_status().state == "intact"


def test_g21_a_ledger_that_does_not_verify_is_not_archived(database: None, tmp_path: Path) -> None:
    noted(5)
    tamper()
    with pytest.raises(CommandError, match=r"does not verify: edited: event 2 \(reason\)"):
        call_command("archive_audit", "--before", "2999-01-01", "--to", str(tmp_path / "to"))
    assert len(events()) == 5
    assert list((tmp_path / "to").iterdir()) == []


def test_nothing_is_archived_where_nothing_is_old_enough_or_a_sink_has_not_had_it(
    database: None, tmp_path: Path, settings: Any
) -> None:
    noted(5)
    with pytest.raises(CommandError, match="nothing from before"):
        call_command("archive_audit", "--before", "2020-01-01", "--to", str(tmp_path))
    settings.AUDIT_STDOUT = True
    with pytest.raises(
        CommandError, match="handed on to every sink"
    ):  # switched on, and no worker has run since
        call_command("archive_audit", "--before", "2999-01-01", "--to", str(tmp_path))
    ScheduledTask.objects.create(
        name="push to stdout", run_after=timezone.now() - timedelta(seconds=1), seq=2
    )
    assert archived(tmp_path).last == 2


def test_nothing_is_archived_that_might_still_be_an_alert(database: None, tmp_path: Path) -> None:
    noted(2)
    tasks.run_due()
    noted(3)
    assert archived(tmp_path).last == 2
    ScheduledTask.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    tasks.run_due()
    assert archived(tmp_path).last == 5


@pytest.mark.parametrize("at_once", [2, raw_rows.AT_ONCE])
def test_g21_of_two_archive_runs_at_once_one_moves_the_events_and_the_other_says_so(
    at_once: int, database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_rows, "AT_ONCE", at_once)
    noted(9)
    others: list[Any] = []

    def meanwhile(_done: int, _all: int) -> None:
        if not others:
            others.extend(run_concurrently(lambda: archived(tmp_path / "to")))

    def slow() -> Segment:
        return archive.archive(
            before=timezone.now() + timedelta(hours=1), folder=tmp_path / "to", progress=meanwhile
        )

    ends = [*run_concurrently(slow), *others]
    refused = [str(end) for end in ends if isinstance(end, archive.NotArchived)]
    assert len(ends) == 2
    assert len(refused) == 1
    assert refused[0].startswith("another run")
    segment = Segment.objects.get()
    path = tmp_path / "to" / segment.file
    assert sorted(path.parent.iterdir()) == [path, Path(f"{path}.manifest")]
    assert archive_files.verify_file(path).issues == verification.verify().findings == []
    assert [event.seq for event in events()] == [9, 10]


@pytest.mark.parametrize("verify", [verification.verify, verification.verify_new])
def test_g21_archiving_during_a_verification_raises_no_false_alarm(
    verify: Callable[..., verification.Result],
    database: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(raw_rows, "AT_ONCE", 2)
    noted(1)
    verified()
    noted(9)
    segments: list[Segment] = []

    def meanwhile(_done: int, _all: int) -> None:
        if not segments:
            segments.extend(run_concurrently(lambda: archived(tmp_path)))

    assert verify(meanwhile).findings == []
    assert [segment.last for segment in segments] == [9]


def test_an_archive_is_never_written_over(database: None, tmp_path: Path) -> None:
    noted(5)
    manifest = tmp_path / "to" / "audit-000000000001-000000000004.jsonl.manifest"
    manifest.parent.mkdir()
    manifest.write_text("of another life of this database")
    with pytest.raises(CommandError, match=r"manifest is there already"):
        call_command("archive_audit", "--before", "2999-01-01", "--to", str(manifest.parent))
    assert list(manifest.parent.iterdir()) == [manifest]
    assert manifest.read_text() == "of another life of this database"
    assert len(events()) == 5
    assert not Segment.objects.exists()


def test_g21_a_manifest_has_the_anchors_from_its_first_event_to_its_last(
    database: None, tmp_path: Path
) -> None:
    for _ in range(4):  # at the events 1, 2, 3 and 4, of which the newest stays
        noted(1)
        anchors.anchor()
    noted(1)
    for first, last in ((1, 4), (5, 5)):
        path = tmp_path / archived(tmp_path).file
        manifest = json.loads(Path(f"{path}.manifest").read_text())
        assert (manifest["first"], manifest["last"]) == (first, last)
        assert [each["seq"] for each in manifest["anchors"]] == [
            seq for seq in (1, 2, 3, 4) if first <= seq <= last
        ]


FILE_CHANGES: list[tuple[str, Callable[[list[str]], list[str]], str]] = [
    ("edited", lambda lines: [lines[0].replace('"failed"', '"done"', 1), *lines[1:]], "edited: event 1"),
    ("deleted", lambda lines: [*lines[:1], *lines[2:]], "deleted: event 2"),
    ("cut off", lambda lines: lines[:-1], "cut off: event 4"),
    ("swapped", lambda lines: [lines[1], lines[0], *lines[2:]], "put elsewhere|reordered"),
    ("doubled", lambda lines: [*lines, lines[0]], "inserted: event 5"),
    ("garbage", lambda lines: [lines[0], "{}\n", *lines[2:]], "edited: event 2"),
    ("empty", lambda _: [], "cut off: events 1 to 4"),
    ("a blank", lambda lines: [lines[0].replace("{", "{ ", 1), *lines[1:]], "edited: event 1"),
]


def test_g21_what_is_done_to_an_archive_is_named(database: None, tmp_path: Path) -> None:
    noted(5)
    path = tmp_path / archived(tmp_path).file
    value = path.read_text()
    for name, change, text in FILE_CHANGES:
        path.write_text("".join(change(value.splitlines(keepends=True))))
        with pytest.raises(CommandError, match=text) as failed:
            call_command("verify_audit", "--archive", str(path))
        assert "not the one that was sealed" in str(failed.value), name
    path.write_text(value)
    manifest = Path(f"{path}.manifest")
    sealed = manifest.read_text()
    more = sealed.replace("{", '{"approved": "olga",', 1)
    twice = sealed.replace('"last": 4', '"last": 3, "last": 4')
    for changed in (sealed.replace('"last": 4', '"last": 3'), more, twice, "{}", ""):
        manifest.write_text(changed)
        with pytest.raises(CommandError, match="manifest is missing or was edited"):
            call_command("verify_audit", "--archive", str(path))
        manifest.write_text(sealed)
    call_command("verify_audit", "--archive", str(path))


def test_g20_only_what_an_archive_s_record_covers_can_be_deleted(database: None, tmp_path: Path) -> None:
    noted(5)
    archived(tmp_path)
    for statement in (
        "DELETE FROM audit_event",
        "UPDATE audit_segment SET last = 100",
        "DELETE FROM audit_segment",
        *(
            ["TRUNCATE audit_segment"]
            if connection.vendor == "postgresql"
            else ["INSERT OR REPLACE INTO audit_segment SELECT * FROM audit_segment"]
        ),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            sql(statement)
    assert verification.verify().findings == []


def test_g21_a_forged_record_of_an_archive_is_named(database: None, tmp_path: Path) -> None:
    """Whoever may write to the database can make such a record, and then delete; but not seal it."""
    noted(5)
    second = Event.objects.get(seq=2)
    forged = Segment(
        first=1,
        last=2,
        previous="0" * 64,
        digest=second.digest,
        file="f",
        sha256="",
        archived_at=timezone.now(),
    )
    forged.key_id, forged.seal = "tests", "0" * 64
    forged.save()
    sql("DELETE FROM audit_event WHERE seq <= 2")
    assert verification.verify().findings == [
        IntegrityIssue(IssueKind.ARCHIVE_EDITED, 1, 2, "the record of an archive")
    ]


# Reading is recorded.


def test_g19_a_visit_to_the_audit_is_one_event(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    def visits() -> int:
        return len(events(action=EventType.AUDIT_READ))

    for _ in range(3):
        note_read(person=people.olga, page="list", filters={"person": "ada", "q": ""})
    assert visits() == 1
    with CaptureQueriesContext(connection) as queries:
        note_read(person=people.olga, page="list", filters={"person": "ada"})
    assert not queries.captured_queries  # it was found above
    forget_visits()  # another process
    note_read(person=people.olga, page="list", filters={"person": "ada"})
    assert visits() == 1
    note_read(person=people.olga, page="list", filters={"person": "tom"})
    note_read(person=people.tom, page="list", filters={"person": "ada"}, team=people.vision)
    note_read(person=people.olga, page="event", filters={"seq": "12"})
    assert visits() == 4
    later = timezone.now() + VISIT
    monkeypatch.setattr("hyperclusters.audit.visits.clock.now", lambda: later)
    note_read(person=people.olga, page="list", filters={"person": "ada"})
    assert visits() == 5
    event = events(action=EventType.AUDIT_READ)[0]
    assert (event.person_name, event.object_name) == ("olga", "list person=ada")
    assert event.after == {"page": "list", "filters": {"person": "ada"}}
