"""Keeping what is typed into a form that cannot be sent now."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import resolve

from hyperclusters.web.shared.decorators import PUBLIC, access
from hyperclusters.web.shared.drafts import draft_fields, store
from hyperclusters.web.shared.http import own_path


@access(post=PUBLIC, page="web:home")
def draft(request: HttpRequest) -> HttpResponse:
    """Keep the fields of the form that is sent to the address in `for`. Pages ask for this before they are left: by
    somebody who was signed out, or who changes the language. 413 if it is too long to keep."""
    address = own_path(request.GET.get("for", ""), "")
    left_out = getattr(
        resolve(urlsplit(address).path).func, "left_out", None
    )  # Http404 if there is no such page
    if left_out is None:
        raise Http404
    response = HttpResponse(status=204)
    is_kept = store(request, response, address, draft_fields(request.POST, left_out))
    return response if is_kept else HttpResponse(status=413)
