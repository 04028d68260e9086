"""Chats that get messages: those of a team, for its admins, and those of the auditors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.access.models import Message, MessageKind, MessageState, NotificationTarget, Team
from hyperclusters.access.permissions import Permission
from hyperclusters.notifications import targets
from hyperclusters.web.access.form_pages import form_page
from hyperclusters.web.access.message_forms import TargetForm
from hyperclusters.web.access.views.teams import GRANTERS, team_of
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.drafts import keeps_draft
from hyperclusters.web.shared.http import PageRequest, posted_data, render_page
from hyperclusters.web.texts.messages import failure_text, target_status
from hyperclusters.web.texts.states import StatusText

AUDITORS = anywhere(Permission.REVIEW)


class Row(NamedTuple):
    """A chat, whether messages arrive, and its last test."""

    target: NotificationTarget
    status: StatusText
    queue_length: int
    test: Message | None
    test_problem: str


@access(get=GRANTERS)
def team_messages(request: PageRequest, slug: str) -> HttpResponse:
    """The chats of a team."""
    return _listing(request, _team(request, slug))


@access(get=GRANTERS, post=GRANTERS)
@keeps_draft("url", "secret")
def add_team_target(request: PageRequest, slug: str) -> HttpResponse:
    """Add a chat to a team."""
    return _add(request, _team(request, slug))


@access(get=GRANTERS, post=GRANTERS)
@keeps_draft("url", "secret")
def team_target(request: PageRequest, slug: str, pk: UUID) -> HttpResponse:
    """Change what a team's chat gets, or where it is."""
    return _change(request, _team(request, slug), pk)


@access(post=GRANTERS, page="teams:messages", keys=("slug",))
def act_on_team_target(request: PageRequest, slug: str, pk: UUID) -> HttpResponse:
    """Test, pause, resume or remove a team's chat."""
    return _act(request, _team(request, slug), pk)


@access(get=AUDITORS)
def audit_messages(request: PageRequest) -> HttpResponse:
    """The auditors' chats."""
    return _listing(request, None)


@access(get=AUDITORS, post=AUDITORS)
@keeps_draft("url", "secret")
def add_audit_target(request: PageRequest) -> HttpResponse:
    """Add a chat of the auditors."""
    return _add(request, None)


@access(get=AUDITORS, post=AUDITORS)
@keeps_draft("url", "secret")
def audit_target(request: PageRequest, pk: UUID) -> HttpResponse:
    """Change what an auditors' chat gets, or where it is."""
    return _change(request, None, pk)


@access(post=AUDITORS, page="audit:messages")
def act_on_audit_target(request: PageRequest, pk: UUID) -> HttpResponse:
    """Test, pause, resume or remove an auditors' chat."""
    return _act(request, None, pk)


def _team(request: PageRequest, slug: str) -> Team:
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    return team


def _listing(request: PageRequest, team: Team | None) -> HttpResponse:
    rows = [_row(target) for target in targets.targets_of(team)]
    context = {
        "rows": rows,
        "is_waiting": any(row.test and row.test.state == MessageState.WAITING for row in rows),
        "is_off": not settings.MESSAGE_HOSTS,
    }
    return render_page(
        request, "access/messages/list.html", "access/messages/_targets.html", context | _place(team)
    )


def _row(target: NotificationTarget) -> Row:
    test = target.messages.filter(kind=MessageKind.TEST).last()
    queue_length = target.messages.filter(state=MessageState.WAITING).exclude(kind=MessageKind.TEST).count()
    has_failed = test is not None and test.state == MessageState.GIVEN_UP
    return Row(
        target, target_status(target), queue_length, test, failure_text(target.failure) if has_failed else ""
    )


def _place(team: Team | None) -> dict[str, Any]:
    """Whose chats a page is about."""
    names = ("teams:messages", "teams:add_target") if team else ("audit:messages", "audit:add_target")
    args = [team.slug] if team else []
    list_url, add_url = (reverse(name, args=args) for name in names)
    return {"team": team, "list_url": list_url, "add_url": add_url}


def _add(request: PageRequest, team: Team | None) -> HttpResponse:
    form = TargetForm(posted_data(request), team=team)

    def act() -> str:
        target = targets.add_target(team=team, by=request.user, **form.cleaned_data)
        messages.success(request, _("“%(name)s” is added. Send a test now.") % {"name": target.name})
        return target.list_url

    context = {"title": _("Add chat"), "submit": _("Add chat"), "target": None} | _place(team)
    return form_page(request, form, act, "access/messages/form.html", context)


def _change(request: PageRequest, team: Team | None, pk: UUID) -> HttpResponse:
    target = get_object_or_404(targets.targets_of(team), pk=pk)
    form = TargetForm(posted_data(request), team=team, target=target)

    def act() -> str:
        targets.change_target(target, by=request.user, **form.cleaned_data)
        return target.list_url

    context = {"title": target.name, "submit": _("Save"), "target": target} | _place(team)
    with _absent_if_removed():
        return form_page(request, form, act, "access/messages/form.html", context)


def _act(request: PageRequest, team: Team | None, pk: UUID) -> HttpResponse:
    target = get_object_or_404(targets.targets_of(team), pk=pk)
    action = request.POST.get("do")
    with _absent_if_removed():
        if action == "test":
            targets.test_target(target, by=request.user)
        elif action in {"pause", "resume"}:
            targets.pause_target(target, is_paused=action == "pause", by=request.user)
        elif action == "remove":
            targets.remove_target(target, by=request.user)
            messages.success(request, _("“%(name)s” is removed.") % {"name": target.name})
    return redirect(target.list_url)


@contextmanager
def _absent_if_removed() -> Iterator[None]:
    """404 for a chat that somebody removed since this request found it."""
    try:
        yield
    except NotificationTarget.DoesNotExist:
        raise Http404 from None
