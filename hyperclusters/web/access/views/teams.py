"""Teams: which there are, and who may do what in one and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Prefetch, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.access import access_report
from hyperclusters.access.access_requests import waiting_for
from hyperclusters.access.identifiers import ascii_lower
from hyperclusters.access.layers import rank
from hyperclusters.access.models import AccessReview, Grant, Invitation, Role, Team, User
from hyperclusters.access.models.access_review import last_use
from hyperclusters.access.models.grant import GrantQuerySet
from hyperclusters.access.permissions import (
    Permission,
    active_grants,
    may,
    require,
    roles_for,
    teams_where,
    who_can,
)
from hyperclusters.access.service_identities import identities_of
from hyperclusters.access.team_admins import SOON, TeamWithAdmins, teams_without_admin, with_admins
from hyperclusters.accounts.models import ApiToken
from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.clusters.models import Cluster
from hyperclusters.clusters.ownership import people_of
from hyperclusters.clusters.quotas import usage, used_by
from hyperclusters.web.access.history import history_context
from hyperclusters.web.shared.csv_files import sheet
from hyperclusters.web.shared.decorators import SIGNED_IN, access, on
from hyperclusters.web.shared.drafts import draft_for
from hyperclusters.web.shared.http import PageRequest, as_uuid
from hyperclusters.web.shared.listing import PAGE_SIZE, FilterMenu, chosen_value, menu, search_text
from hyperclusters.web.texts.access import no_admin_notice
from hyperclusters.web.texts.approvals import approval_rules

PEOPLE = 200  # offered as owners; others are typed
MEMBERS, RULES, SERVICES, HISTORY = "members", "rules", "services", "history"
ABLE = {
    "VIEW": gettext_lazy("View"),
    "CREATE": gettext_lazy("Create"),
    "DECIDE": gettext_lazy("Decide outcomes"),
    "GRANT": gettext_lazy("Give access"),
}
UNUSED_FOR = timedelta(days=30)
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
    rows = _rows(request.user, list(page))
    context = {
        "page": page,
        "rows": rows,
        "has_roles": any(row["grant"] for row in rows),
        "has_requests": any(row["asking"] for row in rows),
        "filters": [menu(query, "lead", _("Admins"), leads, everything=_("anybody"))],
        "is_filtered": bool(text or lead),
        "is_new": not rows and not Team.objects.exists(),
        "soon": clock.now() + SOON,
        "may_appoint": may(request.user, Permission.APPOINT),
    }
    return render(request, "access/teams/list.html", context)


@access(get=on("team"))
def team(request: PageRequest, slug: str) -> HttpResponse:
    """A team in parts: who may do what here and why, what it allows, its service identities, changes of access."""
    team = team_of(request, slug)
    may_grant = may(request.user, Permission.GRANT, team)
    tabs = _tabs(request, team, may_grant=may_grant)
    tab = chosen_value(request.GET, "tab", [each[:2] for each in tabs]) or MEMBERS
    context = {
        "team": team,
        "tab": tab,
        "tabs": tabs,
        "may_grant": may_grant,
        "may_appoint": may(request.user, Permission.APPOINT),
        "projects": len(projects := list(team.projects.values_list("pk", flat=True))),
        "clusters": Cluster.objects.present().filter(project__in=projects).count(),
        "soon": clock.now() + SOON,
        "no_admin": no_admin_notice(team, request.user),
        "may_review": may(request.user, Permission.AUDIT, team) or may(request.user, Permission.APPOINT),
        "open_review": AccessReview.objects.open().filter(team=team).select_related("team").first(),
    }
    return render(
        request, "access/teams/team.html", context | _part(request, team, tab, people=tabs[0][2] or 0)
    )


@access(get=on("team"))
def who(request: PageRequest, slug: str) -> HttpResponse:
    """Who can do what here and why, as CSV. That it was read is kept in the audit."""
    team = team_of(request, slug)
    rows = access_report.who_can_what(team)
    require(request.user, Permission.MEMBERS, team)
    if request.method == "GET":
        access_report.note_export(team, by=request.user, rows=len(rows))
    return sheet(f"who-{team.slug}", access_report.COLUMNS, rows)


def team_of(request: PageRequest, slug: str) -> TeamWithAdmins:
    """The team with its leads, if this person may look into it; else it looks absent."""
    return get_object_or_404(with_admins(teams_where(request.user, Permission.MEMBERS)), slug=slug)


def _rows(person: User, teams: list[Team]) -> list[dict[str, Any]]:
    """Each team with its admins, what the person holds there, how many people it has, and how many requests wait for
    the person."""
    roles = {grant.team_id: grant for grant in active_grants(person)}
    people, requests = _count(Grant.objects.active().effective(), teams), _count(waiting_for(person), teams)
    admins: dict[int, list[str]] = defaultdict(list)
    leads = Grant.objects.active().filter(team__in=teams, role=Role.ADMIN).order_by("person__username")
    for pk, name in leads.values_list("team", "person__username").distinct():
        admins[pk].append(name)
    return [
        {
            "team": team,
            "admins": admins[team.pk],
            "grant": roles.get(team.pk),
            "people": people.get(team.pk, 0),
            "asking": requests.get(team.pk, 0),
        }
        for team in teams
    ]


def _part(request: PageRequest, team: Team, tab: str, *, people: int) -> dict[str, Any]:
    if tab == SERVICES:
        return {"services": _services(team)}
    if tab == HISTORY:
        return history_context(request, team)
    if tab == RULES:
        return {
            "used": used_by(team),
            "approvals": approval_rules(team),
            "project_quotas": _project_quotas(team),
        }
    return _people(request, team, people)


def _project_quotas(team: Team) -> list[tuple[str, int, int]]:
    """Name, use and quota of each project of the team that has a quota."""
    projects = list(team.projects.filter(retired_at=None, quota__isnull=False).order_by("name"))
    counts = usage("project", [each.pk for each in projects]) if projects else {}
    return [(each.name, counts[each.pk], each.quota or 0) for each in projects]


def _tabs(request: PageRequest, team: Team, *, may_grant: bool) -> list[tuple[str, str, int | None]]:
    """The parts of the page that this person may see: name, word, number."""
    people = Grant.objects.active().effective().filter(team=team).count()
    tabs: list[tuple[str, str, int | None]] = [
        (MEMBERS, _("Members"), people),
        (RULES, _("Rules and quota"), None),
    ]
    if may_grant:
        tabs.append((SERVICES, _("Service identities"), identities_of(team).count()))
    if may(request.user, Permission.AUDIT, team):
        tabs.append((HISTORY, _("History"), None))
    return tabs


def _people(request: PageRequest, team: Team, people: int) -> dict[str, Any]:
    """Members, and what waits: requests, invitations, clusters without an owner. `people`: how many members there are."""
    may_grant = may(request.user, Permission.GRANT, team)
    invitations = Invitation.objects.open().filter(team=team).select_related("invited_by")
    return {
        "waiting": waiting_for(request.user).filter(team=team)[:PAGE_SIZE],
        "invitations": invitations[:PAGE_SIZE] if may_grant else [],
        **_without_owner(request, team),
        **_members(request, team, people),
    }


def _members(request: PageRequest, team: Team, people: int) -> dict[str, Any]:
    """The members that the address asks for, page by page, each with their grants in rising order."""
    rows, filters, is_filtered = filtered_members(request, team)
    paginator = Paginator(rows.order_by("person__username", "pk"), PAGE_SIZE)
    if not is_filtered:
        paginator.count = people  # known already
    page = paginator.get_page(request.GET.get("page"))
    layers = grants_of_people(team, [grant.person_id for grant in page])
    can = request.GET.get("can", "").upper()
    return {
        "page": page,
        "rows": [(grant, layers[grant.person_id]) for grant in page],
        "shows_activity": may(request.user, Permission.AUDIT, team),
        "filters": filters,
        "is_filtered": is_filtered,
        "others": who_can(Permission[can], team).filter(team__isnull=True) if can in ABLE else [],
    }


def filtered_members(request: PageRequest, team: Team) -> tuple[GrantQuerySet, list[FilterMenu], bool]:
    """Each member's highest grant, as the address asks for them, with when they last acted here; and the filters."""
    query, now = request.GET, clock.now()
    able = [(name.lower(), str(word)) for name, word in ABLE.items()]
    special = [
        ("soon", _("Ends within 7 days")),
        ("unused", _("Unused for 30 days")),
        ("unreviewed", _("Never reviewed")),
        ("layered", _("More than one role")),
    ]
    acts = Event.objects.filter(team_id=team.pk, person_name=OuterRef("person__username"))
    everybody = Grant.objects.active().filter(team=team)
    rows = everybody.effective().select_related("person", "granted_by")
    rows = rows.annotate(last_active_at=last_use(team, "person__username"))
    if text := search_text(query):
        rows = rows.filter(person__username__ascii_lower__contains=ascii_lower(text))
    if can := chosen_value(query, "can", able):
        rows = rows.filter(role__in=roles_for(Permission[can.upper()]))
    if show := chosen_value(query, "show", special):
        theirs = everybody.filter(person=OuterRef("person"))
        rows = {
            "soon": rows.filter(until__lt=now + SOON),
            "unused": rows.filter(~Exists(acts.filter(at__gt=now - UNUSED_FOR)), since__lt=now - UNUSED_FOR),
            "unreviewed": rows.filter(Exists(theirs.filter(reviewed_at__isnull=True))),
            "layered": rows.filter(Exists(theirs.exclude(pk=OuterRef("pk")))),
        }[show]
    filters = [
        menu(query, "can", _("Permission"), able, everything=_("Any permission")),
        menu(query, "show", _("Show"), special, everything=_("Everybody")),
    ]
    return rows, filters, bool(text or can or show)


def grants_of_people(team: Team, people: Collection[int]) -> dict[int, list[Grant]]:
    """The active grants of these people in a team, each person's in rising order."""
    layers: dict[int, list[Grant]] = defaultdict(list)
    grants = Grant.objects.active().filter(team=team, person__in=people).order_by()
    for grant in sorted(grants, key=rank):
        layers[grant.person_id].append(grant)
    return layers


def _without_owner(request: PageRequest, team: Team) -> dict[str, Any]:
    """Clusters whose owner is not in the team any more, and who can have them, for who may hand them over."""
    if not may(request.user, Permission.MANAGE, team):
        return {}
    rows = Cluster.objects.without_owner().filter(project__team=team).select_related("project", "owner")
    clusters = list(rows[:PAGE_SIZE])
    if not clusters:
        return {}
    grants = people_of(team)[:PEOPLE]
    draft = draft_for(request, reverse("teams:owners", args=[team.slug]))
    return {
        "without_owner": clusters,
        "owners": [(grant.person.username, grant.get_role_display()) for grant in grants],
        "typed": draft,
        "chosen": list(map(as_uuid, draft.getlist("cluster"))) if draft else [],
    }


def _services(team: Team) -> list[tuple[User, Grant | None, list[ApiToken]]]:
    """Each service identity with its access, and its tokens that are not revoked."""
    active = Prefetch("api_tokens", ApiToken.objects.filter(revoked_at__isnull=True).select_related("team"))
    identities = list(identities_of(team).prefetch_related(active))
    layers = grants_of_people(team, [each.pk for each in identities])
    return [
        (each, layers[each.pk][-1] if layers[each.pk] else None, list(each.api_tokens.all()))
        for each in identities
    ]


def _count(rows: QuerySet[Any], teams: list[Team]) -> dict[int, int]:
    counted_rows = rows.filter(team__in=[team.pk for team in teams]).order_by()
    return dict(counted_rows.values_list("team").annotate(n=Count("pk")).values_list("team", "n"))
