"""The list of clusters as files, with every field."""

from __future__ import annotations

from typing import Any

from hyperclusters.web.clusters.cluster_rows import OCCUPANT, ClusterRow

COLUMNS = (
    *("name", "cluster_id", "type", "networks", "team", "project", "made_by", "since", "gone_since"),
    *("types", "claimed_for", "claimed_by", "claimed_at", "inside", "inside_checked_at", "empty_since"),
    *("owner", "locked_at", "locked_by", "lock_reason", "inside_count"),
)


def facts(row: ClusterRow) -> dict[str, Any]:
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


def cells(row: ClusterRow) -> dict[str, Any]:
    """The facts of a row, each in one cell. `inside` has names, an ID where there is no name, or "nothing"."""
    names = None
    if row.inside is not None:
        names = " ".join(name or each_id for _kind, each_id, name, _status in row.inside) or "nothing"
    networks, types = " ".join(row.subnet_ids), " ".join(row.types)
    return facts(row) | {"networks": networks, "types": types, "inside": names}
