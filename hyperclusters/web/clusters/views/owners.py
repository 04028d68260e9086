"""Handing over several clusters at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hyperclusters.access.permissions import NotPermitted
from hyperclusters.clusters import ownership
from hyperclusters.clusters.errors import CreationRefused
from hyperclusters.clusters.models import Cluster
from hyperclusters.web.clusters.cluster_query import cluster_query
from hyperclusters.web.clusters.views.cluster_list import is_nothing_selected, nothing_selected, select_again
from hyperclusters.web.shared.decorators import SIGNED_IN, access
from hyperclusters.web.shared.drafts import draft_for, keeps_draft
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, posted_text
from hyperclusters.web.shared.parameters import refuses_unknown
from hyperclusters.web.texts.refusals import refusal

MOST = 200  # clusters at once


@access(get=SIGNED_IN, post=SIGNED_IN, note="each cluster needs what handing it over needs")
@keeps_draft("cluster")
@refuses_unknown
def owners(request: PageRequest) -> HttpResponse:
    """Make one person the owner of the clusters that the address selects, each by an act of its own."""
    if request.method != "POST" and ("selected" not in request.GET or is_nothing_selected(request)):
        return nothing_selected(request)
    rows = cluster_query(request.user, _selection(request)).rows
    clusters = list(rows.select_related("project__team", "owner")[: MOST + 1])
    if not clusters:
        return nothing_selected(request)
    if len(clusters) > MOST:
        return select_again(request, _("Select at most %(n)d clusters at once.") % {"n": MOST})
    if request.method != "POST":
        draft = draft_for(request, request.get_full_path()) or QueryDict()
        return _form(request, clusters, draft.dict())
    values = {"person": posted_text(request, "person", 150), "reason": posted_text(request, "reason")}
    refusals = _hand_over(request, clusters, values)
    if refusals:
        rest = [cluster for cluster, _why in refusals]
        return _form(request, rest, values, refusals, status=UNPROCESSABLE)
    return redirect("clusters:list")


def _selection(request: PageRequest) -> QueryDict:
    """The address; of a form that was sent, the clusters that it named, whatever the address would select by now."""
    if request.method != "POST":
        return request.GET
    query = QueryDict("selected=1", mutable=True)
    query.setlist("cluster", request.POST.getlist("cluster"))
    return query


def _hand_over(
    request: PageRequest, clusters: list[Cluster], values: dict[str, str]
) -> list[tuple[Cluster, str]]:
    """Hand each over in its own transaction with its own event. Returns those that were refused, and why."""
    refusals = []
    for cluster in clusters:
        try:
            ownership.hand_over(
                by=request.user, cluster=cluster, to=values["person"], reason=values["reason"]
            )
        except CreationRefused as error:
            refusals.append((cluster, refusal(error)))
        except NotPermitted:
            refusals.append((cluster, _("Only its owner or an admin of its team may hand it over.")))
    if count := len(clusters) - len(refusals):
        text = ngettext(
            "%(person)s owns %(n)d more cluster now.", "%(person)s owns %(n)d more clusters now.", count
        )
        messages.success(request, text % {"n": count, "person": values["person"]})
    return refusals


def _form(
    request: PageRequest,
    clusters: list[Cluster],
    values: Mapping[str, Any],
    refusals: list[tuple[Cluster, str]] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    people = {
        grant.person.username
        for team in {cluster.project.team for cluster in clusters}
        for grant in ownership.people_of(team)
    }
    context = {
        "clusters": clusters,
        "others": [each for each in clusters if not ownership.may_hand_over(request.user, each)],
        "people": sorted(people),
        "typed": values,
        "refused": refusals,
    }
    return render(request, "clusters/owners.html", context, status=status)
