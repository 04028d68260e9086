"""Small words for templates."""

import json
from typing import Any

from django import template

from hyperclusters.web.access_forms import LENGTHS
from hyperclusters.web.access_words import length
from hyperclusters.web.sentences import KINDS, OUTCOME_KINDS

register = template.Library()


@register.filter
def state_kind(state: str) -> str:
    """Which of the five badges a creation's state wears."""
    return KINDS[state]


@register.filter
def outcome_kind(outcome: str) -> str:
    """Which of the five badges an event's outcome wears."""
    return OUTCOME_KINDS[outcome]


@register.filter
def length_words(days: int | None) -> str:
    """For how long, in words."""
    return length(days)


@register.filter
def as_offered(days: int) -> int:
    """The shortest length that can be asked for and is as long as this; else the longest."""
    offered = [int(value) for value, _word in LENGTHS if value]
    return next((length for length in offered if length >= days), offered[-1])


@register.filter(name="json")
def as_json(value: Any) -> str:
    """JSON for a data attribute, to be read by a script; escaped like any other text."""
    return json.dumps(value, default=dict)
