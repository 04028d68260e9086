"""The monthly report: counts of the audit's events, the state of the review and of the audit, sealed like an export.

Everything comes from the ledger, except what is still open when the report is created. It is a file of its own: whoever
has the keys verifies it without the database (`manage.py verify_export`).
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from hyperclusters.audit import clock, manifest
from hyperclusters.audit.integrity import integrity_status
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import ChainHead, Event
from hyperclusters.audit.readable import counts
from hyperclusters.audit.vocabulary import EventType, Outcome

from .models import Cluster, Creation, FollowUp, Judgement, MonthlyReport


def last_month() -> date:
    """The first day of the month before this one."""
    return (_midnight(clock.now()).replace(day=1) - timedelta(days=1)).date().replace(day=1)


def create_report(month: date) -> MonthlyReport | None:
    """The report of a month that is over; None if the ledger has nothing of that month or of the time before.

    Created unless it is there, and again if events of its month followed it: a clock that was ahead made it too early.
    """
    start = _midnight(month)
    end = (start + timedelta(days=31)).replace(day=1)
    report = MonthlyReport.objects.filter(month=month).first()
    if report and not _is_early(report, start, end):
        return report
    if not Event.objects.filter(at__lt=end).exists():
        return None
    text = manifest.seal_facts("report", _facts(start, end))
    with transaction.atomic():
        if report:
            MonthlyReport.objects.filter(pk=report.pk, text=report.text).delete()
        report, is_new = MonthlyReport.objects.get_or_create(
            month=month, defaults={"text": text, "created_at": clock.now()}
        )
        if is_new:
            record(EventType.REPORT_CREATED, Outcome.DONE, on=Subject("report", str(report), str(report)))
    return report


def _is_early(report: MonthlyReport, start: datetime, end: datetime) -> bool:
    """Whether events of its month were recorded after it. A report that somebody edited stays as it is."""
    facts = manifest.read(report.text, "report")
    if facts is None or any(manifest.seal_problems("report", report.text, facts, dict(settings.AUDIT_KEYS))):
        return False
    return Event.objects.filter(at__gte=start, at__lt=end, seq__gt=facts["through_seq"]).exists()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _facts(start: datetime, end: datetime) -> dict[str, Any]:
    teams: dict[str, Counter[str]] = {}
    through_seq = ChainHead.objects.get().seq
    rows = Event.objects.filter(at__gte=start, at__lt=end, seq__lte=through_seq)
    for (team, event_type), n in counts(rows, "team_name", "action").items():
        teams.setdefault(team or "", Counter())[event_type or "unreadable"] += n
    status = integrity_status()
    return {
        "month": f"{start:%Y-%m}",
        "created_at": clock.now().isoformat(timespec="seconds"),
        "through_seq": through_seq,
        "events": {name: dict(sorted(teams[name].items())) for name in sorted(teams)},  # "": of no team
        "review": _review(start, end),
        "integrity": {
            "state": status.state,
            "verified_at": status.at.isoformat(timespec="seconds") if status.at else None,
            "through_seq": status.seq,
            "open_findings": len(status.findings),
            "acknowledged_findings": len(status.acknowledged),
        },
    }


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
