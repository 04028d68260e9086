"""The front page: what needs this person, their clusters, and what changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from hyperclusters.access.access_requests import waiting_for
from hyperclusters.access.models import AccessReview, Team, User
from hyperclusters.access.permissions import Permission, active_grants, may, scope, within
from hyperclusters.access.team_admins import teams_without_admin_for
from hyperclusters.audit import clock
from hyperclusters.clusters.models import (
    Cluster,
    Creation,
    FollowUp,
    Heartbeat,
    Judgement,
    Project,
    Review,
    State,
)
from hyperclusters.clusters.models.creation import CreationQuerySet
from hyperclusters.clusters.quotas import usage
from hyperclusters.notifications.targets import failing_for
from hyperclusters.web.audit.views.review import OPEN, queues
from hyperclusters.web.pages.setup import setup_steps
from hyperclusters.web.shared.decorators import OWN, SIGNED_IN, access
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.texts.access import ended_grants, no_admin_notice, request_lines
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
    return render(request, "pages/home.html", context | _needs(person) | _own(person))


@access(post=OWN, page="web:home")
def dismiss(request: PageRequest, pk: UUID) -> HttpResponse:
    """Take one's own failed creation off Home. It stays in the list of creations."""
    get_object_or_404(Creation.objects.visible_to(request.user), pk=pk, requested_by=request.user)
    Creation.objects.filter(pk=pk, settled_at__isnull=False).update(dismissed_at=clock.now())
    return redirect("web:home")


def _needs(person: User) -> dict[str, Any]:
    """All that waits for this person, or for one of several people of whom they are one."""
    needs: dict[str, Any] = {
        "waiting": waiting_for(person)[:10],
        "undecided": _creations(person).filter(_to_decide(person))[:10],
        "to_approve": _creations(person).to_approve(person.pk, scope(person, Permission.DECIDE))[:10],
        "ending": ending(person),
        "questions": _questions(person)[:10],
        "unreachable": failing_for(person)[:3],
        "to_answer": FollowUp.objects.to_answer(person).with_related()[:10],
    }
    if may(person, Permission.GRANT):
        reviews = AccessReview.objects.open().filter(within(person, Permission.GRANT, team="team"))
        needs["access_reviews"] = reviews.select_related("team").order_by("due_on", "pk")[:10]
    if may(person, Permission.MANAGE):
        needs["without_owner"] = _teams_with_clusters_to_hand_over(person)
    if may(person, Permission.REVIEW):
        parts = queues(person)
        parts.pop(OPEN)  # waits for the cloud
        needs["to_close"] = FollowUp.objects.to_close(person).with_related()[:10]
        needs["to_review"] = [(name, n) for name, rows in parts.items() if (n := rows.count())]
    return needs | {"needs_me": any(needs.values())}


def _questions(person: User) -> QuerySet[Review]:
    """What an auditor wants to know of this person's creations, and asks nobody by name."""
    reviews = Review.objects.filter(judgement=Judgement.FOLLOW_UP, creation__requested_by=person)
    reviews = reviews.filter(within(person, Permission.VIEW, team="creation__project__team"))
    reviews = reviews.exclude(Exists(FollowUp.objects.open().filter(creation=OuterRef("creation"))))
    return reviews.select_related("creation", "by").order_by("at", "pk")


def _teams_with_clusters_to_hand_over(person: User) -> QuerySet[Any, Any]:
    """This admin's teams that have clusters whose owner is not in the team any more, each with their number."""
    clusters = Cluster.objects.filter(within(person, Permission.MANAGE, team="project__team"))
    teams = clusters.without_owner().values("project__team__slug", "project__team__name")
    return teams.annotate(n=Count("pk")).order_by("project__team__name")


def _own(person: User) -> dict[str, Any]:
    """What is under way, this person's failures and clusters, and how much of each quota is used. A person without
    clusters sees the newest of their teams that were created here."""
    present = Cluster.objects.visible_to(person).present().select_related("project__team", "owner")
    mine = present.filter(owner=person)
    own_count = mine.count()
    waits = Q(
        pk__in=Creation.objects.to_approve(person.pk, scope(person, Permission.DECIDE))
        .order_by()
        .values("pk")
    )  # is asked for above
    return {
        "under_way": _creations(person).unresolved().exclude(_to_decide(person)).exclude(waits)[:ROWS],
        "failures": _creations(person).failures_of(person)[:ROWS],
        "own_count": own_count,
        "clusters": (mine if own_count else present.filter(creation__isnull=False))[:ROWS],
        "rooms": _rooms(person),
    }


def _rooms(person: User) -> list[Room]:
    """How much of their quota their projects use, then their teams. Counted at once, however many they are."""
    projects = Project.objects.where(person, Permission.CREATE).select_related("team")
    teams = sorted({each.team for each in projects}, key=lambda team: team.name)
    return [*_rooms_of("project", projects), *_rooms_of("project__team", teams)]


def _rooms_of(field: str, owners: Iterable[Project | Team]) -> list[Room]:
    counts = usage(field, [each.pk for each in owners if each.quota is not None])
    return [Room(each.name, counts[each.pk], each.quota) for each in owners if each.quota is not None]


def _creations(person: User) -> CreationQuerySet:
    rows = Creation.objects.visible_to(person)
    return rows.select_related("project__team", "requested_by", "approval_by")


def _to_decide(person: User) -> Q:
    return Q(state=State.NEEDS_ATTENTION) & within(person, Permission.DECIDE, team="project__team")
