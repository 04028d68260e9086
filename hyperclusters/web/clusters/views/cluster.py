"""One cluster, and deleting it."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import DatabaseError
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect

from hyperclusters.access.permissions import Permission, may, visible_events
from hyperclusters.audit.models import Segment
from hyperclusters.audit.segments import archives_since
from hyperclusters.clusters import deletions, ownership
from hyperclusters.clusters.errors import CreationRefused
from hyperclusters.clusters.models import Cluster, Deletion
from hyperclusters.clusters.subnets import networks_of
from hyperclusters.web.audit.event_rows import Row
from hyperclusters.web.audit.event_rows import rows as event_rows
from hyperclusters.web.clusters.inquiries import capacity_context, traces_context
from hyperclusters.web.clusters.inside import inside_context
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.drafts import draft_for, keeps_draft
from hyperclusters.web.shared.errors import after_lost_commit
from hyperclusters.web.shared.http import REFUSED, PageRequest, render_page
from hyperclusters.web.texts.ownership import delete_obstacle
from hyperclusters.web.texts.refusals import refusal
from hyperclusters.web.texts.states import deletion_status

FIELDS = ("name", "reason", "override_inside")  # of the form to delete
FORMS = ("owner", "lock", "unlock", "delete")  # by the last part of their addresses


@access(get=on("cluster"))
def cluster(request: PageRequest, pk: str) -> HttpResponse:
    """One cluster: networks, origin, its creation, deletion, and its audit events for who may read them."""
    return cluster_page(request, visible_cluster(request, pk))


@access(
    get=on("cluster"),
    post=on("cluster", Permission.MANAGE),
    note="POST: or the owner, with CREATE; nobody while it is locked",
)
@keeps_draft()
def delete(request: PageRequest, pk: str) -> HttpResponse:
    """Delete a cluster, after its name was typed. The worker does it; the cluster's page shows how it goes."""
    cluster = visible_cluster(request, pk)
    if request.method != "POST":
        return redirect(cluster)
    posted = {name: request.POST[name][:500] for name in FIELDS if name in request.POST}
    try:
        deletions.request_deletion(
            person=request.user,
            cluster=cluster,
            typed_name=posted.get("name", ""),
            reason=posted.get("reason", ""),
            override_inside="override_inside" in posted,
        )
    except CreationRefused as refused:
        return cluster_page(request, cluster, refused=refused)
    except DatabaseError:
        found = partial(deletions.find_recorded, person=request.user, cluster=cluster)
        where = cluster.get_absolute_url()
        return after_lost_commit(request, posted, lambda: found() and cluster, where=where)
    return redirect(cluster)


def cluster_page(
    request: PageRequest, cluster: Cluster, *, refused: CreationRefused | None = None
) -> HttpResponse:
    """The page; after a POST that was refused, with what was typed and why."""
    last = Deletion.objects.filter(cluster=cluster).select_related("requested_by", "locked_by").first()
    context = {
        "cluster": cluster,
        "events": _events(request, cluster),
        "archives": _archives(request, cluster),
        "source": cluster.project.sources.filter(type=cluster.type).first(),
        "inside": inside_context(cluster),
        "networks": networks_of(cluster),
        "capacity": capacity_context(cluster),
        "traces": traces_context(request.user, cluster),
        "deletion": last,
        "deletion_status": deletion_status(last) if last else None,
        "poll": bool(last and last.is_unresolved),
        **_forms(request, cluster, refused),
    }
    status = REFUSED if refused else 200
    return render_page(request, "clusters/cluster.html", "clusters/_cluster.html", context, status=status)


def _forms(request: PageRequest, cluster: Cluster, refused: CreationRefused | None) -> dict[str, Any]:
    """What this person may change; for each form what was typed into it and why it was not taken."""
    team, url = cluster.project.team, cluster.get_absolute_url()
    posted = request.path.removeprefix(url).rstrip("/") if request.method == "POST" else ""
    may_hand_over = not cluster.gone_at and ownership.may_hand_over(request.user, cluster)
    return {
        "people": ownership.people_of(team).exclude(person=cluster.owner_id) if may_hand_over else [],
        "may_hand_over": may_hand_over,
        "may_lock": may(request.user, Permission.LOCK, team),
        "may_unlock": may(request.user, Permission.MANAGE, team),
        "may_override": cluster.reports_inside and may(request.user, Permission.DECIDE, team),
        "obstacle": delete_obstacle(request.user, cluster),
        "errors": {posted: refusal(refused)} if refused else {},
        "typed": {
            form: request.POST if form == posted else draft_for(request, f"{url}{form}/") for form in FORMS
        },
    }


def _archives(request: PageRequest, cluster: Cluster) -> list[Segment]:
    """Where older events of a cluster and its creation are, for who may read the team's audit."""
    if not may(request.user, Permission.AUDIT, cluster.project.team):
        return []
    return archives_since(cluster.creation.requested_at if cluster.creation else cluster.found_at)


def visible_cluster(request: PageRequest, pk: str) -> Cluster:
    """The cluster, if this person may see it; else it looks absent."""
    visible = Cluster.objects.visible_to(request.user).select_related(
        "project__team", "creation__requested_by", "review__by", "owner", "locked_by"
    )
    return get_object_or_404(visible.prefetch_related("networks"), pk=pk)


def _events(request: PageRequest, cluster: Cluster) -> list[Row]:
    """The latest audit events of a cluster, its creation and its deletions, for who may read the team's audit."""
    about = Q(object_kind="cluster", object_id=str(cluster.pk))
    if cluster.creation:
        about |= Q(object_kind="creation", object_id=str(cluster.creation.pk))
    deletions_of = [str(pk) for pk in Deletion.objects.filter(cluster=cluster).values_list("pk", flat=True)]
    about |= Q(object_kind="deletion", object_id__in=deletions_of)
    return event_rows(visible_events(request.user).filter(about).order_by("-at", "-seq")[:20])
