"""Small words for templates."""

import json
from typing import Any

from django import template

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


@register.filter(name="json")
def as_json(value: Any) -> str:
    """JSON for a data attribute, to be read by a script; escaped like any other text."""
    return json.dumps(value, default=dict)
