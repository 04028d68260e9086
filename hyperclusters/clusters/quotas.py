"""A team's rules and quotas: types, names, a required reason, and the number of clusters.

Quotas are read under a lock, so parallel creations are counted exactly, and once more when a creation is claimed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from django.db.models import Count

from hyperclusters.access.models import Team
from hyperclusters.modelarts import ClusterType

from .errors import QuotaReached
from .models import Cluster, Creation, Project


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


def approval_rule(team: Team, *, type: str, beside: int) -> str:  # noqa: A002 -- as above
    """The team's rule by which this creation needs another admin's approval, such as `type:ECS` or `count:20`; empty:
    none. `beside`: 1 for a creation that is not stored yet. A type that is not stated may become any."""
    if team.approval_types and (not type or type in team.approval_types):
        return f"type:{type}"
    if team.approval_from is not None and used_by(team) + beside >= team.approval_from:
        return f"count:{team.approval_from}"
    return ""


def read_project(project: Project, *, for_approval: bool) -> Project:
    """The project and its team as they are now. What has a quota is locked until the transaction ends, so that counting
    waits for adding; `for_approval`: so is a team whose rule about approvals counts clusters.

    A first quota that is set at this moment can be missed at the click. It is not before the call: there this reads again.
    """
    rows = Project.objects.select_related("team")
    current = rows.get(pk=project.pk)
    team = current.team
    of = ["self"] if current.quota is not None else []
    if team.quota is not None or (for_approval and team.approval_from is not None):
        of.append("team")
    # Not against foreign keys: an insertion may wait for a creation that settles, and its cluster refers to the project.
    return rows.select_for_update(of=of, no_key=True).get(pk=project.pk) if of else current


def check_room(project: Project) -> None:
    """Raise QuotaReached if the project or its team has more than its quota. `project` as `read_project` gives it."""
    if project.quota is not None and count_used(project) > project.quota:
        raise QuotaReached(project.quota)
    team = project.team
    if team.quota is not None and used_by(team) > team.quota:
        raise QuotaReached(team.quota, team)


def count_used(project: Project) -> int:
    """How much of the project's quota is used."""
    return usage("project", [project.pk])[project.pk]


def used_by(team: Team) -> int:
    """How much of the team's quota is used, over all of its projects."""
    return usage("project__team", [team.pk])[team.pk]


def usage(field: str, ids: Iterable[int]) -> Counter[int]:
    """Clusters that exist and creations that may become one, of each of these IDs. `field`: "project" or
    "project__team".

    The creations come first: one that becomes a cluster between the two queries is counted twice, never not at all.
    """
    counts: Counter[int] = Counter()
    for rows in (Creation.objects.unresolved(), Cluster.objects.present()):
        of_these = rows.filter(**{f"{field}__in": ids}).order_by().values(field)
        counts.update(dict(of_these.annotate(n=Count("pk")).values_list(field, "n")))
    return counts
