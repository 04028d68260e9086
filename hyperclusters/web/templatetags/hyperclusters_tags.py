"""Small words for templates."""

import json
import re
import secrets
from collections.abc import Hashable
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from django import template
from django.db.models import Choices, Model
from django.http import QueryDict
from django.template import Context, engines
from django.template.base import NodeList, TextNode
from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from lucide.templatetags.lucide import lucide as draw

from hyperclusters.accounts.models import Scope
from hyperclusters.clusters.models import Creation, State
from hyperclusters.web.access.request_forms import LENGTHS
from hyperclusters.web.shared.humanize import is_any_moment, when
from hyperclusters.web.shared.listing import FilterMenu, carried_fields
from hyperclusters.web.texts.causes import cloud_message, cloud_words
from hyperclusters.web.texts.grants import day, last_day
from hyperclusters.web.texts.states import KINDS, failure_text, may_repeat

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
register.filter("may_repeat", may_repeat)
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


@register.simple_tag
def between_sentences() -> str:
    """What stands between two sentences, as in `join_sentences`: a space, in Chinese nothing."""
    return _("%(first)s %(second)s") % {"first": "", "second": ""}


@register.filter
def by_backtick(text: object) -> list[str]:
    """A sentence in parts: every second one stood between backticks."""
    return str(text).split("`")


@register.filter(name="json")
def as_json(value: Any) -> str:
    """JSON for a data attribute, to be read by a script; escaped like any other text."""
    return json.dumps(value, default=dict)


@register.simple_tag
def lucide(name: str, *, size: int = 24, **attributes: object) -> str:
    """`{% lucide "copy" size=13 class="i" aria_hidden="true" %}`, as the library has it, but each
    drawn once: a page has hundreds."""
    return _svg(name, size, tuple(attributes.items()))


@cache
def _svg(name: str, size: int, attributes: tuple[tuple[str, object], ...]) -> str:
    return draw(name, size=size, **dict(attributes))
