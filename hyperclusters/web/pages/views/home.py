"""The front page: what needs this person, their clusters, and what changed."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.access import access_requests
from hyperclusters.access.access_requests import waiting_for
from hyperclusters.access.errors import ChangeRefused
from hyperclusters.access.models import AccessRequest, User
from hyperclusters.access.permissions import Permission, active_grants, may, within
from hyperclusters.access.team_admins import teams_without_admin_for
from hyperclusters.audit import clock
from hyperclusters.clusters.models import Cluster, Creation, Heartbeat, Judgement, Project, Review, State
from hyperclusters.clusters.models.creation import CreationQuerySet
from hyperclusters.clusters.quotas import used, used_by
from hyperclusters.web.audit.views.review import OPEN, queues
from hyperclusters.web.pages.setup import setup_steps
from hyperclusters.web.shared.decorators import OWN, SIGNED_IN, access, anywhere
from hyperclusters.web.shared.drafts import draft_for, keeps_draft, note_not_taken
from hyperclusters.web.shared.http import PageRequest, posted_text
from hyperclusters.web.texts.access import access_refusal, ended_grants, no_admin_notice, request_lines
from hyperclusters.web.texts.notices import ending, inbox

ROWS = 6  # rows of each table
NEWS = 6  # notices; the inbox has the rest


class Room(NamedTuple):
    """How much of a quota is used, of a project or of a team."""

    name: str
    used: int
    quota: int


@access(get=SIGNED_IN)
def home(request: PageRequest) -> HttpResponse:
    """Where this person's work is: what waits for them, what they have, what is new."""
    person = request.user
    context: dict[str, Any] = {
        "may_view": may(person, Permission.VIEW),
        "ended_grants": ended_grants(person),
        "no_admin": [no_admin_notice(team, person) for team in teams_without_admin_for(person)[:3]],
        "has_grants": bool(active_grants(person)),
        "news": inbox(person)[:NEWS],
    }
    if not context["has_grants"]:
        context["request_lines"] = request_lines(person)
    if may(person, Permission.CONNECT):
        context["setup"] = setup_steps()
        context["projects"] = Project.objects.select_related("team").prefetch_related("sources")
        context["workers"] = Heartbeat.objects.all()
    return render(request, "pages/home.html", context | _needs(request) | _own(person))


@access(post=anywhere(Permission.GRANT), page="web:home")
@keeps_draft()
def decide(request: PageRequest, pk: int) -> HttpResponse:
    """Approve a request for access as it was asked, or decline it, and come back to Home."""
    mine = AccessRequest.objects.filter(within(request.user, Permission.GRANT, team="team"))
    access_request = get_object_or_404(mine.select_related("person", "team"), pk=pk)
    who = {"who": access_request.person.username, "role": access_request.get_role_display()}
    try:
        if request.POST.get("do") == "approve":
            access_requests.approve(access_request, by=request.user, days=access_request.days)
            messages.success(request, _("%(who)s is %(role)s here now.") % who)
        else:
            note = posted_text(request, "reason")
            access_requests.decline(access_request, by=request.user, note=note)
            messages.success(request, _("Declined. %(who)s is told why.") % who)
    except ChangeRefused as refused:
        note_not_taken(request)
        messages.warning(request, access_refusal(refused))
    return redirect("web:home")


@access(post=OWN, page="web:home")
def dismiss(request: PageRequest, pk: UUID) -> HttpResponse:
    """Take one's own failed creation off Home. It stays in the list of creations."""
    get_object_or_404(Creation.objects.visible_to(request.user), pk=pk, requested_by=request.user)
    Creation.objects.filter(pk=pk, settled_at__isnull=False).update(dismissed_at=clock.now())
    return redirect("web:home")


def _needs(request: PageRequest) -> dict[str, Any]:
    """All that waits for this person, and for nobody's answer but theirs and their like's."""
    person = request.user
    needs: dict[str, Any] = {
        "waiting": [(asked, _draft(request, asked)) for asked in waiting_for(person)[:10]],
        "undecided": _creations(person).filter(_to_decide(person))[:10],
        "ending": ending(person),
        "questions": _questions(person)[:10],
    }
    if may(person, Permission.MANAGE):
        needs["without_owner"] = _teams_with_clusters_to_hand_over(person)
    if may(person, Permission.REVIEW):
        parts = queues(person)
        parts.pop(OPEN)  # waits for the cloud
        needs["to_review"] = [(name, n) for name, rows in parts.items() if (n := rows.count())]
    return needs | {"needs_me": any(needs.values())}


def _draft(request: PageRequest, asked: AccessRequest) -> QueryDict | None:
    return draft_for(request, reverse("web:decide_request", args=[asked.pk]))


def _questions(person: User) -> QuerySet[Review]:
    """What an auditor wants to know of this person's creations."""
    reviews = Review.objects.filter(judgement=Judgement.FOLLOW_UP, creation__requested_by=person)
    return reviews.select_related("creation", "by").order_by("at", "pk")


def _teams_with_clusters_to_hand_over(person: User) -> QuerySet[Any, Any]:
    """This admin's teams that have clusters whose owner is not in the team any more, each with their number."""
    clusters = Cluster.objects.filter(within(person, Permission.MANAGE, team="project__team"))
    teams = clusters.without_owner().values("project__team__slug", "project__team__name")
    return teams.annotate(n=Count("pk")).order_by("project__team__name")


def _own(person: User) -> dict[str, Any]:
    """What is under way, this person's failures and clusters, and the room that is left for more. Whoever owns none sees their teams'
    newest that were created here."""
    present = Cluster.objects.visible_to(person).present().select_related("project__team", "owner")
    mine = present.filter(owner=person)
    own_count = mine.count()
    return {
        "under_way": _creations(person).unresolved().exclude(_to_decide(person))[:ROWS],
        "failures": _creations(person).failures_of(person)[:ROWS],
        "own_count": own_count,
        "clusters": (mine if own_count else present.filter(creation__isnull=False))[:ROWS],
        "rooms": _rooms(person),
    }


def _rooms(person: User) -> list[Room]:
    projects = Project.objects.where(person, Permission.CREATE).select_related("team")
    rooms = [Room(each.name, used(each), each.quota) for each in projects if each.quota is not None]
    teams = {each.team for each in projects if each.team.quota is not None}
    by_name = sorted(teams, key=lambda team: team.name)
    return rooms + [Room(team.name, used_by(team), team.quota) for team in by_name if team.quota is not None]


def _creations(person: User) -> CreationQuerySet:
    return Creation.objects.visible_to(person).select_related("project__team", "requested_by")


def _to_decide(person: User) -> Q:
    return Q(state=State.NEEDS_ATTENTION) & within(person, Permission.DECIDE, team="project__team")
