"""One person's access to a team: changed, or revoked."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from hyperclusters.access import services
from hyperclusters.access.errors import ChangeRefused
from hyperclusters.access.layers import rank
from hyperclusters.access.models import Grant, Role, Team, User
from hyperclusters.access.permissions import Permission, may
from hyperclusters.access.rules import require_an_admin_stays, resolve_expiry
from hyperclusters.access.team_admins import SOON
from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.clusters.models import Cluster, Creation
from hyperclusters.web.access.form_pages import form_page
from hyperclusters.web.access.forms import ChangeForm, ReasonForm
from hyperclusters.web.access.views.grants import GIVERS, grantable_roles
from hyperclusters.web.access.views.teams import team_of
from hyperclusters.web.shared.decorators import access
from hyperclusters.web.shared.drafts import keeps_draft
from hyperclusters.web.shared.http import PageRequest, posted_data, render_page, wants_fragment
from hyperclusters.web.texts.access import access_refusal
from hyperclusters.web.texts.grants import access_text, change_text

PAGE = "access/teams/grant.html"


@access(get=GIVERS, post=GIVERS)
@keeps_draft()
def grant(request: PageRequest, slug: str, pk: int) -> HttpResponse:
    """A person's grants in a team, and the form for another role or end; for htmx, what the form's choices lead to."""
    team = team_of(request, slug)
    roles, grants = grantable_roles(request, team), _grants(team, pk)
    is_live = wants_fragment(request) and request.method == "GET"
    form = ChangeForm(request.GET if is_live else posted_data(request), team=team, grants=grants, roles=roles)
    outcome = _outcome(form) if form.is_bound else {}
    if is_live:
        return render_page(request, PAGE, "access/teams/_outcome.html", {"outcome": outcome})
    context = {
        "team": team,
        "grants": grants,
        "rising": grants[::-1],
        "roles": roles,
        "may_revoke_all": all(each.role in roles for each in grants),
        "is_own": grants[0].person == request.user,
        "is_last_admin": lambda: _are_the_last_admin_s(grants),  # asked on one's own page alone
        "outcome": outcome,
        "soon": clock.now() + SOON,
    }
    context |= _activity(grants[0].person, team) if may(request.user, Permission.AUDIT, team) else {}
    return form_page(request, form, lambda: _change(request, form), PAGE, context)


@access(get=GIVERS, post=GIVERS)
@keeps_draft()
def revoke(request: PageRequest, slug: str, pk: int) -> HttpResponse:
    """Revoke one grant or, with `?all=1`, all of a person's access to the team. Asks for a reason."""
    team = team_of(request, slug)
    grantable_roles(request, team)
    grants = _grants(team, pk)
    is_all = len(grants) == 1 or "all" in request.GET
    grants_to_end = grants if is_all else [each for each in grants if each.pk == pk]
    rest = [each for each in grants if each not in grants_to_end]
    form = ReasonForm(posted_data(request))
    name = grants[0].person.username
    is_own = grants[0].person == request.user and not rest
    context = {"team": team, "ending": grants_to_end, "is_all": is_all, "person_name": name}
    context["outcome"] = {"text": _("you have no access.") if is_own else access_text(name, rest)}
    context["is_last_admin"] = _are_the_last_admin_s(grants_to_end)
    return form_page(
        request,
        form,
        lambda: _revoke(request, team, grants_to_end, form, is_all=is_all),
        "access/teams/revoke.html",
        context,
    )


def _are_the_last_admin_s(grants: list[Grant]) -> bool:
    """Whether the team would have no admin without these grants: then they can't be revoked."""
    try:
        for grant in grants:
            require_an_admin_stays(grant)
    except ChangeRefused:
        return True
    return False


def _grants(team: Team, pk: int) -> list[Grant]:
    """The active grants in this team of the person of this grant, the highest first. Raises Http404."""
    person = get_object_or_404(Grant.objects.active().filter(team=team), pk=pk).person
    grants = Grant.objects.active().of(person, team).select_related("granted_by")
    return sorted(grants, key=rank, reverse=True)


def _outcome(form: ChangeForm) -> dict[str, str]:
    """What saving the form leads to, in words; empty while its choices are not complete."""
    if {"role", "until", "date"} & form.errors.keys() or not form.cleaned_data.get("role"):
        return {}
    role, now, first = Role(form.cleaned_data["role"]), clock.now(), form.grants[0]
    try:
        until = resolve_expiry(form.team, end=form.end(), reason="-", since=now)
    except ChangeRefused as error:
        return {"kind": "warn", "text": access_refusal(error)}
    old_grants = form.replaced_grants()
    rest = [each for each in form.grants if each not in old_grants]
    after = [*rest, Grant(person=first.person, team=first.team, role=role, until=until)]
    title = change_text(role, old_grants, rest)
    return {"kind": "info", "title": title, "text": access_text(first.person.username, after)}


def _change(request: PageRequest, form: ChangeForm) -> Team | None:
    person, team, data = form.grants[0].person, form.grants[0].team, form.cleaned_data
    terms: dict[str, Any] = {"until": form.end(), "reason": data["reason"], "by": request.user}
    if form.same:
        services.extend_grant(form.same, **terms)
    else:
        keeps = data.get("keep", False)
        services.grant(person=person, role=Role(data["role"]), team=team, keep_higher=keeps, **terms)
    messages.success(request, access_text(person.username, Grant.objects.active().of(person, team)))
    return team


def _revoke(request: PageRequest, team: Team, grants: list[Grant], form: ReasonForm, *, is_all: bool) -> Any:
    person, reason = grants[0].person, form.cleaned_data["reason"]
    if is_all:
        services.end_all_grants(person, team, reason=reason, by=request.user)
    else:
        services.end_grant(grants[0], reason=reason, by=request.user)
    rest = Grant.objects.active().of(person, team)
    messages.success(request, _("Revoked. %(now)s") % {"now": access_text(person.username, rest)})
    return "teams:list" if person == request.user and not rest else team


def _activity(person: User, team: Team) -> dict[str, Any]:
    """What an admin should know before they change or revoke this person's access."""
    events = Event.objects.with_readable_time().filter(team_id=team.pk, person_name=person.username)
    creations = Creation.objects.filter(requested_by=person, project__team=team)
    return {
        "shows_activity": True,
        "last_active_at": events.order_by("-at", "-seq").values_list("at", flat=True).first(),
        "owned": Cluster.objects.present().filter(owner=person, project__team=team).count(),
        "under_way": creations.unresolved().count(),
    }
