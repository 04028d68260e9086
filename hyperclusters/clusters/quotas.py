"""A team's rules and quotas: types, names, a required reason, and the number of clusters.

Quotas are read under a lock, so parallel creations are counted exactly, and once more when a creation is claimed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from hyperclusters.access.models import Team
from hyperclusters.modelarts import ClusterType

from .errors import QuotaReached
from .models import Cluster, Creation, Project, State


def broken_rules(team: Team, *, name: str, type: str, reason: str) -> list[str]:  # noqa: A002 -- the vendor's name
    """The team's rules that a creation breaks, by the names of the form's fields. A type that is not stated (empty)
    breaks a rule that does not allow every type."""
    fields = []
    if not team.fits(name):
        fields.append("name")
    types = set(team.allowed_types)
    if types and (type not in types if type else not types.issuperset(ClusterType)):
        fields.append("type")
    if team.reason_required and not reason.strip():
        fields.append("reason")
    return fields


def approval_rule(team: Team, *, type: str, beside: int, clusters: int | None = None) -> str:  # noqa: A002 -- as above
    """The team's rule by which this creation needs another admin's approval, such as `type:ECS` or `count:20`; empty:
    none. `beside`: 1 for a creation that is not stored yet. `clusters`: as `used_by`, which is asked if it is not given. A
    type that is not stated may become any."""
    if team.approval_types and (not type or type in team.approval_types):
        return f"type:{type}"
    if team.approval_from is None:
        return ""
    number = beside + (used_by(team) if clusters is None else clusters)
    return f"count:{team.approval_from}" if number >= team.approval_from else ""


def read_project(project: Project, *, for_approval: bool) -> Project:
    """The project and its team as they are now. What has a quota is locked until the transaction ends, so that counting
    waits for adding; `for_approval`: so is a team whose rule about approvals counts clusters.

    `project` as it was read a moment ago says what to lock: a rule that came since then takes a second statement. A
    first quota that is set at this moment can be missed at the click. It is not before the call: there this reads again.
    """
    rows = Project.objects.select_related("team")
    to_lock, current = _to_lock(project, for_approval=for_approval), None
    while current is None or not set(to_lock).issuperset(_to_lock(current, for_approval=for_approval)):
        to_lock = _to_lock(current or project, for_approval=for_approval)
        # Not against foreign keys: an insertion may wait for a creation that settles, and its cluster refers to the project.
        current = (rows.select_for_update(of=to_lock, no_key=True) if to_lock else rows).get(pk=project.pk)
    return current


def _to_lock(project: Project, *, for_approval: bool) -> tuple[str, ...]:
    team = project.team
    counts = team.quota is not None or (for_approval and team.approval_from is not None)
    return ("self",) * (project.quota is not None) + ("team",) * counts


class Totals(NamedTuple):
    """How much of the quotas of a project and its team is used."""

    in_project: int
    in_team: int


def count(project: Project) -> Totals:
    """By one statement. What no rule asks for is not counted: it is 0. `project` as `read_project` gives it."""
    team = project.team
    if team.quota is not None or team.approval_from is not None:
        counts = _usage("project", project__team=team)
    elif project.quota is not None:
        counts = _usage("project", project=project)
    else:
        return Totals(0, 0)
    return Totals(counts[project.pk], counts.total())


def check_room(project: Project, totals: Totals) -> None:
    """Raise QuotaReached if the project or its team has more than its quota. `project` as `read_project` gives it."""
    if project.quota is not None and totals.in_project > project.quota:
        raise QuotaReached(project.quota)
    team = project.team
    if team.quota is not None and totals.in_team > team.quota:
        raise QuotaReached(team.quota, team)


def count_used(project: Project) -> int:
    """How much of the project's quota is used."""
    return usage("project", [project.pk])[project.pk]


def with_used(projects: Iterable[Project]) -> list[Project]:
    """The projects, each with `used`: how much of its quota is used."""
    all_projects = list(projects)
    counts = usage("project", [each.pk for each in all_projects])
    for each in all_projects:
        each.used = counts[each.pk]  # type: ignore[attr-defined]
    return all_projects


def used_by(team: Team) -> int:
    """How much of the team's quota is used, over all of its projects."""
    return usage("project__team", [team.pk])[team.pk]


def usage(field: str, ids: Iterable[int]) -> Counter[int]:
    """Clusters that exist and creations that may become one, of each of these IDs. `field`: "project" or
    "project__team"."""
    return _usage(field, **{f"{field}__in": ids})


def _creations_without_a_candidate() -> QuerySet[Creation]:
    """What may become a cluster that is not counted itself. A candidate in the list is: it is the creation's or not,
    and exists."""
    candidates = Cluster.objects.present().filter(
        project=OuterRef("project"),
        name=OuterRef("name"),
        found_at__gte=OuterRef("requested_at"),
        creation=None,
    )
    is_in_the_list = Q(state__in=(State.UNKNOWN, State.NEEDS_ATTENTION)) & Exists(candidates)
    return Creation.objects.unresolved().exclude(is_in_the_list)


def _usage(field: str, **conditions: Any) -> Counter[int]:
    """One statement sees one moment: a creation that becomes a cluster meanwhile is counted once."""
    creations, clusters = (
        rows.filter(**conditions).order_by().values(field).annotate(n=Count("pk")).values_list(field, "n")
        for rows in (_creations_without_a_candidate(), Cluster.objects.present())
    )
    counts: Counter[int] = Counter()
    for key, number in creations.union(clusters, all=True):
        counts[key] += number
    return counts
