"""One cluster, and deleting it."""

from __future__ import annotations

from functools import partial

from django.db import DatabaseError
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect

from hyperclusters.access.permissions import Permission, may, visible_events
from hyperclusters.audit.models import Segment
from hyperclusters.audit.segments import archives_since
from hyperclusters.clusters import deletions
from hyperclusters.clusters.errors import CreationRefused
from hyperclusters.clusters.models import Cluster, Deletion
from hyperclusters.web.audit.event_rows import Row
from hyperclusters.web.audit.event_rows import rows as event_rows
from hyperclusters.web.clusters.inside import inside_context
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.drafts import draft_for, keeps_draft
from hyperclusters.web.shared.errors import after_lost_commit
from hyperclusters.web.shared.http import REFUSED, PageRequest, render_page
from hyperclusters.web.texts.refusals import refusal
from hyperclusters.web.texts.states import deletion_status

FIELDS = ("name", "reason", "override_inside")  # of the form to delete


@access(get=on("cluster"))
def cluster(request: PageRequest, pk: str) -> HttpResponse:
    """One cluster: networks, origin, its creation, deletion, and its audit events for who may read them."""
    return _cluster_page(request, _visible(request, pk))


@access(get=on("cluster"), post=on("cluster", Permission.CREATE))
@keeps_draft()
def delete(request: PageRequest, pk: str) -> HttpResponse:
    """Delete a cluster, after its name was typed. The worker does it; the cluster's page shows how it goes."""
    cluster = _visible(request, pk)
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
        return _cluster_page(request, cluster, refused=refusal(refused), status=REFUSED)
    except DatabaseError:
        found = partial(deletions.find_recorded, person=request.user, cluster=cluster)
        where = cluster.get_absolute_url()
        return after_lost_commit(request, posted, lambda: found() and cluster, where=where)
    return redirect(cluster)


def _cluster_page(
    request: PageRequest, cluster: Cluster, *, refused: str = "", status: int = 200
) -> HttpResponse:
    team = cluster.project.team
    last = Deletion.objects.filter(cluster=cluster).select_related("requested_by").first()
    context = {
        "cluster": cluster,
        "events": _events(request, cluster),
        "archives": _archives(request, cluster),
        "source": cluster.project.sources.filter(type=cluster.type).first(),
        "inside": inside_context(cluster),
        "deletion": last,
        "deletion_status": deletion_status(last) if last else None,
        "poll": bool(last and last.is_unresolved),
        "may_delete": not cluster.gone_at and may(request.user, Permission.CREATE, team),
        "may_override": cluster.reports_inside and may(request.user, Permission.DECIDE, team),
        "refused": refused,
        "typed": request.POST if request.method == "POST" else draft_for(request, f"{request.path}delete/"),
    }
    return render_page(request, "clusters/cluster.html", "clusters/_cluster.html", context, status=status)


def _archives(request: PageRequest, cluster: Cluster) -> list[Segment]:
    """Where older events of a cluster and its creation are, for who may read the team's audit."""
    if not may(request.user, Permission.AUDIT, cluster.project.team):
        return []
    return archives_since(cluster.creation.requested_at if cluster.creation else cluster.found_at)


def _visible(request: PageRequest, pk: str) -> Cluster:
    visible = Cluster.objects.visible_to(request.user).select_related(
        "project__team", "creation__requested_by", "review__claimed_for", "review__by"
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
