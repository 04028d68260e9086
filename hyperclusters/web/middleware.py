"""Who asks, from where, and whether they are signed in."""

import ipaddress
import logging
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import structlog
from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url

from hyperclusters import tracing
from hyperclusters.access import permissions
from hyperclusters.accounts.sessions import SessionStore
from hyperclusters.audit.origin import Origin, acting_from
from hyperclusters.logs import told_path

from .drafts import note_not_taken
from .request import whole_page

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
log = logging.getLogger(__name__)
BRACKETED = re.compile(r"\[([^]]*)\](?::[0-9]{0,5})?")  # [2001:db8::1]:443
WITH_PORT = re.compile(r"([0-9.]+):[0-9]{0,5}")  # 203.0.113.8:50000
QUIET = {"/healthz", "/readyz", "/metrics"}  # asked every few seconds by machines
Handler = Callable[[HttpRequest], HttpResponseBase]


def client_ip(request: HttpRequest) -> str:
    """The caller's address: the last hop's, or, behind so many trusted proxies, what the outermost of them saw.

    Whatever stands further left in X-Forwarded-For was written by the caller and proves nothing. An entry that is no
    address, an empty one too, counts as the proxy's own.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    trusted = settings.TRUSTED_PROXIES
    seen = ip_address_of(hops[-trusted]) if 0 < trusted <= len(hops) else ""
    return seen or ip_address_of(peer) or peer[:45]


def ip_address_of(text: str) -> str:
    """The IP address alone, without port, brackets, zone, or IPv6 around IPv4; empty if it is none."""
    text = text.strip()
    if match := BRACKETED.fullmatch(text) or WITH_PORT.fullmatch(text):
        text = match[1]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def headers(get_response: Handler) -> Handler:
    """Every answer carries the security headers: pages, errors, redirects, static files and streams."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        for name, value in settings.SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return middleware


def origin(get_response: Handler) -> Handler:
    """Gives each request an ID, which its answer, its log lines and its audit events carry."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        request_id = uuid.uuid4().hex
        request.META["REQUEST_ID"] = request_id
        started, ip = time.monotonic(), client_ip(request)
        with (
            acting_from(Origin(source="page", ip=ip, request_id=request_id)),
            structlog.contextvars.bound_contextvars(request_id=request_id),
            permissions.read_once(),
            tracing.span("request"),
        ):
            response = get_response(request)
            route = getattr(request.resolver_match, "route", "")
            tracing.note(
                f"{request.method} /{route}",
                http__route=f"/{route}",
                http__response__status_code=response.status_code,
            )
            facts = {
                "method": request.method,
                "path": told_path(request),
                "status": response.status_code,
                "seconds": round(time.monotonic() - started, 3),
                "ip": ip,
            }
            log.log(logging.DEBUG if request.path in QUIET else logging.INFO, "answered", extra=facts)
        response.headers["X-Request-Id"] = request_id
        if not response.has_header("Cache-Control"):
            response.headers["Cache-Control"] = "no-store, private"
        return response

    return middleware


def in_use(get_response: Handler) -> Handler:
    """Puts off the idle limit of who does something. A page that asks again by itself says so, and is no use."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        session = cast("SessionStore", request.session)
        if request.method == "HEAD":
            session.modified = False  # a scanner that follows a link uses nothing up
        elif session.row and session.row.started_at:
            with suppress(DatabaseError):  # the page itself has said what is wrong
                if not request.user.is_authenticated:
                    session.flush()  # whose account was closed; it must not come back with the account
                elif request.method == "POST" or "X-Poll" not in request.headers:
                    session.note_use(agent=request.headers.get("User-Agent", ""))
        return response

    return middleware


def before_second_factor(view: View) -> View:
    """Marks a view for who still owes a second factor: all that they may do is add one, or leave."""
    view.before_second_factor = True  # type: ignore[attr-defined]  # as Django marks `login_required`
    return view


class SignedIn(LoginRequiredMiddleware):
    """Every view wants a signed-in person, with a second factor if their role needs one, unless it says otherwise."""

    def process_view(
        self, request: HttpRequest, view_func: Any, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        refusal: HttpResponseBase | None = super().process_view(request, view_func, args, kwargs)
        if refusal or not getattr(view_func, "login_required", True):
            return refusal
        owes = getattr(request.user, "owes_second_factor", False)
        if owes and not getattr(view_func, "before_second_factor", False):
            note_not_taken(request)
            return whole_page(request, resolve_url("accounts:security"))
        return None

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> HttpResponse:  # type: ignore[override]
        """A fragment must not be replaced by a sign-in page: htmx is told to go to it as a whole page."""
        note_not_taken(request)
        if not getattr(request, "htmx", False):
            return super().handle_no_permission(request, view_func)
        back = request.htmx.current_url_abs_path or resolve_url(settings.LOGIN_REDIRECT_URL)  # type: ignore[attr-defined]
        return whole_page(request, redirect_to_login(back, resolve_url(settings.LOGIN_URL)).url)
