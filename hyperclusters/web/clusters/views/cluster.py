"""One cluster, and deleting it."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import DatabaseError
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django_htmx.http import retarget

from hyperclusters.access.models import User
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
from hyperclusters.web.shared.http import REFUSED, PageRequest, posted_text, render_page, wants_fragment
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
    posted = {name: posted_text(request, name) for name in FIELDS if name in request.POST}
    typed_name = request.POST.get("name", "")  # to confirm with: nothing is taken away
    try:
        deletions.request_deletion(
            person=request.user,
            cluster=cluster,
            typed_name=typed_name,
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
    poll = bool(last and last.is_unresolved)
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
        "poll": poll,
        **_forms(request, cluster, refused, is_deleting=poll),
    }
    fragment = "clusters/_cluster.html" if poll else "clusters/_page.html"
    status = REFUSED if refused else 200
    response = render_page(request, "clusters/cluster.html", fragment, context, status=status)
    if wants_fragment(request) and not poll and request.htmx.target == "cluster":
        retarget(response, "#cluster-page")  # a deletion is settled: other forms are on the page now
    return response


def _forms(
    request: PageRequest, cluster: Cluster, refused: CreationRefused | None, *, is_deleting: bool
) -> dict[str, Any]:
    """What this person may change; for each form what was typed into it and why it was not taken.

    `page_error`: why a form was not taken that is not on the page.
    """
    team, url = cluster.project.team, cluster.get_absolute_url()
    posted = request.path.removeprefix(url).rstrip("/") if request.method == "POST" else ""
    obstacle = delete_obstacle(request.user, cluster)
    forms = _forms_on_page(request.user, cluster, may_delete=not (obstacle or is_deleting))
    error = refusal(refused) if refused else ""
    return {
        "forms": forms,
        "people": ownership.people_of(team).exclude(person=cluster.owner_id) if "owner" in forms else [],
        "may_override": cluster.reports_inside and may(request.user, Permission.DECIDE, team),
        "obstacle": obstacle,
        "errors": {posted: error},
        "page_error": "" if posted in forms else error,
        "typed": {
            form: request.POST if form == posted else draft_for(request, f"{url}{form}/") for form in FORMS
        },
    }


def _forms_on_page(person: User, cluster: Cluster, *, may_delete: bool) -> set[str]:
    """The forms that this person gets, as the cluster is now."""
    team = cluster.project.team
    offers = {
        "owner": ownership.may_hand_over(person, cluster),
        "lock": not cluster.is_locked and may(person, Permission.LOCK, team),
        "unlock": cluster.is_locked and may(person, Permission.UNLOCK, team),
        "delete": may_delete,
    }
    return {form for form, is_offered in offers.items() if is_offered and not cluster.gone_at}


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
