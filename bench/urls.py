"""The product's addresses, and the floor: what any signed-in page costs before it does anything of its own."""

from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLResolver, include, path
from django.urls.resolvers import RegexPattern

from bench import yardsticks
from hyperclusters import urls
from hyperclusters.urls import handler400, handler403, handler404, handler500
from hyperclusters.web.checks import routes
from hyperclusters.web.shared.decorators import SIGNED_IN, access

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def floor(_: HttpRequest) -> HttpResponse:
    """A constant, for who is signed in."""
    return HttpResponse("constant")


def empty(request: HttpRequest) -> HttpResponse:
    """Our layout around nothing."""
    return render(request, "base.html")


own = [path("floor/", floor), path("bench/empty/", empty), path("bench/", include(yardsticks))]
for _, route in routes(URLResolver(RegexPattern(r""), own)):
    route.callback = access(get=SIGNED_IN)(partial(route.callback))  # a view without it is refused
urlpatterns = [*urls.urlpatterns, *own]
