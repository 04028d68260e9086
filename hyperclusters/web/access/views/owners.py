"""Hands over clusters of a team whose owner has no access to it any more."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hyperclusters.access.permissions import Permission
from hyperclusters.clusters import ownership
from hyperclusters.clusters.errors import CreationRefused
from hyperclusters.clusters.models import Cluster
from hyperclusters.web.access.views.teams import team_of
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.drafts import keeps_draft, note_not_taken
from hyperclusters.web.shared.http import PageRequest, as_uuid, posted_text
from hyperclusters.web.shared.listing import PAGE_SIZE
from hyperclusters.web.texts.refusals import refusal


@access(post=on("team", Permission.MANAGE), page="teams:team", keys=("slug",))
@keeps_draft()
def hand_over(request: PageRequest, slug: str) -> HttpResponse:
    """Make one person the owner of the chosen clusters, each with an event of its own."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    ids = filter(None, map(as_uuid, request.POST.getlist("cluster")[:PAGE_SIZE]))
    clusters = Cluster.objects.without_owner().filter(project__team=team, pk__in=list(ids))
    to, reason, count = posted_text(request, "person", 150), posted_text(request, "reason"), 0
    try:
        for cluster in clusters.select_related("project__team"):
            ownership.hand_over(by=request.user, cluster=cluster, to=to, reason=reason)
            count += 1
    except CreationRefused as error:
        messages.warning(request, refusal(error))
        note_not_taken(request)
    if count:
        text = ngettext(
            "%(person)s owns %(n)d more cluster now.", "%(person)s owns %(n)d more clusters now.", count
        )
        messages.success(request, text % {"n": count, "person": to})
    elif not clusters:
        messages.warning(request, _("Choose at least one cluster. Nothing was changed."))
    return redirect(team)
