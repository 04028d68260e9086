"""What the address of the list of creations asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, Exists, F, OuterRef, Q, Value
from django.db.models.functions import Cast, Replace
from django.http import QueryDict
from django.utils.translation import gettext as _

from hyperclusters import statements
from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission
from hyperclusters.clusters.models import UNRESOLVED_STATES, Approval, Creation, Project, State
from hyperclusters.clusters.models.creation import CreationQuerySet
from hyperclusters.modelarts import ClusterType
from hyperclusters.statements import PERSON
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

FILTERS = ("q", "mine", "state", "team", "project", "type", "person")
OPEN, UNSUCCESSFUL = "open", "unsuccessful"  # groups of states
APPROVAL = "approval"  # those that wait for one
GROUPS = {OPEN: UNRESOLVED_STATES, UNSUCCESSFUL: (State.REFUSED, State.FAILED, State.NOT_CREATED)}
# The only orders there are: no word of the address reaches order_by. A name after "-" is the other way round.
SORTS = {
    "name": "name",
    "state": "state",
    "result": "code",
    "person": "requested_by__username",
    "project": "project__name",
}
ORDERS = (*ORDERS_BY_TIME, *SORTS, *(f"-{name}" for name in SORTS))


@dataclass(frozen=True, slots=True)
class CreationQuery:
    """The creations that an address asks for in its order, and what can be chosen."""

    rows: CreationQuerySet
    projects: list[Project]
    filters: list[FilterMenu]
    is_filtered: bool
    sort: str


def creation_query(person: User, query: QueryDict) -> CreationQuery:
    """Read the address. Raises UnknownParameters."""
    here = Creation.objects.order_by().filter(project=OuterRef("pk"))
    theirs = Project.objects.where(person, Permission.VIEW).filter(Exists(here))
    projects = list(theirs.select_related("team"))
    visible = Creation.objects.filter(project__in=projects)  # counted by their index alone, without a join
    makers = User.objects.filter(Exists(visible.order_by().filter(requested_by=OuterRef("pk"))))
    options = _options(projects, list(makers.order_by("username").values_list("username", flat=True)))
    words = {name: dict(values) for name, values in options.items()} | {"sort": dict.fromkeys(ORDERS)}
    require_known(query, ("q", "page"), words)
    rows = visible.filter(_condition(person, {name: query.get(name, "") for name in options}))
    if text := search_text(query):
        rows = search(rows, text)
    sort = query.get("sort") or NEWEST
    return CreationQuery(
        rows=_sort(rows, sort).select_related("project__team", "requested_by", "approval_by", "cluster"),
        projects=projects,
        filters=_menus(query, options),
        is_filtered=any(query.get(name) for name in FILTERS),
        sort=sort,
    )


def search(rows: CreationQuerySet, text: str) -> CreationQuerySet:
    """By a part of the name, of an ID (of the creation or its cluster) or of a request ID (ours or the cloud's)."""
    match = Q(name__icontains=text) | Q(cluster__cluster_id__icontains=text)
    match |= Q(upstream_request_id__icontains=text) | Q(request_id__icontains=text)
    if re.fullmatch("[0-9a-f-]{4,36}", text.lower()) and (digits := text.lower().replace("-", "")):
        # SQLite stores UUIDs without hyphens, PostgreSQL writes them with.
        rows = rows.alias(digits=Replace(Cast("pk", CharField()), Value("-")))
        match |= Q(digits__icontains=digits)
    return rows.filter(match)


def counts(person: User, projects: list[Project]) -> dict[str, int]:
    """How many creations each view shows, by one statement; mine and unsuccessful ones up to `MOST_COUNTED`."""
    keys = tuple(sorted(project.pk for project in projects))
    return dict(zip(VIEWS, statements.counts(VIEWS.values(), keys, person=person.pk), strict=True))


def _all(projects: tuple[int, ...]) -> CreationQuerySet:
    return Creation.objects.filter(project__in=projects).order_by()


def _mine(projects: tuple[int, ...]) -> CreationQuerySet:
    return _all(projects).filter(requested_by=PERSON)


def _open(projects: tuple[int, ...]) -> CreationQuerySet:
    return _all(projects).unresolved()


def _to_approve(projects: tuple[int, ...]) -> CreationQuerySet:
    return _all(projects).waiting_for_approval()


def _unsuccessful(projects: tuple[int, ...]) -> CreationQuerySet:
    return _all(projects).filter(state__in=GROUPS[UNSUCCESSFUL])


VIEWS: dict[str, statements.Build[Any]] = {
    "all": _all,
    "mine": statements.at_most(_mine, MOST_COUNTED),
    OPEN: _open,
    APPROVAL: _to_approve,
    UNSUCCESSFUL: statements.at_most(_unsuccessful, MOST_COUNTED),
}


def views(query: QueryDict, numbers: dict[str, int]) -> list[View]:
    """The views of the list that everybody has, in the order that is chosen, with how many rows each has."""
    standard: list[tuple[str, dict[str, list[str]], int | str | None]] = [
        (_("All"), {}, numbers["all"]),
        (_("Mine"), {"mine": ["1"]}, number_text(numbers["mine"])),
        (_("Under way"), {"state": [OPEN]}, numbers[OPEN]),
        (_("Unsuccessful"), {"state": [UNSUCCESSFUL]}, number_text(numbers[UNSUCCESSFUL])),
    ]
    if numbers[APPROVAL] or query.get("state") == APPROVAL:
        standard.insert(3, (_("Needs approval"), {"state": [APPROVAL]}, numbers[APPROVAL]))
    return [view(query, word, filters, keeps=["sort"], number=number) for word, filters, number in standard]


def _options(projects: list[Project], people: list[str]) -> dict[str, list[tuple[str, str]]]:
    """The values of each filter, with their words."""
    states = [(str(value), str(label)) for value, label in State.choices]
    return {
        "mine": [("1", _("mine"))],
        "state": [
            (OPEN, _("Under way")),
            (APPROVAL, _("Needs approval")),
            (UNSUCCESSFUL, _("Unsuccessful")),
            *states,
        ],
        "team": sorted({(project.team.slug, project.team.name) for project in projects}),
        "project": sorted((project.name, project.name) for project in projects),
        "type": [(kind.value, kind.value) for kind in ClusterType],
        "person": [(name, name) for name in people],
    }


def _menus(query: QueryDict, options: dict[str, list[tuple[str, str]]]) -> list[FilterMenu]:
    labels = [
        ("state", _("State"), _("Any state")),
        ("team", _("Team"), _("Every team")),
        ("project", _("Project"), _("Every project")),
        ("type", _("Type"), _("Both types")),
        ("person", _("Person"), _("Anybody")),
    ]
    return [
        menu(query, name, label, options[name], everything=everything)
        for name, label, everything in labels
        if len(options[name]) > 1
    ]


def _condition(person: User, choices: dict[str, str]) -> Q:
    condition = Q()
    if choices["mine"]:
        condition &= Q(requested_by=person)
    if choices["state"] == APPROVAL:
        condition &= Q(state=State.QUEUED, approval=Approval.WAITING)
    elif state := choices["state"]:
        condition &= Q(state__in=GROUPS.get(state, (state,)))
    fields = {"team": "project__team__slug", "project": "project__name", "type": "type"}
    for name, field in (fields | {"person": "requested_by__username"}).items():
        if choices[name]:
            condition &= Q(**{field: choices[name]})
    return condition


def _sort(rows: CreationQuerySet, sort: str) -> CreationQuerySet:
    if sort in ORDERS_BY_TIME:
        return rows.order_by("-requested_at" if sort == NEWEST else "requested_at", "pk")
    field = F(SORTS[sort.removeprefix("-")])
    return rows.order_by(field.desc() if sort.startswith("-") else field.asc(), "-requested_at", "pk")
