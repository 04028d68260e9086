"""What a cluster's page shows of its past."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, may
from hyperclusters.audit.models import Event
from hyperclusters.audit.readable import events
from hyperclusters.audit.segments import archives_since
from hyperclusters.clusters.models import Cluster, Deletion
from hyperclusters.web.texts.history import LINES, history_items

MOST = 12  # lines; the audit has the others


def history_context(person: User, cluster: Cluster) -> dict[str, Any]:
    """The latest of what people did and what appeared in the cloud, for everybody who sees the cluster; for who may
    read the team's audit also where older events are."""
    may_audit = may(person, Permission.AUDIT, cluster.project.team)
    began_at = cluster.creation.requested_at if cluster.creation else cluster.found_at
    rows = Event.objects.filter(_about(cluster), action__in=list(LINES)).order_by("-at", "-seq")
    reason = cluster.creation.reason if cluster.creation else ""
    items = history_items(events(rows[: MOST + 1]), creation_reason=reason)
    return {
        "items": items[:MOST],
        "has_more": len(items) > MOST,
        "may_audit": may_audit,
        "archives": archives_since(began_at) if may_audit else [],
    }


def _about(cluster: Cluster) -> Q:
    """Events of the cluster, of its creation, and of its deletions."""
    about = Q(object_kind="cluster", object_id=str(cluster.pk))
    if cluster.creation_id:
        about |= Q(object_kind="creation", object_id=str(cluster.creation_id))
    deletions = [str(pk) for pk in Deletion.objects.filter(cluster=cluster).values_list("pk", flat=True)]
    # A deletion that was refused at the click is no deletion, and its event is the cluster's.
    refused_at_once = Q(object_kind="cluster", action="cluster:delete:refused")
    return (about | Q(object_kind="deletion", object_id__in=deletions)) & ~refused_at_once
