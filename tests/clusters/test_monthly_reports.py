"""A month's report is created once, says what the ledger says, and is proved by its seal alone."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hyperclusters.audit import clock, manifest
from hyperclusters.audit.archive import archive
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import Segment
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import MonthlyReport
from hyperclusters.clusters.monthly_reports import create_report, last_month, problems
from hyperclusters.clusters.worker import Worker
from tests.audit.tampering import sql, unguarded
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation
from tests.faults.concurrency import run_concurrently

MONTH = date(2027, 2, 1)


def at(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: now)


def note(event_type: EventType, team: object) -> None:
    record(event_type, Outcome.DONE, on=Subject("cluster", "c", "c", team))  # type: ignore[arg-type]


def test_it_counts_the_events_of_its_month_and_of_no_other(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"2027-01-31T23:59:59": 5, "2027-02-01": 1, "2027-02-28T23:59": 2, "2027-03-01": 9}
    for moment, times in counts.items():
        at(monkeypatch, moment)
        for _ in range(times):
            note(EventType.CREATE_SUCCEEDED, people.vision)
    note(EventType.CREATE_FAILED, people.speech)
    at(monkeypatch, "2027-03-02")
    report = create_report(MONTH)
    assert report
    assert report.facts["events"] == {people.vision.name: {"cluster:create:succeeded": 3}}
    assert report.facts["month"] == str(report) == "2027-02"
    assert last_month() == MONTH


def test_g38_a_report_that_a_clock_far_ahead_asked_for_is_made_again(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, "2027-02-10")
    note(EventType.CREATE_SUCCEEDED, people.vision)
    at(monkeypatch, "2027-03-03")
    early = create_report(MONTH)
    assert early
    at(monkeypatch, "2027-02-11")
    note(EventType.CREATE_SUCCEEDED, people.vision)
    at(monkeypatch, "2027-03-03T01:00")
    note(EventType.CREATE_SUCCEEDED, people.vision)
    report = create_report(MONTH)
    assert report
    assert report.facts["events"][people.vision.name] == {"cluster:create:succeeded": 2}
    assert create_report(MONTH) == report
    assert len(events(action=EventType.REPORT_CREATED)) == 2


@pytest.mark.parametrize(
    ("now", "month"),
    [("2028-03-31", "2028-02-01"), ("2027-01-01", "2026-12-01"), ("2027-03-01", "2027-02-01"), ("2027-05-31T23:59:59", "2027-04-01")],
)  # fmt: skip
def test_the_last_month_is_the_one_before(now: str, month: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, now)
    assert last_month() == date.fromisoformat(month)


def test_a_month_before_the_first_event_has_none(database: None) -> None:
    assert create_report(date(2001, 1, 1)) is None
    assert not MonthlyReport.objects.exists()


def test_g40_it_counts_what_was_sealed_whatever_the_columns_say(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, "2027-01-20")
    note(EventType.CREATE_SUCCEEDED, people.vision)
    at(monkeypatch, "2027-02-02")
    for _ in range(5):
        note(EventType.CREATE_SUCCEEDED, people.vision)
    at(monkeypatch, "2027-03-02")
    first, *_, last = [each.seq for each in events(action=EventType.CREATE_SUCCEEDED)][1:]
    edits = {first: "at = '2026-01-01 00:00:00'", first + 1: "action = 'cluster:create:failed'"}
    edits |= {last: "at = '2027-03-01 00:00:00'", last - 1: "team_name = 'Speech'"}

    def change() -> None:
        for seq, edit in edits.items():
            sql(f"UPDATE audit_event SET {edit} WHERE seq = %s", seq)

    unguarded(change)
    report = create_report(MONTH)
    assert report
    assert report.facts["events"] == {people.vision.name: {"cluster:create:succeeded": 5}}
    unguarded(lambda: sql("UPDATE audit_event SET canonical = '{}' WHERE seq = %s", first + 2))
    MonthlyReport.objects.all().delete()
    report = create_report(MONTH)
    assert report
    assert report.facts["events"][""] == {"unreadable": 1}


def test_it_names_the_archives_whose_events_it_lacks(
    people: People, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for moment in ("2027-01-20", "2027-02-02", "2027-02-20"):
        at(monkeypatch, moment)
        note(EventType.CREATE_SUCCEEDED, people.vision)
    at(monkeypatch, "2027-03-02")
    for before, count in (("2027-02-10", 1), ("2027-03-01", 0)):
        archive(before=datetime.fromisoformat(before).replace(tzinfo=UTC), folder=tmp_path)
        MonthlyReport.objects.all().delete()
        report = create_report(MONTH)
        assert report
        counts = report.facts["events"].get(people.vision.name, {})
        assert counts.get("cluster:create:succeeded", 0) == count
        assert report.facts["archives"] == [each.file for each in Segment.objects.order_by("first")]


@pytest.mark.parametrize("how", ["another month's", "sealed with a key that was replaced"])
def test_g40_a_report_is_the_one_that_the_audit_recorded(
    how: str, people: People, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    old = ("old", b"1" * 32)
    settings.AUDIT_KEYS = [*settings.AUDIT_KEYS, old]
    for moment in ("2027-01-20", "2027-02-02"):
        at(monkeypatch, moment)
        note(EventType.CREATE_SUCCEEDED, people.vision)
    at(monkeypatch, "2027-03-02")
    january, report = create_report(date(2027, 1, 1)), create_report(MONTH)
    assert january
    assert report
    assert not [*problems(january), *problems(report)]
    if how == "another month's":
        report.text = january.text
        assert list(problems(report)) == ["it is the report of 2027-01", "the audit recorded another file"]
    else:
        facts = {name: value for name, value in report.facts.items() if name != "seal"}
        monkeypatch.setattr(manifest, "current_key", lambda: old)
        report.text = manifest.seal_facts("report", facts | {"events": {}})
        assert list(problems(report)) == ["the audit recorded another file"]


def test_it_tells_what_is_open(people: People, cloud: Cloud, projects: Projects) -> None:
    submit_creation(people.ada, projects.vision, "made")
    cloud.simulator.add_cluster(projects.vision.project_id, "elsewhere")
    run_worker()
    submit_creation(people.ada, projects.vision, "waiting")
    report = create_report(clock.now().date().replace(day=1))
    assert report
    assert report.facts["review"] == {
        "settled": 1,
        "settled_without_review": 1,
        "open_follow_ups": 0,
        "follow_ups_open": 0,
        "follow_ups_overdue": 0,
        "follow_ups_closed": 0,
        "creations_without_outcome": 1,
        "clusters_elsewhere_without_account": 1,
    }
    assert report.facts["integrity"]["state"] == "never"


@pytest.mark.django_db(transaction=True)
def test_several_workers_create_it_once(people: People) -> None:
    month = clock.now().date().replace(day=1)
    run_concurrently(*[lambda: create_report(month)] * 4)
    assert MonthlyReport.objects.count() == len(events(action=EventType.REPORT_CREATED)) == 1


def test_a_worker_creates_last_month_s_when_the_month_is_over(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(concurrency=1)
    at(monkeypatch, "2027-02-28T23:59")
    note(EventType.CREATE_SUCCEEDED, people.vision)
    worker._keep_ledger(None)
    assert not MonthlyReport.objects.filter(month=MONTH).exists()
    at(monkeypatch, "2027-03-01T00:01")
    worker._keep_ledger(None)
    worker._keep_ledger(None)
    assert MonthlyReport.objects.filter(month=MONTH).count() == 1


def test_its_seal_proves_it_without_the_database(
    people: People, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = create_report(clock.now().date().replace(day=1))
    assert report
    file = tmp_path / "report.json"
    file.write_text(report.text)
    call_command("verify_export", file)
    assert "intact" in capsys.readouterr().out
    facts = json.loads(report.text)["report"]
    forged = [
        report.text.replace('"through_seq": ', '"through_seq": 1'),
        json.dumps({"report": {name: value for name, value in facts.items() if name != "seal"}}),
        json.dumps({"report": facts | {"key": "other"}}),
        json.dumps({"report": facts}, indent=1),  # the same words, but not the file that was sealed
        json.dumps({"manifest": facts}),
        '{"report": 7}',
        report.text + " ",
    ]
    for text in forged:
        file.write_text(text)
        with pytest.raises(CommandError, match="broken"):
            call_command("verify_export", file)
