"""What a view gets."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails

from hyperclusters.access.models import User
from hyperclusters.accounts.adapters import is_own_path
from hyperclusters.accounts.models import ApiToken
from hyperclusters.accounts.sessions import SessionStore
from hyperclusters.web.shared.decorators import Rule

UNPROCESSABLE = 422  # the status of a form that was not accepted


class PageRequest(HttpRequest):
    """A signed-in person's request, as the middleware leaves it for every view that does not opt out."""

    user: User  # never anonymous here: the middleware has seen to that
    htmx: HtmxDetails
    session: SessionStore
    token: ApiToken  # of a request to the JSON API
    rule: Rule  # what this method needs, by the view's `@access`
    menu_path: str  # where the menu says that one is, if not at the page's own path


def wants_fragment(request: PageRequest) -> bool:
    """Whether htmx asks for the part that changes; a page out of its history is wanted whole.

    Not a property: the request that a view gets is Django's own object, of this shape but not of this class.
    """
    return bool(request.htmx) and not request.htmx.history_restore_request


def render_page(
    request: PageRequest, page: str, fragment: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """The page or, for htmx, the part of it that changes; caches keep the two apart. A refusal is always a page."""
    name = fragment if wants_fragment(request) and status == 200 else page
    response = render(request, name, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def posted_data(request: PageRequest) -> QueryDict | None:
    """The data of a POST, even if it is empty; None for other methods."""
    return request.POST if request.method == "POST" else None


def posted_text(request: PageRequest, name: str, length: int = 500) -> str:
    """What was typed into a field that no form checks, without blanks around it, cut to so many characters.

    Without NUL, which PostgreSQL's text cannot hold.
    """
    return request.POST.get(name, "").replace("\x00", "").strip()[:length]


def own_path(target: str, otherwise: str) -> str:
    """The address if it is a path of this site, else the other one: nobody is sent elsewhere by a crafted link."""
    return target if is_own_path(target) else otherwise


def whole_page(request: HttpRequest, url: str) -> HttpResponse:
    """Leads to another page, never into a fragment: htmx is told to go to it as a whole."""
    if not getattr(request, "htmx", False):
        return HttpResponseRedirect(url)
    response = HttpResponse(status=204)
    response.headers["HX-Redirect"] = url
    return response


def as_uuid(text: str) -> UUID | None:
    """The ID that somebody typed or a form sent, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None
