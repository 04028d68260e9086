"""Archived events: the archives, and the audit's search in their files."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from hyperclusters.access.permissions import Permission, audit_scope
from hyperclusters.audit.paging import SIZE
from hyperclusters.audit.reading import note_read
from hyperclusters.audit.segments import archives_since
from hyperclusters.web.audit.archive import search_context
from hyperclusters.web.audit.menus import filter_context
from hyperclusters.web.audit.query import parse_query
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.ratelimit import limited


@access(get=anywhere(Permission.AUDIT), note="archives themselves: auditors only")
@limited("search", "SEARCHES_PER_MINUTE", when=lambda request: request.GET)
def listing(request: PageRequest) -> HttpResponse:
    """The archives, for who reads everything; with any filter, a search in their files instead of the ledger."""
    scope = audit_scope(request.user)
    query = parse_query(request.user, scope, request.GET, people_only=True)
    is_search = bool(request.GET) or scope.teams is not None
    if request.method == "GET":
        note_read(person=request.user, page="archive", filters=query.filters, team=query.team)
    context = {
        "segments": archives_since()[::-1] if scope.teams is None else [],
        "is_search": is_search,
        "size": SIZE,
        "is_everything": scope.teams is None,
    }
    context |= search_context(query, scope, request.GET) if is_search else {}
    return render(request, "audit/archive.html", filter_context(query, scope, request.GET) | context)
