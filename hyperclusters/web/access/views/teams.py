"""Teams: which there are, who may do what in one and why, and what it allows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Prefetch, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _

from hyperclusters.access import reports, services
from hyperclusters.access.access_requests import waiting_for
from hyperclusters.access.identifiers import ascii_lower
from hyperclusters.access.models import Grant, Invitation, Team, User
from hyperclusters.access.permissions import (
    Permission,
    active_grants,
    grants_for,
    may,
    require,
    roles_for,
    teams_where,
    visible_events,
    who_can,
)
from hyperclusters.access.service_identities import identities_of
from hyperclusters.access.team_admins import SOON, TeamWithAdmins, teams_without_admin, with_admins
from hyperclusters.accounts.models import ApiToken
from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.audit.segments import archives_since
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.models import Cluster
from hyperclusters.clusters.ownership import people_of
from hyperclusters.clusters.quotas import used_by
from hyperclusters.web.access.admin_forms import QuotaForm, RulesForm
from hyperclusters.web.access.form_pages import form_page
from hyperclusters.web.shared.csv_files import sheet
from hyperclusters.web.shared.decorators import SIGNED_IN, access, on
from hyperclusters.web.shared.drafts import keeps_draft
from hyperclusters.web.shared.http import PageRequest, posted
from hyperclusters.web.shared.listing import PAGE_SIZE, chosen_value, menu, search_text
from hyperclusters.web.texts.access import no_admin_notice

HISTORY = 10  # changes of access on a team's page
UNUSED = timedelta(days=30)
GRANTERS = on("team", Permission.GRANT)


@access(get=SIGNED_IN)
def listing(request: PageRequest) -> HttpResponse:
    """The teams into which this person may look, with their own role in each."""
    query, leads = request.GET, [("none", _("Nobody, or soon nobody"))]
    teams = teams_where(request.user, Permission.MEMBERS)
    if text := search_text(query):
        teams = teams.filter(name__icontains=text)
    teams = teams_without_admin(teams) if (lead := chosen_value(query, "lead", leads)) else with_admins(teams)
    page = Paginator(teams, PAGE_SIZE).get_page(query.get("page"))
    context = {
        "page": page,
        "rows": _rows(request.user, list(page)),
        "filters": [menu(query, "lead", _("Who decides"), leads, everything=_("anybody"))],
        "is_filtered": bool(text or lead),
        "soon": clock.now() + SOON,
        "may_appoint": may(request.user, Permission.APPOINT),
    }
    return render(request, "access/teams/list.html", context)


@access(get=on("team"))
def team(request: PageRequest, slug: str) -> HttpResponse:
    """Who may do what here and why; what waits for a decision, ends soon, is unused; what the team allows."""
    team = team_of(request, slug)
    may_grant = may(request.user, Permission.GRANT, team)
    context = {
        "team": team,
        "may_grant": may_grant,
        "may_appoint": may(request.user, Permission.APPOINT),
        "waiting": waiting_for(request.user).filter(team=team)[:PAGE_SIZE],
        "invitations": Invitation.objects.open().filter(team=team).select_related("invited_by")[:PAGE_SIZE]
        if may_grant
        else [],
        "services": _services(team) if may_grant else [],
        "projects": team.projects.count(),
        **_without_owner(request, team),
        "used": used_by(team),
        "soon": clock.now() + SOON,
        "no_admin": no_admin_notice(team, request.user),
    }
    return render(
        request, "access/teams/team.html", context | _history(request, team) | _members(request, team)
    )


@access(get=on("team"))
def who(request: PageRequest, slug: str) -> HttpResponse:
    """Who can do what here and why, as CSV. That it was read is kept in the audit."""
    team = team_of(request, slug)
    rows = reports.who_can_what(team)
    require(request.user, Permission.MEMBERS, team)
    if request.method == "GET":
        reports.note_export(team, by=request.user, rows=len(rows))
    return sheet(f"who-{team.slug}", reports.COLUMNS, rows)


@access(get=GRANTERS, post=GRANTERS)
@keeps_draft()
def rules(request: PageRequest, slug: str) -> HttpResponse:
    """What the team allows, set by its admins."""
    team = team_of(request, slug)
    request.rule.require(request.user, team)
    form = RulesForm(posted(request), instance=Team.objects.get(pk=team.pk))

    def act() -> Team:
        values = {name: form.cleaned_data[name] for name in (*Team.RULES, "reason")}
        services.set_rules(team, by=request.user, **values)
        text = _("The team's rules are changed. They hold for whatever is asked for from now on.")
        messages.success(request, text)
        return team

    context = {"team": team, "title": _("What this team allows")}
    return form_page(request, form, act, "access/teams/form.html", context)


@access(get=on("team", Permission.APPOINT), post=on("team", Permission.APPOINT))
@keeps_draft()
def quota(request: PageRequest, slug: str) -> HttpResponse:
    """How many clusters the team may have, set by platform admins."""
    team = team_of(request, slug)
    request.rule.require(request.user)
    form = QuotaForm(posted(request), initial={"quota": team.quota})

    def act() -> Team:
        services.set_rules(team, by=request.user, **form.cleaned_data)
        messages.success(request, _("The team's quota is changed."))
        return team

    return form_page(request, form, act, "access/teams/form.html", {"team": team, "title": _("Quota")})


def team_of(request: PageRequest, slug: str) -> TeamWithAdmins:
    """The team with its leads, if this person may look into it; else it looks absent."""
    return get_object_or_404(with_admins(teams_where(request.user, Permission.MEMBERS)), slug=slug)


def _rows(person: User, teams: list[Team]) -> list[dict[str, Any]]:
    """Each team with what the person holds there, how many people it has, and how many requests wait for the person."""
    roles = {grant.team_id: grant for grant in active_grants(person)}
    people, asking = _count(Grant.objects.active(), teams), _count(waiting_for(person), teams)
    return [
        {
            "team": team,
            "grant": roles.get(team.pk),
            "people": people.get(team.pk, 0),
            "asking": asking.get(team.pk, 0),
        }
        for team in teams
    ]


def _members(request: PageRequest, team: Team) -> dict[str, Any]:
    """The members that the address asks for, page by page."""
    query, now = request.GET, clock.now()
    able = [
        ("view", _("look")),
        ("create", _("create")),
        ("decide", _("decide outcomes")),
        ("grant", _("give access")),
    ]
    special = [
        ("soon", _("Ending soon")),
        ("unused", _("Unused for 30 days")),
        ("unreviewed", _("Never reviewed")),
    ]
    rows = Grant.objects.active().filter(team=team).select_related("person", "granted_by", "reviewed_by")
    if text := search_text(query):
        rows = rows.filter(person__username__ascii_lower__contains=ascii_lower(text))
    if can := chosen_value(query, "can", able):
        rows = rows.filter(role__in=roles_for(Permission[can.upper()]))
    if show := chosen_value(query, "show", special):
        rows = {
            "soon": rows.filter(until__lt=now + SOON),
            "unused": rows.filter(~Exists(_acts(team)), since__lt=now - UNUSED),
            "unreviewed": rows.filter(reviewed_at__isnull=True),
        }[show]
    page = Paginator(rows.order_by("person__username", "pk"), PAGE_SIZE).get_page(query.get("page"))
    return {
        "page": page,
        "filters": [
            menu(query, "can", _("Who may"), able, everything=_("anything")),
            menu(query, "show", _("Show only"), special, everything=_("Everybody")),
        ],
        "is_filtered": bool(text or can or show),
        "others": who_can(Permission[can.upper()], team).filter(team__isnull=True) if can else [],
    }


def _without_owner(request: PageRequest, team: Team) -> dict[str, Any]:
    """Clusters whose owner is not in the team any more, and who can have them, for who may hand them over."""
    if not may(request.user, Permission.MANAGE, team):
        return {}
    clusters = Cluster.objects.without_owner().filter(project__team=team).select_related("project", "owner")
    return {"without_owner": clusters[:PAGE_SIZE], "people": people_of(team)}


def _services(team: Team) -> list[tuple[User, list[ApiToken]]]:
    """Each service identity with its tokens that are not revoked."""
    active = Prefetch("api_tokens", ApiToken.objects.filter(revoked_at__isnull=True).select_related("team"))
    return [(each, list(each.api_tokens.all())) for each in identities_of(team).prefetch_related(active)]


def _acts(team: Team) -> QuerySet[Event]:
    """What a member did in this team in the last 30 days, by the audit."""
    since = clock.now() - UNUSED
    return Event.objects.filter(team_id=team.pk, person_name=OuterRef("person__username"), at__gt=since)


def _history(request: PageRequest, team: Team) -> dict[str, Any]:
    """The latest changes of access, and where older ones are, for who may read the team's audit."""
    if not grants_for(request.user, Permission.AUDIT):
        return {"history": [], "archives": []}
    events = visible_events(request.user).filter(team_id=team.pk, action__startswith="access:")
    unchanging = [EventType.ACCESS_DENIED, EventType.ACCESS_EXPORTED]
    history = list(events.exclude(action__in=unchanging).order_by("-at", "-seq")[:HISTORY])
    is_all = len(history) < HISTORY and may(request.user, Permission.AUDIT, team)
    return {"history": history, "archives": archives_since()[-1:] if is_all else []}


def _count(rows: QuerySet[Any], teams: list[Team]) -> dict[int, int]:
    counted_rows = rows.filter(team__in=[team.pk for team in teams]).order_by()
    return dict(counted_rows.values_list("team").annotate(n=Count("pk")).values_list("team", "n"))
