"""Whether the ledger is as it was written, and what auditors say of what was found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from hyperclusters.access.alert_mails import recipients
from hyperclusters.access.permissions import Permission, may
from hyperclusters.audit.acknowledgements import Acknowledgement, NotAcknowledged, acknowledge, latest_of
from hyperclusters.audit.anchor_files import latest
from hyperclusters.audit.chain_verifier import END
from hyperclusters.audit.findings import OF_EVENTS, IntegrityIssue, IssueKind
from hyperclusters.audit.integrity import IntegrityStatus, integrity_status
from hyperclusters.audit.push import sink_states
from hyperclusters.audit.tasks import is_verification_due, request_verification
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.drafts import draft_for, keeps_draft
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, posted_text
from hyperclusters.web.texts.integrity import detail_text


class FindingRow(NamedTuple):
    """A finding, what was done and what shows it in words, and the acknowledgement that it has. Findings of one kind that
    are about no event are one row."""

    issue: IntegrityIssue
    label: str
    details: list[str]
    acknowledgement: Acknowledgement | None

    @property
    def place(self) -> str:
        """The numbers of its events, or of the lines of its file; empty where it is about none."""
        first, last = self.issue.first, self.issue.last
        if first == last == 0:
            return ""
        numbers = str(first) if first == last else f"{first} – {last}"
        is_in_file = self.issue.kind in {IssueKind.ANCHOR_EDITED, IssueKind.ANCHOR_MISSING}
        return _("Line %(numbers)s") % {"numbers": numbers} if is_in_file else numbers

    @property
    def page(self) -> int:
        """The number of the first event that has a page; 0 if none has."""
        has_page = self.issue.kind in {*OF_EVENTS, IssueKind.INDEX_EDITED} and self.issue.detail != END
        return max(self.issue.rows[0], 0) if has_page else 0


@access(get=anywhere(Permission.AUDIT))
def chain(request: PageRequest) -> HttpResponse:
    """Whether the ledger is whole, when that was last verified, and what was found. No event is shown."""
    draft = draft_for(request, resolve_url("audit:acknowledge"))
    return _page(request, integrity_status(), reason=draft.get("reason", "") if draft else "")


@access(post=anywhere(Permission.REVIEW), page="audit:chain")
def check_now(request: PageRequest) -> HttpResponse:
    """Ask the workers to verify every event now."""
    request_verification(by=request.user)
    messages.success(request, _("A worker checks every event soon. Reload this page for the result."))
    return redirect("audit:chain")


@access(post=anywhere(Permission.REVIEW), page="audit:chain")
@keeps_draft()
def acknowledge_findings(request: PageRequest) -> HttpResponse:
    """Acknowledge exactly the findings that the page showed, with a reason."""
    status, reason = integrity_status(), posted_text(request, "reason")
    if request.POST.get("findings") != _mark(status.findings):
        error = _("The findings have changed. Read them again before you acknowledge them.")
        return _page(request, status, UNPROCESSABLE, error=error, reason=reason)
    try:
        acknowledge(status.findings, reason=reason, person=request.user)
    except NotAcknowledged:
        error = _("Enter a reason. More than 200 findings cannot be acknowledged.")
        return _page(request, status, UNPROCESSABLE, error=error, reason=reason)
    messages.success(request, _("The findings are acknowledged. New findings raise an alert as before."))
    return redirect("audit:chain")


def _page(request: PageRequest, status_now: IntegrityStatus, status: int = 200, **form: Any) -> HttpResponse:
    may_review = may(request.user, Permission.REVIEW)
    context = {
        "chain": status_now,
        "may_review": may_review,
        "findings": _rows(status_now.findings) if may_review else [],
        "acknowledged": _rows(status_now.acknowledged, status_now.acknowledgements) if may_review else [],
        "mark": _mark(status_now.findings),
        "sinks": sink_states(),
        "anchor": _anchor() if may_review else None,
        "is_check_due": is_verification_due(),
        "recipients": [person.username for person in recipients()] if may_review else [],
    }
    return render(request, "audit/chain.html", context | form, status=status)


def _anchor() -> tuple[int, datetime | None, str] | None:
    """The event, the time and the file of the last anchor that can be read here."""
    if (last := latest()) is None:
        return None
    line, path = last
    return line["seq"], parse_datetime(line["at"]), str(path)


def _rows(
    findings: Iterable[IntegrityIssue], acknowledgements: Sequence[Acknowledgement] = ()
) -> list[FindingRow]:
    singles = [
        FindingRow(
            issue,
            capfirst(str(IssueKind(issue.kind).label)),
            [detail_text(issue)],
            latest_of(issue, acknowledgements),
        )
        for issue in findings
    ]
    groups = groupby(singles, lambda row: row.issue if row.place else (row.label, row.acknowledgement))
    rows = [list(group) for _key, group in groups]
    return [row._replace(details=[each.details[0] for each in (row, *others)]) for row, *others in rows]


def _mark(findings: tuple[IntegrityIssue, ...]) -> str:
    """Changes with the findings, so that nobody acknowledges what they have not read."""
    return hashlib.sha256(json.dumps([each.identity for each in findings]).encode()).hexdigest()
