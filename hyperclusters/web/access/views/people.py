"""For platform admins: site roles, people, and new teams."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from hyperclusters.access import access_reviews, people, services
from hyperclusters.access.models import Grant, Role, User
from hyperclusters.access.permissions import Permission
from hyperclusters.web.access.forms import ReasonForm, SiteRoleForm, TeamForm, bound_form
from hyperclusters.web.access.views.teams import PAGE
from hyperclusters.web.accounts.forms import CorrectForm
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.drafts import draft_for, filled_form, keeps_draft
from hyperclusters.web.shared.http import REFUSED, PageRequest, posted
from hyperclusters.web.shared.listing import search_text

APPOINTERS = anywhere(Permission.APPOINT)


@access(get=APPOINTERS)
def listing(request: PageRequest) -> HttpResponse:
    """Everybody with an account and what they hold; the site roles first."""
    text = search_text(request.GET)
    people = (User.objects.matching(text) if text else User.objects.all()).order_by("username", "pk")
    active = Grant.objects.active().select_related("team")
    everybody = people.prefetch_related(Prefetch("grants", active, to_attr="held"))
    context = {
        "page": Paginator(everybody, PAGE).get_page(request.GET.get("page")),
        "site": Grant.objects.active().filter(team__isnull=True).select_related("person", "granted_by"),
        "is_filtered": bool(text),
    }
    return render(request, "access/people/list.html", context)


@access(get=APPOINTERS, post=APPOINTERS, recent=True)
@keeps_draft()
def appoint(request: PageRequest) -> HttpResponse:
    """Make somebody an auditor or a platform admin."""
    form = SiteRoleForm(posted(request), initial={"until": "open", "who": request.GET.get("who", "")})
    filled_form(form, draft_for(request))

    def act() -> None:
        data = form.cleaned_data
        terms = {"until": form.end(), "reason": data["reason"], "by": request.user}
        services.grant(person=data["who"], role=Role(data["role"]), team=None, **terms)

    if request.method == "POST" and form.is_valid() and bound_form(form, act):
        return redirect("people:list")
    context = {"form": form, "title": _("Appoint"), "submit": _("Appoint")}
    return render(request, "access/people/form.html", context, status=REFUSED if form.errors else 200)


@access(get=APPOINTERS, post=APPOINTERS, recent=True)
@keeps_draft()
def dismiss(request: PageRequest, pk: int) -> HttpResponse:
    """End somebody's site role."""
    site = Grant.objects.active().filter(team__isnull=True).select_related("person")
    grant = get_object_or_404(site, pk=pk)
    form = filled_form(ReasonForm(posted(request)), draft_for(request))

    def act() -> None:
        services.end_grant(grant, reason=form.cleaned_data["reason"], by=request.user)

    if request.method == "POST" and form.is_valid() and bound_form(form, act):
        return redirect("people:list")
    title = _("End %(role)s of %(who)s") % {"role": grant.get_role_display(), "who": grant.person.username}
    context = {"form": form, "title": title, "submit": _("End this role"), "danger": True, "grant": grant}
    return render(request, "access/people/form.html", context, status=REFUSED if form.errors else 200)


@access(get=APPOINTERS, post=APPOINTERS, recent=True)
@keeps_draft()
def correct(request: PageRequest, pk: int) -> HttpResponse:
    """Change a person's e-mail address or full name."""
    person = get_object_or_404(User, pk=pk)
    title = _("Edit %(who)s") % {"who": person.username}
    form = CorrectForm(posted(request), initial={"email": person.email, "full_name": person.full_name})
    form = filled_form(form, draft_for(request))

    def act() -> None:
        people.correct(person, by=request.user, **form.cleaned_data)

    if request.method == "POST" and form.is_valid() and bound_form(form, act):
        return redirect("people:list")
    context = {"form": form, "title": title, "submit": _("Save")}
    return render(request, "access/people/form.html", context, status=REFUSED if form.errors else 200)


@access(get=APPOINTERS, post=APPOINTERS, recent=True)
@keeps_draft()
def activity(request: PageRequest, pk: int) -> HttpResponse:
    """Deactivate an account, or let its person sign in again."""
    person = get_object_or_404(User, pk=pk)
    form = filled_form(ReasonForm(posted(request)), draft_for(request))
    do = access_reviews.deactivate if person.is_active else access_reviews.reactivate

    def act() -> None:
        do(person, reason=form.cleaned_data["reason"], by=request.user)

    if request.method == "POST" and form.is_valid() and bound_form(form, act):
        return redirect("people:list")
    word = _("Deactivate %(who)s") if person.is_active else _("Let %(who)s sign in again")
    title = word % {"who": person.username}
    context = {
        "form": form,
        "title": title,
        "submit": title,
        "danger": person.is_active,
        "person_shown": person,
    }
    return render(request, "access/people/form.html", context, status=REFUSED if form.errors else 200)


@access(get=APPOINTERS, post=APPOINTERS)
@keeps_draft()
def add_team(request: PageRequest) -> HttpResponse:
    """A new team. Its first admin is appointed on its page."""
    form = filled_form(TeamForm(posted(request)), draft_for(request))
    if request.method == "POST" and form.is_valid():
        try:
            team = services.add_team(by=request.user, **form.cleaned_data)
        except ValidationError as error:  # somebody else took the name at this moment
            form.add_error(None, error.messages)
        else:
            messages.success(request, _("The team is there. Appoint its first admin now."))
            return redirect("teams:give", team.slug)
    context = {"form": form, "title": _("New team"), "submit": _("Add the team")}
    return render(request, "access/people/form.html", context, status=REFUSED if form.errors else 200)
