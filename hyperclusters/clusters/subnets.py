"""The subnets that are known of a project: those that its clusters list. The cloud has no call that lists subnets."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, QuerySet

from hyperclusters.modelarts import canonical_id, is_subnet_id

from .models import Cluster, Network, Project


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet of a project and the clusters that list it."""

    subnet_id: str
    clusters: tuple[Cluster, ...]  # those present, newest first
    is_default: bool  # for one of them at least, as the cloud says
    last_seen_at: datetime  # of any cluster with it, those that are gone included

    @property
    def types(self) -> list[str]:
        """The types of its clusters."""
        return sorted({kind for cluster in self.clusters for kind in cluster.types}, reverse=True)

    @property
    def may_be_sent(self) -> bool:
        """Whether a request may carry this ID. An answer may hold others."""
        return is_subnet_id(self.subnet_id)

    def matches(self, text: str) -> bool:
        """Whether the ID or the name of a cluster has this part, in any case."""
        part = text.lower()
        return part in self.subnet_id.lower() or any(
            part in cluster.name.lower() for cluster in self.clusters
        )


def known_subnets(project: Project) -> list[Subnet]:
    """Every subnet that a cluster of this project lists or listed: those in use first, then the newest."""
    networks: defaultdict[str, list[Network]] = defaultdict(list)
    for network in _with_clusters(Network.objects.filter(cluster__project=project)):
        networks[canonical_id(network.subnet_id)].append(network)
    subnets = [_subnet(subnet_id, rows) for subnet_id, rows in networks.items()]
    return sorted(subnets, key=lambda subnet: not subnet.clusters)


def networks_of(cluster: Cluster) -> list[tuple[Network, list[Cluster]]]:
    """A cluster's networks, each with the other present clusters of the project that list the same subnet."""
    networks = list(cluster.networks.all())
    subnet_ids = cluster.networks.values("subnet_id")
    others: defaultdict[str, list[Cluster]] = defaultdict(list)
    rows = Network.objects.filter(cluster__project=cluster.project_id, cluster__gone_at__isnull=True)
    for network in _with_clusters(rows.filter(subnet_id__in=subnet_ids).exclude(cluster=cluster)):
        others[network.subnet_id].append(network.cluster)
    return [(network, others[network.subnet_id]) for network in networks]


def _with_clusters(rows: QuerySet[Network]) -> QuerySet[Network]:
    """With what is shown of the clusters, newest first."""
    fields = ("name", "type", "also_type", "creation", "gone_at", "seen_at")
    some = rows.select_related("cluster").only(
        "subnet_id", "is_default", *(f"cluster__{name}" for name in fields)
    )
    return some.order_by(F("cluster__found_at").desc(), "pk")


def _subnet(subnet_id: str, networks: list[Network]) -> Subnet:
    present = [network for network in networks if network.cluster.gone_at is None]
    return Subnet(
        subnet_id=subnet_id,
        clusters=tuple(dict.fromkeys(network.cluster for network in present)),
        is_default=any(network.is_default for network in present),
        last_seen_at=max(network.cluster.seen_at for network in networks),
    )
