"""Archived events: the archives, and the audit's search in their files."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from hyperclusters.access.exports import export_archive
from hyperclusters.access.permissions import Permission, audit_scope
from hyperclusters.audit.archive_checks import request_check
from hyperclusters.audit.archive_files import Unavailable
from hyperclusters.audit.paging import SIZE
from hyperclusters.audit.segments import archive_from, has_gap
from hyperclusters.audit.visits import note_read
from hyperclusters.web.audit.archive import search_context, segment_rows
from hyperclusters.web.audit.menus import filter_context
from hyperclusters.web.audit.query import joins_times, parse_query
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.http import PageRequest, render_page, wants_fragment
from hyperclusters.web.shared.ratelimit import rate_limit


@access(get=anywhere(Permission.AUDIT), note="archives themselves: auditors only")
@joins_times
@rate_limit(
    "search", "SEARCHES_PER_MINUTE", when=lambda request: not wants_fragment(cast("PageRequest", request))
)
def listing(request: PageRequest) -> HttpResponse:
    """The archives, for who reads everything; with any filter, a search in their files instead of the ledger."""
    scope = audit_scope(request.user)
    segments = segment_rows() if scope.teams is None else []
    query = parse_query(request.user, scope, request.GET, people_only=True)
    is_search = bool(request.GET) or scope.teams is not None
    is_poll = wants_fragment(request)
    if request.method == "GET" and not is_poll:
        note_read(person=request.user, page="archive", filters=query.filters, team=query.team)
    context = {
        "segments": segments,
        "is_polled": any(each.is_waiting for each in segments),
        "is_search": is_search,
        "has_archives": bool(segments) or scope.teams is not None,  # who sees no list of them is not told
        "has_gap": not is_poll and has_gap(),
        "size": SIZE,
        "is_everything": scope.teams is None,
    }
    if not is_poll:
        context |= filter_context(query, scope, request.GET)
        context |= search_context(query, scope, request.GET) if is_search else {}
    return render_page(request, "audit/archive.html", "audit/_segments.html", context)


@access(post=anywhere(Permission.REVIEW), page="audit:archive")
def verify(request: PageRequest, first: int) -> HttpResponse:
    """Ask the workers to verify one archive."""
    if not request_check(first, by=request.user):
        raise Http404
    messages.success(request, _("A worker verifies the archive. The result appears here."))
    return redirect("audit:archive")


@access(post=anywhere(Permission.REVIEW), page="audit:archive", note="recorded as an export")
@rate_limit("export", "EXPORTS_PER_MINUTE")
def download(request: PageRequest, first: int) -> HttpResponseBase:
    """One file of an archive, as it is on the disk."""
    segment = archive_from(first)
    if segment is None:
        raise Http404
    suffix = ".manifest" if request.POST.get("part") == "manifest" else ""
    try:
        file = export_archive(person=request.user, segment=segment, suffix=suffix)
    except Unavailable:
        messages.error(request, _("The archive file can't be read here, so nothing was downloaded."))
        return redirect("audit:archive")
    response = FileResponse(file, as_attachment=True, filename=segment.file + suffix)
    response.headers["Content-Type"] = "application/octet-stream"
    response.headers["Cache-Control"] = "no-store, private"
    response.headers["Content-Encoding"] = "identity"  # as it is: to compress it takes longer than to read it
    return response
