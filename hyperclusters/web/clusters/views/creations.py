"""One attempt to create, step by step."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import DatabaseError
from django.db.models import DateTimeField, IntegerField, QuerySet, UUIDField
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from hyperclusters.access.permissions import Anyone, Permission, anyone_like, may, who_can
from hyperclusters.audit import clock
from hyperclusters.clusters import creations
from hyperclusters.clusters.errors import NotACandidate
from hyperclusters.clusters.models import Creation, State
from hyperclusters.clusters.operations.transitions import StaleState
from hyperclusters.modelarts import canonical_id
from hyperclusters.statements import Slot, count
from hyperclusters.web.clusters.activity import timeline_context
from hyperclusters.web.shared.decorators import OWN, access, on
from hyperclusters.web.shared.drafts import draft_for, keeps_draft, note_not_taken
from hyperclusters.web.shared.error_pages import never_recorded, not_recorded
from hyperclusters.web.shared.http import PageRequest, posted_text, render_page, wants_fragment
from hyperclusters.web.texts.approvals import no_approver_text
from hyperclusters.web.texts.follow_ups import follow_up_state
from hyperclusters.web.texts.states import creation_status

NONE_OF_THEM = "none"
# Until which age a page asks how often, in milliseconds. An ask without news takes two of CPU.
PACES = (
    (timedelta(seconds=4), 50),
    (timedelta(seconds=15), 250),
    (timedelta(minutes=2), 1000),
)
SLOWEST = 5000
CROWD = 4  # so many more creations under way, and each page asks as rarely again
VERSION = re.compile(r"[0-9]{1,9}")
VERSION_SEEN = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})\.([0-9]{1,5})")
FIRST = datetime(1, 1, 2, tzinfo=UTC)
PAGES = "clusters/creations/"  # the folder of their templates


@access(get=on("creation"))
def creation(request: PageRequest, pk: str) -> HttpResponse:
    """One attempt. While it is unresolved the page asks for its own middle part again and again."""
    if _is_as_seen(request, pk):
        return HttpResponse(status=204)  # what is shown is still so: htmx leaves it, and asks again
    creation = _visible(request, pk)
    context = {
        "creation": creation,
        "version": _version(creation.version, creation.polls, creation.requested_at),
        "status": creation_status(creation),
        **timeline_context(creation),
        "may_audit": may(request.user, Permission.AUDIT, creation.team),
        "fragment": wants_fragment(request),
        "poll": _poll(request, creation),
        "may_withdraw": creation.state == State.QUEUED and _may_withdraw(request, creation),
        "may_create": may(request.user, Permission.CREATE, creation.team),
    }
    context |= _for_a_person(request, creation) | _follow_ups(request, creation)
    return render_page(request, f"{PAGES}creation.html", f"{PAGES}_creation.html", context)


def _for_a_person(request: PageRequest, creation: Creation) -> dict[str, Any]:
    """What a page needs that asks a person: which cluster it made, or whether it may be sent."""
    if creation.waits_for_approval:
        draft = draft_for(request, f"{request.path}approval/")
        approvers = creation.approvers()
        why_nobody = "" if approvers else no_approver_text(creation)
        context = {
            "approvers": ", ".join(each.username for each in approvers),
            "why_nobody": why_nobody,
            "may_approve": request.user in approvers,
            "typed": draft,
        }
        # Who can decline it needs no other way to end it.
        return context | ({"may_withdraw": False} if request.user in approvers else {})
    if creation.state != State.NEEDS_ATTENTION:
        return {}
    ids = [each["id"] for each in creation.candidates]
    clusters = {canonical_id(row.cluster_id): row for row in creation.project.clusters.with_ids(ids)}
    return {
        "candidates": [(each, clusters.get(each["id"])) for each in creation.candidates],
        "may_decide": may(request.user, Permission.DECIDE, creation.team),
        "typed": draft_for(request, f"{request.path}decide/"),
        "deciders": ", ".join(each.person.username for each in who_can(Permission.DECIDE, creation.team)),
    }


@access(get=OWN)
def of_form(request: PageRequest, token: UUID) -> HttpResponse:
    """The creation that a form of this person recorded, by the form's token."""
    try:
        row = creations.find_recorded(person=request.user, token=token)
    except DatabaseError:
        return not_recorded(request, {}, request.path)
    return redirect(row) if row else never_recorded(request)


@access(
    post=on("creation", Permission.DECIDE),
    page="creations:creation",
    keys=("pk",),
    note="the person who requested it",
)
def withdraw(request: PageRequest, pk: str) -> HttpResponse:
    """Withdraw while it waits."""
    creation = _visible(request, pk)
    try:
        creations.withdraw(creation, by=request.user)
    except StaleState:
        messages.warning(
            request,
            _("It was too late to withdraw this: it is not waiting any more. See below how it stands."),
        )
    return redirect(creation)


@access(post=on("creation"), page="creations:creation", keys=("pk",))
def look(request: PageRequest, pk: str) -> HttpResponse:
    """Look in the cloud's list now instead of at the next turn."""
    creation = _visible(request, pk)
    creations.look_now(creation, by=request.user)
    return redirect(creation)


@access(post=on("creation", Permission.DECIDE), page="creations:creation", keys=("pk",))
@keeps_draft()
def decide(request: PageRequest, pk: str) -> HttpResponse:
    """Say which candidate this creation made, or that none of them is it."""
    creation = _visible(request, pk)
    cluster_id, reason = request.POST.get("cluster_id", ""), posted_text(request, "reason")
    version_match = VERSION.fullmatch(request.POST.get("seen", ""))
    try:
        creations.decide(
            creation,
            by=request.user,
            cluster_id="" if cluster_id == NONE_OF_THEM else cluster_id or "-",
            reason=reason,
            seen_version=int(version_match[0]) if version_match else None,
        )
    except StaleState:
        note_not_taken(request)
        messages.warning(
            request, _("This changed meanwhile, and nothing was decided. See below how it stands.")
        )
    except NotACandidate:
        note_not_taken(request)
        messages.error(request, _("Choose one of the clusters, or none of them. Nothing was decided."))
    return redirect(creation)


def _follow_ups(request: PageRequest, creation: Creation) -> dict[str, Any]:
    """Its follow-ups that this person may read, the newest first, and how each stands."""
    rows = creation.follow_ups.all().visible_to(request.user).with_related().order_by("-opened_at", "pk")
    return {
        "may_review": may(request.user, Permission.REVIEW, creation.team),
        "follow_ups": [(row, follow_up_state(row, request.user)) for row in rows],
    }


def _visible(request: PageRequest, pk: str) -> Creation:
    visible = Creation.objects.visible_to(request.user)
    return get_object_or_404(
        visible.select_related("project__team", "requested_by", "approval_by", "cluster", "again_of"), pk=pk
    )


def _may_withdraw(request: PageRequest, creation: Creation) -> bool:
    return request.user == creation.requested_by or may(request.user, Permission.DECIDE, creation.team)


def _is_as_seen(request: PageRequest, pk: str) -> bool:
    """Whether a page that asks again has it all already. Most asks end here, so this reads as little as it can."""
    version_match = VERSION_SEEN.fullmatch(request.GET.get("seen", ""))
    if not version_match or not wants_fragment(request):
        return False
    version, polls, pace = map(int, version_match.groups())
    age = next((age for age, milliseconds in PACES if milliseconds == pace), None)
    since = clock.now() - age if age else FIRST
    reader = anyone_like(request.user)
    return bool(count(_as_seen, reader, pk=pk, version=version, polls=polls, since=since))


def _as_seen(person: Anyone) -> QuerySet[Creation]:
    """The creation, if this person may see it, as it was and young enough for the pace."""
    return (
        Creation.objects.visible_to(person)
        .filter(
            pk=Slot("pk", UUIDField()),
            version=Slot("version", IntegerField()),
            polls=Slot("polls", IntegerField()),
            requested_at__gt=Slot("since", DateTimeField()),
        )
        .order_by()
    )


def _version(version: int, polls: int, requested_at: datetime) -> str:
    """Changes when there is something else to show, or when it is time to ask less often."""
    return f"{version}.{polls}.{_pace(requested_at)}"


def _pace(requested_at: datetime) -> int:
    """Milliseconds between two asks: few while somebody is likely to be watching for the answer."""
    age = clock.now() - requested_at
    return next((milliseconds for limit, milliseconds in PACES if age < limit), SLOWEST)


def _poll(request: PageRequest, creation: Creation) -> int:
    """Milliseconds until the page asks again, 0: never. Where many are under way each asks less often, so that
    those who watch do not slow down what they wait for. A form that somebody fills in stays as it is."""
    if not creation.is_unresolved or creation.state == State.NEEDS_ATTENTION:
        return 0
    if creation.waits_for_approval:
        return 0 if not creation.approval_objection(request.user) else SLOWEST
    crowd = Creation.objects.visible_to(request.user).unresolved().count()
    return _pace(creation.requested_at) * (1 + crowd // CROWD)
