"""What a browser keeps for us in a cookie: the theme, and a form that cannot be sent now."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import resolve

from hyperclusters.web.shared.context import THEMES
from hyperclusters.web.shared.decorators import PUBLIC, access
from hyperclusters.web.shared.drafts import draft_fields, note_not_taken, store
from hyperclusters.web.shared.http import own_path


@access(post=PUBLIC, page="web:home")
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme in a cookie, so that pages come in it from the first byte."""
    response = HttpResponseRedirect(own_path(request.POST.get("next", ""), "/"))
    name = request.POST.get("theme", "")
    if name in THEMES:
        response.set_cookie(
            settings.THEME_COOKIE_NAME,
            name,
            max_age=365 * 86400,
            secure=settings.HTTPS,
            httponly=True,
            samesite="Lax",
        )
    else:
        response.delete_cookie(settings.THEME_COOKIE_NAME)
    return response


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
    note_not_taken(request, "" if request.user.is_authenticated else "ended")
    is_kept = store(request, response, address, draft_fields(request.POST, left_out))
    return response if is_kept else HttpResponse(status=413)
