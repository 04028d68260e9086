"""Small words for templates."""

import json
import re
import secrets
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from django import template
from django.db.models import Choices, Model
from django.http import QueryDict
from django.template import Context, engines
from django.template.base import NodeList, TextNode
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from lucide.templatetags.lucide import lucide as draw

from hyperclusters.accounts.models import Scope
from hyperclusters.clusters.models import Creation, State
from hyperclusters.clusters.models.creation import Evidence
from hyperclusters.clusters.subnets import Subnet
from hyperclusters.web.access.forms import LENGTHS
from hyperclusters.web.audit.event_rows import Day, Row
from hyperclusters.web.clusters.cluster_rows import ClusterRow
from hyperclusters.web.shared.humanize import is_any_moment, when
from hyperclusters.web.shared.listing import FilterMenu, carried_fields
from hyperclusters.web.texts.causes import cloud_message, cloud_words
from hyperclusters.web.texts.grants import day, last_day
from hyperclusters.web.texts.states import KINDS, OUTCOME_KINDS, failure_text

register = template.Library()
# They stand for the token and the address in markup that is drawn once. They are random: no name can contain them.
TOKEN, ADDRESS = (secrets.token_hex(16) for _ in range(2))


@register.simple_tag
def cached_include(name: str, **values: Hashable) -> str:
    """`{% cached_include "components/_nav.html" nav=nav %}`: like an include that is given these values and nothing else, neither
    the page's context nor the request; drawn once for each set of them in each language.

    For what does not depend on the moment. Raises TypeError for a value that may look different another time: a list,
    or a row of the database, which equals itself whatever became of it.
    """
    return _render(name, get_language(), **values)


@register.simple_tag(takes_context=True)
def cached_forms(context: Context, name: str, **values: Hashable) -> str:
    """The same with forms in it, on a page that has its request: where the template says `{% csrf_token %}` and
    `{{ address }}`, each page has a token and an address of its own."""
    return _form_nodes(name, get_language(), **values).render(context)


@lru_cache(2048, typed=True)  # typed: text that is safe and text that is not may be equal
def _render(name: str, _language: str | None, **values: Hashable) -> str:
    if any(isinstance(value, Model) for value in values.values()):
        raise TypeError(f"{name} is drawn once: give it what it shows, not the row that holds it")
    return render_to_string(name, values)


@lru_cache(2048, typed=True)
def _form_nodes(name: str, language: str | None, **values: Hashable) -> NodeList:
    markup = _render.__wrapped__(name, language, csrf_token=TOKEN, address=ADDRESS, **values)
    own: Any = engines["django"].from_string("{{ csrf_token }}{{ request.get_full_path }}")
    nodes = dict(zip((TOKEN, ADDRESS), own.template.nodelist, strict=True))
    return NodeList(nodes.get(text) or TextNode(text) for text in re.split(f"({TOKEN}|{ADDRESS})", markup))


@register.simple_tag
def event_rows(events: list[Row]) -> str:
    """These events as the rows of a table: without what they are about, and IDs.

    By Jinja2, and from a macro, whose answer is markup because the engine escaped it.
    """
    markup: str = macros("audit/_event_rows.jinja").rows(events)
    return markup


@register.simple_tag
def event_days(days: list[Day], has_team: bool) -> str:
    """These events by day, those of one request behind the newest of them; with the column of the team or without."""
    words = {"open": _("Events of this request"), "copy": _("Copy the cloud's request ID")}
    markup: str = macros("audit/_event_rows.jinja").days(days, words, has_team)
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
        "nobody": _("Nobody"),
        "elsewhere": _("elsewhere"),
        "elsewhere_title": _("Created elsewhere, and nobody owns it"),
        "seen": _("seen"),
        "seen_title": _("Created elsewhere, first seen here"),
    }
    markup: str = macros("clusters/_cluster_rows.jinja").rows(rows, words, exact, has_project)
    return markup


@register.simple_tag
def creation_rows(creations: Iterable[Creation], has_project: bool) -> str:
    """These creations as the rows of a table; with the column of the project or without."""
    copy = _("Copy %(what)s %(start)s") % {"what": _("cluster ID"), "start": "%s"}
    words = {"copy_cluster": copy, "contradicted": _("contradicted")}
    rows = macros("clusters/creations/_creation_rows.jinja").rows
    markup: str = rows(creations, words, CREATION, has_project)
    return markup


@register.simple_tag
def rows_under_way(creations: Iterable[Creation], has_project: bool) -> str:
    """These creations without an outcome as rows above those of clusters."""
    rows = macros("clusters/creations/_creation_rows.jinja").above_clusters
    markup: str = rows(creations, CREATION, has_project)
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
    markup: str = macros("clusters/_subnet_rows.jinja").rows(subnets, subnet_id, words)
    return markup


def macros(name: str) -> Any:
    template: Any = engines["jinja2"].get_template(name)
    return template.template.module


@register.simple_tag
def carried(query: QueryDict, filters: list[FilterMenu]) -> list[tuple[str, str]]:
    """The parameters that a form of these filters must carry along."""
    return carried_fields(query, filters)


@register.filter
def state_kind(state: str) -> str:
    """Which of the five badges a creation's state wears."""
    return KINDS[state]


@register.filter
def state_word(creation: Creation) -> str:
    """A creation's state, and what it waits for if that is a person."""
    return _("Waiting for approval") if creation.waits_for_approval else label(State, creation.state)


def label(choices: type[Choices], value: str) -> str:
    """The word of a choice. `get_FOO_display` hashes every word of every choice each time."""
    return str(_labels(choices).get(value, value))


@cache
def _labels(choices: type[Choices]) -> dict[str, Any]:
    return dict(choices.choices)


@register.filter
def outcome_kind(outcome: str) -> str:
    """Which of the five badges an event's outcome wears."""
    return OUTCOME_KINDS[outcome]


@register.filter
def scope_word(scope: str) -> str:
    """What a token with this scope may be used for. A scope of a later release has no word yet."""
    return str(dict(Scope.choices).get(scope, scope))


@register.filter
def as_offered(days: int) -> int:
    """The shortest length that can be asked for and is as long as this; else the longest."""
    lengths = [int(value) for value, _word in LENGTHS if value]
    return next((length for length in lengths if length >= days), lengths[-1])


register.filter("day", day)
register.filter("last_day", last_day)
register.filter("cloud_message", cloud_message)
register.filter("cloud_words", cloud_words)
register.filter("failure", failure_text)
register.filter("when", when)
register.filter("is_any_moment", is_any_moment)


@register.simple_tag
def moment(at: datetime) -> str:
    """`{% moment at as time %}`: what `components/_time.html` shows, for a sentence that it stands within."""
    return render_to_string("components/_time.html", {"at": at})


@register.filter
def exact(at: datetime, between: str = " ") -> str:
    """The moment in UTC, to the second: "2026-11-24 12:00:00"; `between` stands between day and time."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(between, "seconds")


@register.filter
def day_time(at: datetime) -> str:
    """The moment in UTC, for a sentence or a cell: "24 Nov 2026, 12:00:00"."""
    return date_format(at.astimezone(UTC), _("j M Y, H:i:s"))


@register.filter(name="json")
def as_json(value: Any) -> str:
    """JSON for a data attribute, to be read by a script; escaped like any other text."""
    return json.dumps(value, default=dict)


# What a row tells of a creation.
CREATION = {
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


@register.simple_tag
def lucide(name: str, *, size: int = 24, **attributes: object) -> str:
    """`{% lucide "copy" size=13 class="i" aria_hidden="true" %}`, as the library has it, but each
    drawn once: a page has hundreds."""
    return _svg(name, size, tuple(attributes.items()))


@cache
def _svg(name: str, size: int, attributes: tuple[tuple[str, object], ...]) -> str:
    return draw(name, size=size, **dict(attributes))
