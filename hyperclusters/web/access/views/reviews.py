"""Access reviews of a team: opened, carried out, completed or cancelled, and their evidence."""

from __future__ import annotations

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.access import access_reviews, review_records
from hyperclusters.access.errors import Cause, ChangeRefused
from hyperclusters.access.models import AccessReview, Team
from hyperclusters.access.permissions import Permission, may
from hyperclusters.web.access.form_pages import form_page, submit
from hyperclusters.web.access.forms import ReasonForm
from hyperclusters.web.access.reviews import (
    END,
    KEEP,
    DueForm,
    decisions_of,
    marks_of,
    review_context,
)
from hyperclusters.web.access.views.teams import team_of
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.drafts import draft_for, keeps_draft
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, posted_data

ASKERS = on("team", Permission.AUDIT, or_anywhere=Permission.APPOINT)
# Platform admins decide about admins, and nobody else.
DECIDERS = on("team", Permission.GRANT, or_anywhere=Permission.APPOINT)
READERS = on("team", Permission.AUDIT)


@access(get=ASKERS, post=DECIDERS)
@keeps_draft("seen", "review")
def review(request: PageRequest, slug: str) -> HttpResponse:
    """The open review with its decisions, and the past ones."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    form = Form(posted_data(request))
    if request.method == "POST" and (target := submit(form, lambda: _carry_out(request, team))):
        return redirect(target)
    context = review_context(request, team, draft_for(request)) | {"form": form}
    return render(
        request, "access/reviews/review.html", context, status=UNPROCESSABLE if form.errors else 200
    )


@access(get=ASKERS, post=ASKERS)
@keeps_draft()
def open_review(request: PageRequest, slug: str) -> HttpResponse:
    """Open a review with a due date."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    form = DueForm(posted_data(request))
    context = {"team": team, "title": _("Start an access review"), "submit": _("Start review")}
    return form_page(request, form, lambda: _open(request, team, form), "access/teams/form.html", context)


@access(get=ASKERS, post=ASKERS)
@keeps_draft()
def cancel_review(request: PageRequest, slug: str) -> HttpResponse:
    """Cancel the open review."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    form = ReasonForm(posted_data(request))
    context = {"team": team, "title": _("Cancel the access review"), "submit": _("Cancel review")}
    return form_page(request, form, lambda: _cancel(request, team, form), "access/teams/form.html", context)


@access(get=READERS)
def evidence(request: PageRequest, slug: str, pk: int) -> HttpResponse:
    """Who decided what and when, and what was not reviewed."""
    row = _review_of(request, slug, pk)
    items = review_records.items_of(row)
    context = {
        "team": row.team,
        "review": row,
        "reviewed": [each for each in items if each.decision],
        "not_reviewed": [each for each in items if not each.decision and not each.is_late],
        "late": [each for each in items if each.is_late],
    }
    return render(request, "access/reviews/evidence.html", context)


@access(get=READERS)
def evidence_file(request: PageRequest, slug: str, pk: int) -> HttpResponse:
    """The evidence as JSON. That it was downloaded is kept in the audit."""
    row = _review_of(request, slug, pk)
    facts = review_records.evidence(row)
    if request.method == "GET":
        review_records.note_export(row, by=request.user)
    name = f"access-review-{row.team.slug}-{row.pk}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return JsonResponse(facts, headers=headers, json_dumps_params={"indent": 2, "ensure_ascii": False})


def _review_of(request: PageRequest, slug: str, pk: int) -> AccessReview:
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    reviews = AccessReview.objects.select_related("team", "opened_by", "closed_by")
    return get_object_or_404(reviews, team=team, pk=pk)


def _open(request: PageRequest, team: Team, form: DueForm) -> str:
    access_reviews.open_review(team, due_on=form.cleaned_data["due"], by=request.user)
    messages.success(request, _("Access review started. The team's admins are told."))
    return reverse("teams:review", args=[team.slug])


def _cancel(request: PageRequest, team: Team, form: Form) -> str:
    row = AccessReview.objects.open().filter(team=team).first()
    if row is None:
        raise ChangeRefused(Cause.REVIEW_CLOSED)
    access_reviews.cancel(row, by=request.user, reason=form.cleaned_data["reason"])
    messages.success(request, _("Access review cancelled. Its decisions stay."))
    return reverse("teams:review", args=[team.slug])


def _carry_out(request: PageRequest, team: Team) -> str:
    """Save the decisions of the form, or complete the review. Returns where to go then."""
    number = request.POST.get("review", "")
    is_number = number.isdecimal() and len(number) < 20
    row = AccessReview.objects.filter(team=team, pk=number if is_number else 0).first()
    if row is None:
        raise ChangeRefused(Cause.REVIEW_CLOSED)
    if request.POST.get("do") == "complete":
        access_reviews.complete(row, by=request.user)
        is_complete = True
    else:
        is_complete = _decide(request, row)
    if not is_complete:
        return request.get_full_path()
    messages.success(request, _("Access review completed."))
    page = "teams:evidence" if may(request.user, Permission.AUDIT, team) else "teams:review"
    return reverse(page, args=[team.slug, row.pk] if page == "teams:evidence" else [team.slug])


def _decide(request: PageRequest, row: AccessReview) -> bool:
    """Save the decisions. Returns whether they completed the review."""
    choices = decisions_of(request.POST)
    counts = access_reviews.decide(
        row,
        by=request.user,
        keep=[pk for pk, value in choices.items() if value == KEEP],
        end=[pk for pk, value in choices.items() if value == END],
        marks=marks_of(request.POST),
        keep_rest=request.POST.get("rest") == "keep",
    )
    if counts.kept_count or counts.revoked_count:
        text = _("Review saved: %(kept)d kept, %(revoked)d revoked, %(left)d not decided.")
        values = {"kept": counts.kept_count, "revoked": counts.revoked_count, "left": counts.open_count}
        messages.success(request, text % values)
    elif {KEEP, END} & set(choices.values()):
        messages.info(request, _("These decisions are saved already."))
    else:
        messages.warning(request, _("Nothing was decided. Choose Keep or Revoke for somebody, or keep all."))
    return counts.is_complete
