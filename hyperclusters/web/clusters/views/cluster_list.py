"""The list of clusters: as a page, and as a file of exactly what the page shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.access.permissions import Permission, may
from hyperclusters.audit import clock
from hyperclusters.clusters.inventory import ask_refresh, note_export
from hyperclusters.clusters.models import Creation, State
from hyperclusters.clusters.models.inventory import ClusterQuerySet
from hyperclusters.web.clusters.cluster_files import COLUMNS, cells, facts
from hyperclusters.web.clusters.cluster_query import (
    FILTERS,
    SELECTION,
    SORTS,
    ClusterQuery,
    cluster_query,
    counts,
    views,
)
from hyperclusters.web.clusters.cluster_rows import ClusterRow, page_rows
from hyperclusters.web.clusters.freshness import failing_lists, freshness, outage
from hyperclusters.web.clusters.list_version import list_version
from hyperclusters.web.clusters.visible_projects import heading
from hyperclusters.web.shared.csv_files import sheet
from hyperclusters.web.shared.decorators import SIGNED_IN, access
from hyperclusters.web.shared.http import PageRequest, render_page
from hyperclusters.web.shared.listing import PAGE_SIZE, RowPaginator, address
from hyperclusters.web.shared.parameters import refuses_unknown, sort_columns
from hyperclusters.web.shared.polls import is_as_seen, nothing_new
from hyperclusters.web.shared.ratelimit import rate_limit, searches
from hyperclusters.web.shared.saved_views import saved_views

MOST_UNDER_WAY = 20  # rows on top of the list
WATCH_FOR = timedelta(minutes=2)  # somebody is likely to be waiting for a creation that is younger


@access(get=SIGNED_IN)
@rate_limit("search", "SEARCHES_PER_MINUTE", when=searches)
@refuses_unknown
def listing(request: PageRequest) -> HttpResponse:
    """Every cluster this person may see, creations under way first; as a page, or for htmx only the part that changes."""
    version = list_version(request.user)
    if is_as_seen(request, version):
        return nothing_new()
    context = _context(request) | {"version": version}
    return render_page(request, "clusters/list.html", "clusters/_list.html", context)


@access(get=SIGNED_IN)
@rate_limit("export", "EXPORTS_PER_MINUTE")
@refuses_unknown
def as_csv(request: PageRequest) -> HttpResponse:
    """What the list shows at this address, all its pages, or the selected clusters alone, for a spreadsheet. Several
    networks or names in one cell are separated by spaces."""
    if is_nothing_selected(request):
        return nothing_selected(request)
    return sheet("clusters", COLUMNS, [list(cells(row).values()) for row in _export_rows(request, "csv")])


@access(get=SIGNED_IN)
@rate_limit("export", "EXPORTS_PER_MINUTE")
@refuses_unknown
def as_json(request: PageRequest) -> HttpResponse:
    """What the list shows at this address, all its pages, or the selected clusters alone, for a program."""
    if is_nothing_selected(request):
        return nothing_selected(request)
    response = JsonResponse({"clusters": [facts(row) for row in _export_rows(request, "json")]})
    response.headers["Content-Disposition"] = 'attachment; filename="clusters.json"'
    return response


@access(post=SIGNED_IN, page="clusters:list")
@refuses_unknown
def refresh(request: PageRequest) -> HttpResponse:
    """Ask for fresh lists. The worker fetches them; nothing upstream happens in this request."""
    if not ask_refresh(person=request.user):
        messages.info(request, _("There is no project to refresh."))
    if request.htmx:
        version = list_version(request.user)
        return render(request, "clusters/_list.html", _context(request) | {"version": version})
    return redirect("clusters:list")


def is_nothing_selected(request: PageRequest) -> bool:
    """Whether the form around the rows was sent without a tick."""
    query = request.GET
    return bool(query.get("selected") and not query.get("all") and not query.getlist("cluster"))


def nothing_selected(request: PageRequest) -> HttpResponseRedirect:
    """Back to the list, with a word about what is missing."""
    return select_again(request, _("Select at least one cluster first."))


def select_again(request: PageRequest, warning: str) -> HttpResponseRedirect:
    """Back to the list as it was filtered and sorted, with a word about the selection."""
    messages.warning(request, warning)
    place = address(request.GET, **dict.fromkeys(SELECTION, ""))
    return HttpResponseRedirect(reverse("clusters:list") + place.removesuffix("?"))


def _export_rows(request: PageRequest, kind: str) -> list[ClusterRow]:
    """All that the address asks for, noted in the audit as taken out."""
    rows = list(page_rows(cluster_query(request.user, request.GET).rows))
    filters = {name: text[:200] for name in FILTERS if (text := request.GET.get(name))}
    if request.GET.get("selected") and not request.GET.get("all"):
        filters = {"cluster": " ".join(row.cluster_id for row in rows)[:200]}
    if request.method == "GET":
        note_export(person=request.user, kind=kind, filters=filters, count=len(rows))
    return rows


def _context(request: PageRequest) -> dict[str, Any]:
    query = cluster_query(request.user, request.GET)
    numbers = counts(request.user, query.projects)
    paginator = RowPaginator(query.rows, PAGE_SIZE)
    if not query.is_filtered:
        paginator.count = numbers["all"]  # known already
    page = paginator.get_page(request.GET.get("page"))
    under_way = list(query.under_way[: MOST_UNDER_WAY + 1]) if page.number == 1 else []
    has_project = len(query.projects) > 1
    return heading(request.user, query.projects) | {
        "page": page,
        "rows": list(page_rows(cast("ClusterQuerySet", page.object_list), failing_lists(query.listings))),
        "under_way": under_way[:MOST_UNDER_WAY],
        "has_more_under_way": len(under_way) > MOST_UNDER_WAY,
        "has_project": has_project,
        "views": views(request.GET, numbers),
        "saved": saved_views(request, "clusters"),
        "columns": sort_columns(request.GET, query.sort, SORTS),
        "filters": query.filters,
        "is_filtered": query.is_filtered,
        "may_hand_over": bool(numbers["mine"]) or may(request.user, Permission.MANAGE),
        "chosen": [(name, value) for name in (*FILTERS, "sort") if (value := request.GET.get(name))],
        "base": address(request.GET),
        "freshness": freshness(query.listings),
        "outage": outage(query.listings),
        **_poll(query, under_way),
    }


def _poll(query: ClusterQuery, under_way: list[Creation]) -> dict[str, Any]:
    """Whether lists are being refreshed, and milliseconds until the page asks again, 0: never."""
    now = clock.now()
    is_refreshing = any(each.run_after <= now or each.lease_expires_at for each in query.listings)
    active = [each for each in under_way if each.state != State.NEEDS_ATTENTION]
    is_watched = any(now - each.requested_at < WATCH_FOR for each in active)
    return {"refreshing": is_refreshing, "poll": 1500 if is_refreshing or is_watched else 5000 * bool(active)}
