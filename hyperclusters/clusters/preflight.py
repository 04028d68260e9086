"""What prevents a creation, known before the click. Advice only: `request_creation` decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hyperclusters.access.layers import rank
from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, grants_for, may, who_can

from .heartbeat import has_worker_beat
from .models import Cluster, ClusterListing, Creation, Project
from .quotas import approval_rule, count_used, used_by


@dataclass(frozen=True, slots=True)
class Preflight:
    """For one person and project, and the name typed so far (may be empty)."""

    project: Project
    role: str  # the one that allows the person to create here
    access_expires_at: datetime | None  # when the person's permission to create here ends
    usage: int
    used_by_team: int | None  # none: the team has no quota
    same_name: Cluster | None
    open_creation: Creation | None
    sources: list[ClusterListing]
    may_override: bool  # whether the person may create despite a cluster of the name
    approval_rule: str  # by which it will need approval; empty: it needs none
    has_approver: bool  # whether somebody else could approve it now
    has_worker: bool  # to send it

    @property
    def listed_at(self) -> datetime | None:
        """When the cloud last gave both lists."""
        times = [cluster_listing.listed_at for cluster_listing in self.sources]
        return min((at for at in times if at), default=None) if all(times) else None


def preflight(
    *,
    person: User,
    project: Project,
    name: str = "",
    type: str = "",  # noqa: A002 -- the vendor's name
) -> Preflight:
    """Read what is known. The caller has checked that this person may create in this project."""
    here = [grant for grant in grants_for(person, Permission.CREATE) if grant.team_id == project.team_id]
    ends = [grant.until for grant in here]
    rule = approval_rule(project.team, type=type, beside=1)
    others = who_can(Permission.DECIDE, project.team).exclude(person=person) if rule else None
    return Preflight(
        project=project,
        role=max(here, key=rank).role if here else "",
        access_expires_at=None if None in ends else max(filter(None, ends), default=None),
        usage=count_used(project),
        used_by_team=used_by(project.team) if project.team.quota is not None else None,
        same_name=project.clusters.present().filter(name=name).first() if name else None,
        open_creation=project.creations.unresolved().filter(name=name).first() if name else None,
        sources=list(project.sources.all()),
        may_override=may(person, Permission.DECIDE, project.team),
        approval_rule=rule,
        has_approver=others is not None and others.exists(),
        has_worker=has_worker_beat(),
    )
