"""Which methods a view takes, and acts that have no page of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.views.decorators.http import require_http_methods

View = Callable[..., HttpResponse]

# For a page with a form. HEAD answers as GET does: mail scanners follow links by it, and report what refuses it as broken.
get_or_post = require_http_methods(["GET", "HEAD", "POST"])


def post_only(page: str, *keys: str) -> Callable[[View], View]:
    """For an act that is done by POST alone, on a page whose route is `page` and has `keys` of this act's own address.

    Whoever comes here by GET, because they pressed Enter in the address bar or had to sign in again before their POST
    was taken, is led to that page, with what the address asks of it besides. Nothing is done.
    """

    def decorate(view: View) -> View:
        @get_or_post
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method == "POST":
                return view(request, *args, **kwargs)
            led = resolve_url(page, **{key: kwargs[key] for key in keys})
            query = request.META["QUERY_STRING"]
            return HttpResponseRedirect(f"{led}?{query}" if query else led)

        return guarded

    return decorate
