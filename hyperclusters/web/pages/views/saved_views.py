"""Saving and deleting views of a list."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.accounts.models import SavedView
from hyperclusters.web.shared.decorators import OWN, SIGNED_IN, access
from hyperclusters.web.shared.http import PageRequest, posted_text
from hyperclusters.web.shared.saved_views import PAGES, save_view


@access(post=SIGNED_IN, page="web:home")
def save(request: PageRequest) -> HttpResponse:
    """Save the filters of a list under a name."""
    page, name = request.POST.get("page", ""), posted_text(request, "name", 60)
    query = request.POST.get("query", "")
    if page not in PAGES:
        raise Http404
    if not name:
        messages.warning(request, _("Enter a name for the view. Nothing was saved."))
    elif refusal := save_view(request.user, page, name, query):
        messages.warning(request, refusal)
    else:
        messages.success(request, _("View “%(name)s” saved.") % {"name": name})
    return HttpResponseRedirect(reverse(PAGES[page]) + _query(query))


@access(post=OWN, page="web:home")
def delete(request: PageRequest, pk: int) -> HttpResponse:
    """Delete one's own view."""
    view = get_object_or_404(SavedView, pk=pk, person=request.user)
    view.delete()
    messages.success(request, _("View “%(name)s” deleted.") % {"name": view.name})
    return HttpResponseRedirect(reverse(PAGES[view.page]) + _query(request.POST.get("query", "")))


def _query(query: str) -> str:
    return query if query.startswith("?") and query != "?" else ""
