"""Filters and pages that live in the address."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from django.http import QueryDict

PAGE_SIZE = 50  # rows
SHORT = 300  # characters


class Choice(NamedTuple):
    """One entry of a filter's menu: its words, the address that chooses it, and whether it is chosen now."""

    word: str
    url: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class FilterMenu:
    """One filter: its name, what is chosen (empty for everything), and what can be."""

    label: str
    chosen: str
    choices: tuple[Choice, ...]

    @property
    def is_short(self) -> bool:
        """Whether it is worth remembering how it looks: an address may hold anything, and so take much memory."""
        return len(self.choices[0].url) < SHORT


def address(query: QueryDict, **changes: Any) -> str:
    """The same page with some parameters changed or, given an empty value, left out; always from its first page."""
    parameters = query.copy()
    for name in ("page", "before", "after", "jump", "upto"):
        parameters.pop(name, None)
    for name, value in changes.items():
        if value in ("", None):
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}" if parameters else "?"


def menu(
    query: QueryDict, name: str, label: str, options: list[tuple[str, str]], *, everything: str
) -> FilterMenu:
    """A filter on the parameter `name` from (value, words) pairs. A value that is none of them chooses nothing."""
    value = query.get(name, "")
    words = dict(options).get(value, "")
    others = address(query, **{name: ""})
    lead = f"{others}&" if others != "?" else others
    choices = [Choice(everything, others, chosen=not words)]
    choices += [Choice(word, f"{lead}{name}={quote_key(key)}", chosen=key == value) for key, word in options]
    return FilterMenu(label, words, tuple(choices))


@lru_cache(4096)
def quote_key(key: str) -> str:
    """The text as it stands in an address. Remembered: a page quotes the same few words hundreds of times."""
    return quote(key)


def chosen_value(query: QueryDict, name: str, options: list[tuple[str, str]]) -> str:
    """The parameter's value if it is one of the options, else nothing."""
    value = query.get(name, "")
    return value if value in dict(options) else ""


def search_text(query: QueryDict) -> str:
    """What somebody searches for: without blanks around it, and without NUL, which PostgreSQL's text cannot hold."""
    return query.get("q", "").replace("\x00", "").strip()[:200]
