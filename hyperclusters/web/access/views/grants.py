"""Access to a team: given, and requests for it decided."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from hyperclusters.access import access_requests, invitations, services
from hyperclusters.access.errors import ChangeRefused
from hyperclusters.access.models import TEAM_ROLES, AccessRequest, Grant, Invitation, Role, Team
from hyperclusters.access.permissions import Permission, may
from hyperclusters.web.access.form_pages import form_page, forms_page, posted_for
from hyperclusters.web.access.forms import GiveForm, ReasonForm
from hyperclusters.web.access.request_forms import ApproveForm
from hyperclusters.web.access.views.teams import GRANTERS, team_of
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.drafts import keeps_draft, note_not_taken
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, own_path, posted_data
from hyperclusters.web.texts.access import access_refusal
from hyperclusters.web.texts.grants import access_text, approval_text

# Platform admins give the role of admin, and no other.
GIVERS = on("team", Permission.GRANT, or_anywhere=Permission.APPOINT)


@access(get=GIVERS, post=GIVERS)
@keeps_draft()
def give(request: PageRequest, slug: str) -> HttpResponse:
    """Give somebody a role, or invite them by e-mail."""
    team = team_of(request, slug)
    initial = {name: request.GET[name] for name in ("who", "role", "until") if name in request.GET}
    roles = grantable_roles(request, team)
    form = GiveForm(posted_data(request), team=team, roles=roles, initial=initial)
    title = _("Add team admin") if roles == [Role.ADMIN] else _("Give access")
    context = {"team": team, "title": title, "submit": title}
    return form_page(
        request, form, lambda: give_access(request, team, form), "access/teams/form.html", context
    )


@access(get=GRANTERS, post=GRANTERS)
@keeps_draft()
def decide(request: PageRequest, slug: str, pk: int) -> HttpResponse:
    """Approve or decline a request, as `do` says, and go back to the list that it was decided in."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    requests = AccessRequest.objects.filter(team=team).select_related("person", "team")
    access_request = get_object_or_404(requests, pk=pk)
    forms = _decision_forms(request, access_request)
    context = {"team": team, "access_request": access_request, "outlook": approval_text(access_request)}
    page, back = "access/teams/request.html", own_path(request.POST.get("back", ""), team.get_absolute_url())
    answer = forms_page(
        request, forms, lambda form: _decide(request, access_request, form, back), page, context
    )
    # From a list, which has no room for errors.
    if answer.status_code == UNPROCESSABLE and "back" in request.POST:
        form = forms[request.POST["do"]]
        messages.warning(request, " ".join(str(each) for errors in form.errors.values() for each in errors))
        note_not_taken(request)
        return redirect(back)
    return answer


def _decision_forms(request: PageRequest, access_request: AccessRequest) -> dict[str, Form]:
    approve = ApproveForm(posted_for(request, "approve"), days=access_request.days, prefix="approve")
    decline = ReasonForm(posted_for(request, "decline"), prefix="decline")
    words = _("%(person)s sees it, and it is kept in the audit.") % {"person": access_request.person.username}
    approve.fields["note"].help_text = decline.fields["reason"].help_text = words
    return {"approve": approve, "decline": decline}


@access(post=GRANTERS, page="teams:team", keys=("slug",))
def uninvite(request: PageRequest, slug: str, pk: str) -> HttpResponse:
    """Take an invitation back."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    invitation = get_object_or_404(Invitation.objects.filter(team=team).select_related("team"), pk=pk)
    try:
        invitations.withdraw(invitation, by=request.user)
        messages.success(request, _("Invitation withdrawn. Its link no longer works."))
    except ChangeRefused as error:
        messages.warning(request, access_refusal(error))
    return redirect(team)


def grantable_roles(request: PageRequest, team: Team) -> list[Role]:
    """What this person may give here: team admins every team role, platform admins an admin's. Raises NotPermitted."""
    request.rule.require(request.user, team)
    return list(TEAM_ROLES) if may(request.user, Permission.GRANT, team) else [Role.ADMIN]


def give_access(request: PageRequest, team: Team, form: GiveForm) -> Team:
    """Grant what the form says, or invite whom it names. Raises as `services.grant`, `invitations.invite`."""
    who, role, until = form.cleaned_data["who"], Role(form.cleaned_data["role"]), form.end()
    terms: dict[str, Any] = {
        "team": team,
        "role": role,
        "until": until,
        "reason": form.cleaned_data["reason"],
    }
    if isinstance(who, str):
        invitations.invite(email=who, by=request.user, **terms)
        text = _("Invitation sent to %(who)s. Its link works once, within 7 days.") % {"who": who}
    else:
        services.grant(person=who, by=request.user, keep_higher=True, **terms)
        text = access_text(who.username, Grant.objects.active().of(who, team))
    messages.success(request, text)
    return team


def _decide(request: PageRequest, access_request: AccessRequest, form: Form, back: str) -> str:
    if isinstance(form, ApproveForm):
        days, note = form.cleaned_data["days"], form.cleaned_data["note"]
        grant = access_requests.approve(access_request, by=request.user, days=days, note=note)
        grants = Grant.objects.active().of(grant.person, grant.team)
        messages.success(request, access_text(grant.person.username, grants))
    else:
        access_requests.decline(access_request, by=request.user, note=form.cleaned_data["reason"])
        text = _("Declined. %(who)s can read your reason.") % {"who": access_request.person.username}
        messages.success(request, text)
    return back
