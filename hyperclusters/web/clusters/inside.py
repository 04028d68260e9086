"""What a cluster's page and its delete form show of what is inside."""

from __future__ import annotations

from typing import Any

from hyperclusters.clusters.models import Cluster
from hyperclusters.modelarts import ClusterType
from hyperclusters.web.texts.causes import cause_of
from hyperclusters.web.texts.inside import count_text, counts_text, occupant_texts


def inside_context(cluster: Cluster) -> dict[str, Any]:
    """Rows, names, and the age or the failure of the list. Empty where ModelArts doesn't report this."""
    if not cluster.reports_inside:
        return {}
    listing = cluster.project.sources.filter(type=ClusterType.HPS).first()
    rows = cluster.inside or []
    return {
        "is_known": cluster.inside is not None,
        "occupants": occupant_texts(rows),
        "more": cluster.inside_total - len(rows),
        "count": counts_text(rows) if cluster.inside_total == len(rows) else count_text(cluster.inside_total),
        "listed_at": listing.inside_listed_at if listing else None,
        "failed_at": listing.inside_failed_at if listing else None,
        "failure": cause_of(listing.inside_failure_cause, listing.inside_failure_code) if listing else "",
    }
