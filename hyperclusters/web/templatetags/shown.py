"""Small words for templates."""

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
