"""Who owns and locks a cluster, and who may delete it, in words."""

from __future__ import annotations

from django.utils.translation import gettext as _

from hyperclusters.access.models import User
from hyperclusters.clusters import ownership
from hyperclusters.clusters.errors import ClusterLocked, NotInTeam
from hyperclusters.clusters.models import Cluster, Deletion
from hyperclusters.web.texts.causes import join_sentences


def lock_text(row: Cluster | Deletion) -> str:
    """Who locked the cluster and why: as it is locked now, or as it was when a deletion was stopped."""
    name = row.locked_by.username if row.locked_by else ""
    return _("%(person)s locked this cluster: “%(reason)s”.") % {"person": name, "reason": row.lock_reason}


def ownership_refusal(error: ClusterLocked | NotInTeam) -> str:
    """Why a locked cluster was not deleted or locked again, or not handed over to somebody."""
    if isinstance(error, ClusterLocked):
        unlock = _("Nothing was changed. An admin of the team can unlock it.")
        return join_sentences(lock_text(error.cluster), unlock)
    text = _("Nobody called “%(name)s” has access to %(team)s. Nothing was changed.")
    return text % {"name": error.username, "team": error.team.name}


def not_theirs(person: User, cluster: Cluster) -> str:
    """Why this person may not delete the cluster, and who may; empty if they may."""
    team = cluster.project.team
    if ownership.may_delete(person, cluster):
        return ""
    if cluster.owner is None:
        text = _("Nobody owns this cluster, so only an admin of %(team)s may delete it.")
    elif cluster.owner == person:
        text = _("You own this cluster, but to delete it you need the role of creator in %(team)s.")
    else:
        text = _("Only its owner %(owner)s or an admin of %(team)s may delete this cluster.")
    return text % {"team": team.name, "owner": cluster.owner.username if cluster.owner else ""}
