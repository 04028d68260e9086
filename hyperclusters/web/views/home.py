"""The front page, and the theme."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from hyperclusters.access.leads import unled_for
from hyperclusters.access.permissions import Action, held, may
from hyperclusters.access.requests import waiting_for
from hyperclusters.clusters.models import Cluster, Creation, Heartbeat, Project, State
from hyperclusters.web.access_words import lost, unled_notice
from hyperclusters.web.request import PageRequest, own_path
from hyperclusters.web.rows import cluster_rows
from hyperclusters.web.views.review import queues

THEMES = ("light", "dark")


@require_safe
def home(request: PageRequest) -> HttpResponse:
    """Where this person's work is."""
    person = request.user
    creations = Creation.objects.visible_to(person).select_related("project__team", "requested_by")
    clusters = Cluster.objects.visible_to(person).present()
    context: dict[str, Any] = {
        "running": creations.unresolved().exclude(state=State.NEEDS_ATTENTION)[:10],
        "undecided": creations.filter(state=State.NEEDS_ATTENTION)[:10],
        "recent": creations.exclude(state__in=[State.CREATED]).filter(settled_at__isnull=False)[:5],
        "clusters": cluster_rows(clusters[:6]),
        "may_view": may(person, Action.VIEW),
        "waiting": waiting_for(person)[:10],
        "lost": lost(person),
        "unled": [unled_notice(team, person) for team in unled_for(person)[:3]],
        "has_grants": bool(held(person)),
    }
    if may(person, Action.CONNECT):
        context["projects"] = Project.objects.select_related("team").prefetch_related("sources")
        context["workers"] = Heartbeat.objects.all()
    if may(person, Action.REVIEW):
        context["to_review"] = [(name, rows.count()) for name, rows in queues(person).items()]
    return render(request, "home/home.html", context)


@login_not_required
@require_POST
def theme(request: PageRequest) -> HttpResponse:
    """Keep the chosen theme in a cookie, so that pages come in it from the first byte."""
    response = HttpResponseRedirect(own_path(request.POST.get("next", ""), "/"))
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        response.set_cookie(
            "theme", chosen, max_age=365 * 86400, secure=settings.HTTPS, httponly=True, samesite="Lax"
        )
    else:
        response.delete_cookie("theme")
    return response
