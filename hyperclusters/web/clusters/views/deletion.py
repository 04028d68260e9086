"""The page that deletes a cluster."""

from __future__ import annotations

from functools import partial

from django.db import DatabaseError
from django.http import HttpResponse
from django.shortcuts import redirect

from hyperclusters.access.permissions import Permission, may
from hyperclusters.clusters import deletions
from hyperclusters.clusters.errors import CreationRefused
from hyperclusters.clusters.models import Cluster, Deletion
from hyperclusters.web.clusters.blockers import blockers, check_context
from hyperclusters.web.clusters.inside import inside_context
from hyperclusters.web.clusters.views.cluster import cluster_page, visible_cluster
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.drafts import draft_for, keeps_draft
from hyperclusters.web.shared.error_pages import after_lost_commit
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, posted_text, render_page
from hyperclusters.web.texts.refusals import refusal

FIELDS = ("name", "reason", "override_inside")


@access(
    get=on("cluster"),
    post=on("cluster", Permission.MANAGE),
    note="POST: or the owner, with CREATE; nobody while it is locked",
)
@keeps_draft()
def delete(request: PageRequest, pk: str) -> HttpResponse:
    """Delete a cluster, after its name was typed: what prevents it comes first. The worker does it, and the cluster's
    page shows how it goes."""
    cluster = visible_cluster(request, pk)
    if request.method != "POST":
        return redirect(cluster) if _is_under_way(cluster) else _page(request, cluster)
    data = {name: posted_text(request, name) for name in FIELDS if name in request.POST}
    try:
        _request(request, cluster, data)
    except CreationRefused as error:
        if _is_under_way(cluster):
            return cluster_page(request, cluster, error=error)
        return _page(request, cluster, error)
    except DatabaseError:
        find = partial(deletions.find_recorded, person=request.user, cluster=cluster)
        where = cluster.get_absolute_url()
        return after_lost_commit(request, data, lambda: find() and cluster, where=where)
    return redirect(cluster)


def _request(request: PageRequest, cluster: Cluster, data: dict[str, str]) -> Deletion:
    return deletions.request_deletion(
        person=request.user,
        cluster=cluster,
        typed_name=request.POST.get("name", ""),  # to confirm with: nothing is taken away
        reason=data.get("reason", ""),
        override_inside="override_inside" in data,
    )


def _is_under_way(cluster: Cluster) -> bool:
    """Whether there is nothing to delete any more: it is gone, or being deleted."""
    return cluster.gone_at is not None or Deletion.objects.unresolved().filter(cluster=cluster).exists()


def _page(request: PageRequest, cluster: Cluster, error: CreationRefused | None = None) -> HttpResponse:
    """The page; after a POST that was refused, with what was typed and why."""
    in_the_way = blockers(request.user, cluster)
    others = [blocker for blocker in in_the_way if not blocker.is_inside]
    data = request.POST if error else draft_for(request, request.path)
    inside, is_override = inside_context(cluster), "override_inside" in (data or {})
    is_empty = not in_the_way and inside.get("is_known") and not inside.get("failed_at")
    may_decide = may(request.user, Permission.DECIDE, cluster.project.team)
    context = {
        "cluster": cluster,
        "blockers": in_the_way,
        "check": check_context(cluster),
        "inside": inside,
        "is_inside": bool(in_the_way) and not others,
        "may_delete": not in_the_way,
        "may_decide": may_decide,
        "may_override": cluster.reports_inside
        and may_decide
        and not others
        and (is_override or not is_empty),
        "is_override": is_override,
        "typed": data,
        "error": refusal(error) if error else "",
    }
    status = UNPROCESSABLE if error else 200
    return render_page(request, "clusters/delete.html", "clusters/_blockers.html", context, status=status)
