"""What the address of the list of clusters asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, Func, IntegerField, OrderBy, OuterRef, Q, Subquery, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.http import Http404, QueryDict
from django.utils.translation import gettext as _

from hyperclusters import statements
from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission
from hyperclusters.clusters.models import Cluster, ClusterListing, Creation, Network, Project, State
from hyperclusters.clusters.models.creation import CreationQuerySet
from hyperclusters.clusters.models.inventory import ClusterQuerySet
from hyperclusters.modelarts import ClusterType
from hyperclusters.statements import PERSON
from hyperclusters.web.shared.http import as_uuid
from hyperclusters.web.shared.listing import (
    MOST_COUNTED,
    FilterMenu,
    View,
    menu,
    number_text,
    search_text,
    view,
)
from hyperclusters.web.shared.parameters import NEWEST, ORDERS_BY_TIME, require_known

FILTERS = ("q", "mine", "team", "project", "type", "owner", "by", "origin", "gone", "empty")
SELECTION = (
    "selected",
    "cluster",
    "all",
)  # of the form around the rows: those that are ticked, or all of the list


class ArrayLength(Func):
    """How many entries a JSON array has."""

    function = "jsonb_array_length"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """The same by SQLite's name."""
        return self.as_sql(compiler, connection, function="json_array_length", **context)


FIRST_NETWORK = Network.objects.filter(cluster=OuterRef("pk")).order_by("subnet_id")
# The only orders there are: no word of the address reaches order_by. A name after "-" is the other way round.
SORTS: dict[str, Combinable] = {
    "name": F("name"),
    "id": F("cluster_id"),
    "network": Subquery(FIRST_NETWORK.values("subnet_id")[:1]),
    "inside": Coalesce("inside_count", ArrayLength("inside")),
    "owner": F("owner__username"),
    "project": F("project__name"),
}
ORDERS = (*ORDERS_BY_TIME, *SORTS, *(f"-{name}" for name in SORTS))


@dataclass(frozen=True, slots=True)
class ClusterQuery:
    """The clusters that an address asks for in its order, the creations under way, and what can be chosen."""

    rows: ClusterQuerySet
    under_way: CreationQuerySet
    projects: list[Project]
    filters: list[FilterMenu]
    is_filtered: bool
    sort: str

    @property
    def listings(self) -> list[ClusterListing]:
        """The cloud's lists of the projects: none of a retired one."""
        return [listing for project in self.projects for listing in project.sources.all()]


def cluster_query(person: User, query: QueryDict) -> ClusterQuery:
    """Read the address. Raises UnknownParameters, and Http404 for a selected cluster that the person cannot see."""
    # Of the projects and not of their lists: a retired project has none, and its clusters are still found.
    theirs = Project.objects.where(person, Permission.VIEW)
    projects = list(theirs.select_related("team").prefetch_related("sources"))
    visible = Cluster.objects.filter(project__in=projects)  # counted by their index alone, without a join
    options = _options(projects)
    words = {name: dict(values) for name, values in options.items()} | {"sort": dict.fromkeys(ORDERS)}
    require_known(query, ("q", "page", *SELECTION), words)
    filters = {name: query.get(name, "") for name in options}
    sort = query.get("sort") or NEWEST
    if query.get("selected") and not query.get("all"):
        rows = _select(visible, query.getlist("cluster"))
    else:
        rows = _narrow(visible, person, filters, search_text(query))
    return ClusterQuery(
        rows=_sort(rows, sort),
        under_way=_under_way(projects, person, filters, search_text(query)),
        projects=projects,
        filters=_menus(query, options),
        is_filtered=any(query.get(name) for name in (*FILTERS, "selected")),
        sort=sort,
    )


def counts(person: User, projects: list[Project]) -> dict[str, int]:
    """How many clusters each view shows, by one statement: all, and of the others at most `MOST_COUNTED`."""
    builds = [statements.at_most(each, MOST_COUNTED) for each in (_by_owner, _by_creator, _elsewhere, _empty)]
    numbers = statements.counts([_present, *builds], _keys(projects), person=person.pk)
    every, by_owner, by_creator, elsewhere, empty = numbers
    mine = min(by_owner + by_creator, MOST_COUNTED)
    return {"all": every, "mine": mine, "elsewhere": elsewhere, "empty": empty}


def _keys(projects: list[Project]) -> tuple[int, ...]:
    return tuple(sorted(project.pk for project in projects))


def _present(projects: tuple[int, ...]) -> ClusterQuerySet:
    return Cluster.objects.filter(project__in=projects).present().order_by()


def _by_owner(projects: tuple[int, ...]) -> ClusterQuerySet:
    return _present(projects).filter(owner=PERSON)


def _by_creator(projects: tuple[int, ...]) -> ClusterQuerySet:
    """Clusters that the person created and does not own: none is counted twice, and each is found by an index."""
    return _present(projects).filter(~Q(owner=PERSON), creation__requested_by=PERSON)


def _elsewhere(projects: tuple[int, ...]) -> ClusterQuerySet:
    return _present(projects).filter(creation__isnull=True)


def _empty(projects: tuple[int, ...]) -> ClusterQuerySet:
    return _present(projects).filter(inside__isnull=False, empty_since__isnull=False)


def is_mine(person: User) -> Q:
    """Whether the person owns a cluster or created it."""
    return Q(owner=person) | Q(creation__in=Creation.objects.filter(requested_by=person).values("pk"))


def views(query: QueryDict, numbers: dict[str, int]) -> list[View]:
    """The views of the list that everybody has, in the order that is chosen."""
    standard: list[tuple[str, dict[str, list[str]], str]] = [
        (_("All"), {}, "all"),
        (_("Mine"), {"mine": ["1"]}, "mine"),
        (_("Created elsewhere"), {"origin": ["outside"]}, "elsewhere"),
        (_("Empty"), {"empty": ["yes"]}, "empty"),
    ]
    return [
        view(
            query,
            word,
            filters,
            keeps=["sort"],
            number=numbers[name] if name == "all" else number_text(numbers[name]),
        )
        for word, filters, name in standard
    ]


def _people(projects: tuple[int, ...]) -> Any:
    """The user names that can be chosen, each with the filter's name: of who owns, and of who created or claimed."""
    clusters, here = Cluster.objects.order_by().filter(project__in=projects), OuterRef("pk")
    groups = (
        ("owner", clusters.filter(owner=here)),
        ("by", Creation.objects.filter(project__in=projects, requested_by=here, state=State.CREATED)),
        ("by", clusters.filter(creation__isnull=True, review__claimed_for=here)),
    )
    first, *others = (
        User.objects.filter(Exists(rows)).values_list(Value(name), "username").order_by()
        for name, rows in groups
    )
    return first.union(*others)


def _options(projects: list[Project]) -> dict[str, list[tuple[str, str]]]:
    """The values of each filter, with their words."""
    people: list[tuple[str, str]] = sorted(statements.rows(_people, _keys(projects), most=None))
    return {
        "mine": [("1", _("mine"))],
        "team": sorted({(project.team.slug, project.team.name) for project in projects}),
        "project": [(project.name, project.name) for project in projects],
        "type": [(kind.value, kind.value) for kind in ClusterType],
        "owner": [(name, name) for group, name in people if group == "owner"],
        "by": [(name, name) for group, name in people if group == "by"],
        "origin": [("here", _("Created here")), ("outside", _("Created elsewhere"))],
        "gone": [("1", _("Gone"))],
        "empty": [("yes", _("Empty")), ("no", _("Not empty"))],
    }


def _menus(query: QueryDict, options: dict[str, list[tuple[str, str]]]) -> list[FilterMenu]:
    labels = [
        ("team", _("Team"), _("Every team")),
        ("project", _("Project"), _("Every project")),
        ("type", _("Type"), _("Both types")),
        ("owner", _("Owner"), _("Anybody")),
        ("by", _("Created by"), _("Anybody")),
        ("gone", _("State"), _("Present")),
        ("empty", _("Inside"), _("Empty or not")),
    ]
    return [
        menu(query, name, label, options[name], everything=everything)
        for name, label, everything in labels
        if len(options[name]) > 1 or name not in ("team", "project")
    ]


def _narrow(rows: ClusterQuerySet, person: User, choices: dict[str, str], text: str) -> ClusterQuerySet:
    rows = rows.filter(gone_at__isnull=choices["gone"] != "1")
    filters: dict[str, Callable[[str], Q]] = {
        "mine": lambda _value: is_mine(person),
        "team": lambda slug: Q(project__team__slug=slug),
        "project": lambda name: Q(project__name=name),
        "owner": lambda name: Q(owner__username=name),
        "origin": lambda value: Q(creation__isnull=value == "outside"),
    }
    for name, condition in filters.items():
        if choices[name]:
            rows = rows.filter(condition(choices[name]))
    if text:
        rows = rows.search(text)
    if choices["type"]:
        rows = rows.of_type(choices["type"])
    if choices["by"]:
        rows = rows.created_or_claimed(choices["by"])
    if choices["empty"]:
        rows = rows.empty(is_empty=choices["empty"] == "yes")
    return rows


def _under_way(projects: list[Project], person: User, choices: dict[str, str], text: str) -> CreationQuerySet:
    """The creations without an outcome that the same filters let through, newest first. One that has none is no
    cluster yet: it is neither gone nor empty, nor made elsewhere."""
    creations = Creation.objects.filter(project__in=projects)
    if choices["gone"] or choices["empty"] or choices["origin"] == "outside":
        return creations.none()
    rows = creations.unresolved().filter(name__icontains=text) if text else creations.unresolved()
    fields = {"team": "project__team__slug", "project": "project__name", "type": "type"}
    people = {"owner": "requested_by__username", "by": "requested_by__username"}
    for name, field in (fields | people).items():
        if choices[name]:
            rows = rows.filter(**{field: choices[name]})
    if choices["mine"]:
        rows = rows.filter(requested_by=person)
    return rows.select_related("project__team", "requested_by").order_by("-requested_at", "pk")


def _select(visible: ClusterQuerySet, texts: list[str]) -> ClusterQuerySet:
    """The clusters with these primary keys. Raises Http404 if one of them is not visible."""
    keys = {key for text in texts if (key := as_uuid(text))}
    rows = visible.filter(pk__in=keys)
    if not all(map(as_uuid, texts)) or rows.count() != len(keys):
        raise Http404
    return rows


def _sort(rows: ClusterQuerySet, sort: str) -> ClusterQuerySet:
    if sort in ORDERS_BY_TIME:
        return rows.order_by("-found_at" if sort == NEWEST else "found_at", "pk")
    descends, name = sort.startswith("-"), sort.removeprefix("-")
    order = OrderBy(F("sorted_by"), descending=descends, nulls_last=True)
    tie = "-name" if descends else "name"
    return rows.annotate(sorted_by=SORTS[name]).order_by(order, tie, "pk")
