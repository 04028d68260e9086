"""The auditor's queue: creations nobody has looked at, clusters made outside, outcomes that are open."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hyperclusters.access.models import AccessReview, User
from hyperclusters.access.permissions import Permission, Reader, anyone_like
from hyperclusters.audit.visits import note_read
from hyperclusters.clusters import creation_reviews
from hyperclusters.clusters.errors import NotInTeam
from hyperclusters.clusters.models import Cluster, Creation, FollowUp, Judgement
from hyperclusters.clusters.models.creation import CreationQuerySet
from hyperclusters.clusters.models.inventory import ClusterQuerySet
from hyperclusters.statements import Build, at_most, counts
from hyperclusters.web.audit import elsewhere, follow_ups
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.drafts import draft_for, keeps_draft
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, as_uuid, posted_text
from hyperclusters.web.shared.listing import MOST_COUNTED, PAGE_SIZE, number_text
from hyperclusters.web.texts.events import QUEUE_PARTS

MOST = 500  # clusters whose owner is set at once
NEW, FOLLOW_UP, OUTSIDE, OPEN = "new", "follow-up", "outside", "open"


@access(get=anywhere(Permission.REVIEW))
def queue(request: PageRequest) -> HttpResponse:
    """What waits for an auditor, oldest first, in four parts."""
    return _queue(request, request.GET.get("show", NEW))


def _queue(request: PageRequest, state: str, status: int = 200, **form: Any) -> HttpResponse:
    """One part of the queue; `form`: what was not accepted of a post, and why."""
    tab = state if state in PARTS else NEW
    rows = PARTS[tab](request.user)
    if request.method == "GET":
        note_read(person=request.user, page="review", filters={"show": tab})
    numbers = sizes(request.user)
    numbers[FOLLOW_UP] += FollowUp.objects.visible_to(request.user).open().count()
    filters: dict[str, Any] = {}
    if tab == OUTSIDE:
        rows, filters["filters"], filters["is_filtered"] = elsewhere.filter_clusters(
            request, _elsewhere(request.user)
        )
    if tab == FOLLOW_UP:
        filters, rows = follow_ups.part_context(request, rows)
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "tab": tab,
        "tabs": [(name, QUEUE_PARTS[name], number_text(numbers[name])) for name in PARTS],
        "page": page,
        "here": _here(request),
        "overdue": AccessReview.objects.overdue().select_related("team").order_by("due_on", "pk")[:PAGE_SIZE],
        **filters,
        **(elsewhere.part_context(page) if tab == OUTSIDE else {}),
    }
    form = form or _draft(request)
    return render(request, "audit/review.html", context | form, status=status)


def _draft(request: PageRequest) -> dict[str, Any]:
    """What was typed into a form of this page and could not be taken."""
    here = _here(request)
    if draft := draft_for(request, reverse("audit:mark") + here):
        return {"chosen": list(map(as_uuid, draft.getlist("creation"))), "note": draft.get("note", "")}
    if draft := draft_for(request, reverse("audit:account_all") + here):
        return {"chosen": list(map(as_uuid, draft.getlist("cluster"))), "typed": draft}
    return {}


@access(post=anywhere(Permission.REVIEW), page="audit:review")
@keeps_draft()
def mark(request: PageRequest) -> HttpResponse:
    """Mark the chosen creations as reviewed or for follow-up, with one note for all of them."""
    creation_ids = [
        creation_id for text in request.POST.getlist("creation") if (creation_id := as_uuid(text))
    ]
    judgement = Judgement.FOLLOW_UP if request.POST.get("judgement") == "follow_up" else Judgement.REVIEWED
    note = posted_text(request, "note")
    if not creation_ids:
        messages.warning(request, _("Select a creation first. Nothing was marked."))
        return _back(request)
    try:
        count = creation_reviews.review(
            by=request.user, creations=creation_ids, judgement=judgement, note=note
        )
    except creation_reviews.NoteRequired:
        error = _("A follow-up needs a note, so that others know why. Nothing was marked.")
        return _queue(request, request.GET.get("show", NEW), UNPROCESSABLE, chosen=creation_ids, error=error)
    message = ngettext("%(n)d creation was marked.", "%(n)d creations were marked.", count) % {"n": count}
    messages.success(request, message)
    return _back(request)


@access(post=anywhere(Permission.REVIEW, on="cluster"), page="audit:review")
@keeps_draft()
def account(request: PageRequest, pk: UUID) -> HttpResponse:
    """Set the owner of one cluster created elsewhere, or note why it stays without one."""
    visible = Cluster.objects.visible_to(request.user).select_related("project__team")
    return _account(request, [get_object_or_404(visible, pk=pk)])


@access(post=anywhere(Permission.REVIEW), page="audit:review")
@keeps_draft()
def account_all(request: PageRequest) -> HttpResponse:
    """Set the owner of the chosen clusters, or of all that match the filters, or note why they stay without one."""
    clusters = _elsewhere(request.user)
    if "all" in request.POST:
        clusters, *_filters = elsewhere.filter_clusters(request, clusters)
    else:
        clusters = clusters.filter(pk__in=filter(None, map(as_uuid, request.POST.getlist("cluster"))))
    selection = list(clusters[:MOST])
    if not selection:
        messages.warning(request, _("Choose at least one cluster. Nothing was saved."))
        return _back(request)
    return _account(request, selection)


def _account(request: PageRequest, clusters: list[Cluster]) -> HttpResponse:
    person = posted_text(request, "suggested", 150) or posted_text(request, "person", 150)
    name = "" if request.POST.get("act") == "keep" else person
    reason = posted_text(request, "reason")
    try:
        owner = User.objects.by_username(name).get(is_active=True, service_team=None) if name else None
        count = creation_reviews.account_for_all(
            by=request.user, clusters=clusters, owner=owner, reason=reason
        )
    except User.DoesNotExist:
        error = _("There is no person called %(name)s. Nothing was saved.") % {"name": name}
    except NotInTeam as outsider:
        error = _("%(name)s has no access to %(team)s. Nothing was saved.")
        error %= {"name": outsider.username, "team": outsider.team}
    except creation_reviews.NoteRequired:
        error = _("Choose an owner, or enter a reason why it may stay without one. Nothing was saved.")
    else:
        _say_noted(request, clusters, count, owner)
        return _back(request)
    cluster_ids = [cluster.pk for cluster in clusters]
    values = {"person": person, "reason": reason, "all": "all" in request.POST}
    return _queue(request, OUTSIDE, UNPROCESSABLE, error=error, chosen=cluster_ids, typed=values)


def _say_noted(request: PageRequest, clusters: list[Cluster], count: int, owner: User | None) -> None:
    if count < len(clusters):
        messages.warning(request, _("Some of these clusters were created here. They were left as they are."))
    if count and owner:
        text = ngettext("%(person)s owns %(n)d cluster more.", "%(person)s owns %(n)d clusters more.", count)
        messages.success(request, text % {"n": count, "person": owner.username})
    elif count:
        text = ngettext(
            "%(n)d cluster stays without an owner.", "%(n)d clusters stay without an owner.", count
        )
        messages.success(request, text % {"n": count})


def sizes(person: User) -> dict[str, int]:
    """How many rows each part has, `MOST_COUNTED` at most: by one statement."""
    numbers = counts((at_most(build, MOST_COUNTED) for build in PARTS.values()), anyone_like(person))
    return dict(zip(PARTS, numbers, strict=True))


def _new(person: Reader) -> CreationQuerySet:
    return _creations(person).reviewed_as("")


def _to_follow_up(person: Reader) -> CreationQuerySet:
    """Marked, and nobody is asked: what is asked is a follow-up of its own."""
    open_follow_ups = FollowUp.objects.open().filter(creation=OuterRef("pk"))
    return _creations(person).reviewed_as(Judgement.FOLLOW_UP).exclude(Exists(open_follow_ups))


def _elsewhere(person: Reader) -> ClusterQuerySet:
    clusters = Cluster.objects.visible_to(person).unaccounted().with_trace_rows()
    return clusters.select_related("project__team").prefetch_related("networks")


def _open(person: Reader) -> CreationQuerySet:
    return _creations(person).unresolved().order_by("requested_at", "pk")


def _creations(person: Reader) -> CreationQuerySet:
    return Creation.objects.visible_to(person).select_related("project__team", "requested_by", "review__by")


# The parts by their names in the address.
PARTS: dict[str, Build[Any]] = {NEW: _new, FOLLOW_UP: _to_follow_up, OUTSIDE: _elsewhere, OPEN: _open}


def _back(request: PageRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("audit:review") + _here(request))


def _here(request: PageRequest) -> str:
    """Which part of the queue, and which page of it: the forms' own addresses carry it along."""
    return f"?{request.GET.urlencode()}" if request.GET else ""
