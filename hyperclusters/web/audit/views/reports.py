"""Monthly reports: the list, one as a page that prints well, and its sealed file."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.dateparse import parse_date
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from hyperclusters.access.permissions import Permission
from hyperclusters.audit.visits import note_read
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.models import MonthlyReport
from hyperclusters.clusters.monthly_reports import problems
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.http import PageRequest

# The columns of the table by team: what they are called, and which events they count.
COLUMNS = (
    (_("Requested"), {EventType.CREATE_REQUESTED}),
    (_("Created"), {EventType.CREATE_SUCCEEDED}),
    (_("Failed"), {EventType.CREATE_FAILED, EventType.CREATE_ABSENT, EventType.CREATE_NOT_SENT}),
    (_("Refused"), {EventType.CREATE_REFUSED, EventType.CREATE_DENIED}),
    (_("Deleted"), {EventType.DELETE_SUCCEEDED}),
    (_("Created elsewhere"), {EventType.CLUSTER_SEEN_OUTSIDE}),
    (_("Access granted"), {EventType.GRANT_ADDED}),
    (_("Access ended"), {EventType.GRANT_ENDED}),
)
REVIEW = {
    "settled": _("Creations settled in this month"),
    "settled_without_review": _("Of these, not reviewed"),
    "open_follow_ups": _("Creations marked for follow-up"),
    "follow_ups_open": _("Open follow-ups"),
    "follow_ups_overdue": _("Of these, overdue"),
    "follow_ups_closed": _("Follow-ups closed in this month"),
    "creations_without_outcome": _("Creations without an outcome"),
    "clusters_elsewhere_without_account": _("Clusters created elsewhere that nobody has accounted for"),
}


@access(get=anywhere(Permission.REVIEW))
def listing(request: PageRequest) -> HttpResponse:
    """All reports, newest first."""
    return render(request, "audit/reports/list.html", {"reports": MonthlyReport.objects.all()})


@access(get=anywhere(Permission.REVIEW))
def report(request: PageRequest, month: str) -> HttpResponse:
    """One report, and whether its seal is ours."""
    row = _report(month)
    note_read(person=request.user, page="report", filters={"month": month})
    has_problems = any(problems(row))
    context = {"report": row, "problems": has_problems} | ({} if has_problems else _figures(row.facts))
    return render(request, "audit/reports/report.html", context)


@access(get=anywhere(Permission.REVIEW))
def download(request: PageRequest, month: str) -> HttpResponse:
    """The sealed file, byte for byte."""
    row = _report(month)
    note_read(person=request.user, page="report", filters={"month": month})
    name = f"hyperclusters-report-{row}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(row.text, content_type="application/json", headers=headers)


def _report(month: str) -> MonthlyReport:
    try:
        first = parse_date(f"{month}-01")
    except ValueError:  # such as a thirteenth month
        first = None
    return get_object_or_404(MonthlyReport, month=first)


def _figures(facts: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of a report whose seal is ours."""
    return {
        "facts": facts,
        "created_at": datetime.fromisoformat(facts["created_at"]),
        "columns": [label for label, _types in COLUMNS],
        "teams": [(name, _row(events)) for name, events in facts["events"].items() if name],
        # A report of an earlier release has fewer figures.
        "review": [
            (label, facts["review"][name]) for name, label in REVIEW.items() if name in facts["review"]
        ],
        "events": _events(facts["events"]),
    }


def _row(events: dict[str, int]) -> list[tuple[Promise, int]]:
    return [(label, sum(events.get(each, 0) for each in types)) for label, types in COLUMNS]


def _events(teams: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Every type of event with its label and count over all teams, the most frequent first. No type: unreadable ones."""
    totals: Counter[str] = Counter()
    for events in teams.values():
        totals.update(events)
    labels: dict[str, Any] = dict(EventType.choices)
    return [
        (code if code in labels else "", str(labels.get(code, _("Unreadable"))), n)
        for code, n in totals.most_common()
    ]
