"""Tables of many cells whose rows are drawn by Jinja2."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django import template
from django.template import engines
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from hyperclusters.access.models import Grant, Role, Team
from hyperclusters.clusters.models import Creation, State
from hyperclusters.clusters.models.creation import Evidence
from hyperclusters.clusters.subnets import Subnet
from hyperclusters.web.audit.event_rows import Day, Row
from hyperclusters.web.clusters.cluster_rows import ClusterRow
from hyperclusters.web.shared.humanize import when
from hyperclusters.web.templatetags.hyperclusters_tags import exact, label, state_kind, state_word
from hyperclusters.web.texts.grants import day, last_day, no_action_text
from hyperclusters.web.texts.states import failure_text

register = template.Library()


@register.simple_tag
def event_rows(events: list[Row]) -> str:
    """These events as the rows of a table: without what they are about, and IDs.

    By Jinja2, and from a macro, whose answer is markup because the engine escaped it.
    """
    markup: str = _macros("audit/_event_rows.jinja").rows(events)
    return markup


@register.simple_tag
def event_days(days: list[Day], has_team: bool) -> str:
    """These events by day, those of one request behind the newest of them; with the column of the team or without."""
    words = {"open": _("Events of this request"), "copy": _("Copy the cloud's request ID")}
    markup: str = _macros("audit/_event_rows.jinja").days(days, words, has_team)
    return markup


@register.simple_tag
def cluster_rows(rows: list[ClusterRow], has_project: bool) -> str:
    """These clusters as the rows of a table, each with a box to tick; with the column of the project or without."""
    copy = _("Copy %(what)s %(start)s")
    words = {
        "copy_cluster": copy % {"what": _("cluster ID"), "start": "%s"},
        "copy_subnet": copy % {"what": _("subnet ID"), "start": "%s"},
        "default": _("default"),
        "default_unknown": _("default not stated"),
        "no_network": _("No network reported"),
        "gone": _("Gone"),
        "as_of": _("as of %(age)s"),
        "not_reported": _("Not reported"),
        "locked": _("Locked"),
        "listed_again": _("listed again"),
        "listed_again_title": _("Deleted here, but the cloud lists it again"),
        "no_owner": _("No owner"),
        "elsewhere": _("elsewhere"),
        "elsewhere_title": _("Created elsewhere"),
        "seen": _("seen"),
        "seen_title": _("Created elsewhere, first seen here"),
    }
    markup: str = _macros("clusters/_cluster_rows.jinja").rows(rows, words, exact, has_project)
    return markup


@register.simple_tag
def creation_rows(creations: Iterable[Creation], has_project: bool) -> str:
    """These creations as the rows of a table; with the column of the project or without."""
    copy = _("Copy %(what)s %(start)s") % {"what": _("cluster ID"), "start": "%s"}
    words = {"copy_cluster": copy, "contradicted": _("contradicted"), "gone": _("Gone")}
    rows = _macros("clusters/creations/_creation_rows.jinja").rows
    markup: str = rows(creations, words, _CREATION, has_project)
    return markup


@register.simple_tag
def rows_under_way(creations: Iterable[Creation], has_project: bool) -> str:
    """These creations without an outcome as rows above those of clusters."""
    rows = _macros("clusters/creations/_creation_rows.jinja").above_clusters
    markup: str = rows(creations, _CREATION, has_project)
    return markup


@register.simple_tag
def subnet_rows(subnets: list[Subnet], subnet_id: str) -> str:
    """These subnets as the items of a list, each a button that fills in its ID; the one of `subnet_id` is marked."""
    words = {
        "not_sendable": _("Not an ID that a request may carry."),
        "unused": _("no cluster now, last seen %(date)s"),
        "more": _("and %(n)s more"),
        "default": _("default"),
        "day": date_format,
    }
    markup: str = _macros("clusters/_subnet_rows.jinja").rows(subnets, subnet_id, words)
    return markup


@register.simple_tag
def review_rows(creations: Iterable[Creation], selection: Collection[UUID]) -> str:
    """These creations as rows with a box to tick each; those of these IDs are ticked."""
    words = {
        "contradicted": _("contradicted"),
        "events": _("Events"),
        "events_url": reverse("audit:list"),
        "open_follow_up": _("Start follow-up"),
        "copy": _("Copy %(what)s %(start)s") % {"what": _("cloud request ID"), "start": "%s"},
    }
    markup: str = _macros("audit/_review_rows.jinja").rows(creations, selection or (), words, _CREATION)
    return markup


@register.simple_tag
def member_rows(
    members: Iterable[tuple[Grant, list[Grant]]],
    team: Team,
    soon: datetime,
    shows_activity: bool,
    may_grant: bool,
    may_appoint: bool,
) -> str:
    """Members of a team as rows, each by their highest grant and all of them."""
    words = {
        "command_line": _("command line"),
        "last_active": _("Last action"),
        "never": no_action_text(),
        "change": _("Change"),
        "signed_in": _("signed in %(time)s"),
        "service": _("Service"),
    }
    tell = _GRANT | {"url": lambda grant: reverse("teams:grant", args=[team.slug, grant.pk])}
    rows = _macros("access/teams/_member_rows.jinja").rows
    markup: str = rows(members, soon, words, tell, shows_activity, may_grant, may_appoint)
    return markup


@register.simple_tag
def no_action() -> str:
    """See `no_action_text`."""
    return no_action_text()


@register.simple_tag
def layers(grants: list[Grant], soon: datetime) -> str:
    """The grants of one person in one team as tags; those that end before `soon` stand out."""
    markup: str = _macros("access/teams/_member_rows.jinja").layers(grants, soon, _GRANT)
    return markup


def _macros(name: str) -> Any:
    template: Any = engines["jinja2"].get_template(name)
    return template.template.module


# What a row tells of a creation.
_CREATION = {
    "kind": state_kind,
    "word": state_word,
    "state": lambda state: label(State, state),
    "progress": lambda creation: render_to_string(
        "clusters/creations/_progress.html", {"creation": creation}
    ),
    "failure": failure_text,
    "evidence": lambda evidence: capfirst(label(Evidence, evidence)),
    "review": lambda creation: getattr(creation, "review", None),
    "follow_up_url": lambda pk: reverse("creations:open_follow_up", args=[pk]),
    "when": when,
    "exact": exact,
}


def _grant_word(grant: Grant) -> str:
    role = label(Role, grant.role)
    if not grant.until:
        return role
    return _("%(role)s until %(day)s") % {"role": role, "day": last_day(grant.until)}


# What a row tells of a grant in a team.
_GRANT: dict[str, Any] = {
    "word": _grant_word,
    "day": day,
    "when": when,
    "exact": exact,
}
