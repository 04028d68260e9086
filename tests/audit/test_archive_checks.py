"""Archives are verified where they are, and what is wrong with one alarms as a finding of the ledger does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from hyperclusters.audit import (
    anchor_files,
    anchors,
    archive,
    archive_checks,
    archive_events,
    archive_files,
    clock,
    integrity,
    tasks,
    verification,
)
from hyperclusters.audit.acknowledgements import acknowledge
from hyperclusters.audit.archive_checks import request_check, run_due, sealed_checks, verify_segment
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.findings import IssueKind
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.matching import matcher
from hyperclusters.audit.models import Segment, SegmentCheck
from hyperclusters.audit.segments import archives_between
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.audit.tampering import sql, unguarded
from tests.conftest import events
from tests.faults.concurrency import run_concurrently


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.AUDIT_ANCHORS = tmp_path / "anchors.jsonl"
    settings.AUDIT_ARCHIVE = tmp_path / "archive"
    return tmp_path / "archive"


def noted(count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            record(
                EventType.CREATE_FAILED, Outcome.FAILED, on=Subject("creation", str(number), f"c-{number}")
            )


@pytest.fixture
def segments(database: None, folder: Path) -> list[Segment]:
    """Two archives of 100 events or more, with an anchor in each, and some events in the ledger."""
    for _ in range(2):
        noted(60)
        anchors.anchor()
        noted(60)
        archive.archive(before=clock.now() + timedelta(hours=1), folder=folder)
    noted(3)
    return list(Segment.objects.order_by("first"))


def checked(segment: Segment) -> SegmentCheck:
    assert request_check(segment.first, by=None)
    run_due()
    return sealed_checks()[segment.first]


def replace_in(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def test_g40_an_archive_as_it_was_written_verifies_and_a_worker_says_when(segments: list[Segment]) -> None:
    for segment in segments:
        assert verify_segment(segment) == []
        check = checked(segment)
        assert check.at
        assert clock.is_within(check.at, timedelta(minutes=1))
        assert (list(check.issues), check.count, check.requested_at) == ([], segment.count, None)
    verification.note(integrity.WHOLE, verification.verify_whole())
    assert integrity.integrity_status().state == "intact"


def link(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to(other)


DAMAGE: dict[str, tuple[Callable[[Path, Path], object], str, int]] = {
    "edited": (lambda path, _: replace_in(path, b'"c-7"', b'"c-8"'), IssueKind.EDITED, 8),
    "cut": (lambda path, _: path.write_bytes(path.read_bytes()[:-300]), IssueKind.ARCHIVE_EDITED, 1),
    "emptied": (lambda path, _: path.write_bytes(b""), IssueKind.CUT, 1),
    "a line taken out": (
        lambda path, _: path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:])),
        IssueKind.DELETED,
        1,
    ),
    "swapped": (lambda path, other: shutil.copy(other, path), IssueKind.ARCHIVE_EDITED, 1),
    "swapped with its manifest": (
        lambda path, other: (shutil.copy(other, path), shutil.copy(f"{other}.manifest", f"{path}.manifest")),
        IssueKind.ARCHIVE_EDITED,
        1,
    ),
    "an endless line": (lambda path, _: path.write_bytes(b"x" * 30_000_000), IssueKind.ARCHIVE_EDITED, 1),
    "its manifest edited": (
        lambda path, _: replace_in(Path(f"{path}.manifest"), b'"last": ', b'"last": 1'),
        IssueKind.ARCHIVE_EDITED,
        0,
    ),
    "missing": (lambda path, _: path.unlink(), IssueKind.ARCHIVE_MISSING, 1),
    "a manifest missing": (lambda path, _: Path(f"{path}.manifest").unlink(), IssueKind.ARCHIVE_MISSING, 1),
    "a link": (
        link,
        IssueKind.ARCHIVE_EDITED,
        1,
    ),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_g40_a_damaged_archive_is_a_finding_that_alarms_once_and_can_be_acknowledged(
    how: str, segments: list[Segment], folder: Path
) -> None:
    verification.note(integrity.WHOLE, verification.verify_whole())
    act, kind, first = DAMAGE[how]
    act(folder / segments[0].file, folder / segments[1].file)
    assert verification.verify_whole().findings == []  # nobody has looked into the file yet
    issues = checked(segments[0]).issues
    assert (kind, first) in {(each.kind, each.first) for each in issues}
    assert all(segments[0].file in each.detail for each in issues)
    for _ in range(2):
        verification.note(integrity.NEW, verification.verify_new())
        verification.note(integrity.WHOLE, verification.verify_whole())
    status = integrity.integrity_status()
    assert status.state == "broken"
    assert {each.identity for each in status.findings} == {each.identity for each in issues}
    assert len(events(action=EventType.AUDIT_BROKEN)) == 1
    acknowledge(status.findings, reason="the disk failed", person_name="olga")
    verification.note(integrity.WHOLE, verification.verify_whole())
    assert integrity.integrity_status().state == "intact"
    checked(segments[0])  # the same again is no other finding
    verification.note(integrity.WHOLE, verification.verify_whole())
    assert integrity.integrity_status().state == "intact"


def test_g40_a_file_that_is_back_ends_the_alarm(segments: list[Segment], folder: Path) -> None:
    path = folder / segments[0].file
    path.rename(folder / "away")
    checked(segments[0])
    verification.note(integrity.WHOLE, verification.verify_whole())
    assert integrity.integrity_status().state == "broken"
    (folder / "away").rename(path)
    checked(segments[0])
    verification.note(integrity.WHOLE, verification.verify_whole())
    assert integrity.integrity_status().state == "intact"


def test_g40_an_anchor_that_has_seen_another_event_is_a_finding(
    segments: list[Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    (line, *_) = anchor_files.lines()
    for other in (
        {"seq": segments[0].first + 3},
        {"digest": "0" * 64},
    ):  # the manifest has the second one's number
        monkeypatch.setattr(anchor_files, "lines", lambda other=other: [line | other])
        assert {each.kind for each in verify_segment(segments[0])} == {IssueKind.ROLLED_BACK}


def test_g40_a_neighbour_that_does_not_continue_the_archive_is_a_finding(segments: list[Segment]) -> None:
    unguarded(
        lambda: sql("UPDATE audit_segment SET previous = %s WHERE first = %s", "0" * 64, segments[1].first)
    )
    assert any("next event" in each.detail for each in verify_segment(segments[0]))


WRITES: dict[str, Callable[[dict[str, Any]], object]] = {
    "other findings": lambda _: SegmentCheck.objects.update(findings=[]),
    "no row": lambda _: SegmentCheck.objects.all().delete(),
    "the row of an earlier check": lambda row: SegmentCheck.objects.update(**row),
}


@pytest.mark.parametrize("how", WRITES)
def test_g40_a_finding_about_an_archive_ends_by_no_change_of_the_row_that_has_it(
    how: str, segments: list[Segment], folder: Path
) -> None:
    checked(segments[0])
    row: dict[str, Any] = dict(SegmentCheck.objects.values().get())
    (folder / segments[0].file).unlink()
    issues = checked(segments[0]).issues
    verification.note(integrity.WHOLE, verification.verify_whole())
    WRITES[how](row)
    verification.note(integrity.WHOLE, verification.verify_whole())
    status = integrity.integrity_status()
    assert (status.state, list(status.findings)) == ("broken", list(issues))
    assert not events(action=EventType.AUDIT_MENDED)
    assert list(sealed_checks()[segments[0].first].issues) == list(issues)


def test_g40_a_check_while_the_archives_record_is_edited_has_no_result(
    segments: list[Segment], folder: Path
) -> None:
    first, name = segments[0].first, segments[0].file
    (folder / name).unlink()
    issues = checked(segments[0]).issues
    assert issues
    unguarded(lambda: sql("UPDATE audit_segment SET file = 'x' WHERE first = %s", first))
    SegmentCheck.objects.update(requested_at=clock.now(), run_after=clock.now())
    run_due()
    unguarded(lambda: sql("UPDATE audit_segment SET file = %s WHERE first = %s", name, first))
    assert list(sealed_checks()[first].issues) == list(issues)


def test_g40_a_check_is_stored_while_the_ledger_takes_no_event(
    segments: list[Segment], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / segments[0].file).unlink()

    def lost(*_: Any, **__: Any) -> None:
        raise DatabaseError("the chain's end is lost")

    with monkeypatch.context() as patch:
        request_check(segments[0].first, by=None)
        patch.setattr(archive_checks, "record", lost)
        run_due()
    assert SegmentCheck.objects.get().requested_at is None
    assert sealed_checks()[segments[0].first].issues


def test_g40_a_value_that_cannot_be_read_stops_no_verification_and_hides_no_other_archive(
    segments: list[Segment], folder: Path
) -> None:
    (folder / segments[1].file).unlink()
    _, issues = [list(checked(each).issues) for each in segments]
    value = "x'ff'" if connection.vendor == "sqlite" else "'infinity'"
    sql(f"UPDATE audit_segmentcheck SET at = {value} WHERE first = %s", segments[0].first)
    assert sealed_checks()[segments[0].first].issues == []  # by the ledger
    assert verification.verify_whole().findings == issues
    assert checked(segments[0]).at


def test_g52_a_worker_that_stops_gives_the_check_back_and_the_next_one_begins_again(
    segments: list[Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_files, "AT_ONCE", 10)
    request_check(segments[0].first, by=None)
    answers = iter([True, True, True])
    run_due(lambda: next(answers, False))
    check = SegmentCheck.objects.get()
    assert check.requested_at
    assert (check.lease_holder, check.lease_expires_at, check.at) == ("", None, None)
    tasks.run_due()
    assert sealed_checks()[segments[0].first].at


class Killed(BaseException):
    """What ends a process in a test."""


def test_a_check_whose_worker_was_killed_begins_again_once_its_lease_is_over(
    segments: list[Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_files, "AT_ONCE", 10)
    request_check(segments[0].first, by=None)
    calls: list[int] = []

    def dies() -> bool:
        calls.append(1)
        if len(calls) > 3:
            raise Killed
        return True

    with pytest.raises(Killed):
        run_due(dies)
    run_due()
    assert SegmentCheck.objects.get().requested_at  # the lease still holds
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=3))
    run_due()
    assert sealed_checks()[segments[0].first].at


def test_a_worker_that_lost_its_lease_writes_no_result(
    segments: list[Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    request_check(segments[0].first, by=None)
    original = archive_checks.verify_segment

    def slow(*args: Any) -> Any:
        SegmentCheck.objects.update(lease_holder="another")
        return original(*args)

    monkeypatch.setattr(archive_checks, "verify_segment", slow)
    run_due()
    check = SegmentCheck.objects.get()
    assert (check.lease_holder, check.at) == ("another", None)


def test_of_two_workers_one_verifies_and_of_two_clicks_one_counts(segments: list[Segment]) -> None:
    first = segments[0].first
    assert run_concurrently(lambda: request_check(first, by=None), lambda: request_check(first, by=None)) == [
        True,
        True,
    ]
    assert SegmentCheck.objects.count() == 1
    assert len(events(action=EventType.ARCHIVE_CHECK_REQUESTED)) == 1
    run_concurrently(run_due, run_due)
    assert sealed_checks()[first].at
    assert not request_check(999_999, by=None)


def test_an_error_of_the_disk_is_no_result_and_the_check_is_due_again(
    segments: list[Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    request_check(segments[0].first, by=None)

    def fails(*_: Any) -> Any:
        raise OSError("input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(archive_checks, "verify_segment", fails)
        run_due()
    check = SegmentCheck.objects.get()
    assert check.requested_at
    assert (check.at, check.lease_expires_at) == (None, None)
    assert check.run_after > clock.now()


def test_an_archive_of_an_earlier_release_is_searched_and_verified(segments: list[Segment]) -> None:
    """Its record has no times and no key of its end, and its seal covers neither, nor the time that it was moved at."""
    old = segments[0]
    old.first_at = old.last_at = old.acknowledged = None
    old.end_key_id = ""
    old.seal = old.sealed_with(dict(settings.AUDIT_KEYS)[old.key_id], is_dated=False)
    unguarded(
        lambda: sql(
            "UPDATE audit_segment SET first_at = NULL, last_at = NULL, acknowledged = NULL, end_key_id = '', seal = %s "
            "WHERE first = %s",
            old.seal,
            old.first,
        )
    )
    assert not SegmentCheck.objects.exists()  # as after the migration
    assert old.first not in sealed_checks()
    assert (checked(old).at, checked(old).issues) != (None, [])
    assert verify_segment(Segment.objects.get(first=old.first)) == []
    found = archive_events.search(
        archives_between(clock.now() - timedelta(days=1), None), matcher(EventFilter(), None), size=999
    )
    assert len(found.events) == sum(each.count for each in segments)
    assert archives_between(None, None)[0].moved_at is None  # anybody could have written it
