"""Tables of many cells whose rows are drawn by Jinja2."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django import template
from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.access.models import Grant, Role, Team
from hyperclusters.clusters.models import Creation
from hyperclusters.web.shared.humanize import when
from hyperclusters.web.templatetags.hyperclusters_tags import CREATION, exact, label, macros
from hyperclusters.web.texts.grants import day, last_day

register = template.Library()


@register.simple_tag
def review_rows(creations: Iterable[Creation], selection: Collection[UUID]) -> str:
    """These creations as rows with a box to tick each; those of these IDs are ticked."""
    words = {
        "contradicted": _("contradicted"),
        "events": _("Events"),
        "events_url": reverse("audit:list"),
        "open_follow_up": _("Open follow-up"),
        "copy": _("Copy %(what)s %(start)s") % {"what": _("cloud request ID"), "start": "%s"},
    }
    markup: str = macros("audit/_review_rows.jinja").rows(creations, selection or (), words, CREATION)
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
        "last_active": _("Last active"),
        "never": _("never"),
        "change": _("Change"),
    }
    tell = _GRANT | {"url": lambda grant: reverse("teams:grant", args=[team.slug, grant.pk])}
    rows = macros("access/teams/_member_rows.jinja").rows
    markup: str = rows(members, soon, words, tell, shows_activity, may_grant, may_appoint)
    return markup


@register.simple_tag
def layers(grants: list[Grant], soon: datetime) -> str:
    """The grants of one person in one team as tags; those that end before `soon` stand out."""
    markup: str = macros("access/teams/_member_rows.jinja").layers(grants, soon, _GRANT)
    return markup


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
