"""For platform admins: site roles, people, and new teams."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.access import deactivation, people, services
from hyperclusters.access.models import TEAM_ROLES, Grant, Role, Team, User
from hyperclusters.access.permissions import Permission, may, teams_where
from hyperclusters.clusters.models import Cluster
from hyperclusters.web.access.admin_forms import CorrectForm, TeamForm
from hyperclusters.web.access.form_pages import form_page
from hyperclusters.web.access.forms import AddPersonForm, ReasonForm, SiteRoleForm
from hyperclusters.web.access.views.grants import give_access
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.drafts import keeps_draft
from hyperclusters.web.shared.http import PageRequest, posted_data
from hyperclusters.web.shared.listing import PAGE_SIZE, search_text

APPOINTERS = anywhere(Permission.APPOINT)
FORM = "access/people/form.html"
ADMINS_HELP = gettext_lazy("A team's admins add its viewers and creators themselves.")
LOSES = {
    Role.AUDITOR: gettext_lazy("Afterwards %(who)s can't read the audit of every team."),
    Role.PLATFORM_ADMIN: gettext_lazy(
        "Afterwards %(who)s can't connect projects, add teams or appoint admins and auditors."
    ),
}


@access(get=APPOINTERS)
def listing(request: PageRequest) -> HttpResponse:
    """Everybody with an account and what they hold; the site roles first."""
    text = search_text(request.GET)
    people = (User.objects.matching(text) if text else User.objects.all()).order_by("username", "pk")
    active = Grant.objects.active().effective().select_related("team").order_by("team__name", "pk")
    everybody = people.prefetch_related(Prefetch("grants", active, to_attr="active_grants"))
    site = Grant.objects.active().filter(team__isnull=True).select_related("person", "granted_by")
    context = {
        "page": Paginator(everybody, PAGE_SIZE).get_page(request.GET.get("page")),
        "site": site,
        "admins": sum(each.role == Role.PLATFORM_ADMIN for each in site),
        "is_filtered": bool(text),
        "is_team_admin": may(request.user, Permission.GRANT),
    }
    return render(request, "access/people/list.html", context)


@access(get=APPOINTERS, post=APPOINTERS, recent=True)
@keeps_draft()
def appoint(request: PageRequest) -> HttpResponse:
    """Make somebody an auditor or a platform admin."""
    form = SiteRoleForm(posted_data(request), initial={"until": "open", "who": request.GET.get("who", "")})

    def act() -> str:
        data = form.cleaned_data
        terms = {"until": form.end(), "reason": data["reason"], "by": request.user}
        services.grant(person=data["who"], role=Role(data["role"]), team=None, **terms)
        text = _("%(who)s is %(role)s.") % {"who": data["who"].username, "role": Role(data["role"]).label}
        messages.success(request, text)
        return "people:list"

    return form_page(
        request, form, act, FORM, {"title": _("Appoint auditor or platform admin"), "submit": _("Appoint")}
    )


@access(get=APPOINTERS, post=APPOINTERS)
@keeps_draft()
def invite(request: PageRequest) -> HttpResponse:
    """Add a person to a team: one with an account, or somebody who is invited by e-mail and makes one."""
    own = teams_where(request.user, Permission.GRANT)
    teams = {team.slug: team for team in Team.objects.all()}
    choices = [(team.slug, team.name) for team in teams.values()]
    roles = list(TEAM_ROLES) if own else [Role.ADMIN]
    initial = {} if own else {"until": "open"}
    form = AddPersonForm(posted_data(request), roles=roles, teams=choices, initial=initial)

    def act() -> Team:
        team = teams[form.cleaned_data["team"]]
        if form.cleaned_data["role"] != Role.ADMIN and team not in own:
            raise ValidationError(
                _("Only an admin of %(team)s can add others than admins.") % {"team": team.name}
            )
        return give_access(request, team, form)

    title = _("Add person") if own else _("Add team admin")
    context = {"title": title, "submit": title, "help": "" if own else ADMINS_HELP}
    return form_page(request, form, act, FORM, context)


@access(get=APPOINTERS, post=APPOINTERS, recent=True)
@keeps_draft()
def dismiss(request: PageRequest, pk: int) -> HttpResponse:
    """End somebody's site role."""
    site = Grant.objects.active().filter(team__isnull=True).select_related("person")
    grant = get_object_or_404(site, pk=pk)
    form = ReasonForm(posted_data(request))

    def act() -> str:
        services.end_grant(grant, reason=form.cleaned_data["reason"], by=request.user)
        return "people:list"

    who, role = grant.person.username, grant.get_role_display()
    title = _("Revoke %(who)s's role %(role)s?") % {"who": who, "role": role}
    context = {"title": title, "submit": _("Revoke role"), "danger": True, "grant": grant}
    others = site.filter(role=grant.role).exclude(pk=pk)
    if not others.filter(person=grant.person).exists():
        context["help"] = LOSES[Role(grant.role)] % {"who": who}
        context["is_last"] = not others.exists()
    return form_page(request, form, act, FORM, context)


@access(get=APPOINTERS, post=APPOINTERS, recent=True)
@keeps_draft()
def correct(request: PageRequest, pk: int) -> HttpResponse:
    """Change a person's e-mail address or full name."""
    person = get_object_or_404(User, pk=pk)
    form = CorrectForm(posted_data(request), initial={"email": person.email, "full_name": person.full_name})

    def act() -> str:
        people.correct(person, by=request.user, **form.cleaned_data)
        return "people:list"

    title = _("Edit %(who)s") % {"who": person.username}
    return form_page(request, form, act, FORM, {"title": title, "submit": _("Save")})


@access(get=APPOINTERS, post=APPOINTERS, recent=True)
@keeps_draft()
def activity(request: PageRequest, pk: int) -> HttpResponse:
    """Deactivate an account, or let its person sign in again."""
    person = get_object_or_404(User, pk=pk)
    is_active, form = person.is_active, ReasonForm(posted_data(request))

    def act() -> str:
        change = deactivation.deactivate if is_active else deactivation.reactivate
        change(person, reason=form.cleaned_data["reason"], by=request.user)
        return "people:list"

    words = _("Deactivate %(who)s") if is_active else _("Reactivate %(who)s")
    submit = words % {"who": person.username}
    title = f"{submit}?" if is_active else submit
    context = {"title": title, "submit": submit, "danger": is_active, "person_shown": person}
    if is_active:
        context["cluster_count"] = Cluster.objects.present().filter(owner=person).count()
    return form_page(request, form, act, FORM, context)


@access(get=APPOINTERS, post=APPOINTERS)
@keeps_draft()
def add_team(request: PageRequest) -> HttpResponse:
    """A new team. Its first admin is appointed on its page."""
    form = TeamForm(posted_data(request))

    def act() -> str:
        team = services.add_team(by=request.user, **form.cleaned_data)
        messages.success(request, _("Team added. Appoint its first admin."))
        return reverse("teams:give", args=[team.slug])

    context = {"title": _("New team"), "submit": _("Add team"), "is_team": True}
    return form_page(request, form, act, FORM, context)
