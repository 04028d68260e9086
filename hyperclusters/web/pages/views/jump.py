"""From a part of a name, or an ID, straight to the page of what it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

from django.conf import settings
from django.db.models import F, Q
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from hyperclusters.access.models import Grant, User
from hyperclusters.access.permissions import Permission, may, teams_where
from hyperclusters.clusters.models import Cluster, Creation, Project, State
from hyperclusters.web.shared.context import entries
from hyperclusters.web.shared.decorators import SIGNED_IN, access
from hyperclusters.web.shared.http import PageRequest, as_uuid, render_page
from hyperclusters.web.shared.listing import search_text
from hyperclusters.web.shared.ratelimit import rate_limit, searches

EACH = 6  # of a kind; the lists have the rest


class Place(NamedTuple):
    """Somewhere to go: its icon, its name, what else helps to tell it apart, and its address. With `fields`, something
    to do: they are posted there."""

    icon: str
    name: str
    about: str
    url: str
    fields: tuple[tuple[str, str], ...] | None = None


@access(get=SIGNED_IN)
@rate_limit("search", "SEARCHES_PER_MINUTE", when=searches)
def jump(request: PageRequest) -> HttpResponse:
    """What this person may open whose name or ID contains the text; without a text, all pages and acts."""
    text = search_text(request.GET)
    pages = [each for each in _fixed_places(request) if text.casefold() in each.name.casefold()]
    context = {"text": text, "places": [*pages, *_things(request.user, text)]}
    return render_page(request, "pages/jump/jump.html", "pages/jump/_found.html", context)


def _fixed_places(request: PageRequest) -> Iterator[Place]:
    """The pages, then what can be done from any page."""
    person = request.user
    for entry in entries(person):
        yield Place(entry.icon, str(entry.label), "", reverse(entry.page))
    yield Place("shield-check", _("Security and sessions"), "", reverse("accounts:security"))
    yield from _audit_pages(person)
    if may(person, Permission.CREATE):
        yield Place("plus", _("New cluster"), "", reverse("clusters:new"))
    yield Place("key", _("Request access"), _("Action"), reverse("access:mine"))
    yield Place("key-round", _("Create an API token"), _("Action"), reverse("access:new_token"))
    if may(person, Permission.CONNECT):
        yield Place("cable", _("Connect a project"), _("Action"), reverse("projects:connect"))
    yield from _acts(request)


def _audit_pages(person: User) -> Iterator[Place]:
    """The pages below the audit and the review."""
    if may(person, Permission.AUDIT):
        yield Place("shield-check", _("Integrity"), _("Audit"), reverse("audit:chain"))
        yield Place("download", _("Export"), _("Audit"), reverse("audit:export"))
        yield Place("archive", _("Archived events"), _("Audit"), reverse("audit:archive"))
    if may(person, Permission.REVIEW):
        yield Place("bell", _("Alerts"), _("Audit"), reverse("audit:alerts"))
        yield Place("send", _("Messages"), _("Audit"), reverse("audit:messages"))
        yield Place("file-text", _("Monthly reports"), _("Review"), reverse("audit:reports"))
        follow_ups, outside = ("?show=follow-up", "?show=outside")
        yield Place("flag", _("Follow-ups"), _("Review"), reverse("audit:review") + follow_ups)
        yield Place("grid-2x2", _("Created elsewhere"), _("Review"), reverse("audit:review") + outside)


def _acts(request: PageRequest) -> Iterator[Place]:
    """What is done at once, and leads back to the page on which it was chosen."""
    here = ("next", (request.htmx and request.htmx.current_url_abs_path) or reverse("web:home"))
    themes = (
        ("moon", _("Dark theme"), "dark"),
        ("sun", _("Light theme"), "light"),
        ("monitor", _("System theme"), ""),
    )
    for icon, name, theme in themes:
        yield Place(icon, name, _("Action"), reverse("web:theme"), (("theme", theme), here))
    for code, language in settings.LANGUAGES:
        if code != get_language():
            name = _("Language: %(language)s") % {"language": language}
            fields = (("language", code), here)
            yield Place("languages", name, _("Action"), reverse("set_language"), fields)
    yield Place("log-out", _("Sign out"), _("Action"), reverse("accounts:logout"), ())


def _things(person: User, text: str) -> Iterator[Place]:
    """Only what exists for this person: of another team's things nothing is found, as if they were not there."""
    if not text:
        return
    yield from _clusters(person, text)
    yield from _creations(person, text)
    for team in teams_where(person, Permission.MEMBERS).filter(name__icontains=text)[:EACH]:
        yield Place("users", team.name, _("Team"), reverse("teams:team", args=[team.slug]))
    yield from _people(person, text)
    if may(person, Permission.CONNECT):
        for project in Project.objects.filter(Q(name__icontains=text) | Q(project_id=text))[:EACH]:
            yield Place("cable", project.name, _("Project"), reverse("projects:project", args=[project.pk]))
    if may(person, Permission.AUDIT):
        name = _("Search the audit for “%(text)s”") % {"text": text}
        yield Place("book-open-text", name, "", f"{reverse('audit:list')}?q={quote(text)}")


def _people(person: User, text: str) -> Iterator[Place]:
    """Members of the teams in which this person gives access; for platform admins, everybody with an account."""
    teams = teams_where(person, Permission.GRANT)
    grants = Grant.objects.active().effective().filter(team__in=teams, person__username__icontains=text)
    for grant in grants.select_related("person", "team").order_by("person__username", "pk")[:EACH]:
        about = f"{grant.get_role_display()} · {grant.team.name if grant.team else ''}"
        url = reverse("teams:grant", args=[grant.team.slug if grant.team else "", grant.pk])
        yield Place("user", grant.person.username, about, url)
    if may(person, Permission.APPOINT):
        for name in (
            User.objects.matching(text).order_by("username").values_list("username", flat=True)[:EACH]
        ):
            yield Place("user", name, _("Person"), f"{reverse('people:list')}?q={quote(name)}")


def _clusters(person: User, text: str) -> Iterator[Place]:
    clusters = Cluster.objects.visible_to(person).search(text).select_related("project__team")
    for cluster in clusters.order_by(F("gone_at").asc(nulls_first=True), "name", "pk")[:EACH]:
        about = [*cluster.listed_as[:1], cluster.project.team.name, *([_("gone")] if cluster.gone_at else [])]
        yield Place("grid-2x2", cluster.name, " · ".join(about), cluster.get_absolute_url())


def _creations(person: User, text: str) -> Iterator[Place]:
    """Those that made no cluster, by their names; any by its ID or the cloud's request ID."""
    fits = Q(name__icontains=text) & ~Q(state=State.CREATED) | Q(upstream_request_id=text)
    if (own_id := as_uuid(text)) is not None:
        fits |= Q(pk=own_id)
    creations = Creation.objects.visible_to(person).filter(fits).select_related("project__team")
    for creation in creations.order_by("-requested_at", "pk")[:EACH]:
        about = [_("Creation"), creation.get_state_display(), creation.team.name]
        yield Place("zap", creation.name, " · ".join(about), creation.get_absolute_url())
