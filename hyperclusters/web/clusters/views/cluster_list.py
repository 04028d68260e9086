"""The list of clusters: as a page, and as a file of exactly what the page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import F, OrderBy
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from hyperclusters.audit import clock
from hyperclusters.clusters.inventory import ask_refresh, note_export
from hyperclusters.clusters.models import Cluster, ClusterListing, Creation
from hyperclusters.clusters.models.inventory import ClusterQuerySet
from hyperclusters.modelarts import ClusterType
from hyperclusters.web.clusters.cluster_rows import OCCUPANT, ClusterRow, cluster_rows, page_rows
from hyperclusters.web.shared.csv_files import sheet
from hyperclusters.web.shared.decorators import SIGNED_IN, access
from hyperclusters.web.shared.http import PageRequest, render_page
from hyperclusters.web.shared.listing import PAGE_SIZE, FilterMenu, address, chosen_value, menu, search_text
from hyperclusters.web.shared.ratelimit import limited, searches

FILTERS = ("q", "mine", "team", "type", "owner", "by", "origin", "gone", "empty")
# The only orders there are: no word of the address reaches order_by.
ORDERS: dict[str, tuple[str | OrderBy, ...]] = {
    "name": ("name", "pk"),
    "-name": ("-name", "pk"),
    "newest": ("-found_at", "pk"),
    "oldest": ("found_at", "pk"),
    "owner": (F("owner__username").asc(nulls_last=True), "name", "pk"),
    "-owner": (F("owner__username").desc(nulls_last=True), "-name", "pk"),
}
COLUMNS = (
    *("name", "cluster_id", "type", "networks", "team", "project", "made_by", "since", "gone_since"),
    *("types", "claimed_for", "claimed_by", "claimed_at", "inside", "inside_checked_at", "empty_since"),
    *("owner", "locked_at", "locked_by", "lock_reason", "inside_count"),
)


@access(get=SIGNED_IN)
@limited("search", "SEARCHES_PER_MINUTE", when=searches)
def listing(request: PageRequest) -> HttpResponse:
    """Every cluster this person may see; as a page, or for htmx only the part that changes."""
    return render_page(request, "clusters/list.html", "clusters/_list.html", _context(request))


@access(get=SIGNED_IN)
@limited("export", "EXPORTS_PER_MINUTE")
def as_csv(request: PageRequest) -> HttpResponse:
    """What the list shows at this address, all its pages, for a spreadsheet. Several networks or names in one cell are
    separated by spaces."""
    return sheet("clusters", COLUMNS, [list(_cells(row).values()) for row in _exported(request, "csv")])


@access(get=SIGNED_IN)
@limited("export", "EXPORTS_PER_MINUTE")
def as_json(request: PageRequest) -> HttpResponse:
    """What the list shows at this address, all its pages, for a program."""
    response = JsonResponse({"clusters": [_facts(row) for row in _exported(request, "json")]})
    response.headers["Content-Disposition"] = 'attachment; filename="clusters.json"'
    return response


@access(post=SIGNED_IN, page="clusters:list")
def refresh(request: PageRequest) -> HttpResponse:
    """Ask for fresh lists. The worker fetches them; nothing upstream happens in this request."""
    if not ask_refresh(person=request.user):
        messages.info(request, _("There is no project to refresh."))
    if request.htmx:
        return render(request, "clusters/_list.html", _context(request))
    return redirect("clusters:list")


@dataclass(frozen=True, slots=True)
class Selection:
    """What an address asks for: the clusters in its order, the lists they come from, and what can be chosen."""

    rows: ClusterQuerySet
    listings: list[ClusterListing]
    filters: list[FilterMenu]


def _selection(request: PageRequest) -> Selection:
    query = request.GET
    listings = list(ClusterListing.objects.visible_to(request.user).select_related("project__team"))
    projects = {listing.project_id for listing in listings}
    teams = sorted({(listing.project.team.slug, listing.project.team.name) for listing in listings})
    types = [(kind.value, kind.value) for kind in ClusterType]
    creations = Creation.objects.filter(project__in=projects)
    emptiness = [("yes", _("empty")), ("no", _("not empty"))]
    origins = [("here", _("made here")), ("outside", _("made outside"))]
    visible = Cluster.objects.filter(project__in=projects)  # counted by their index alone, without a join
    makers = [(name, name) for name in sorted({*creations.makers(), *visible.claimants()})]
    owners, mine = [(name, name) for name in visible.owners()], [("1", _("mine"))]
    rows = visible.filter(gone_at__isnull=query.get("gone") != "1")
    if chosen_value(query, "mine", mine):
        rows = rows.filter(owner=request.user)
    if owner := chosen_value(query, "owner", owners):
        rows = rows.filter(owner__username=owner)
    if text := search_text(query):
        rows = rows.search(text)
    if team := chosen_value(query, "team", teams):
        rows = rows.filter(project__team__slug=team)
    if kind := chosen_value(query, "type", types):
        rows = rows.of_type(kind)
    if maker := chosen_value(query, "by", makers):
        rows = rows.created_or_claimed(maker)
    if origin := chosen_value(query, "origin", origins):
        rows = rows.filter(creation__isnull=origin == "outside")
    if empty := chosen_value(query, "empty", emptiness):
        rows = rows.empty(is_empty=empty == "yes")
    filters = [
        menu(query, "mine", _("Whose"), mine, everything=_("everybody's")),
        menu(query, "team", _("Team"), teams, everything=_("Every team")),
        menu(query, "type", _("Type"), types, everything=_("Both types")),
        menu(query, "owner", _("Owner"), owners, everything=_("Anybody")),
        menu(query, "by", _("Made by or claimed for"), makers, everything=_("Anybody")),
        menu(query, "origin", _("Origin"), origins, everything=_("Any origin")),
        menu(query, "gone", _("State"), [("1", _("gone"))], everything=_("present")),
        menu(query, "empty", _("Inside"), emptiness, everything=_("Anything inside or not")),
    ]
    order = ORDERS.get(query.get("sort", ""), ORDERS["newest"])
    return Selection(rows.order_by(*order), listings, filters)


def _exported(request: PageRequest, kind: str) -> list[ClusterRow]:
    """All that the address asks for, noted in the audit as taken out."""
    rows = list(page_rows(_selection(request).rows))
    filters = {name: text[:200] for name in FILTERS if (text := request.GET.get(name))}
    if request.method == "GET":
        note_export(person=request.user, kind=kind, filters=filters, count=len(rows))
    return rows


def _facts(row: ClusterRow) -> dict[str, Any]:
    """A row under the names of COLUMNS. Times in UTC. `made_by` is empty, and `since` when it was first seen, where
    it was made outside; an auditor may have claimed it for somebody then."""
    return {
        "name": row.name,
        "cluster_id": row.cluster_id,
        "type": row.type,
        "networks": [
            {"hyper_cluster_subnet_id": subnet_id, "is_default": is_default}
            for subnet_id, is_default in row.networks
        ],
        "team": row.team,
        "project": row.project,
        "made_by": row.maker,
        "since": row.since.isoformat(),
        "gone_since": row.gone_at.isoformat() if row.gone_at else None,
        "types": list(row.types),
        "claimed_for": row.claimed_for,
        "claimed_by": row.claimed_by,
        "claimed_at": row.claimed_at.isoformat() if row.claimed_at else None,
        "inside": None
        if row.inside is None
        else [dict(zip(OCCUPANT, occupant, strict=True)) for occupant in row.inside],
        "inside_checked_at": row.inside_listed_at.isoformat() if row.inside_listed_at else None,
        "empty_since": row.empty_since.isoformat() if row.empty_since else None,
        "owner": row.owner,
        "locked_at": row.locked_at.isoformat() if row.locked_at else None,
        "locked_by": row.locked_by,
        "lock_reason": row.lock_reason,
        "inside_count": row.inside_total,
    }


def _cells(row: ClusterRow) -> dict[str, Any]:
    """The facts of a row, each in one cell. `inside` has names, an ID where there is no name, or "nothing"."""
    names = None
    if row.inside is not None:
        names = " ".join(name or each_id for _kind, each_id, name, _status in row.inside) or "nothing"
    networks, types = " ".join(row.subnet_ids), " ".join(row.types)
    return _facts(row) | {"networks": networks, "types": types, "inside": names}


def _context(request: PageRequest) -> dict[str, Any]:
    query, selection = request.GET, _selection(request)
    page = Paginator(selection.rows, PAGE_SIZE).get_page(query.get("page"))
    return {
        "page": page,
        "rows": cluster_rows(cast("ClusterQuerySet", page.object_list)),
        "filters": selection.filters,
        "is_filtered": any(query.get(name) for name in FILTERS),
        "sources": selection.listings,
        "freshness": _freshness(selection.listings),
        "refreshing": any(
            listing.run_after <= clock.now() or listing.lease_expires_at for listing in selection.listings
        ),
        "sort": query.get("sort", "newest") if query.get("sort") in ORDERS else "newest",
        "sort_name": address(query, sort="-name" if query.get("sort") == "name" else "name"),
        "sort_owner": address(query, sort="-owner" if query.get("sort") == "owner" else "owner"),
        "sort_age": address(query, sort="oldest" if query.get("sort", "newest") == "newest" else "newest"),
        "here": request.get_full_path() if request.method != "POST" else "",
        "base": address(query),
    }


def _freshness(listings: list[ClusterListing]) -> list[dict[str, Any]]:
    """A line a type for what is well, by its oldest list; a line of its own for each list that is not."""
    oldest: dict[str, ClusterListing] = {}
    troubled = []
    for listing in listings:
        if listing.is_failing or listing.suspect_since or not listing.listed_at:
            troubled.append(listing)
        elif listing.type not in oldest or listing.listed_at < (
            oldest[listing.type].listed_at or listing.listed_at
        ):
            oldest[listing.type] = listing
    several = len({listing.project_id for listing in listings}) > 1
    lines = [{"source": oldest[kind], "project": ""} for kind in ClusterType if kind in oldest]
    return lines + [
        {"source": listing, "project": listing.project.name if several else ""} for listing in troubled
    ]
