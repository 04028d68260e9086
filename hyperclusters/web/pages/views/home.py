"""The front page: what needs this person, their clusters, and what changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from hyperclusters.access.access_requests import waiting_for
from hyperclusters.access.models import Team, User
from hyperclusters.access.models.access_review import AccessReviewQuerySet
from hyperclusters.access.permissions import (
    Anyone,
    Permission,
    active_grants,
    anyone_like,
    auditors,
    may,
    within,
)
from hyperclusters.access.team_admins import teams_without_admin_for
from hyperclusters.audit import clock
from hyperclusters.audit.integrity import IntegrityStatus, integrity_status
from hyperclusters.clusters.heartbeat import ALIVE, has_worker_beat, host_with_wrong_clock
from hyperclusters.clusters.models import (
    Cluster,
    ClusterListing,
    Creation,
    FollowUp,
    Heartbeat,
    Judgement,
    Project,
    Review,
    State,
)
from hyperclusters.clusters.models.creation import CreationQuerySet
from hyperclusters.clusters.models.follow_up import FollowUpQuerySet
from hyperclusters.clusters.models.inventory import ClusterListingQuerySet, ClusterQuerySet
from hyperclusters.clusters.models.project import KEY_PAUSE, ProjectQuerySet
from hyperclusters.clusters.quotas import usage, with_used
from hyperclusters.notifications.targets import failing_for
from hyperclusters.statements import NOW, TODAY, Build, count, non_empty, rows
from hyperclusters.web.audit.views.review import OPEN, sizes
from hyperclusters.web.clusters.freshness import outage
from hyperclusters.web.pages.latest import latest_notices
from hyperclusters.web.pages.setup import setup_steps
from hyperclusters.web.shared.decorators import OWN, SIGNED_IN, access
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.listing import number_text
from hyperclusters.web.texts.access import ended_grants, no_admin_notice, own_requests
from hyperclusters.web.texts.grants import ending_grants
from hyperclusters.web.texts.notices import open_reviews

Row = TypeVar("Row")
ROWS, MOST_NEEDS = 6, 10  # rows of each table; of each kind of thing that waits
MOST_PROJECTS = 10  # of those who run the platform


class Room(NamedTuple):
    """How much of a quota is used, of a project or of a team."""

    name: str
    usage: int
    quota: int

    @property
    def tight(self) -> float:
        """From how many on the rest is little."""
        return self.quota * 0.75

    @property
    def nearly_full(self) -> float:
        """From how many on there is almost no rest."""
        return self.quota * 0.9


@access(get=SIGNED_IN)
def home(request: PageRequest) -> HttpResponse:
    """Where this person's work is: what waits for them, what they have, what is new."""
    person, audit = request.user, audit_status(request.user)
    broken_audit = audit if _is_broken(audit) else None
    context: dict[str, Any] = {
        "may_view": may(person, Permission.VIEW),
        "ended_grants": ended_grants(person),
        "no_admin": [no_admin_notice(team, person) for team in teams_without_admin_for(person)[:3]],
        "has_grants": bool(active_grants(person)),
        "audit": audit if may(person, Permission.REVIEW) and not broken_audit else None,
    }
    if not context["has_grants"]:
        context["own_requests"] = own_requests(person)
    if may(person, Permission.CONNECT):
        context |= _platform(person, broken_audit)
    context |= needs(person, audit) | _own(person)
    context["news"] = latest_notices(person, context)
    return render(request, "pages/home.html", context)


def audit_status(person: User) -> IntegrityStatus | None:
    """The state of the audit, for auditors and those who run the platform."""
    may_know = may(person, Permission.REVIEW) or may(person, Permission.CONNECT)
    return integrity_status() if may_know else None


def _is_broken(audit: IntegrityStatus | None) -> bool:
    return audit is not None and audit.state == "broken"


def _platform(person: User, broken_audit: IntegrityStatus | None) -> dict[str, Any]:
    """What those who run the platform see: what is not set up yet, projects, workers, and whether all is well."""
    projects = Project.objects.filter(retired_at__isnull=True).annotate(is_well=_is_project_well())
    pauses = Count("pk", filter=Q(blocked_until__isnull=False) & ~clock.due("blocked_until", KEY_PAUSE))
    totals = projects.aggregate(count=Count("pk"), well=Count("pk", filter=Q(is_well=True)), pauses=pauses)
    ordered_projects = (
        projects.select_related("team").prefetch_related("sources").order_by("is_well", "name", "pk")
    )
    are_well = 0 < totals["count"] == totals["well"]
    return {
        "setup": setup_steps(),
        "projects": with_used(ordered_projects[:MOST_PROJECTS]),
        "count": totals["count"],
        "workers": _workers(),
        "paused_count": totals["pauses"],
        "is_well": are_well and not broken_audit and has_worker_beat() and not host_with_wrong_clock(),
        "is_audit_broken": broken_audit is not None and not may(person, Permission.REVIEW),
        "auditors": sorted({each.username for each in auditors()}) if broken_audit else [],
    }


def _workers() -> list[tuple[Heartbeat, bool]]:
    """Workers of the last day, each with whether it reports now."""
    return [
        (each, clock.is_within(each.at, ALIVE)) for each in Heartbeat.objects.filter(role=Heartbeat.WORKER)
    ]


def _is_project_well() -> Q:
    """Projects whose calls go out, and whose lists were all read."""
    lists = ClusterListing.objects.filter(project=OuterRef("pk"))
    is_unread = Q(listed_at__isnull=True) | Q(failed_at__isnull=False)
    goes_out = Q(trusted=True) & (Q(blocked_until__isnull=True) | clock.due("blocked_until", KEY_PAUSE))
    return goes_out & Q(Exists(lists)) & ~Q(Exists(lists.filter(is_unread)))


@access(post=OWN, page="web:home")
def dismiss(request: PageRequest, pk: UUID) -> HttpResponse:
    """Take one's own failed creation off Home. It stays in the list of creations."""
    get_object_or_404(Creation.objects.visible_to(request.user), pk=pk, requested_by=request.user)
    Creation.objects.filter(pk=pk, settled_at__isnull=False).update(dismissed_at=clock.now())
    return redirect("web:home")


def needs(person: User, audit: IntegrityStatus | None) -> dict[str, Any]:
    """All that waits for this person, or for one of several people of whom they are one. `audit`: `audit_status`."""
    lists: dict[str, Any] = _lists(person, NEEDS, MOST_NEEDS) | {"ending": ending_grants(person)}
    lists["unreachable"] = lists["unreachable"][:3]
    if may(person, Permission.MANAGE):
        lists["without_owner"] = _teams_with_clusters_to_hand_over(person)
    if may(person, Permission.REVIEW):
        numbers = sizes(person)
        numbers.pop(OPEN)  # waits for the cloud
        lists["to_review"] = [(name, n, number_text(n)) for name, n in numbers.items() if n]
    lists["broken_audit"] = audit if may(person, Permission.REVIEW) and _is_broken(audit) else None
    return lists | {"needs_me": any(lists.values())}


def _undecided(person: Anyone) -> CreationQuerySet:
    return _creations(person).filter(_to_decide(person))


def _to_approve(person: Anyone) -> CreationQuerySet:
    return _creations(person).to_approve(person)


def _questions(person: Anyone) -> QuerySet[Review]:
    """What an auditor wants to know of this person's creations, and asks nobody by name."""
    reviews = Review.objects.filter(judgement=Judgement.FOLLOW_UP, creation__requested_by=person.pk)
    reviews = reviews.filter(within(person, Permission.VIEW, team="creation__project__team"))
    reviews = reviews.exclude(Exists(FollowUp.objects.open().filter(creation=OuterRef("creation"))))
    return reviews.select_related("creation", "by").order_by("at", "pk")


def _to_answer(person: Anyone) -> FollowUpQuerySet:
    return FollowUp.objects.to_answer(person, TODAY).with_related()


def _to_close(person: Anyone) -> FollowUpQuerySet:
    return FollowUp.objects.to_close(person, TODAY, NOW).with_related()


def _access_reviews(person: Anyone) -> AccessReviewQuerySet:
    return open_reviews(person).order_by("due_on", "pk")


NEEDS: dict[str, Build[Any]] = {
    "waiting": waiting_for,
    "undecided": _undecided,
    "to_approve": _to_approve,
    "questions": _questions,
    "unreachable": failing_for,
    "to_answer": _to_answer,
    "to_close": _to_close,
    "access_reviews": _access_reviews,
}


def _teams_with_clusters_to_hand_over(person: User) -> QuerySet[Any, Any]:
    """This admin's teams that have clusters whose owner is not in the team any more, each with their number."""
    clusters = Cluster.objects.filter(within(person, Permission.MANAGE, team="project__team"))
    teams = clusters.without_owner().values("project__team__slug", "project__team__name")
    return teams.annotate(n=Count("pk")).order_by("project__team__name")


def _own(person: User) -> dict[str, Any]:
    """What is under way, this person's failures and clusters, which lists can't be read, and how much of each quota is
    used. A person without clusters sees the newest of their teams that were created here."""
    own_count = count(_clusters_of, anyone_like(person), person=person.pk)
    lists = _lists(person, {"under_way": _under_way, "failures": _failures, "failing": _failing}, ROWS)
    return {
        "outage": outage(_rows(_listings, person)) if lists.pop("failing") else None,
        **lists,
        "own_count": own_count,
        "clusters": _rows(_clusters_of if own_count else _created_here, person, ROWS),
        "rooms": _rooms(person),
    }


def _under_way(person: Anyone) -> CreationQuerySet:
    waits = Creation.objects.to_approve(person).order_by().values("pk")  # are among what needs this person
    return _creations(person).unresolved().exclude(_to_decide(person)).exclude(pk__in=waits)


def _failures(person: Anyone) -> CreationQuerySet:
    return _creations(person).failures_of(person)


def _listings(person: Anyone) -> ClusterListingQuerySet:
    return ClusterListing.objects.visible_to(person).with_related()


def _failing(person: Anyone) -> ClusterListingQuerySet:
    return _listings(person).filter(failed_at__isnull=False)


def _clusters_of(person: Anyone) -> ClusterQuerySet:
    return _present(person).filter(owner=person.pk)


def _created_here(person: Anyone) -> ClusterQuerySet:
    return _present(person).filter(creation__isnull=False)


def _present(person: Anyone) -> ClusterQuerySet:
    return Cluster.objects.visible_to(person).present().select_related("project__team", "owner")


def _rooms(person: User) -> list[Room]:
    """How much of their quota their projects use, then their teams. Counted at once, however many they are."""
    projects = _rows(_with_quota, person)
    teams = sorted({each.team for each in projects}, key=lambda team: team.name)
    return [*_rooms_of("project", projects), *_rooms_of("project__team", teams)]


def _with_quota(person: Anyone) -> ProjectQuerySet:
    """The projects of this person that have a quota, or whose team has one."""
    projects = Project.objects.where(person, Permission.CREATE).select_related("team")
    return projects.exclude(quota=None, team__quota=None)


def _rooms_of(field: str, owners: Iterable[Project | Team]) -> list[Room]:
    keys = [each.pk for each in owners if each.quota is not None]
    counts = usage(field, keys) if keys else {}
    return [Room(each.name, counts[each.pk], each.quota) for each in owners if each.quota is not None]


def _creations(person: Anyone) -> CreationQuerySet:
    visible = Creation.objects.visible_to(person)
    return visible.select_related("project__team", "requested_by", "approval_by")


def _to_decide(person: Anyone) -> Q:
    return Q(state=State.NEEDS_ATTENTION) & within(person, Permission.DECIDE, team="project__team")


def _lists(person: User, builds: dict[str, Build[Any]], most: int) -> dict[str, list[Any]]:
    """The first rows of each. Most people have few of them: one statement says which."""
    full = non_empty(builds.values(), anyone_like(person), **_values(person))
    return {name: _rows(build, person, most) if build in full else [] for name, build in builds.items()}


def _rows(build: Build[Row], person: User, most: int | None = None) -> list[Row]:
    return rows(build, anyone_like(person), most=most, **_values(person))


def _values(person: User) -> dict[str, Any]:
    return {"person": person.pk, "today": clock.today(), "now": clock.now()}
