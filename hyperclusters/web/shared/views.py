"""Saved views: how a person likes to see a list, kept under a name and shown as links above it."""

from __future__ import annotations

from typing import NamedTuple

from django.http import QueryDict

from hyperclusters.access.models import User
from hyperclusters.accounts.models import SavedView
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.listing import PLACES, View, narrows_alike

PAGES = {"audit": "audit:list", "clusters": "clusters:list", "creations": "creations:list"}
MOST = 20  # views of a person on one page
LONGEST = 2000  # characters of an address


class Saved(NamedTuple):
    """A saved view as a page shows it."""

    pk: int
    view: View


def saved_views(request: PageRequest, page: str) -> list[Saved]:
    """This person's views of this page. One query."""
    rows = SavedView.objects.filter(person=request.user, page=page).values_list("pk", "name", "query")
    return [
        Saved(pk, View(name, f"?{query}", narrows_alike(request.GET, QueryDict(query))))
        for pk, name, query in rows
    ]


def save_view(person: User, page: str, name: str, query: str) -> bool:
    """Keep this address of the page under this name, in the place of an earlier view of the name.

    False if the person has as many views of the page as anybody may have, or the address is too long.
    """
    parameters = QueryDict(query.removeprefix("?"), mutable=True)
    for place in PLACES:
        parameters.pop(place, None)
    text = parameters.urlencode()
    others = SavedView.objects.filter(person=person, page=page).exclude(name=name)
    if len(text) > LONGEST or others.count() >= MOST:
        return False
    SavedView.objects.update_or_create(person=person, page=page, name=name, defaults={"query": text})
    return True
