"""Findings can be closed, honestly: keys change by an event, a finding is acknowledged by one, and nothing else closes one."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models.expressions import RawSQL
from django.test import Client as Browser

from hyperclusters.audit import (
    anchor_files,
    anchors,
    archive,
    chain,
    clock,
    integrity,
    keys,
    tasks,
    verification,
    witnesses,
)
from hyperclusters.audit.acknowledgements import acknowledgements
from hyperclusters.audit.chain import KeyMissing, PendingEvent
from hyperclusters.audit.findings import IntegrityIssue, IssueKind
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import AnchorFile, ChainHead, Event, ScheduledTask, Segment, Verification
from hyperclusters.audit.search import sqlite_words
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.audit import tampering as mallory
from tests.audit.tampering import sql, unguarded
from tests.conftest import People, events
from tests.web.pages import body

SignIn = Callable[[str], Browser]
FIRST, SECOND, THIRD = ("k1", b"1" * 32), ("k2", b"2" * 32), ("k3", b"3" * 32)


@pytest.fixture(autouse=True)
def own_files(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_ANCHORS = tmp_path / "anchors.jsonl"
    settings.AUDIT_KEYS = [FIRST]


def noted(count: int = 1) -> None:
    with transaction.atomic():
        for number in range(count):
            record(
                EventType.CREATE_FAILED, Outcome.FAILED, on=Subject("creation", str(number), f"c-{number}")
            )


def found() -> list[tuple[str, int, int]]:
    return [(each.kind, each.first, each.last) for each in verification.verify().findings]


def verified() -> integrity.IntegrityStatus:
    verification.note(integrity.WHOLE, verification.verify())
    return integrity.integrity_status()


def acknowledged(reason: str = "the disk was repaired") -> None:
    call_command("acknowledge_audit", "--reason", reason, "--by", "olga")


def edit(seq: int, reason: str = "changed") -> None:
    unguarded(lambda: sql("UPDATE audit_event SET reason = %s WHERE seq = %s", reason, seq))


# Keys.


def test_g21_a_rolling_restart_with_two_keys_changes_nothing_and_one_command_changes_all(
    database: None, settings: Any
) -> None:
    noted(2)
    for available in ([SECOND, FIRST], [FIRST], [FIRST, SECOND], [SECOND, FIRST]):  # process after process
        settings.AUDIT_KEYS = available
        noted(1)
        anchors.anchor()
    assert {event.key_id for event in events()} == {"k1"}
    call_command("activate_audit_key", "k2", "--by", "olga")
    noted(2)
    told = events(action=EventType.AUDIT_KEY_ACTIVATED)[0]
    assert (told.person_name, told.before, told.after) == ("olga", {"key": "k1"}, {"key": "k2"})
    assert [event.key_id for event in events()][-3:] == ["k1", "k2", "k2"]
    assert found() == []
    settings.AUDIT_KEYS = [FIRST, SECOND]  # the order says nothing
    noted(1)
    assert events()[-1].key_id == "k2"
    assert found() == []


def test_g21_events_of_the_same_transaction_are_sealed_with_the_key_that_is_current_at_their_place(
    database: None, settings: Any
) -> None:
    settings.AUDIT_KEYS = [FIRST, SECOND, THIRD]
    with transaction.atomic():
        noted(1)
        keys.activate("k2")
        noted(1)
    keys.activate("k3")
    noted(1)
    assert [event.key_id for event in events()] == ["k1", "k1", "k2", "k2", "k3"]
    assert found() == []
    assert chain.current_key() == THIRD


def test_a_key_is_activated_only_if_it_is_another_one_of_ours(database: None, settings: Any) -> None:
    noted(1)
    settings.AUDIT_KEYS = [FIRST, SECOND]
    for key_id, why in (("k1", "is the current key already"), ("k9", "has no key 'k9'")):
        with pytest.raises(CommandError, match=why):
            call_command("activate_audit_key", key_id)
    assert len(events()) == 1


def test_g02_a_process_without_the_current_key_records_nothing_and_is_not_ready(
    database: None, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.AUDIT_KEYS = [FIRST, SECOND]
    noted(1)
    keys.activate("k2")
    settings.AUDIT_KEYS = [FIRST]

    def work() -> None:
        with transaction.atomic():
            ScheduledTask.objects.create(name="deed", run_after=clock.now())
            noted(1)

    with pytest.raises(KeyMissing, match="AUDIT_KEYS lacks 'k2'"):
        work()
    assert not ScheduledTask.objects.exists()
    assert len(events()) == 2
    assert "ALERT AUDIT_KEYS lacks 'k2'" in caplog.text
    answer = Browser().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["audit"] == "AUDIT_KEYS lacks the audit's current key"
    assert integrity.integrity_status().state == "never"
    settings.AUDIT_KEYS = [SECOND, FIRST]
    assert Browser().get("/readyz").status_code == 200


def test_g02_a_process_with_other_bytes_for_the_current_key_records_nothing_and_is_not_ready(
    database: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted(30)
    monkeypatch.setattr(chain, "_usable_keys", set())  # as in a process that has just started
    settings.AUDIT_KEYS = [(FIRST[0], SECOND[1])]
    assert Browser().get("/readyz").json()["audit"] == "AUDIT_KEYS lacks the audit's current key"
    with pytest.raises(KeyMissing, match="AUDIT_KEYS has other bytes for 'k1'"):
        noted(1)
    settings.AUDIT_KEYS = [FIRST]
    noted(1)
    assert verification.verify_whole().findings == []


NO_TEXTS = ["CAST(x'ff00' AS TEXT)", "x'00'", "7"] if connection.vendor == "sqlite" else []


@pytest.mark.parametrize("column", ["canonical", "digest"])
@pytest.mark.parametrize("value", ["''", "'another text'", *NO_TEXTS])
def test_g02_edited_events_keep_no_process_from_recording(
    value: str, column: str, database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted(10)
    unguarded(lambda: sql(f"UPDATE audit_event SET {column} = {value} WHERE seq > 4"))
    monkeypatch.setattr(chain, "_usable_keys", set())
    noted(1)
    assert ChainHead.objects.get().seq == 11


def appended(key: tuple[str, bytes], **changes: Any) -> int:
    """An event put behind the last one by somebody with a key of ours and every right on the database."""
    head = ChainHead.objects.get()
    values = mallory.fabricated(head.seq + 1, head.digest, *key, **changes)
    mallory.put(values)
    sql("UPDATE audit_head SET seq = %s, digest = %s WHERE id = 1", head.seq + 1, values["digest"])
    return head.seq + 1


@pytest.mark.parametrize("order", [[FIRST, SECOND], [SECOND, FIRST]])
def test_g21_a_replaced_key_that_seals_again_is_a_finding_and_activates_nothing(
    order: list[tuple[str, bytes]], database: None, settings: Any
) -> None:
    settings.AUDIT_KEYS = order if order[0] == FIRST else [FIRST]
    noted(2)
    settings.AUDIT_KEYS = order
    keys.activate("k2")
    noted(1)
    assert verified().state == "intact"
    first = appended(FIRST)
    forged = appended(FIRST, action=str(EventType.AUDIT_KEY_ACTIVATED), after=json.dumps({"key": "k1"}))
    last = appended(FIRST)
    assert (first, last) == (forged - 1, forged + 1)
    for verify in (verification.verify_new, verification.verify):
        assert verify().findings == [IntegrityIssue(IssueKind.RESEALED, first, last, "key 'k1'")]
    noted(1)
    assert events()[-1].key_id == "k2"


def test_g21_an_activation_by_somebody_without_a_key_is_named(database: None, settings: Any) -> None:
    settings.AUDIT_KEYS = [FIRST, SECOND]
    noted(3)
    after = json.dumps({"key": "k2"})
    seq = appended(("k1", b"x" * 32), action=str(EventType.AUDIT_KEY_ACTIVATED), after=after)
    assert found() == [(IssueKind.EDITED, seq, seq)]
    assert chain.current_key() == FIRST


def test_g21_a_key_stays_replaced_where_its_replacement_was_archived(
    database: None, settings: Any, tmp_path: Path
) -> None:
    settings.AUDIT_KEYS = [FIRST, SECOND]
    noted(2)
    keys.activate("k2")
    noted(3)
    archive.archive(before=clock.now() + timedelta(hours=1), folder=tmp_path)
    assert Segment.objects.get().end_key_id == "k2"
    assert found() == []
    seq = appended(FIRST)
    assert found() == [(IssueKind.RESEALED, seq, seq)]


def test_g21_an_archive_that_ends_at_an_activation_is_followed_by_the_new_key(
    database: None, settings: Any, tmp_path: Path
) -> None:
    settings.AUDIT_KEYS = [FIRST, SECOND]
    noted(2)
    keys.activate("k2")
    noted(1)
    archive.archive(before=clock.now() + timedelta(hours=1), folder=tmp_path)
    assert Segment.objects.get().last == 3
    verification.note(integrity.WHOLE, verification.verify())
    noted(1)
    assert verification.verify_new().findings == []
    assert found() == []


def test_g35_a_ledger_whose_key_was_replaced_by_a_restart_goes_on(database: None, settings: Any) -> None:
    noted(2)
    settings.AUDIT_KEYS = [SECOND, FIRST]
    mallory.replace_key_as_before("k2")
    noted(2)
    mallory.unguarded(lambda: sql("UPDATE audit_head SET key_id = ''"))  # as the migration leaves it
    assert [event.key_id for event in events()] == ["k1", "k1", "k2", "k2"]
    assert chain.current_key() == SECOND
    noted(1)
    assert (events()[-1].key_id, ChainHead.objects.get().key_id) == ("k2", "k2")
    assert found() == []
    settings.AUDIT_KEYS = [SECOND, FIRST, THIRD]
    keys.activate("k3")
    noted(1)
    assert found() == []


def test_appending_takes_no_more_ways_to_the_database_than_before(
    database: None, settings: Any, django_assert_num_queries: Any
) -> None:
    noted(1)
    # BEGIN, the end, INSERT, the move, COMMIT; PostgreSQL inserts with the move.
    ways = 4 if connection.vendor == "postgresql" else 5
    event = Event(at=clock.now(), action="x", outcome="y", source="z")
    with django_assert_num_queries(ways), transaction.atomic(durable=True):
        connection.on_commit(PendingEvent(event))


# Acknowledgements.


def test_g21_an_acknowledged_finding_is_shown_stops_no_archive_and_raises_no_alert(
    database: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noted(5)
    edit(2)
    with pytest.raises(CommandError, match="broken"):
        call_command("verify_audit")
    acknowledged("a test had written to the wrong database")
    event = events(action=EventType.AUDIT_ACKNOWLEDGED)[0]
    assert (event.person_name, event.reason) == ("olga", "a test had written to the wrong database")
    assert event.after is not None
    assert event.after["findings"][0]["detail"] == "reason"
    capsys.readouterr()
    call_command("verify_audit")
    text = capsys.readouterr().out
    assert "intact" in text
    assert "1 acknowledged finding\nacknowledged: edited: event 2 (reason)" in text
    status = verified()
    assert (status.state, len(status.acknowledged)) == ("intact", 1)
    assert len(events(action=EventType.AUDIT_BROKEN)) == 1
    archive.archive(before=clock.now() + timedelta(hours=1), folder=tmp_path)
    assert found() == []


@pytest.mark.parametrize("seq", [2, 4])
def test_g21_a_finding_at_another_place_or_with_other_content_alarms_as_ever(
    database: None, seq: int
) -> None:
    noted(5)
    edit(2)
    verified()
    acknowledged()
    edit(seq, "changed once more")
    status = verified()
    assert (status.state, status.findings) == (
        "broken",
        (IntegrityIssue(IssueKind.EDITED, seq, seq, "reason"),),
    )
    assert len(events(action=EventType.AUDIT_BROKEN)) == 2


def put_back(seq: int) -> None:
    """An older state of the database: what came after the event is gone, and the chain ends there."""
    sealed = Event.objects.get(seq=seq).digest
    if connection.vendor == "sqlite":  # the search goes back as well
        rows = Event.objects.filter(seq__gt=seq).exclude(action=EventType.AUDIT_READ)
        for number, name in rows.values_list("seq", RawSQL(sqlite_words(), [])):
            sql(
                "INSERT INTO audit_event_name (audit_event_name, rowid, words) VALUES ('delete', %s, %s)",
                number,
                name,
            )
    sql("DELETE FROM audit_event WHERE seq > %s", seq)
    sql("UPDATE audit_head SET seq = %s, digest = %s", seq, sealed)


def lose_anchors() -> None:
    anchor_files.paths()[0].unlink()


def edit_anchor() -> None:
    path = anchor_files.paths()[0]
    path.write_text(path.read_text().replace('"line": 2', '"line": 7'))


TROUBLES: dict[str, Callable[[], None]] = {
    "edited": lambda: edit(3),
    "canonical": lambda: unguarded(lambda: mallory.change(3, canonical="{}")),
    "deleted": lambda: unguarded(lambda: mallory.delete(3, 4)),
    "cut off": lambda: unguarded(lambda: mallory.delete(6, 6)),
    "inserted": lambda: unguarded(lambda: mallory.put(mallory.row(2) | {"seq": 0})),
    "reordered": lambda: unguarded(lambda: mallory.swap(3, 4)),
    "rolled back": lambda: unguarded(lambda: put_back(3)),
    "anchors lost": lose_anchors,
    "anchor edited": edit_anchor,
}


def alarms_again(make: Callable[[], None], change: Callable[[], None]) -> None:
    """What `make` does is found and acknowledged; what `change` does there is found again."""

    def state() -> str:
        verification.note(integrity.WHOLE, verification.verify_whole())
        return integrity.integrity_status().state

    noted(5)
    make()
    assert state() == "broken"
    acknowledged()
    assert state() == "intact"
    change()
    assert state() == "broken"


def renumber(seq: int, number: int) -> None:
    unguarded(lambda: sql("UPDATE audit_event SET seq = %s WHERE seq = %s", number, seq))


@pytest.mark.parametrize("number", [-40, 40])
def test_g21_an_event_that_was_moved_alarms_again_once_it_is_edited(database: None, number: int) -> None:
    alarms_again(lambda: renumber(3, number), lambda: edit(number))
    kind, where = IssueKind.REORDERED, f"it stands at {number} with another reason"
    assert verified().findings == (IntegrityIssue(kind, 3, 3, where),)
    acknowledged()
    assert verified().state == "intact"
    edit(number, "changed once more")
    assert verified().findings == (IntegrityIssue(kind, 3, 3, where),)


MOVES: dict[str, dict[int, int]] = {  # of five events
    "swapped": {3: 4, 4: 3},
    "rotated": {2: 3, 3: 4, 4: 2},
    "the last two": {4: 5, 5: 4},
    "behind the end": {5: 8},
    "both away": {3: 41, 4: 40},
    "into a gap": {3: 40, 4: 3},
    "before the start": {3: -5},
    "all later": {3: 33, 4: 34, 5: 35},
}
FORGED = {"reason": ("forged", "forged again"), "canonical": ("x1", "x2"), "digest": ("a" * 64, "b" * 64)}


@pytest.mark.parametrize("later", FORGED)
@pytest.mark.parametrize("first", [None, *FORGED])
@pytest.mark.parametrize("move", MOVES)
def test_g21_a_row_that_was_moved_and_edited_alarms_again_at_its_next_edit(
    database: None, move: str, first: str | None, later: str
) -> None:
    places = MOVES[move]

    def edit_row(column: str, value: str) -> None:
        number = next(iter(places.values()))
        unguarded(lambda: sql(f"UPDATE audit_event SET {column} = %s WHERE seq = %s", value, number))

    def make() -> None:
        for seq in places:
            renumber(seq, -1000 - seq)
        for seq, number in places.items():
            renumber(-1000 - seq, number)
        if first:
            edit_row(first, FORGED[first][0])

    alarms_again(make, lambda: edit_row(later, FORGED[later][1]))


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL stores nothing that is no text")
@pytest.mark.parametrize("column", ["reason", "canonical"])
@pytest.mark.parametrize("value", ["x'41{}'", "CAST(x'ff{}' AS text)"])
def test_g21_an_unreadable_event_alarms_again_once_it_holds_something_else(
    database: None, column: str, value: str
) -> None:
    def store(last: int) -> None:
        unguarded(lambda: sql(f"UPDATE audit_event SET {column} = {value.format(last)} WHERE seq = 3"))

    alarms_again(lambda: store(10), lambda: store(11))


def test_g21_a_trigger_that_was_acknowledged_alarms_again_once_it_does_something_else(database: None) -> None:
    def create(body: str) -> None:
        if connection.vendor == "sqlite":
            sql("DROP TRIGGER IF EXISTS zz")
            sql(f"CREATE TRIGGER zz AFTER INSERT ON audit_duty BEGIN SELECT {body}; END")
        else:
            sql(
                f"CREATE OR REPLACE FUNCTION zz() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM {body}; RETURN NEW; END $$"
            )
            sql("CREATE OR REPLACE TRIGGER zz AFTER INSERT ON audit_duty FOR EACH ROW EXECUTE FUNCTION zz()")

    try:
        alarms_again(lambda: create("1"), lambda: create("2"))
    finally:
        sql("DROP TRIGGER zz" if connection.vendor == "sqlite" else "DROP FUNCTION zz CASCADE")


USES = {
    "cast": "CREATE CAST (text AS bigint) WITH FUNCTION zz(text) AS ASSIGNMENT",
    "default": "ALTER TABLE accounts_session ALTER agent SET DEFAULT zz('0')::text",
    "constraint": "ALTER TABLE audit_event ADD CONSTRAINT zz CHECK (zz(reason) > 0)",
    "function of a trigger's": "CREATE FUNCTION yy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM zz('0'); RETURN NEW; END $$; CREATE TRIGGER yy BEFORE UPDATE ON accounts_session FOR EACH ROW EXECUTE FUNCTION yy()",
    "policy": "CREATE POLICY zz ON audit_event USING (zz(reason) > 0)",
    "view": "CREATE VIEW yy AS SELECT 1 AS one; CREATE RULE zz AS ON UPDATE TO accounts_session DO ALSO SELECT * FROM yy",
}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite stores no functions")
@pytest.mark.parametrize("use", USES)
def test_g21_what_uses_a_function_or_view_alarms_again_once_that_does_something_else(
    database: None, use: str
) -> None:
    function = "CREATE OR REPLACE FUNCTION zz(text) RETURNS bigint LANGUAGE sql AS 'SELECT {}::bigint'"

    def change() -> None:
        sql("CREATE OR REPLACE VIEW yy AS SELECT 2 AS one" if use == "view" else function.format(2))

    def make() -> None:
        sql(function.format(1))
        sql(USES[use])

    try:
        alarms_again(make, change)
    finally:
        sql("ALTER TABLE accounts_session ALTER agent DROP DEFAULT")
        sql("DROP FUNCTION zz CASCADE; DROP FUNCTION IF EXISTS yy CASCADE; DROP VIEW IF EXISTS yy CASCADE")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_g21_whatever_was_found_can_be_closed_and_stays_closed_while_the_ledger_grows(
    database: None, trouble: str
) -> None:
    noted(3)
    anchors.anchor()
    noted(3)
    anchors.anchor()
    assert verified().state == "intact"
    TROUBLES[trouble]()
    assert verified().state == "broken"
    acknowledged()
    for _ in range(2):
        assert verified().state == "intact"
        assert integrity.integrity_status().acknowledged
        noted(4)
        anchors.anchor()
        verification.note(integrity.NEW, verification.verify_new())
    assert integrity.integrity_status().state == "intact"
    call_command("verify_audit")
    edit(ChainHead.objects.get().seq)
    assert verified().state == "broken"


def test_g21_a_second_return_to_an_older_state_is_a_finding_again(database: None) -> None:
    noted(6)
    anchors.anchor()
    unguarded(lambda: put_back(3))
    acknowledged()
    noted(4)
    anchors.anchor()
    unguarded(lambda: put_back(5))
    assert [each.kind for each in verification.still_open(verification.verify())] == [IssueKind.ROLLED_BACK]


def test_g21_a_hole_that_was_acknowledged_can_be_archived_and_the_archive_says_so(
    database: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noted(6)
    unguarded(lambda: mallory.delete(3, 4))
    with pytest.raises(archive.NotArchived):
        archive.archive(before=clock.now() + timedelta(hours=1), folder=tmp_path)
    acknowledged()
    segment = archive.archive(before=clock.now() + timedelta(hours=1), folder=tmp_path)
    capsys.readouterr()
    call_command("verify_audit", "--archive", str(tmp_path / segment.file))
    assert "acknowledged: deleted: events 3 to 4" in capsys.readouterr().out
    lines = (tmp_path / segment.file).read_text().splitlines(keepends=True)
    (tmp_path / segment.file).write_text("".join([*lines[:2], *lines[3:]]))
    with pytest.raises(CommandError, match="deleted"):
        call_command("verify_audit", "--archive", str(tmp_path / segment.file))


def test_g21_an_acknowledgement_counts_after_it_was_archived(database: None, tmp_path: Path) -> None:
    noted(3)
    anchors.anchor()
    lose_anchors()
    acknowledged()
    noted(3)
    archive.archive(before=clock.now() + timedelta(hours=1), folder=tmp_path)
    assert not Event.objects.filter(action=EventType.AUDIT_ACKNOWLEDGED).exists()
    status = verified()
    assert (status.state, len(status.acknowledged)) == ("intact", 1)
    unguarded(lambda: sql("UPDATE audit_segment SET acknowledged = %s", "[]"))
    assert verified().state == "broken"


def forged_row(key: tuple[str, bytes]) -> None:
    issue = verification.verify().findings[0]
    after = {"findings": [issue.as_audit_json()]}
    appended(key, action=str(EventType.AUDIT_ACKNOWLEDGED), after=json.dumps(after))


def edited_row() -> None:
    issue = verification.verify().findings[0]
    sql(
        "UPDATE audit_event SET action = %s, after = %s WHERE seq = 4",
        str(EventType.AUDIT_ACKNOWLEDGED),
        json.dumps({"findings": [issue.as_audit_json()]}),
    )


FORGERIES: dict[str, Callable[[], None]] = {
    "no key of ours": lambda: forged_row(("k2", b"x" * 32)),
    "a replaced key": lambda: forged_row(FIRST),
    "an edited row": lambda: unguarded(edited_row),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_g21_an_acknowledgement_that_was_not_sealed_in_its_place_has_no_effect(
    database: None, settings: Any, forgery: str
) -> None:
    settings.AUDIT_KEYS = [FIRST, SECOND]
    noted(5)
    keys.activate("k2")
    noted(1)
    edit(2)
    verified()
    FORGERIES[forgery]()
    for status in (integrity.integrity_status(), verified(), verified()):
        assert status.state == "broken"
        assert IntegrityIssue(IssueKind.EDITED, 2, 2, "reason") in status.findings


def test_g21_a_forged_return_to_an_older_state_hides_no_anchor(database: None, settings: Any) -> None:
    settings.AUDIT_KEYS = [FIRST, SECOND]
    noted(3)
    keys.activate("k2")
    noted(4)
    anchors.anchor()
    unguarded(lambda: put_back(5))
    appended(FIRST, action=str(EventType.AUDIT_RESTORED), after=json.dumps({"rolled_back_to": 5}))
    assert IssueKind.ROLLED_BACK in {each.kind for each in verification.still_open(verification.verify())}


def test_nothing_is_acknowledged_without_a_reason_or_a_finding(database: None) -> None:
    noted(2)
    with pytest.raises(CommandError, match="nothing was found"):
        acknowledged()
    edit(2)
    with pytest.raises(CommandError, match="a reason is needed"):
        acknowledged("  ")
    assert acknowledgements() == []


def test_an_auditor_acknowledges_on_the_page_exactly_what_it_shows(people: People, as_: SignIn) -> None:
    noted(3)
    edit(len(events()), "<b>changed</b>")
    verified()
    olga, tom = as_("olga"), as_("tom")
    page = body(olga.get("/audit/chain/"))
    mark = page.partition('name="findings" value="')[2].partition('"')[0]
    assert 'name="findings"' not in body(tom.get("/audit/chain/"))
    assert tom.post("/audit/chain/acknowledge/", {"findings": mark, "reason": "x"}).status_code == 403
    for typed in ({"findings": "0", "reason": "seen"}, {"findings": mark, "reason": " "}):
        answer = olga.post("/audit/chain/acknowledge/", typed)
        assert (answer.status_code, acknowledgements()) == (422, [])
    assert olga.post("/audit/chain/acknowledge/", {"findings": mark, "reason": "a repair"}).status_code == 302
    event = events(action=EventType.AUDIT_ACKNOWLEDGED)[0]
    assert (event.person_name, event.reason, event.source) == ("olga", "a repair", "page")
    page = body(olga.get("/audit/"))
    assert 'class="pill warn" data-state="intact"' in page
    assert "No new changes, 1 acknowledged" in page
    page = body(olga.get("/audit/chain/"))
    assert "1 change was acknowledged; it stays in the audit. Otherwise intact up to event " in page
    assert ">olga</td>" in page
    assert f'href="/audit/{event.seq}/"' in page
    assert "a repair</td>" in page
    assert "Intact" not in page
    assert verified().state == "intact"


# A lawful restore.


@pytest.mark.parametrize("reason", ["the disk broke", ""])
def test_g34_a_restore_says_what_it_came_from_and_is_closed_by_a_reason(
    database: None, tmp_path: Path, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    noted(6)
    anchors.anchor()
    backup = tmp_path / "monday.dump"
    backup.write_text("a backup")
    unguarded(lambda: put_back(4))
    call_command("note_restore", str(backup), "--acknowledge", reason, "--by", "root")
    event = events(action=EventType.AUDIT_RESTORED)[0]
    assert (event.person_name, event.reason, event.object_name) == ("root", reason, "monday.dump")
    assert event.after is not None
    assert (event.after["file"], event.after["event"], len(event.after["sha256"])) == (str(backup), 4, 64)
    if not reason:
        assert verified().state == "broken"
        acknowledged()
    assert verified().state == "intact"
    noted(5)
    tasks.run_due()
    status = verified()
    assert (status.state, len(status.acknowledged)) == ("intact", 1)
    last = Event.objects.latest("seq").seq
    segment = archive.archive(before=clock.now() + timedelta(hours=1), folder=tmp_path / "archive")
    assert last - 1 <= segment.last <= last, "also what stands where the lost events were"
    assert verified().state == "intact"


@pytest.mark.parametrize("command", ["note_restore", "acknowledge_audit"])
def test_g38_a_return_that_a_clock_far_ahead_acknowledged_explains_no_later_anchor(
    command: str, database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted(6)
    anchors.anchor()
    unguarded(lambda: put_back(4))
    now = clock.now()
    with monkeypatch.context() as ahead:
        ahead.setattr(clock, "now", lambda: now + timedelta(days=10))
        if command == "note_restore":
            call_command(
                "note_restore", str(tmp_path / "dump"), "--acknowledge", "a disk failed", "--by", "root"
            )
        else:
            verified()
            acknowledged()
        assert verified().state == "intact"
    noted(5)
    anchors.anchor()
    last = Event.objects.latest("seq").seq
    unguarded(lambda: put_back(last - 2))
    Verification.objects.all().delete()
    assert verified().state == "broken"


def test_g40_an_alarm_stays_while_the_table_of_verifications_is_empty(database: None) -> None:
    noted(3)
    edit(2)
    (finding,) = verified().findings
    Verification.objects.all().delete()
    status = integrity.integrity_status()
    assert (status.state, [str(each) for each in status.findings]) == ("broken", [str(finding)])
    acknowledged()
    Verification.objects.all().delete()
    assert integrity.integrity_status().state == "never"


def test_g34_anchors_of_other_hosts_that_saw_the_lost_events_are_explained_too(
    database: None, settings: Any, tmp_path: Path
) -> None:
    noted(6)
    anchors.anchor()
    other = tmp_path / "other.jsonl"
    settings.AUDIT_ANCHORS.rename(other)
    AnchorFile.objects.update(host="other-host")
    unguarded(lambda: put_back(4))
    call_command("note_restore", "monday.dump", "--acknowledge", "the disk broke")
    settings.AUDIT_ANCHORS = other  # the other host verifies
    noted(5)
    assert verified().state == "intact"


# Anchors.


def shorten() -> None:
    path = anchor_files.paths()[0]
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:1]))


def empty() -> None:
    anchor_files.paths()[0].write_text("")


def rotate() -> None:
    path = anchor_files.paths()[0]
    path.rename(path.with_suffix(".1"))


LOSSES: dict[str, tuple[Callable[[], None], int]] = {
    "lost": (lose_anchors, 1),
    "emptied": (empty, 1),
    "rotated": (rotate, 1),
    "shorter": (shorten, 2),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_g21_lines_of_anchors_that_are_lost_stay_a_finding_until_acknowledged(
    database: None, loss: str
) -> None:
    noted(2)
    for _ in range(3):
        anchors.anchor()
    act, first = LOSSES[loss]
    act()
    for _ in range(3):  # also once there are new ones
        assert found() == [(IssueKind.ANCHOR_MISSING, first, 3)]
        noted(1)
        anchors.anchor()
    acknowledged()
    assert verified().state == "intact"
    anchors.anchor()
    shorten()
    assert verified().state == "broken"


def test_g21_a_file_that_comes_back_is_no_finding_any_more(database: None, settings: Any) -> None:
    noted(2)
    anchors.anchor()
    kept = settings.AUDIT_ANCHORS.with_suffix(".kept")
    settings.AUDIT_ANCHORS.rename(kept)
    assert found() == [(IssueKind.ANCHOR_MISSING, 1, 1)]
    kept.rename(settings.AUDIT_ANCHORS)
    assert found() == []


def test_g21_a_file_on_another_host_is_missing_only_once_nobody_writes_to_it(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted(2)
    anchors.anchor()
    lose_anchors()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(platform, "node", lambda: "another-host")
        anchors.anchor()
        assert found() == []
        written_at, three_days, hour = clock.now(), timedelta(days=3), timedelta(hours=1)
        elsewhere.setattr(clock, "now", lambda: written_at + three_days - hour)
        assert found() == []
        elsewhere.setattr(clock, "now", lambda: written_at + three_days + hour)
        assert found() == [(IssueKind.ANCHOR_MISSING, 1, 1)]
    assert found() == [(IssueKind.ANCHOR_MISSING, 1, 1)]


def test_g21_a_lost_file_whose_host_was_not_noted_is_missing(database: None) -> None:
    noted(2)
    anchors.anchor()
    AnchorFile.objects.update(host="")  # as a release did that knew no hosts
    assert found() == []
    lose_anchors()
    assert found() == [(IssueKind.ANCHOR_MISSING, 1, 1)]


def test_g21_a_file_whose_path_was_changed_by_a_setting_is_read_where_it_was(
    database: None, settings: Any, tmp_path: Path
) -> None:
    noted(2)
    anchors.anchor()
    old, settings.AUDIT_ANCHORS = settings.AUDIT_ANCHORS, tmp_path / "new.jsonl"
    anchors.anchor()
    assert found() == []
    old.unlink()
    assert found() == [(IssueKind.ANCHOR_MISSING, 1, 1)]


def test_g21_where_one_file_of_anchors_is_lost_the_other_still_tells(
    database: None, settings: Any, tmp_path: Path
) -> None:
    settings.AUDIT_ANCHORS_COPY = tmp_path / "elsewhere" / "anchors.jsonl"
    noted(6)
    anchors.anchor()
    for path in anchor_files.paths():
        kept = shutil.copy(path, tmp_path / "kept")
        path.unlink()
        with mallory.undone():
            put_back(3)
            AnchorFile.objects.all().delete()  # as it was before
            with pytest.MonkeyPatch.context() as same:
                same.setattr(verification, "ahead", iter)  # on the connection that will be rolled back
                assert found() == [(IssueKind.ROLLED_BACK, 4, 6)]
        shutil.move(kept, path)
    assert found() == []


def test_g21_a_file_of_anchors_that_cannot_be_written_keeps_the_other_from_nothing(
    database: None, settings: Any, tmp_path: Path
) -> None:
    settings.AUDIT_ANCHORS_COPY = tmp_path / "copy.jsonl"
    (tmp_path / "file").touch()
    settings.AUDIT_ANCHORS = tmp_path / "file" / "anchors"
    noted(2)
    with pytest.raises(OSError, match="file"):
        anchors.anchor()
    assert [line["seq"] for line in anchor_files.lines()] == [2]
    assert witnesses.latest_anchor() is not None


# Overdue is not intact.


def state_at(monkeypatch: pytest.MonkeyPatch, later: timedelta) -> integrity.IntegrityStatus:
    at = clock.now() + later
    with monkeypatch.context() as ahead:
        ahead.setattr(clock, "now", lambda: at)
        return integrity.integrity_status()


def test_g40_a_verification_that_is_overdue_is_not_called_intact(
    people: People, as_: SignIn, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    verified()
    hours = timedelta(hours=settings.AUDIT_VERIFY_HOURS)
    assert state_at(monkeypatch, timedelta(minutes=10)).state == "intact"
    assert state_at(monkeypatch, timedelta(minutes=20)).state == "overdue"
    ScheduledTask.objects.update(run_after="2099-01-01T00:00:00Z")
    at = clock.now() + hours + timedelta(hours=2)
    browser = as_("olga")
    with monkeypatch.context() as ahead:
        ahead.setattr(clock, "now", lambda: at)
        status = integrity.integrity_status()
        assert (status.state, status.since) == ("overdue", status.whole_at)
    with monkeypatch.context() as short:
        short.setattr(integrity, "NEW_OVERDUE", timedelta(0))
        for path in ("/audit/", "/audit/chain/"):
            page = body(browser.get(path))
            assert "Not verified" in page or "Not verified since" in page
            assert "Intact to" not in page
            assert "Intact up to" not in page


def test_g40_the_verification_of_all_is_made_up_for_whatever_its_task_says(
    database: None, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    noted(3)
    tasks.run_due()
    sql("UPDATE audit_duty SET due_at = '2099-01-01 00:00:00+00' WHERE name = 'verify whole'")
    at = clock.now() + timedelta(hours=settings.AUDIT_VERIFY_HOURS) + timedelta(hours=2)
    with monkeypatch.context() as ahead:
        ahead.setattr(clock, "now", lambda: at)
        assert integrity.integrity_status().state == "overdue"
        tasks.run_due()
        assert integrity.integrity_status().state == "intact"
        assert integrity.integrity_status().whole_at == at


EDITS = {
    "at": "UPDATE audit_verification SET at = '{now}'",
    "at ahead": "UPDATE audit_verification SET at = '2099-01-01 00:00:00+00:00'",
    "seq": "UPDATE audit_verification SET seq = 900",
    "count": "UPDATE audit_verification SET count = 900",
    "digest": "UPDATE audit_verification SET digest = 'x'",
    "key": "UPDATE audit_verification SET chain_key_id = 'k2'",
    "findings": "UPDATE audit_verification SET findings = '[]'",
    "kind": "UPDATE audit_verification SET kind = 'new'",
    "seal": "UPDATE audit_verification SET seal = ''",
    "gone": "DELETE FROM audit_verification",
}


@pytest.mark.parametrize("edit_of", EDITS)
def test_g40_a_verification_that_was_edited_counts_as_none_and_is_made_again(
    database: None, edit_of: str
) -> None:
    noted(3)
    edit(2)
    verified()
    sql(EDITS[edit_of].format(now=f"{clock.now():%Y-%m-%d %H:%M:%S.%f}+00:00"))
    status = integrity.integrity_status()
    assert (status.state, status.whole_at) == ("broken", None)  # by the alarm in the ledger
    verification.note(integrity.NEW, verification.verify_new())
    status = integrity.integrity_status()
    assert (status.state, status.findings) == ("broken", (IntegrityIssue(IssueKind.EDITED, 2, 2, "reason"),))
    assert status.whole_at is not None


def test_g40_a_verification_from_the_future_is_none(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    noted(3)
    at = clock.now() + timedelta(minutes=1)
    with monkeypatch.context() as ahead:
        ahead.setattr(clock, "now", lambda: at)
        verified()
    assert integrity.integrity_status().state == "never"


def test_g40_a_verification_that_was_invented_is_none(database: None) -> None:
    noted(3)
    head = ChainHead.objects.get()
    for kind in (integrity.WHOLE, integrity.NEW):
        Verification.objects.create(
            kind=kind, at=clock.now(), seconds=1, count=3, seq=head.seq, digest=head.digest, findings=[]
        )
    assert integrity.integrity_status().state == "never"


def test_g40_verifications_that_fail_are_counted_and_shown(
    people: People, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified()
    with monkeypatch.context() as fault:
        fault.setattr(verification, "verify_new", lambda _go_on: 1 / 0)
        for _ in range(2):
            ScheduledTask.objects.update(run_after=clock.now())
            tasks.run_due()
    status = integrity.integrity_status()
    assert (status.failures, status.error) == (2, "ZeroDivisionError: division by zero")
    page = body(as_("olga").get("/audit/chain/"))
    assert "Failed checks" in page
    assert "2 · <code" in page
    ScheduledTask.objects.update(run_after=clock.now())
    tasks.run_due()
    assert integrity.integrity_status().failures == 0


# Verifications are witnesses as well.


def test_g21_a_tail_that_a_verification_has_seen_cannot_be_cut_off_unnoticed(database: None) -> None:
    noted(4)
    anchors.anchor()
    noted(4)
    assert verified().state == "intact"
    unguarded(lambda: put_back(5))
    assert found() == [(IssueKind.ROLLED_BACK, 6, 8)]
    status = verified()
    assert [str(each) for each in status.findings] == [
        "rolled back: events 6 to 8 (a verification has seen these events)"
    ]
    assert status.seq == 5
    noted(20)  # other events take the numbers
    assert verified().state == verified().state == "broken", "a second verification must not call it mended"
    assert not Event.objects.filter(action=EventType.AUDIT_MENDED).exists()
    acknowledged()
    assert verified().state == "intact"
    assert not Verification.objects.filter(kind="witness").exists()


def test_g21_a_tail_that_comes_back_is_no_finding_any_more(database: None) -> None:
    noted(4)
    verified()
    head = ChainHead.objects.values("seq", "digest").get()
    rows = list(Event.objects.filter(seq__gt=2))
    unguarded(lambda: put_back(2))
    assert verified().state == "broken"
    alarm = Event.objects.get(action=EventType.AUDIT_BROKEN)

    def restore() -> None:
        sql("DELETE FROM audit_event WHERE seq = %s", alarm.seq)
        chain.copy_events(connection, rows)
        sql("UPDATE audit_head SET seq = %s, digest = %s", head["seq"], head["digest"])

    unguarded(restore)
    assert found() == []
    assert verified().findings == ()


def test_g21_the_check_of_new_events_says_that_the_verified_ones_are_gone(database: None) -> None:
    noted(4)
    verified()
    unguarded(lambda: put_back(2))
    verification.note(integrity.NEW, verification.verify_new())
    assert [each.kind for each in integrity.integrity_status().findings] == [IssueKind.ROLLED_BACK]


@pytest.mark.parametrize("is_acknowledged", [False, True])
def test_g21_no_anchor_follows_one_of_a_later_event_before_somebody_acknowledges_that(
    database: None, monkeypatch: pytest.MonkeyPatch, is_acknowledged: bool
) -> None:
    noted(4)
    verified()
    anchors.anchor()
    unguarded(lambda: put_back(2))
    Verification.objects.all().delete()  # the attacker's as well
    later = clock.now() + timedelta(hours=2)
    monkeypatch.setattr("hyperclusters.audit.anchors.clock.now", lambda: later)
    assert anchors.anchor_if_due() is None
    with pytest.raises(CommandError, match=r"has seen event 4, and the ledger ends with event 2"):
        call_command("anchor_audit")
    assert witnesses.latest_anchor() is not None
    verification.note(integrity.NEW, verification.verify_new())
    assert IssueKind.ROLLED_BACK in {each.kind for each in integrity.integrity_status().findings}
    if is_acknowledged:
        acknowledged()
        assert anchors.anchor_if_due() is None, "it has just been anchored"
        assert anchor_files.lines()[-1]["seq"] == ChainHead.objects.get().seq
        assert verified().state == "intact"
