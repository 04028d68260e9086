"""One cluster."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django_htmx.http import retarget

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, may
from hyperclusters.clusters import ownership
from hyperclusters.clusters.errors import CreationRefused
from hyperclusters.clusters.inventory import ask_refresh
from hyperclusters.clusters.models import Cluster, Deletion
from hyperclusters.clusters.subnets import networks_of
from hyperclusters.web.clusters.activity import history_context
from hyperclusters.web.clusters.freshness import outage
from hyperclusters.web.clusters.inquiries import capacity_context, traces_context
from hyperclusters.web.clusters.inside import inside_context
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.drafts import draft_for
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, render_page, wants_fragment
from hyperclusters.web.texts.ownership import not_theirs
from hyperclusters.web.texts.refusals import refusal
from hyperclusters.web.texts.states import deletion_status

FORMS = ("owner", "claim", "lock", "unlock")  # by the last part of their addresses
PICKERS = {"owner", "claim"}


@access(get=on("cluster"))
def cluster(request: PageRequest, pk: str) -> HttpResponse:
    """One cluster: what is inside, its history, networks, origin, owner, and for who may change it how."""
    return cluster_page(request, visible_cluster(request, pk))


@access(post=on("cluster"), page="clusters:cluster", keys=("pk",))
def check(request: PageRequest, pk: str) -> HttpResponse:
    """Have a worker read the lists of the cluster's project now. Returns to the page that asked."""
    cluster = visible_cluster(request, pk)
    ask_refresh(person=request.user, project=cluster.project)
    return redirect("clusters:delete", pk) if request.POST.get("back") == "delete" else redirect(cluster)


def cluster_page(
    request: PageRequest, cluster: Cluster, *, error: CreationRefused | None = None
) -> HttpResponse:
    """The page; after a POST that was refused, with what was typed and why."""
    # With the cluster as it is at this very moment: it may have been deleted since it was read.
    deletions = Deletion.objects.filter(cluster=cluster)
    last = deletions.select_related("cluster", "requested_by", "locked_by").first()
    poll = bool(last and last.is_unresolved)
    context = {
        "cluster": cluster,
        "history": history_context(request.user, cluster),
        "outage": outage(list(cluster.project.sources.filter(type__in=cluster.listed_as))),
        "inside": inside_context(cluster),
        "networks": networks_of(cluster),
        "capacity": capacity_context(cluster),
        "traces": traces_context(request.user, cluster),
        "deletion": last,
        "deletion_status": deletion_status(last) if last else None,
        "poll": poll,
        **_forms(request, cluster, error),
    }
    fragment = "clusters/_deletion_part.html" if poll else "clusters/_page.html"
    status = UNPROCESSABLE if error else 200
    response = render_page(request, "clusters/cluster.html", fragment, context, status=status)
    if wants_fragment(request) and not poll and request.htmx.target == "deletion":
        retarget(response, "#cluster-page")  # a deletion is settled: other forms are on the page now
    return response


def _forms(request: PageRequest, cluster: Cluster, error: CreationRefused | None) -> dict[str, Any]:
    """What this person may change; for each form what was typed into it and why it was not taken.

    `page_error`: why a form was not taken that is not on the page.
    """
    team, url = cluster.project.team, cluster.get_absolute_url()
    posted_name = request.path.removeprefix(url).rstrip("/") if request.method == "POST" else ""
    forms = _forms_on_page(request.user, cluster)
    text = refusal(error) if error else ""
    return {
        "forms": forms,
        "obstacle": not_theirs(request.user, cluster),
        "people": ownership.people_of(team).exclude(person=cluster.owner_id) if forms & PICKERS else [],
        "errors": {posted_name: text},
        "page_error": "" if posted_name in forms else text,
        "typed": {
            form: request.POST if form == posted_name else draft_for(request, f"{url}{form}/")
            for form in FORMS
        },
    }


def _forms_on_page(person: User, cluster: Cluster) -> set[str]:
    """The forms that this person gets, as the cluster is now."""
    team = cluster.project.team
    offers = {
        "owner": ownership.may_hand_over(person, cluster),
        "claim": cluster.creation is None and may(person, Permission.REVIEW, team),
        "lock": not cluster.is_locked and may(person, Permission.LOCK, team),
        "unlock": cluster.is_locked and may(person, Permission.UNLOCK, team),
    }
    return {form for form, is_offered in offers.items() if is_offered and not cluster.gone_at}


def visible_cluster(request: PageRequest, pk: str) -> Cluster:
    """The cluster, if this person may see it; else it looks absent."""
    visible = Cluster.objects.visible_to(request.user).select_related(
        "project__team", "creation__requested_by", "review__by", "owner", "locked_by"
    )
    return get_object_or_404(visible.prefetch_related("networks"), pk=pk)
