"""The list of clusters, and one of them."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hyperclusters.access.permissions import Action, may, visible_events
from hyperclusters.audit.models import Event
from hyperclusters.clusters import deletions
from hyperclusters.clusters.inventory import ask_refresh
from hyperclusters.clusters.models import Cluster, Creation, Deletion, Source
from hyperclusters.clusters.models.inventory import ClusterQuerySet
from hyperclusters.clusters.refusals import Refused
from hyperclusters.modelarts import ClusterType
from hyperclusters.web.limits import limited, searches
from hyperclusters.web.listing import address, chosen, menu, searched
from hyperclusters.web.request import PageRequest, wants_fragment
from hyperclusters.web.rows import cluster_rows
from hyperclusters.web.sentences import deletion_verdict, refusal

PAGE = 50
REFUSED = 422
# The only orders there are: no word of the address reaches order_by.
ORDERS = {
    "name": ("name", "pk"),
    "-name": ("-name", "pk"),
    "newest": ("-found_at", "pk"),
    "oldest": ("found_at", "pk"),
}


@require_safe
@limited("search", "SEARCHES_PER_MINUTE", when=searches)
def listing(request: PageRequest) -> HttpResponse:
    """Every cluster this person may see; as a page, or for htmx only the part that changes."""
    context = _context(request)
    response = render(
        request, "clusters/_list.html" if wants_fragment(request) else "clusters/list.html", context
    )
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_POST
def refresh(request: PageRequest) -> HttpResponse:
    """Ask for fresh lists. The worker fetches them; nothing upstream happens in this request."""
    if not ask_refresh(person=request.user):
        messages.info(request, _("There is no project to refresh."))
    if request.htmx:
        return render(request, "clusters/_list.html", _context(request))
    return redirect("clusters:list")


@require_safe
def cluster(request: PageRequest, pk: str) -> HttpResponse:
    """One cluster: networks, origin, its creation, deletion, and its audit events for who may read them."""
    return _cluster_page(request, _visible(request, pk))


@require_http_methods(["GET", "POST"])
def delete(request: PageRequest, pk: str) -> HttpResponse:
    """Delete a cluster, after its name was typed. The worker does it; the cluster's page shows how it goes."""
    shown = _visible(request, pk)
    if request.method != "POST":
        return redirect(shown)
    typed, reason = request.POST.get("name", ""), request.POST.get("reason", "")[:500]
    try:
        deletions.request_deletion(person=request.user, cluster=shown, typed_name=typed, reason=reason)
    except Refused as refused:
        return _cluster_page(request, shown, refused=refusal(refused), status=REFUSED)
    return redirect(shown)


def _cluster_page(
    request: PageRequest, shown: Cluster, *, refused: str = "", status: int = 200
) -> HttpResponse:
    last = Deletion.objects.filter(cluster=shown).select_related("requested_by").first()
    context = {
        "cluster": shown,
        "events": _events(request, shown),
        "source": shown.project.sources.filter(type=shown.type).first(),
        "deletion": last,
        "deletion_words": deletion_verdict(last) if last else None,
        "poll": bool(last and last.is_unresolved),
        "may_delete": not shown.gone_at and may(request.user, Action.CREATE, shown.project.team),
        "refused": refused,
    }
    template = (
        "clusters/_cluster.html" if wants_fragment(request) and status == 200 else "clusters/cluster.html"
    )
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _visible(request: PageRequest, pk: str) -> Cluster:
    visible = Cluster.objects.visible_to(request.user).select_related(
        "project__team", "creation__requested_by"
    )
    return get_object_or_404(visible.prefetch_related("networks"), pk=pk)


def _events(request: PageRequest, shown: Cluster) -> list[Event]:
    """The latest audit events of a cluster, its creation and its deletions, for who may read the team's audit."""
    about = Q(object_kind="cluster", object_id=str(shown.pk))
    if shown.creation:
        about |= Q(object_kind="creation", object_id=str(shown.creation.pk))
    deletions_of = [str(pk) for pk in Deletion.objects.filter(cluster=shown).values_list("pk", flat=True)]
    about |= Q(object_kind="deletion", object_id__in=deletions_of)
    return list(visible_events(request.user).filter(about).order_by("-seq")[:20])


def _context(request: PageRequest) -> dict[str, Any]:
    query = request.GET
    visible = Cluster.objects.visible_to(request.user)
    sources = list(Source.objects.visible_to(request.user).select_related("project__team"))
    teams = sorted({(source.project.team.slug, source.project.team.name) for source in sources})
    types = [(kind.value, kind.value) for kind in ClusterType]
    made = Creation.objects.filter(project__in={source.project_id for source in sources})
    makers = [(name, name) for name in made.makers()]
    origins = [("here", _("made here")), ("outside", _("made outside"))]
    found = _filtered(visible, searched(query), query, teams, types, makers, origins)
    order = ORDERS.get(query.get("sort", ""), ORDERS["newest"])
    page = Paginator(found.order_by(*order), PAGE).get_page(query.get("page"))
    return {
        "page": page,
        "rows": cluster_rows(cast("ClusterQuerySet", page.object_list)),
        "filters": [
            menu(query, "team", _("Team"), teams, everything=_("Every team")),
            menu(query, "type", _("Type"), types, everything=_("Both types")),
            menu(query, "by", _("Made by"), makers, everything=_("Anybody")),
            menu(query, "origin", _("Origin"), origins, everything=_("Any origin")),
            menu(query, "gone", _("State"), [("1", _("gone"))], everything=_("present")),
        ],
        "is_filtered": any(query.get(name) for name in ("q", "team", "type", "by", "origin", "gone")),
        "sources": sources,
        "freshness": _freshness(sources),
        "refreshing": any(source.due_at <= timezone.now() or source.held_until for source in sources),
        "sort": query.get("sort", "newest") if query.get("sort") in ORDERS else "newest",
        "sort_name": address(query, sort="-name" if query.get("sort") == "name" else "name"),
        "sort_age": address(query, sort="oldest" if query.get("sort", "newest") == "newest" else "newest"),
        "here": request.get_full_path() if request.method == "GET" else "",
        "base": address(query),
    }


def _filtered(
    rows: ClusterQuerySet,
    text: str,
    query: Any,
    teams: list[tuple[str, str]],
    types: list[tuple[str, str]],
    makers: list[tuple[str, str]],
    origins: list[tuple[str, str]],
) -> ClusterQuerySet:
    rows = rows.filter(gone_at__isnull=query.get("gone") != "1")
    if text:
        rows = rows.search(text)
    if team := chosen(query, "team", teams):
        rows = rows.filter(project__team__slug=team)
    if kind := chosen(query, "type", types):
        rows = rows.filter(type=kind)
    if maker := chosen(query, "by", makers):
        rows = rows.filter(creation__requested_by__username=maker)
    if origin := chosen(query, "origin", origins):
        rows = rows.filter(creation__isnull=origin == "outside")
    return rows


def _freshness(sources: list[Source]) -> list[dict[str, Any]]:
    """A line a type for what is well, by its oldest list; a line of its own for each list that is not."""
    oldest: dict[str, Source] = {}
    troubled = []
    for source in sources:
        if source.is_failing or source.suspect_since or not source.listed_at:
            troubled.append(source)
        elif source.type not in oldest or source.listed_at < (
            oldest[source.type].listed_at or source.listed_at
        ):
            oldest[source.type] = source
    several = len({source.project_id for source in sources}) > 1
    lines = [{"source": oldest[kind], "project": ""} for kind in ClusterType if kind in oldest]
    return lines + [
        {"source": source, "project": source.project.name if several else ""} for source in troubled
    ]
