"""Lucide's icons, each drawn once: a page has hundreds, and the library builds every one of them anew."""

from functools import cache

from django import template
from lucide.templatetags.lucide import lucide as draw

register = template.Library()


@register.simple_tag
def lucide(name: str, *, size: int = 24, **attributes: object) -> str:
    """`{% lucide "copy" size=13 class="i" aria_hidden="true" %}`, as the library has it."""
    return _svg(name, size, tuple(attributes.items()))


@cache
def _svg(name: str, size: int, attributes: tuple[tuple[str, object], ...]) -> str:
    return draw(name, size=size, **dict(attributes))
