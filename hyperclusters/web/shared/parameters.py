"""Parameters of a list's address: what is known, and orders.

A filter or value that a page does not have is refused: a typing error must not mean everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from typing import Any

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _

from hyperclusters.web.shared.listing import address

NEWEST, OLDEST = ORDERS_BY_TIME = ("newest", "oldest")
LONGEST = 60  # characters of a value that the page repeats
MOST = 5  # sentences
View = Callable[..., Any]


class UnknownParameters(Exception):
    """The address has filters or values that the page does not have. `sentences` name each for people."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__(*sentences)
        self.sentences = sentences


def require_known(query: QueryDict, plain: Collection[str], choices: Mapping[str, Collection[str]]) -> None:
    """Raise UnknownParameters unless each parameter is one of `plain` or a filter of `choices` with a value it offers.

    An empty value chooses nothing, and is fine.
    """
    sentences = []
    for name, values in query.lists():
        if name in choices:
            sentences += [
                _("Unknown value of the filter %(name)s: %(value)s")
                % {"name": name, "value": _printable(value)}
                for value in values
                if value and value not in choices[name]
            ]
        elif name not in plain:
            sentences.append(_("Unknown filter: %(name)s") % {"name": _printable(name)})
    if sentences:
        raise UnknownParameters(sentences[:MOST])


def sort_columns(query: QueryDict, sort: str, names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """For each column the address that sorts by it, and its `aria-sort` if the list is sorted by it now.

    The column `age` sorts by time, newest first.
    """
    columns = {}
    for name in names:
        state = {name: "ascending", f"-{name}": "descending"}.get(sort, "")
        columns[name] = (address(query, sort=f"-{name}" if sort == name else name), state)
    state = {NEWEST: "descending", OLDEST: "ascending"}.get(sort, "")
    return columns | {"age": (address(query, sort=OLDEST if sort == NEWEST else ""), state)}


def refuses_unknown(view: View) -> View:
    """A view that answers UnknownParameters with a page that names them and leads to the list without filters."""

    @wraps(view)
    def wrapper(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            answer: HttpResponse = view(request, *args, **kwargs)
        except UnknownParameters as unknown:
            family = request.resolver_match.namespace
            context = {"sentences": unknown.sentences, "list": f"{family}:list"}
            return render(request, "errors/unknown_filter.html", context, status=400)
        return answer

    return wrapper


def _printable(text: str) -> str:
    """The start of the text, without characters that a page cannot show."""
    start = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:LONGEST])
    return f"{start}…" if len(text) > LONGEST else start
