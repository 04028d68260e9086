"""The list of creations as files, with every field."""

from __future__ import annotations

from typing import Any

from hyperclusters.clusters.models import Creation
from hyperclusters.web.texts.states import creation_status

COLUMNS = (
    *(
        "id",
        "name",
        "type",
        "subnet_id",
        "team",
        "project",
        "requested_by",
        "requested_at",
        "reason",
        "state",
    ),
    *(
        "evidence",
        "code",
        "message",
        "explanation",
        "cluster_id",
        "cloud_request_id",
        "request_id",
        "settled_at",
    ),
)


def facts(creation: Creation) -> dict[str, Any]:
    """A creation under the names of COLUMNS. Times in UTC. `message` are the cloud's words, `explanation` ours."""
    status = creation_status(creation)
    cluster = getattr(creation, "cluster", None)
    return {
        "id": str(creation.pk),
        "name": creation.name,
        "type": creation.type,
        "subnet_id": creation.subnet_id,
        "team": creation.project.team.name,
        "project": creation.project.name,
        "requested_by": creation.requested_by.username,
        "requested_at": creation.requested_at.isoformat(),
        "reason": creation.reason,
        "state": creation.state,
        "evidence": creation.evidence,
        "code": creation.code,
        "message": creation.message,
        "explanation": f"{status.title}. {status.text}",
        "cluster_id": cluster.cluster_id if cluster else "",
        "cloud_request_id": creation.upstream_request_id,
        "request_id": creation.request_id,
        "settled_at": creation.settled_at.isoformat() if creation.settled_at else None,
    }
