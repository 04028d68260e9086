"""Handing a cluster over, locking and unlocking it: forms of its page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission
from hyperclusters.clusters import ownership
from hyperclusters.clusters.creation_reviews import NoteRequired, account_for_all
from hyperclusters.clusters.errors import CreationRefused, NotInTeam, ReasonRequired
from hyperclusters.clusters.models import Deletion, DeletionState
from hyperclusters.web.clusters.views.cluster import cluster_page, visible_cluster
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.drafts import keeps_draft
from hyperclusters.web.shared.http import PageRequest, posted_text


@access(
    post=on("cluster", Permission.MANAGE),
    page="clusters:cluster",
    keys=("pk",),
    note="or the owner, while they are in the team",
)
@keeps_draft()
def hand_over(request: PageRequest, pk: str) -> HttpResponse:
    """Make another person of the team the owner."""
    cluster = visible_cluster(request, pk)
    to, reason = posted_text(request, "person", 150), posted_text(request, "reason")
    try:
        cluster = ownership.hand_over(by=request.user, cluster=cluster, to=to, reason=reason)
    except CreationRefused as error:
        return cluster_page(request, cluster, error=error)
    text = _("%(cluster)s belongs to %(person)s now.")
    messages.success(request, text % {"cluster": cluster.name, "person": cluster.owner})
    return redirect(cluster)


@access(post=on("cluster", Permission.REVIEW), page="clusters:cluster", keys=("pk",))
@keeps_draft()
def claim(request: PageRequest, pk: str) -> HttpResponse:
    """Name another owner of a cluster created elsewhere, or the reason why it stays without one."""
    cluster = visible_cluster(request, pk)
    request.rule.require(request.user, cluster.project.team)
    name = "" if request.POST.get("act") == "keep" else posted_text(request, "person", 150)
    owner, reason = User.objects.by_username(name).first(), posted_text(request, "reason")
    try:
        if name and owner is None:
            raise NotInTeam(name, cluster.project.team)
        count = account_for_all(by=request.user, clusters=[cluster], owner=owner, reason=reason)
    except NoteRequired:
        return cluster_page(request, cluster, error=ReasonRequired("no owner and no reason"))
    except CreationRefused as error:
        return cluster_page(request, cluster, error=error)
    if count:
        messages.success(request, _("Saved."))
    return redirect(cluster)


@access(post=on("cluster", Permission.LOCK), page="clusters:cluster", keys=("pk",))
@keeps_draft()
def lock(request: PageRequest, pk: str) -> HttpResponse:
    """Lock a cluster: nobody can delete it here until an admin of its team unlocks it."""
    cluster = visible_cluster(request, pk)
    try:
        ownership.lock(by=request.user, cluster=cluster, reason=posted_text(request, "reason"))
    except CreationRefused as error:
        return cluster_page(request, cluster, error=error)
    deletions = Deletion.objects.filter(
        cluster=cluster, state__in=[DeletionState.SENDING, DeletionState.UNKNOWN]
    )
    if deletions.exists():
        messages.warning(request, _("Locked, but a deletion was sent before: the lock cannot stop that."))
    else:
        messages.success(request, _("Locked: nobody can delete this cluster here."))
    return redirect(cluster)


@access(post=on("cluster", Permission.UNLOCK), page="clusters:cluster", keys=("pk",))
@keeps_draft()
def unlock(request: PageRequest, pk: str) -> HttpResponse:
    """Unlock a cluster."""
    cluster = visible_cluster(request, pk)
    try:
        ownership.unlock(by=request.user, cluster=cluster, reason=posted_text(request, "reason"))
    except CreationRefused as error:
        return cluster_page(request, cluster, error=error)
    messages.success(request, _("Unlocked."))
    return redirect(cluster)
