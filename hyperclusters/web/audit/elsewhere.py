"""Clusters created elsewhere, as the review lists them: search and filters, a suggested owner, the people to pick from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.access.models import Grant, Team
from hyperclusters.clusters.models import Cluster, Project
from hyperclusters.clusters.models.inventory import TYPES, ClusterQuerySet
from hyperclusters.clusters.suggestions import Ground, Suggestion, suggest_owners
from hyperclusters.modelarts import ClusterType
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.listing import FilterMenu, chosen_value, menu, search_text
from hyperclusters.web.texts.causes import Text
from hyperclusters.web.texts.inside import count_text
from hyperclusters.web.texts.traces import traces_summary

PEOPLE = 200  # offered as owners; others are typed
GROUNDS: dict[Ground, Text] = {
    Ground.SUBNET: gettext_lazy("same subnet"),
    Ground.NAME: gettext_lazy("same name pattern"),
}


@dataclass(frozen=True, slots=True)
class ElsewhereRow:
    """A cluster, what is inside, and who may own it."""

    cluster: Cluster
    inside: str
    traces: str
    suggestion: Suggestion | None
    ground: Text


def filter_clusters(
    request: PageRequest, clusters: ClusterQuerySet
) -> tuple[ClusterQuerySet, list[FilterMenu], bool]:
    """Those of the clusters that the address asks for, the filters, and whether any is set."""
    query = request.GET
    teams = list(
        Team.objects.filter(projects__clusters__in=clusters.order_by().values("pk"))
        .distinct()
        .values_list("slug", "name")
    )
    projects = [
        (name, name)
        for name in Project.objects.filter(clusters__in=clusters.order_by().values("pk"))
        .distinct()
        .values_list("name", flat=True)
    ]
    text, team = search_text(query), chosen_value(query, "team", teams)
    project, kind = chosen_value(query, "project", projects), chosen_value(query, "type", TYPES)
    if text:
        clusters = clusters.search(text)
    if team:
        clusters = clusters.filter(project__team__slug=team)
    if project:
        clusters = clusters.filter(project__name=project)
    if kind:
        clusters = clusters.of_type(kind)
    menus = [
        menu(query, "team", _("Team"), teams, everything=_("All teams")),
        menu(query, "project", _("Project"), projects, everything=_("All projects")),
        menu(query, "type", _("Type"), TYPES, everything=_("All types")),
    ]
    return (
        clusters,
        [each for each in menus if len(each.choices) > 2 or each.selection],
        bool(text or team or project or kind),
    )


def part_context(page: Page[Any]) -> dict[str, Any]:
    """The rows of a page, and the people who may own these clusters, the suggested ones first."""
    clusters = list(page)
    suggestions = suggest_owners(clusters)
    rows = [
        ElsewhereRow(
            cluster,
            _inside(cluster),
            traces_summary(cluster.trace_rows),
            suggestion := suggestions.get(cluster.pk),
            GROUNDS[suggestion.ground] if suggestion else "",
        )
        for cluster in clusters
    ]
    return {"rows": rows, "people": people_for(clusters, {each.username for each in suggestions.values()})}


def people_for(clusters: Iterable[Cluster], first: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Who may own any of these clusters, with what they may do where: people of these teams, some of many."""
    teams = {cluster.project.team_id for cluster in clusters}
    grants = Grant.objects.active().effective().filter(team__in=teams, person__service_team__isnull=True)
    lead = set(first)
    lines: dict[str, str] = {}
    for grant in grants.select_related("person", "team").order_by("person__username")[:PEOPLE]:
        access = f"{grant.get_role_display()} · {grant.team}"
        name = grant.person.username
        lines[name] = f"{lines[name]}, {access}" if name in lines else access
    return sorted(lines.items(), key=lambda pair: (pair[0] not in lead, pair[0]))


def _inside(cluster: Cluster) -> str:
    if ClusterType.HPS not in cluster.listed_as:
        return _("not reported")
    return count_text(len(cluster.inside)) if cluster.inside is not None else _("not known yet")
