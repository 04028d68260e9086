"""Filters and pages that live in the address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import pgettext

PAGE_SIZE = 50  # rows
SHORT = 300  # characters
MOST_COUNTED = 1000  # rows of a view
CHIP = 32  # characters of values that a filter's button shows; beyond them it says how many they are
PLACES = ("page", "before", "after", "jump", "upto")  # parameters that say where in a list one is
Options = list[tuple[str, str]]  # values and their words


class RowPaginator(Paginator):  # type: ignore[type-arg]  # no generic at run time
    """Pages of a queryset, found by their keys alone, from the nearer end: the rows between cost no joins."""

    object_list: QuerySet[Any]

    def page(self, number: int | str) -> Page[Any]:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        last = min(first + self.per_page, self.count)
        keys = self.object_list.values_list("pk", flat=True)
        if first > self.count - last:
            keys = keys.reverse()[self.count - last : self.count - first]
        else:
            keys = keys[first:last]
        return Page(self.object_list.filter(pk__in=list(keys)), number, self)


class Choice(NamedTuple):
    """One entry of a filter's menu: its words, the address that chooses it, and whether it is chosen now."""

    word: str
    url: str
    is_current: bool


class Box(NamedTuple):
    """One value of a filter that takes several: what the address holds, its words, and whether it is chosen now."""

    value: str
    word: str
    is_current: bool


class Group(NamedTuple):
    """Values that belong together, under a heading or none."""

    word: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class FilterMenu:
    """One filter: its label, what is chosen (empty for everything), and what can be.

    A filter of one value has links (`choices`). A filter of several values has boxes (`groups`) that are sent with the
    form around the menu as `name=a&name=b`. `entry`: the label of a field for a value that has no box.
    """

    label: str
    selection: str
    choices: tuple[Choice, ...] = ()
    name: str = ""
    groups: tuple[Group, ...] = ()
    entry: str = ""

    @property
    def is_short(self) -> bool:
        """Whether it is worth remembering how it looks: an address may hold anything, and so take much memory."""
        return len(self.choices[0].url) < SHORT if self.choices else len(self.selection) <= CHIP

    @property
    def boxes(self) -> int:
        """How many values it offers."""
        return sum(len(group.boxes) for group in self.groups)

    @property
    def count(self) -> int:
        """How many values are chosen."""
        return sum(box.is_current for group in self.groups for box in group.boxes)

    @property
    def is_choice(self) -> bool:
        """Whether there is anything to choose."""
        return bool(self.entry or self.selection) or len(self.choices) > 1 or self.boxes > 1


def address(query: QueryDict, **changes: Any) -> str:
    """The same page with some parameters changed or, given an empty value, left out; always from its first page."""
    parameters = query.copy()
    for name in PLACES:
        parameters.pop(name, None)
    for name, value in changes.items():
        values = value if isinstance(value, list | tuple) else [value]
        parameters.setlist(name, [str(each) for each in values if each not in ("", None)])
    return f"?{parameters.urlencode()}" if parameters else "?"


def menu(
    query: QueryDict, name: str, label: str, options: list[tuple[str, str]], *, everything: str
) -> FilterMenu:
    """A filter on the parameter `name` from (value, words) pairs. A value that is none of them chooses nothing."""
    value = query.get(name, "")
    words = dict(options).get(value, "")
    others = address(query, **{name: ""})
    lead = f"{others}&" if others != "?" else others
    choices = [Choice(everything, others, is_current=not words)]
    choices += [
        Choice(word, f"{lead}{name}={quote_key(key)}", is_current=key == value) for key, word in options
    ]
    return FilterMenu(label, words, tuple(choices))


def menu_of_several(
    query: QueryDict,
    name: str,
    label: str,
    options: Options | list[tuple[str, Options]],
    *,
    entry: str = "",
) -> FilterMenu:
    """A filter on the parameter `name`, which may be repeated.

    `options`: (value, words) pairs, or (heading, pairs) for each group of them. `entry`: the label of a field for
    other values; those in the address get boxes of their own. Without it, values that are no option choose nothing.
    """
    values = [value for value in dict.fromkeys(query.getlist(name)) if value]
    groups = [(word, each) for word, each in options if isinstance(each, list)]
    pairs = [(value, word) for value, word in options if isinstance(word, str)]
    groups = groups or [("", pairs)]
    word_of = {value: word for _, each in groups for value, word in each}
    if entry and (others := [(value, value) for value in values if value not in word_of]):
        groups = [("", others), *groups]
    words = [word_of.get(value, value) for value in values if value in word_of or entry]
    text = pgettext("between words", ", ").join(words)
    selection = set(values)
    return FilterMenu(
        label,
        text if len(text) <= CHIP else str(len(words)),
        name=name,
        groups=tuple(
            Group(heading, tuple(Box(value, word, value in selection) for value, word in each))
            for heading, each in groups
            if each
        ),
        entry=entry,
    )


class View(NamedTuple):
    """A list as somebody likes to see it: its words, its address, whether it is the one they see, and how many rows it
    has where that is counted."""

    word: str
    url: str
    is_current: bool
    number: int | str | None = None


def number_text(count: int) -> int | str:
    """The number, or "999+" for one that was counted up to the bound."""
    return count if count < MOST_COUNTED else f"{MOST_COUNTED - 1}+"


def view(
    query: QueryDict,
    word: str,
    filters: Mapping[str, Iterable[str]],
    *,
    keeps: Iterable[str] = (),
    number: int | str | None = None,
) -> View:
    """A view of the list whose address is `query`: with these filters, those parameters of `query` that are named in
    `keeps`, and no others, from its first page."""
    target = QueryDict(mutable=True)
    for name, values in [*filters.items(), *((name, query.getlist(name)) for name in keeps)]:
        target.setlist(name, list(values))
    return View(word, f"?{target.urlencode()}", narrows_alike(query, target), number)


def narrows_alike(one: QueryDict, other: QueryDict) -> bool:
    """Whether two addresses show the same list, wherever in it one is."""
    return _filters_of(one) == _filters_of(other)


def _filters_of(query: QueryDict) -> dict[str, list[str]]:
    """What an address narrows a list by, whatever the order."""
    values = {name: sorted(filter(None, query.getlist(name))) for name in query if name not in PLACES}
    return {name: each for name, each in values.items() if each}


def carried_fields(query: QueryDict, menus: Iterable[FilterMenu], *fields: str) -> list[tuple[str, str]]:
    """The parameters that a form of filters must carry along: those that none of its menus and fields sends, and that
    do not say where in the list one is."""
    own = {"q", *PLACES, *fields, *(menu.name for menu in menus)}
    return [(name, value) for name, values in query.lists() if name not in own for value in values if value]


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
