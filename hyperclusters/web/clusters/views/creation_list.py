"""The list of creations: as a page, and as a file of exactly what the page shows."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse

from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.inventory import note_export
from hyperclusters.web.clusters.creation_files import COLUMNS, facts
from hyperclusters.web.clusters.creation_query import FILTERS, SORTS, counts, creation_query, views
from hyperclusters.web.clusters.visible_projects import heading
from hyperclusters.web.shared.csv_files import sheet
from hyperclusters.web.shared.decorators import SIGNED_IN, access
from hyperclusters.web.shared.http import PageRequest, render_page
from hyperclusters.web.shared.listing import PAGE_SIZE, RowPaginator, address
from hyperclusters.web.shared.parameters import refuses_unknown, sort_columns
from hyperclusters.web.shared.ratelimit import rate_limit, searches
from hyperclusters.web.shared.saved_views import saved_views

FOLDER = "clusters/creations/"  # of its templates


@access(get=SIGNED_IN)
@rate_limit("search", "SEARCHES_PER_MINUTE", when=searches)
@refuses_unknown
def listing(request: PageRequest) -> HttpResponse:
    """Attempts of the teams this person may look into, newest first; for htmx only the part that changes."""
    return render_page(request, f"{FOLDER}list.html", f"{FOLDER}_list.html", _context(request))


@access(get=SIGNED_IN)
@rate_limit("export", "EXPORTS_PER_MINUTE")
@refuses_unknown
def as_csv(request: PageRequest) -> HttpResponse:
    """What the list shows at this address, all its pages, for a spreadsheet."""
    rows = [[row[name] for name in COLUMNS] for row in _export_rows(request, "csv")]
    return sheet("creations", COLUMNS, rows)


@access(get=SIGNED_IN)
@rate_limit("export", "EXPORTS_PER_MINUTE")
@refuses_unknown
def as_json(request: PageRequest) -> HttpResponse:
    """What the list shows at this address, all its pages, for a program."""
    response = JsonResponse({"creations": _export_rows(request, "json")})
    response.headers["Content-Disposition"] = 'attachment; filename="creations.json"'
    return response


def _export_rows(request: PageRequest, kind: str) -> list[dict[str, Any]]:
    """All that the address asks for, noted in the audit as taken out."""
    rows = [facts(creation) for creation in creation_query(request.user, request.GET).rows]
    filters = {name: text[:200] for name in FILTERS if (text := request.GET.get(name))}
    if request.method == "GET":
        event = EventType.CREATIONS_EXPORTED
        note_export(person=request.user, kind=kind, filters=filters, count=len(rows), event=event)
    return rows


def _context(request: PageRequest) -> dict[str, Any]:
    query = creation_query(request.user, request.GET)
    numbers = counts(request.user, query.projects)
    paginator = RowPaginator(query.rows, PAGE_SIZE)
    if not query.is_filtered:
        paginator.count = numbers["all"]  # known already
    return heading(request.user, query.projects) | {
        "page": paginator.get_page(request.GET.get("page")),
        "views": views(request.GET, numbers),
        "saved": saved_views(request, "creations"),
        "columns": sort_columns(request.GET, query.sort, SORTS),
        "filters": query.filters,
        "is_filtered": query.is_filtered,
        "has_project": len(query.projects) > 1,
        "base": address(request.GET),
    }
