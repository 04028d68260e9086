"""Saved views: how a person likes to see a list, kept under a name and shown as links above it."""

from __future__ import annotations

from typing import NamedTuple

from django.http import QueryDict
from django.utils.translation import gettext as _

from hyperclusters.access.models import User
from hyperclusters.accounts.models import SavedView
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.listing import PLACES, View, narrows_alike

# The pages whose views can be saved.
PAGES = {"audit": "audit:list", "clusters": "clusters:list", "creations": "creations:list"}
MOST = 20  # views of a person on one page
LONGEST = 2000  # characters of an address


class SavedViewRow(NamedTuple):
    """A saved view as a page shows it."""

    pk: int
    view: View


def saved_views(request: PageRequest, page: str) -> list[SavedViewRow]:
    """This person's views of this page. One query."""
    rows = SavedView.objects.filter(person=request.user, page=page).values_list("pk", "name", "query")
    return [
        SavedViewRow(pk, View(name, f"?{query}", narrows_alike(request.GET, QueryDict(query))))
        for pk, name, query in rows
    ]


def save_view(person: User, page: str, name: str, query: str) -> str:
    """Save this address of the page under this name, in the place of an earlier view of the name.

    Returns why it was not saved, in words; nothing if it was.
    """
    parameters = QueryDict(query.removeprefix("?"), mutable=True)
    for place in PLACES:
        parameters.pop(place, None)
    text = parameters.urlencode()
    others = SavedView.objects.filter(person=person, page=page).exclude(name=name)
    if len(text) > LONGEST:
        return _("These filters are too long for a view. Choose fewer values.")
    if others.count() >= MOST:
        return _("You have 20 views of this page. Delete one to save another.")
    SavedView.objects.update_or_create(person=person, page=page, name=name, defaults={"query": text})
    return ""
