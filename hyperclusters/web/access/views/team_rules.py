"""What a team allows, how many clusters it may have, and its name."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _

from hyperclusters.access import services
from hyperclusters.access.models import Team
from hyperclusters.access.permissions import Permission
from hyperclusters.clusters.quotas import used_by
from hyperclusters.web.access.admin_forms import QuotaForm, RenameForm, RulesForm
from hyperclusters.web.access.form_pages import form_page
from hyperclusters.web.access.views.teams import GRANTERS, team_of
from hyperclusters.web.shared.decorators import access, on
from hyperclusters.web.shared.drafts import keeps_draft
from hyperclusters.web.shared.http import PageRequest, posted_data

APPOINTERS = on("team", Permission.APPOINT)
FORM = "access/teams/form.html"


@access(get=GRANTERS, post=GRANTERS)
@keeps_draft()
def rules(request: PageRequest, slug: str) -> HttpResponse:
    """What the team allows, set by its admins."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    form = RulesForm(posted_data(request), instance=Team.objects.get(pk=team.pk))

    def act() -> str:
        values = {name: form.cleaned_data[name] for name in (*Team.RULES, "reason")}
        services.set_rules(team, by=request.user, **values)
        messages.success(request, _("Rules saved. They apply to new requests and grants."))
        return f"{team.get_absolute_url()}?tab=rules"

    return form_page(request, form, act, FORM, {"team": team, "title": _("Rules")})


@access(get=APPOINTERS, post=APPOINTERS)
@keeps_draft()
def quota(request: PageRequest, slug: str) -> HttpResponse:
    """How many clusters the team may have, set by platform admins."""
    team = team_of(request, slug)
    request.rule.require(request.user)
    form = QuotaForm(posted_data(request), initial={"quota": team.quota}, used_count=used_by(team))

    def act() -> str:
        services.set_rules(team, by=request.user, **form.cleaned_data)
        messages.success(request, _("Quota saved."))
        return f"{team.get_absolute_url()}?tab=rules"

    return form_page(request, form, act, FORM, {"team": team, "title": _("Quota")})


@access(get=APPOINTERS, post=APPOINTERS)
@keeps_draft()
def rename(request: PageRequest, slug: str) -> HttpResponse:
    """Another name for the team, given by platform admins."""
    team = team_of(request, slug)
    request.rule.require(request.user)
    form = RenameForm(posted_data(request), initial={"name": team.name})

    def act() -> str:
        services.rename_team(team, by=request.user, **form.cleaned_data)
        messages.success(request, _("Team renamed."))
        return f"{team.get_absolute_url()}?tab=rules"

    return form_page(
        request, form, act, FORM, {"team": team, "title": _("Rename team"), "submit": _("Rename")}
    )
