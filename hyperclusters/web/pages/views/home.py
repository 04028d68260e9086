"""The front page."""

from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render

from hyperclusters.access.access_requests import waiting_for
from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, active_grants, may, within
from hyperclusters.access.team_admins import teams_without_admin_for
from hyperclusters.clusters.models import UNRESOLVED, Cluster, Creation, Heartbeat, Project, State
from hyperclusters.clusters.models.creation import CreationQuerySet
from hyperclusters.web.audit.views.review import OPEN, queues
from hyperclusters.web.clusters.cluster_rows import cluster_rows
from hyperclusters.web.shared.decorators import SIGNED_IN, access
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.texts.access import ended_grants, no_admin_notice, request_lines

ROWS = 6  # rows of each table


@access(get=SIGNED_IN)
def home(request: PageRequest) -> HttpResponse:
    """Where this person's work is: what waits for them, what is under way, what is new."""
    person = request.user
    context: dict[str, Any] = {
        "unmade": _unmade(person),
        "clusters": cluster_rows(Cluster.objects.visible_to(person).present()[:ROWS]),
        "may_view": may(person, Permission.VIEW),
        "ended_grants": ended_grants(person),
        "no_admin": [no_admin_notice(team, person) for team in teams_without_admin_for(person)[:3]],
        "has_grants": bool(active_grants(person)),
    }
    if not context["has_grants"]:
        context["request_lines"] = request_lines(person)
    if may(person, Permission.CONNECT):
        context["projects"] = Project.objects.select_related("team").prefetch_related("sources")
        context["workers"] = Heartbeat.objects.all()
    return render(request, "pages/home.html", context | _inbox(person))


def _inbox(person: User) -> dict[str, Any]:
    """All that waits for this person, and for nobody's answer but theirs and their like's."""
    inbox: dict[str, Any] = {
        "waiting": waiting_for(person)[:10],
        "undecided": _creations(person).filter(_to_decide(person))[:10],
    }
    if may(person, Permission.MANAGE):
        inbox["without_owner"] = _teams_with_clusters_to_hand_over(person)
    if may(person, Permission.REVIEW):
        parts = queues(person)
        parts.pop(OPEN)  # waits for the cloud
        inbox["to_review"] = [(name, n) for name, rows in parts.items() if (n := rows.count())]
    return inbox


def _teams_with_clusters_to_hand_over(person: User) -> QuerySet[Any, Any]:
    """This admin's teams that have clusters whose owner is not in the team any more, each with their number."""
    clusters = Cluster.objects.filter(within(person, Permission.MANAGE, team="project__team"))
    teams = clusters.without_owner().values("project__team__slug", "project__team__name")
    return teams.annotate(n=Count("pk")).order_by("project__team__name")


def _unmade(person: User) -> list[Creation]:
    """What made no cluster: those under way first, but for what waits in this person's inbox, then the last that ended."""
    creations = _creations(person)
    unsettled = list(creations.unresolved().exclude(_to_decide(person))[:ROWS])
    finished = creations.exclude(state__in=[*UNRESOLVED, State.CREATED])
    return unsettled + list(finished[: ROWS - len(unsettled)])


def _creations(person: User) -> CreationQuerySet:
    return Creation.objects.visible_to(person).select_related("project__team", "requested_by")


def _to_decide(person: User) -> Q:
    return Q(state=State.NEEDS_ATTENTION) & within(person, Permission.DECIDE, team="project__team")
