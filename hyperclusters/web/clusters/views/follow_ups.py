"""Follow-ups of creations: opened by an auditor, answered by who is asked, closed by an auditor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from hyperclusters.access.permissions import Permission, may
from hyperclusters.clusters import follow_ups
from hyperclusters.clusters.errors import FollowUpRefused
from hyperclusters.clusters.models import Creation, FollowUp
from hyperclusters.web.clusters.follow_up_forms import (
    AnswerForm,
    ChangeForm,
    CloseForm,
    OpenForm,
    ReassignForm,
    RescheduleForm,
    people_of,
)
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.drafts import draft_for, filled_form, keeps_draft
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest
from hyperclusters.web.texts.follow_ups import FIELDS, entry_line, follow_up_refusal, follow_up_state
from hyperclusters.web.texts.grants import day

PAGES = "clusters/follow_ups/"  # the folder of their templates
FORMS: dict[str, type[AnswerForm | ChangeForm]] = {
    "answer": AnswerForm,
    "reassign": ReassignForm,
    "reschedule": RescheduleForm,
    "close": CloseForm,
}
Act = Callable[[FollowUp, dict[str, Any]], str]


@access(get=on("creation", Permission.REVIEW), post=on("creation", Permission.REVIEW))
@keeps_draft()
def open_follow_up(request: PageRequest, pk: str) -> HttpResponse:
    """Ask a person about a creation."""
    rows = Creation.objects.visible_to(request.user).select_related("project__team", "requested_by")
    creation = get_object_or_404(rows, pk=pk)
    request.rule.require(request.user, creation.team)
    form = OpenForm(request.POST if request.method == "POST" else None, creation=creation)
    filled_form(form, draft_for(request))
    results: list[FollowUp] = []
    if form.is_bound and _is_taken(form, lambda: results.append(_open(request, creation, form.cleaned_data))):
        text = _("%(person)s is asked until %(day)s.")
        values = {"person": results[0].assignee.username, "day": day(results[0].due_on)}
        messages.success(request, text % values)
        return redirect(results[0])
    context = {"creation": creation, "form": form, "people": form.people}
    return render(request, f"{PAGES}open.html", context, status=UNPROCESSABLE if form.errors else 200)


@access(get=on("follow_up"), note="or the person it is assigned to")
def follow_up(request: PageRequest, pk: str) -> HttpResponse:
    """A follow-up: what was asked and answered, and what this person may do with it."""
    return _page(request, _visible(request, pk))


@access(
    post=on("follow_up", Permission.REVIEW),
    page="creations:follow_up",
    keys=("pk",),
    note="or the person it is assigned to",
)
@keeps_draft()
def answer(request: PageRequest, pk: str) -> HttpResponse:
    """Reply: the person who is asked, or an auditor."""

    def act(row: FollowUp, data: dict[str, Any]) -> str:
        follow_ups.answer(by=request.user, follow_up=row, text=data["text"], token=data["token"])
        return _("Sent.")

    return _post(request, pk, "answer", act)


@access(post=on("follow_up", Permission.REVIEW), page="creations:follow_up", keys=("pk",))
@keeps_draft()
def reassign(request: PageRequest, pk: str) -> HttpResponse:
    """Ask another person instead."""

    def act(row: FollowUp, data: dict[str, Any]) -> str:
        to, version = data["person"], data["version"]
        row = follow_ups.reassign(by=request.user, follow_up=row, to=to, version=version)
        return _("%(person)s is asked now.") % {"person": row.assignee.username}

    return _post(request, pk, "reassign", act)


@access(post=on("follow_up", Permission.REVIEW), page="creations:follow_up", keys=("pk",))
@keeps_draft()
def reschedule(request: PageRequest, pk: str) -> HttpResponse:
    """Change the due date."""

    def act(row: FollowUp, data: dict[str, Any]) -> str:
        due_on, version = data["due_on"], data["version"]
        row = follow_ups.reschedule(by=request.user, follow_up=row, due_on=due_on, version=version)
        return _("Due %(day)s now.") % {"day": day(row.due_on)}

    return _post(request, pk, "reschedule", act)


@access(post=on("follow_up", Permission.REVIEW), page="creations:follow_up", keys=("pk",))
@keeps_draft()
def close(request: PageRequest, pk: str) -> HttpResponse:
    """End it."""

    def act(row: FollowUp, data: dict[str, Any]) -> str:
        note, version = data["note"], data["version"]
        row = follow_ups.close(by=request.user, follow_up=row, note=note, version=version)
        if row.closed_by is None or row.closed_by == request.user:
            return _("Closed.")
        return _("%(person)s closed it already.") % {"person": row.closed_by.username}

    return _post(request, pk, "close", act)


def _post(request: PageRequest, pk: str, name: str, act: Act) -> HttpResponse:
    """Take one of the page's forms. One that is not taken comes back filled, with the reason."""
    row = _visible(request, pk, was_asked=name == "answer")
    form = FORMS[name](request.POST, follow_up=row)
    if not form.is_valid() and not (name == "answer" and _is_asked(request, row)):
        request.rule.require(request.user, row.team)  # the service requires it of a valid form
    results: list[str] = []
    if _is_taken(form, lambda: results.append(act(row, form.cleaned_data))):
        messages.success(request, results[0])
        return redirect(row)
    return _page(request, row, name, form)


def _is_asked(request: PageRequest, row: FollowUp) -> bool:
    """Whether this person sees it because they are, or were, asked."""
    return request.user == row.assignee or not may(request.user, Permission.AUDIT, row.team)


def _is_taken(form: forms.Form, act: Callable[[], Any]) -> bool:
    """Whether the form is valid and the service takes it; if not, the form says why."""
    if not form.is_valid():
        return False
    try:
        act()
    except FollowUpRefused as error:
        field = FIELDS.get(error.cause, "")
        form.add_error(field if field in form.fields else None, follow_up_refusal(error))
        return False
    return True


def _open(request: PageRequest, creation: Creation, data: dict[str, Any]) -> FollowUp:
    return follow_ups.open_follow_up(
        by=request.user,
        creation=creation,
        to=data["person"],
        due_on=data["due_on"],
        text=data["text"],
        token=data["token"],
    )


def _visible(request: PageRequest, pk: str, *, was_asked: bool = False) -> FollowUp:
    """The follow-up, if this person may see it; with `was_asked` also who must read that it is another's now."""
    row = _visible_now(request, pk)
    if row is None and was_asked:
        row = FollowUp.objects.asked_before(request.user).filter(pk=pk).with_related().first()
    if row is None:
        raise Http404
    return row


def _visible_now(request: PageRequest, pk: str | UUID) -> FollowUp | None:
    rows = FollowUp.objects.visible_to(request.user).with_related().with_access()
    return rows.filter(pk=pk).first()


def _page(
    request: PageRequest, row: FollowUp, posted_form: str = "", form: forms.Form | None = None
) -> HttpResponse:
    """The page; after a POST that was not taken with that form."""
    status = UNPROCESSABLE if form else 200
    now = _visible_now(request, row.pk)
    if now is None:
        context: dict[str, Any] = {"form": form, "text": request.POST.get("text", "")}
        return render(request, f"{PAGES}moved.html", context, status=status)
    row, forms_on_page = now, _forms(request, now)
    if form and posted_form in forms_on_page:
        forms_on_page[posted_form] = form
    entries = row.entries.select_related("author", "recipient", "former_assignee")
    context = {
        "follow_up": row,
        "creation": row.creation,
        "state": follow_up_state(row, request.user),
        "entries": [(entry, entry_line(entry)) for entry in entries],
        "forms": forms_on_page,
        "drafted": [name for name in forms_on_page if draft_for(request, f"{row.get_absolute_url()}{name}/")],
        "lost": form if posted_form not in forms_on_page else None,
        "lost_text": request.POST.get("text", "") or request.POST.get("note", ""),
        "people": people_of(row.creation, row.assignee.username) if "reassign" in forms_on_page else [],
        "may_review": may(request.user, Permission.REVIEW, row.team),
        "may_audit": may(request.user, Permission.AUDIT, row.team),
    }
    return render(request, f"{PAGES}follow_up.html", context, status=status)


def _forms(request: PageRequest, row: FollowUp) -> dict[str, forms.Form]:
    """The forms that this person gets, each with what was typed into it before."""
    reviews = row.is_open and may(request.user, Permission.REVIEW, row.team)
    offers = {
        "answer": row.is_open and (reviews or request.user == row.assignee),
        "reassign": reviews,
        "reschedule": reviews,
        "close": follow_ups.may_close(request.user, row),
    }
    url = row.get_absolute_url()
    return {
        name: filled_form(FORMS[name](follow_up=row), draft_for(request, f"{url}{name}/"))
        for name, is_offered in offers.items()
        if is_offered
    }
