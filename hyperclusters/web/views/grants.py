"""One person's access to a team: given, changed, ended, reviewed; and requests for it decided."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.forms import Form
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from hyperclusters.access import access_requests, access_reviews, invitations, services
from hyperclusters.access.errors import ChangeRefused
from hyperclusters.access.models import TEAM_ROLES, AccessRequest, Grant, Invitation, Role, Team
from hyperclusters.access.permissions import Permission, may
from hyperclusters.web.access_forms import ApproveForm, GiveForm, ReasonForm, RoleForm, UntilForm, bound_form
from hyperclusters.web.access_words import access_refusal
from hyperclusters.web.decorators import access, on
from hyperclusters.web.drafts import draft_for, filled_form, keeps_draft
from hyperclusters.web.http import REFUSED, PageRequest, posted

from .teams import GRANTERS, PAGE, team_of

# Platform admins give the role of admin, and no other.
GIVERS = on("team", Permission.GRANT, or_anywhere=Permission.APPOINT)
ROW = re.compile(r"g[0-9]{1,18}")  # how the review's form names a grant


@access(get=GIVERS, post=GIVERS)
@keeps_draft()
def give(request: PageRequest, slug: str) -> HttpResponse:
    """Give somebody a role, or invite them by e-mail."""
    team = team_of(request, slug)
    form = GiveForm(
        posted(request),
        team=team,
        roles=_roles(request, team),
        initial={name: request.GET[name] for name in ("who", "role", "until") if name in request.GET},
    )
    filled_form(form, draft_for(request))
    if request.method == "POST" and form.is_valid() and bound_form(form, lambda: _give(request, team, form)):
        return redirect(team)
    context = {"team": team, "form": form, "title": _("Grant access"), "submit": _("Grant access")}
    return render(request, "teams/form.html", context, status=REFUSED if form.errors else 200)


@access(get=GIVERS, post=GIVERS)
@keeps_draft()
def grant(request: PageRequest, slug: str, pk: int) -> HttpResponse:
    """One grant: another role, another end, or its end. Which of the three is asked for stands in `do`."""
    team = team_of(request, slug)
    grants = Grant.objects.active().filter(team=team).select_related("person", "team", "granted_by")
    grant = get_object_or_404(grants, pk=pk)
    roles = _roles(request, team)
    do = request.POST.get("do", "")
    forms: dict[str, Form] = {
        "role": RoleForm(
            _posted(request, do, "role"),
            team=team,
            grant=grant,
            roles=roles,
            initial={"role": grant.role},
            prefix="role",
        ),
        "until": UntilForm(_posted(request, do, "until"), team=team, grant=grant, prefix="until"),
        "end": ReasonForm(_posted(request, do, "end"), prefix="end"),
    }
    _fill(forms, request)
    form = forms.get(do)
    if form is not None and form.is_valid() and bound_form(form, lambda: _changed(request, grant, form)):
        return redirect(team)
    is_own = grant.person == request.user
    context = {"team": team, "grant": grant, "forms": forms, "roles": roles, "is_own": is_own}
    return render(request, "teams/grant.html", context, status=REFUSED if form is not None else 200)


@access(get=GRANTERS, post=GRANTERS)
@keeps_draft()
def review(request: PageRequest, slug: str) -> HttpResponse:
    """Keep or end the access of many at once, page by page."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    draft = draft_for(request)
    form = filled_form(ReasonForm(posted(request), initial={"reason": _("Access review")}), draft)
    if (
        request.method == "POST"
        and form.is_valid()
        and bound_form(form, lambda: _review(request, team, form))
    ):
        return redirect(request.get_full_path())
    people = ("person", "granted_by", "reviewed_by")
    grants = Grant.objects.active().filter(team=team).select_related("team", *people)
    page = Paginator(grants.order_by("person__username", "pk"), PAGE).get_page(request.GET.get("page"))
    rows = [(grant, (draft or request.POST).get(f"g{grant.pk}", "later")) for grant in page]
    context = {"team": team, "form": form, "page": page, "rows": rows}
    return render(request, "teams/review.html", context, status=REFUSED if form.errors else 200)


@access(get=GRANTERS, post=GRANTERS)
@keeps_draft()
def decide(request: PageRequest, slug: str, pk: int) -> HttpResponse:
    """Approve or decline a request. What is to be done stands in `do`."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    access_request = get_object_or_404(
        AccessRequest.objects.filter(team=team).select_related("person", "team"), pk=pk
    )
    do = request.POST.get("do", "")
    forms: dict[str, Form] = {
        "approve": ApproveForm(_posted(request, do, "approve"), days=access_request.days, prefix="approve"),
        "decline": ReasonForm(_posted(request, do, "decline"), prefix="decline"),
    }
    _fill(forms, request)
    form = forms.get(do)
    if (
        form is not None
        and form.is_valid()
        and bound_form(form, lambda: _decide(request, access_request, form))
    ):
        return redirect(team)
    context = {"team": team, "asked": access_request, "forms": forms}
    return render(request, "teams/request.html", context, status=REFUSED if form is not None else 200)


@access(post=GRANTERS, page="teams:team", keys=("slug",))
def uninvite(request: PageRequest, slug: str, pk: str) -> HttpResponse:
    """Take an invitation back."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    invitation = get_object_or_404(Invitation.objects.filter(team=team).select_related("team"), pk=pk)
    try:
        invitations.withdraw(invitation, by=request.user)
        messages.success(request, _("The invitation is taken back; its link is void."))
    except ChangeRefused as refused:
        messages.warning(request, access_refusal(refused))
    return redirect(team)


def _roles(request: PageRequest, team: Team) -> list[Role]:
    """What this person may give here: team admins every team role, platform admins an admin's. Raises NotPermitted."""
    request.rule.require(request.user, team)
    return list(TEAM_ROLES) if may(request.user, Permission.GRANT, team) else [Role.ADMIN]


def _posted(request: PageRequest, do: str, name: str) -> QueryDict | None:
    """What was posted, for the form it was meant for."""
    return request.POST if request.method == "POST" and do == name else None


def _fill(forms: dict[str, Form], request: PageRequest) -> None:
    """Show a draft in the form that it was meant for."""
    draft = draft_for(request)
    if draft and (form := forms.get(str(draft.get("do")))):
        filled_form(form, draft)


def _give(request: PageRequest, team: Team, form: GiveForm) -> None:
    who, role, until = form.cleaned_data["who"], Role(form.cleaned_data["role"]), form.end()
    terms: dict[str, Any] = {
        "team": team,
        "role": role,
        "until": until,
        "reason": form.cleaned_data["reason"],
    }
    if isinstance(who, str):
        invitations.invite(email=who, by=request.user, **terms)
        text = _("%(who)s is invited by e-mail. The link is good once, for 7 days.") % {"who": who}
    else:
        services.grant(person=who, by=request.user, **terms)
        text = _("%(who)s is %(role)s here now.") % {"who": who.username, "role": role.label}
    messages.success(request, text)


def _changed(request: PageRequest, grant: Grant, form: Form) -> None:
    reason, by = form.cleaned_data["reason"], request.user
    if isinstance(form, RoleForm):
        role, until = Role(form.cleaned_data["role"]), form.end()
        services.grant(person=grant.person, role=role, team=grant.team, until=until, reason=reason, by=by)
        text = _("%(who)s has another role now.")
    elif isinstance(form, UntilForm):
        services.extend_grant(grant, until=form.end(), reason=reason, by=by)
        text = _("The access of %(who)s has another end now.")
    else:
        services.end_grant(grant, reason=reason, by=by)
        text = _(
            "The access of %(who)s has ended. It holds from their next click on, and for what waits to be sent."
        )
    messages.success(request, text % {"who": grant.person.username})


def _review(request: PageRequest, team: Team, form: Form) -> None:
    decisions = {int(name[1:]): value for name, value in request.POST.items() if ROW.fullmatch(name)}
    if not {"keep", "end"} & set(decisions.values()):
        messages.warning(request, _("Nothing was decided."))
        return
    done = access_reviews.review(
        team,
        by=request.user,
        listed=decisions,
        keep=[pk for pk, value in decisions.items() if value == "keep"],
        end=[pk for pk, value in decisions.items() if value == "end"],
        reason=form.cleaned_data["reason"],
    )
    text = _("Reviewed: %(kept)d kept, %(ended)d ended, %(left)d left undecided. The audit has the record.")
    messages.success(request, text % {"kept": done.kept, "ended": done.ended, "left": done.left})


def _decide(request: PageRequest, access_request: AccessRequest, form: Form) -> None:
    who = {"who": access_request.person.username, "role": access_request.get_role_display()}
    if isinstance(form, ApproveForm):
        days, note = form.cleaned_data["days"], form.cleaned_data["note"]
        access_requests.approve(access_request, by=request.user, days=days, note=note)
        messages.success(request, _("%(who)s is %(role)s here now.") % who)
    else:
        access_requests.decline(access_request, by=request.user, note=form.cleaned_data["reason"])
        messages.success(request, _("Declined. %(who)s is told why.") % who)
