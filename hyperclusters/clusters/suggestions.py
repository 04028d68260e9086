"""Suggests who may own a cluster created elsewhere, from what the same team owns: a hint for people, never a fact."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from hyperclusters.access.models import Grant

from .models import Cluster, Network

NUMBER = re.compile(r"[-_.]?[0-9]+$")  # what one name of a series differs in
SHORTEST = 3  # characters that two names must share
MOST = 2_000  # owned clusters that are looked at for one page


class Ground(StrEnum):
    """Why a person is suggested."""

    SUBNET = "subnet"
    NAME = "name"


class Suggestion(NamedTuple):
    """A person's user name, and why."""

    username: str
    ground: Ground


def suggest_owners(clusters: Sequence[Cluster]) -> dict[UUID, Suggestion]:
    """For some of these clusters somebody who has access to its team and owns clusters with the same subnet or, failing
    that, of the same series of names in its project. Two queries, however many clusters."""
    by_subnet = _owners_by_subnet(clusters)
    by_name = _owners_by_name(clusters)
    suggestions = {}
    for cluster in clusters:
        subnets = (by_subnet[cluster.project.team_id, each.subnet_id] for each in cluster.networks.all())
        owners: Counter[str] = sum(subnets, Counter())
        ground = Ground.SUBNET if owners else Ground.NAME
        owners = owners or by_name[cluster.project_id, stem(cluster.name)]
        if owners:
            suggestions[cluster.pk] = Suggestion(owners.most_common(1)[0][0], ground)
    return suggestions


def stem(name: str) -> str:
    """What the names of one series share: "tts-gateway" of "tts-gateway-106". Empty if it is too short to say much."""
    text = NUMBER.sub("", name)
    return text if len(text) >= SHORTEST and text != name else ""


def _clusters_with_owner() -> QuerySet[Cluster]:
    """Clusters whose owner is a person with access to the team."""
    grants = Grant.objects.active().filter(person=OuterRef("owner"), team=OuterRef("project__team"))
    return Cluster.objects.filter(Exists(grants), owner__service_team__isnull=True)


def _owners_by_subnet(clusters: Iterable[Cluster]) -> dict[tuple[int, str], Counter[str]]:
    owners: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    subnets = {each.subnet_id for cluster in clusters for each in cluster.networks.all()}
    teams = {cluster.project.team_id for cluster in clusters}
    rows = Network.objects.filter(
        subnet_id__in=subnets, cluster__in=_clusters_with_owner().filter(project__team__in=teams)
    )
    pairs = rows.order_by("-pk").values_list(
        "cluster__project__team", "subnet_id", "cluster__owner__username"
    )
    for team, subnet, username in pairs[:MOST]:
        owners[team, subnet][username] += 1
    return owners


def _owners_by_name(clusters: Iterable[Cluster]) -> dict[tuple[int, str], Counter[str]]:
    owners: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    series = {(cluster.project_id, text) for cluster in clusters if (text := stem(cluster.name))}
    if not series:
        return owners
    alike = reduce(or_, (Q(project=project, name__startswith=text) for project, text in sorted(series)))
    rows = (
        _clusters_with_owner()
        .filter(alike)
        .order_by("-found_at")
        .values_list("project", "name", "owner__username")
    )
    for project, name, username in rows[:MOST]:
        owners[int(project), stem(name) or name][username] += 1
    return owners
