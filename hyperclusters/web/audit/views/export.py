"""The ledger as a file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from hyperclusters.access.exports import export_events
from hyperclusters.access.permissions import Permission, audit_scope, may, visible_events
from hyperclusters.audit.export import Format
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.segments import archives_between
from hyperclusters.web.audit.chart import count
from hyperclusters.web.audit.query import AuditQuery, parse_query
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.error_pages import busy
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.listing import address
from hyperclusters.web.shared.ratelimit import is_post, rate_limit

AT_ONCE = (
    2  # exports that one web process writes at the same time: each keeps a thread and a database connection
)
TYPES = {Format.CSV: "text/csv; charset=utf-8", Format.JSONL: "application/x-ndjson"}
_slots = threading.BoundedSemaphore(AT_ONCE)


@access(get=anywhere(Permission.AUDIT), post=anywhere(Permission.AUDIT))
@rate_limit("export", "EXPORTS_PER_MINUTE", when=is_post)
def export(request: PageRequest) -> HttpResponseBase:
    """Say what would be in the file; by a post, the file itself."""
    scope = audit_scope(request.user)
    query = parse_query(request.user, scope, request.GET)
    form = next((each for each in Format if each == request.POST.get("format")), None)
    if request.method != "POST" or form is None or query.filter is None:
        return _form_page(request, query)
    return start_export(request, query, form)


def start_export(request: PageRequest, query: AuditQuery, form: Format) -> HttpResponseBase:
    """The file with what is asked for, or 503 while the process writes as many as it can."""
    if not _slots.acquire(blocking=False):
        return busy(
            request, _("Two exports are being written already. Nothing was exported; try again in a minute.")
        )
    try:
        event_filter = query.filter or EventFilter()
        lines = export_events(person=request.user, event_filter=event_filter, form=form, team=query.team)
    except BaseException:
        _slots.release()
        raise
    return _download(lines, form)


def _form_page(request: PageRequest, query: AuditQuery) -> HttpResponse:
    """What would be in the file."""
    context = {
        "form": query.form,
        "count": count(query.filter, visible_events(request.user)) if query.filter else None,
        "filters": query.words,
        "here": address(request.GET),
        "archives": archives_between(query.filter.since, query.filter.until) if query.filter else [],
        "may_download": may(request.user, Permission.REVIEW),
    }
    return render(request, "audit/export.html", context, status=422 if request.method == "POST" else 200)


def _download(lines: Iterator[bytes], form: Format) -> StreamingHttpResponse:
    body = _Body(lines)
    response = StreamingHttpResponse(body, content_type=TYPES[form])
    name = f"audit-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{form.value}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store, private"
    # As it is: to compress it takes longer than to write it.
    response.headers["Content-Encoding"] = "identity"
    return response


class _Body:
    """The file on its way out. Its place is given back when it is closed, also if nobody has read a byte of it."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        return self._lines

    def close(self) -> None:
        """Called by the server at the end, or when the reader has gone."""
        if self._is_open:
            self._is_open = False
            _slots.release()
            if close := getattr(self._lines, "close", None):
                close()
