"""The monthly report: counts of the audit's events, the state of the review and of the audit, sealed like an export.

Everything comes from the ledger, except what is still open when the report is created. It is a file of its own: whoever
has the keys verifies it without the database (`manage.py verify_export`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from hyperclusters.audit import clock, manifest
from hyperclusters.audit.integrity import integrity_status
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import ChainHead, Event
from hyperclusters.audit.readable import events
from hyperclusters.audit.segments import archives_between
from hyperclusters.audit.verify_export import verify_report
from hyperclusters.audit.vocabulary import EventType, Outcome

from .models import Cluster, Creation, FollowUp, Judgement, MonthlyReport

AT_ONCE = 1000  # events
NEAR = timedelta(days=2)  # by which events may be out of the order of their times


def last_month() -> date:
    """The first day of the month before this one."""
    return (_midnight(clock.now()).replace(day=1) - timedelta(days=1)).date().replace(day=1)


class _Stopped(Exception):
    """The process is to stop: the next one begins again."""


def create_report(month: date, may_go_on: Callable[[], bool] = lambda: True) -> MonthlyReport | None:
    """The report of a month that is over; None if the ledger has nothing of that month or of the time before, or the
    process is to stop.

    Created unless it is there, and again if events of its month followed it: a clock that was ahead made it too early.
    """
    start = _midnight(month)
    end = (start + timedelta(days=31)).replace(day=1)
    report = MonthlyReport.objects.filter(month=month).first()
    if report and not _is_early(report, start, end):
        return report
    if not (archives_between(None, end) or Event.objects.filter(at__lt=end).exists()):
        return None
    try:
        text = manifest.seal_facts("report", _facts(start, end, may_go_on))
    except _Stopped:
        return None
    with transaction.atomic():
        if report:
            MonthlyReport.objects.filter(pk=report.pk, text=report.text).delete()
        report, is_new = MonthlyReport.objects.get_or_create(
            month=month, defaults={"text": text, "created_at": clock.now()}
        )
        if is_new:
            on = Subject("report", str(report), str(report))
            record(EventType.REPORT_CREATED, Outcome.DONE, on=on, after={"sha256": _sha256(text)})
    return report


def problems(report: MonthlyReport) -> Iterator[str]:
    """What is wrong with a report, in words: its file, or that it is not the one that the audit recorded."""
    yield from verify_report(report.text, dict(settings.AUDIT_KEYS))
    facts = manifest.read(report.text, "report") or {}
    if facts.get("month") != str(report):
        yield f"it is the report of {facts.get('month')}"
    records = Event.objects.filter(action=EventType.REPORT_CREATED, object_name=str(report)).order_by("-seq")
    after = next((event.after or {} for _, event in events(records) if event), {})
    if "sha256" in after and after["sha256"] != _sha256(report.text):
        yield "the audit recorded another file"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _is_early(report: MonthlyReport, start: datetime, end: datetime) -> bool:
    """Whether events of its month were recorded after it. A report that somebody edited stays as it is."""
    facts = manifest.read(report.text, "report")
    if facts is None or any(manifest.seal_problems("report", report.text, facts, dict(settings.AUDIT_KEYS))):
        return False
    return Event.objects.filter(at__gte=start, at__lt=end, seq__gt=facts["through_seq"]).exists()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _facts(start: datetime, end: datetime, may_go_on: Callable[[], bool]) -> dict[str, Any]:
    teams: dict[str, Counter[str]] = {}
    through_seq = ChainHead.objects.get().seq
    at = start - NEAR
    for event in _events_since(start, through_seq, may_go_on):
        at = event.at if event else at
        if start <= at < end:
            team, event_type = (event.team_name, event.action) if event else ("", "unreadable")
            teams.setdefault(team, Counter())[event_type] += 1
    status = integrity_status()
    return {
        "month": f"{start:%Y-%m}",
        "created_at": clock.now().isoformat(timespec="seconds"),
        "through_seq": through_seq,
        "events": {name: dict(sorted(teams[name].items())) for name in sorted(teams)},  # "": of no team
        "archives": [each.file for each in archives_between(start, end)],  # whose events are not counted
        "review": _review(start, end),
        "integrity": {
            "state": status.state,
            "verified_at": status.at.isoformat(timespec="seconds") if status.at else None,
            "through_seq": status.seq,
            "open_findings": len(status.findings),
            "acknowledged_findings": len(status.acknowledged),
        },
    }


def _events_since(start: datetime, through_seq: int, may_go_on: Callable[[], bool]) -> Iterator[Event | None]:
    """Every event from about this time on, by its sealed text; None for an unreadable one. Columns only say where to
    begin, and the texts before that place may say that it is too late."""
    rows = Event.objects.filter(seq__lte=through_seq).order_by("seq")
    seq = (rows.filter(at__gte=start - NEAR).values_list("seq", flat=True).first() or through_seq + 1) - 1
    while before := list(events(rows.filter(seq__lte=seq).reverse()[:AT_ONCE])):
        if not any(event and event.at >= start for _, event in before):
            break
        seq = before[-1][0] - 1
    while batch := list(events(rows.filter(seq__gt=seq)[:AT_ONCE])):
        if not may_go_on():
            raise _Stopped
        yield from (event for _, event in batch)
        seq = batch[-1][0]


def _review(start: datetime, end: datetime) -> dict[str, int]:
    """Of the month's creations and of everything that is open when the report is created."""
    outcomes = Creation.objects.filter(settled_at__gte=start, settled_at__lt=end)
    elsewhere = Cluster.objects.present().filter(creation__isnull=True, review__isnull=True)
    return {
        "settled": outcomes.count(),
        "settled_without_review": outcomes.filter(review__isnull=True).count(),
        "open_follow_ups": Creation.objects.filter(review__judgement=Judgement.FOLLOW_UP).count(),
        "follow_ups_open": FollowUp.objects.open().count(),
        "follow_ups_overdue": FollowUp.objects.overdue().count(),
        "follow_ups_closed": FollowUp.objects.filter(closed_at__gte=start, closed_at__lt=end).count(),
        "creations_without_outcome": Creation.objects.unresolved().count(),
        "clusters_elsewhere_without_account": elsewhere.count(),
    }
