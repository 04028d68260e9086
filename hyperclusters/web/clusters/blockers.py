"""What prevents the deletion of a cluster, each with the way to remove it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, may
from hyperclusters.audit import clock
from hyperclusters.clusters.models import Cluster
from hyperclusters.modelarts import ClusterType
from hyperclusters.web.texts.causes import cause_of
from hyperclusters.web.texts.inside import occupant_texts
from hyperclusters.web.texts.ownership import not_theirs
from hyperclusters.web.texts.vendor import console


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing in the way: its name, what it is, and where it can be removed (empty: not by this person)."""

    icon: str
    name: str
    text: str
    url: str = ""
    action: str = ""
    resumes_at: datetime | None = None  # when it goes away by itself
    is_inside: bool = False  # an admin of the team may override it


def blockers(person: User, cluster: Cluster) -> list[Blocker]:
    """Everything that is known to prevent it: what is inside first."""
    return [*_inside(cluster), *_lock(person, cluster), *_ownership(person, cluster), *_others(cluster)]


def _inside(cluster: Cluster) -> Iterator[Blocker]:
    url = console(cluster.project.region)
    for row in occupant_texts(cluster.inside or []):
        text = " · ".join(filter(None, (row.kind, row.status)))
        yield Blocker("server", row.name or row.id, text, url, _("Open in console"), is_inside=True)


def _lock(person: User, cluster: Cluster) -> Iterator[Blocker]:
    if not cluster.is_locked:
        return
    by = cluster.locked_by.username if cluster.locked_by else ""
    text = _("“%(reason)s”") % {"reason": cluster.lock_reason}
    name = _("Locked by %(person)s") % {"person": by}
    if may(person, Permission.UNLOCK, cluster.project.team):
        yield Blocker("lock", name, text, f"{cluster.get_absolute_url()}#unlock-reason", _("Unlock"))
    else:
        yield Blocker("lock", name, text, action=_("An admin of the team can unlock it"))


def _ownership(person: User, cluster: Cluster) -> Iterator[Blocker]:
    if text := not_theirs(person, cluster):
        yield Blocker("user", _("Not yours to delete"), text)


def _others(cluster: Cluster) -> Iterator[Blocker]:
    project = cluster.project
    if creation := project.creations.unresolved().filter(name=cluster.name).first():
        text, url = _("It may have made this very cluster"), creation.get_absolute_url()
        yield Blocker("clock", _("A creation of this name is not settled"), text, url, _("View creation"))
    if project.is_blocked():
        text = cause_of(project.blocked_cause, project.blocked_code)
        yield Blocker("ban", _("Calls to the cloud are paused"), text, resumes_at=project.blocked_until)


def check_context(cluster: Cluster) -> dict[str, Any]:
    """When the lists were read that say what is inside, and whether they are about to be read again."""
    kind = ClusterType.HPS if cluster.reports_inside else ClusterType.ECS
    listing = cluster.project.sources.filter(type=kind).first()
    if listing is None:
        return {}
    return {
        "listed_at": listing.inside_listed_at if cluster.reports_inside else listing.listed_at,
        "is_due": listing.run_after <= clock.now() and not cluster.project.is_blocked(),
    }
