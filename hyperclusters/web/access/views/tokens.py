"""API tokens and service identities."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from hyperclusters.access.models import Role, User
from hyperclusters.access.permissions import Permission, teams_where
from hyperclusters.access.service_identities import (
    add_service_identity,
    identities_of,
    remove_service_identity,
)
from hyperclusters.accounts import tokens
from hyperclusters.accounts.models import ApiToken
from hyperclusters.audit import clock
from hyperclusters.web.access.form_pages import form_page, submit
from hyperclusters.web.access.forms import ReasonForm
from hyperclusters.web.access.token_forms import ServiceForm, TokenForm
from hyperclusters.web.access.views.teams import GRANTERS, team_of
from hyperclusters.web.shared.decorators import OWN, SIGNED_IN, access
from hyperclusters.web.shared.drafts import draft_for, filled_form, keeps_draft
from hyperclusters.web.shared.http import UNPROCESSABLE, PageRequest, posted_data

MANAGERS = "or an admin of the service identity's team"


@access(get=SIGNED_IN, post=SIGNED_IN, recent=True)
@keeps_draft()
def new(request: PageRequest) -> HttpResponse:
    """Create a token for oneself or for a service identity; the answer shows it, this once."""
    owners = [request.user, *_services(request.user)]
    owners = [each for each in owners if each.username == request.GET.get("owner")] or owners
    teams = list(teams_where(request.user, Permission.VIEW))
    initial = {name: request.GET[name] for name in ("owner", "team") if name in request.GET}
    if owners[0].service_team:
        request.menu_path = owners[0].service_team.get_absolute_url()
    form = TokenForm(posted_data(request), owners=owners, teams=teams, initial=initial)
    filled_form(form, draft_for(request))

    def act() -> tuple[ApiToken, str]:
        data = dict(form.cleaned_data)
        expires_at = clock.now() + data.pop("days")
        return tokens.create_token(by=request.user, expires_at=expires_at, **data)

    if request.method == "POST" and (result := submit(form, act)):
        token, text = result
        return render(request, "access/token_created.html", {"token": token, "text": text})
    context = {"form": form, "owner": owners[0]}
    return render(request, "access/new_token.html", context, status=UNPROCESSABLE if form.errors else 200)


@access(post=OWN, page="access:mine", note=MANAGERS)
def revoke(request: PageRequest, pk: str) -> HttpResponse:
    """End a token at once."""
    token = get_object_or_404(tokens.manageable_by(request.user), pk=pk)
    tokens.revoke_token(token, by=request.user)
    messages.success(request, _("“%(name)s” is revoked. It is rejected from now on.") % {"name": token.name})
    return redirect(token.owner.service_team or "access:mine")


@access(get=GRANTERS, post=GRANTERS)
@keeps_draft()
def add_service(request: PageRequest, slug: str) -> HttpResponse:
    """Add a service identity to a team."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    form = ServiceForm(posted_data(request), team=team)

    def act() -> str:
        data = form.cleaned_data
        role, until = Role(data["role"]), form.end()
        add_service_identity(
            team=team, name=data["name"], role=role, until=until, reason=data["reason"], by=request.user
        )
        messages.success(request, _("Service identity added. Create a token for it now."))
        return f"{team.get_absolute_url()}?tab=services"

    context = {"team": team, "title": _("Add service identity"), "submit": _("Add service identity")}
    return form_page(request, form, act, "access/teams/form.html", context)


@access(get=GRANTERS, post=GRANTERS)
@keeps_draft()
def remove_service(request: PageRequest, slug: str, pk: int) -> HttpResponse:
    """Remove a service identity: its access and its tokens end."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    identity = get_object_or_404(identities_of(team), pk=pk)
    form = ReasonForm(posted_data(request))

    def act() -> str:
        remove_service_identity(identity, by=request.user, reason=form.cleaned_data["reason"])
        return f"{team.get_absolute_url()}?tab=services"

    title = _("Remove %(who)s") % {"who": identity.username}
    context = {"team": team, "title": title, "submit": _("Remove")}
    return form_page(request, form, act, "access/teams/form.html", context)


def _services(person: User) -> list[User]:
    """The service identities for which this person may create tokens."""
    teams = teams_where(person, Permission.GRANT)
    return list(User.objects.filter(service_team__in=teams, is_active=True).order_by("username"))
