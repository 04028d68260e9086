"""The product's addresses, and the floor: what any signed-in page costs before it does anything of its own."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from bench import yardsticks
from hyperclusters import urls
from hyperclusters.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def floor(_: HttpRequest) -> HttpResponse:
    """A constant, for who is signed in."""
    return HttpResponse("constant")


urlpatterns = [*urls.urlpatterns, path("floor/", floor), path("bench/", include(yardsticks))]
