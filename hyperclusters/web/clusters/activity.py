"""What the pages of a cluster and of a creation show of their past."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Q

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, may
from hyperclusters.audit.archive_events import MANY, Past, needle, past
from hyperclusters.audit.matching import Fields
from hyperclusters.audit.models import Event
from hyperclusters.audit.readable import events
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.models import Cluster, Creation, Deletion
from hyperclusters.web.texts.history import LINES, history_items
from hyperclusters.web.texts.timeline import timeline

REFUSED_AT_ONCE = EventType.DELETE_REFUSED
MOST = 12  # lines; the audit has the others


def history_context(person: User, cluster: Cluster) -> dict[str, Any]:
    """The latest of what people did and what appeared in the cloud, for everybody who sees the cluster; for who may
    read the team's audit also where older events are."""
    may_audit = may(person, Permission.AUDIT, cluster.project.team)
    began_at = cluster.creation.requested_at if cluster.creation else cluster.found_at
    subjects = _subjects(cluster)
    rows = Event.objects.filter(_about(subjects), action__in=list(LINES)).order_by("-at", "-seq")
    live = list(events(rows[: MOST + 1]))
    older = _past(subjects, LINES, began_at, MOST + 1 - len(live))
    reason = cluster.creation.reason if cluster.creation else ""
    items = history_items([*live, *((each.seq, each) for each in older.events)], creation_reason=reason)
    return {
        "items": items[:MOST],
        "has_more": len(items) > MOST,
        "may_audit": may_audit,
        "archives": older.unread if may_audit else [],
    }


def timeline_context(creation: Creation) -> dict[str, Any]:
    """What has happened to a creation, and the archives that may have more of it."""
    older = _past([("creation", str(creation.pk))], None, creation.requested_at)
    return {"steps": timeline(creation, older.events), "archives": older.unread}


def _subjects(cluster: Cluster) -> list[tuple[str, str]]:
    """Kind and ID of the cluster, of its creation, and of its deletions, as the audit names them."""
    creations = [cluster.creation_id] if cluster.creation_id else []
    deletions = Deletion.objects.filter(cluster=cluster).values_list("pk", flat=True)
    return [
        ("cluster", str(cluster.pk)),
        *(("creation", str(pk)) for pk in creations),
        *(("deletion", str(pk)) for pk in deletions),
    ]


def _about(subjects: list[tuple[str, str]]) -> Q:
    """Events of these."""
    about = Q()
    for kind, pk in subjects:
        about |= Q(object_kind=kind, object_id=pk)
    # A deletion that was refused at the click is no deletion, and its event is the cluster's.
    return about & ~Q(object_kind="cluster", action=REFUSED_AT_ONCE)


def _past(
    subjects: list[tuple[str, str]], actions: Collection[str] | None, since: datetime, size: int = MANY
) -> Past:
    """The same among archived events."""

    def matches(fields: Fields) -> bool:
        kind, action = fields["object_kind"], fields["action"]
        is_about = (kind, fields["object_id"]) in subjects and (kind, action) != ("cluster", REFUSED_AT_ONCE)
        return is_about and (actions is None or action in actions)

    return past(since, matches, needles=[needle(object_id=pk) for _, pk in subjects], size=size)
