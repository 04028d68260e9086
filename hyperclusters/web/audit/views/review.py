"""The auditor's queue: creations nobody has looked at, clusters made outside, outcomes that are open."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission
from hyperclusters.audit.reading import note_read
from hyperclusters.clusters import creation_reviews
from hyperclusters.clusters.models import Cluster, Creation, Judgement
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.drafts import draft_for, keeps_draft
from hyperclusters.web.shared.http import REFUSED, PageRequest, as_uuid, posted_text
from hyperclusters.web.shared.listing import PAGE_SIZE
from hyperclusters.web.texts.traces import traces_summary

NEW, FOLLOW_UP, OUTSIDE, OPEN = "new", "follow-up", "outside", "open"


@access(get=anywhere(Permission.REVIEW))
def queue(request: PageRequest) -> HttpResponse:
    """What waits for an auditor, oldest first, in four parts."""
    return _queue(request, request.GET.get("show", NEW))


def _queue(request: PageRequest, state: str, status: int = 200, **form: Any) -> HttpResponse:
    """One part of the queue; `form`: what was not accepted of a post, and why."""
    parts = queues(request.user)
    tab = state if state in parts else NEW
    if request.method == "GET":
        note_read(person=request.user, page="review", filters={"show": tab})
    words = {
        NEW: _("To review"),
        FOLLOW_UP: _("Follow-up"),
        OUTSIDE: _("Created elsewhere"),
        OPEN: _("Outcome unknown"),
    }
    page = Paginator(parts[tab], PAGE_SIZE).get_page(request.GET.get("page"))
    if tab == OUTSIDE:
        for cluster in page:
            cluster.traces_summary = traces_summary(cluster.trace_rows)
    context = {
        "tab": tab,
        "tabs": [(name, words[name], rows.count()) for name, rows in parts.items()],
        "page": page,
        "here": _here(request),
        "people": User.objects.filter(is_active=True).order_by("username") if tab == OUTSIDE else [],
    }
    form = form or _draft(request, page)
    return render(request, "audit/review.html", context | form, status=status)


def _draft(request: PageRequest, page: Page[Any]) -> dict[str, Any]:
    """What was typed into a form of this page and could not be taken."""
    here = _here(request)
    if draft := draft_for(request, reverse("audit:mark") + here):
        return {"chosen": list(map(as_uuid, draft.getlist("creation"))), "note": draft.get("note", "")}
    for row in page:
        if draft := draft_for(request, reverse("audit:account", args=[row.pk]) + here):
            return {"about": row, "typed": draft}
    return {}


@access(post=anywhere(Permission.REVIEW), page="audit:review")
@keeps_draft()
def mark(request: PageRequest) -> HttpResponse:
    """Mark the chosen creations as reviewed or for follow-up, with one note for all of them."""
    chosen = [creation_id for text in request.POST.getlist("creation") if (creation_id := as_uuid(text))]
    judgement = Judgement.FOLLOW_UP if request.POST.get("judgement") == "follow_up" else Judgement.REVIEWED
    note = posted_text(request, "note")
    if not chosen:
        messages.warning(request, _("Select a creation first. Nothing was marked."))
        return _back(request)
    try:
        count = creation_reviews.review(by=request.user, creations=chosen, judgement=judgement, note=note)
    except creation_reviews.NoteRequired:
        error = _("A follow-up needs a note, so that others know why. Nothing was marked.")
        return _queue(request, request.GET.get("show", NEW), REFUSED, chosen=chosen, error=error)
    message = ngettext("%(n)d creation was marked.", "%(n)d creations were marked.", count) % {"n": count}
    messages.success(request, message)
    return _back(request)


@access(post=anywhere(Permission.REVIEW, on="cluster"), page="audit:review")
@keeps_draft()
def account(request: PageRequest, pk: UUID) -> HttpResponse:
    """Say whose a cluster made outside is, or why it may stay."""
    visible = Cluster.objects.visible_to(request.user).select_related("project__team")
    cluster = get_object_or_404(visible, pk=pk)
    name, reason = posted_text(request, "person", 150), posted_text(request, "reason")
    try:
        owner = User.objects.get(username=name, is_active=True, service_team__isnull=True) if name else None
        is_noted = creation_reviews.account_for(
            by=request.user, cluster=cluster, claimed_for=owner, reason=reason
        )
    except User.DoesNotExist:
        error = _("There is no person called %(name)s. Nothing was saved.") % {"name": name}
    except creation_reviews.NoteRequired:
        error = _("Enter an owner or a reason. Nothing was saved.")
    else:
        if is_noted:
            messages.success(request, _("Saved for %(name)s.") % {"name": cluster.name})
        else:
            messages.warning(request, _("This cluster was created here after all. Nothing was saved."))
        return _back(request)
    values = {"person": name, "reason": reason}
    return _queue(request, OUTSIDE, REFUSED, error=error, about=cluster, typed=values)


def queues(person: User) -> dict[str, QuerySet[Any]]:
    """The four parts, by their names in the address."""
    creations = Creation.objects.visible_to(person).select_related(
        "project__team", "requested_by", "review__by", "cluster"
    )
    clusters = Cluster.objects.visible_to(person).select_related("project__team")
    return {
        NEW: creations.reviewed_as(""),
        FOLLOW_UP: creations.reviewed_as(Judgement.FOLLOW_UP),
        OUTSIDE: clusters.unaccounted().with_trace_rows(),
        OPEN: creations.unresolved().order_by("requested_at", "pk"),
    }


def _back(request: PageRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("audit:review") + _here(request))


def _here(request: PageRequest) -> str:
    """Which part of the queue, and which page of it: the forms' own addresses carry it along."""
    return f"?{request.GET.urlencode()}" if request.GET else ""
