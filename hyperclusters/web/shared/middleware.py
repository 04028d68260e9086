"""Who asks, from where, and whether they are signed in."""

import ipaddress
import logging
import re
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlencode

import csp.constants
import csp.utils
import structlog
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.middleware import get_user
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.shortcuts import resolve_url
from django.utils.translation import gettext as _

from hyperclusters import tracing
from hyperclusters.access import permissions
from hyperclusters.access.models import User
from hyperclusters.accounts import tokens
from hyperclusters.accounts.recent_login import is_recent
from hyperclusters.accounts.sessions import SessionStore
from hyperclusters.audit.request_context import RequestContext, request_context, switch_to_token
from hyperclusters.clusters.counters import count_request
from hyperclusters.logs import redacted_path
from hyperclusters.web.shared import problems
from hyperclusters.web.shared.decorators import access
from hyperclusters.web.shared.drafts import note_not_taken
from hyperclusters.web.shared.http import PageRequest, whole_page

log = logging.getLogger(__name__)
BRACKETED_ADDRESS = re.compile(r"\[([^]]*)\](?::[0-9]{0,5})?")  # [2001:db8::1]:443
WITH_PORT = re.compile(r"([0-9.]+):[0-9]{0,5}")  # 203.0.113.8:50000
PROBES = {"/healthz", "/readyz", "/metrics"}  # asked every few seconds by machines
SECURITY_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), "
    "payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
Handler = Callable[[HttpRequest], HttpResponseBase]


def client_ip(request: HttpRequest) -> str:
    """The caller's address: the last hop's, or, behind so many trusted proxies, what the outermost of them saw.

    Whatever stands further left in X-Forwarded-For was written by the caller and proves nothing. An entry that is no
    address, an empty one too, counts as the proxy's own.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    proxies = settings.TRUSTED_PROXIES
    address = ip_address_of(hops[-proxies]) if 0 < proxies <= len(hops) else ""
    return address or ip_address_of(peer) or peer[:45]


def ip_address_of(text: str) -> str:
    """The IP address alone, without port, brackets, zone, or IPv6 around IPv4; empty if it is none."""
    text = text.strip()
    if match := BRACKETED_ADDRESS.fullmatch(text) or WITH_PORT.fullmatch(text):
        text = match[1]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def headers(get_response: Handler) -> Handler:
    """Every answer carries the security headers: pages, errors, redirects, static files and streams."""
    every_header = SECURITY_HEADERS | {csp.constants.HEADER: csp.utils.build_policy()}

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        # Django's own pages for developers have styles and scripts within.
        may_be_django_page = settings.DEBUG and response.status_code in {404, 500}
        for name, value in (SECURITY_HEADERS if may_be_django_page else every_header).items():
            response.headers.setdefault(name, value)
        return response

    return middleware


def any_host_for_probes(get_response: Handler) -> Handler:
    """A probe or scraper reaches a process by its own address: what it asks for is answered under any host name."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path in PROBES:
            request.META["HTTP_HOST"] = (*settings.ALLOWED_HOSTS, "localhost")[0].lstrip("*.") or "localhost"
        return get_response(request)

    return middleware


def request_context_middleware(get_response: Handler) -> Handler:
    """Gives each request an ID, which its answer, its log lines and its audit events carry."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        request_id = uuid.uuid4().hex
        request.META["REQUEST_ID"] = request_id
        start, ip = time.monotonic(), client_ip(request)
        with (
            request_context(RequestContext(source="page", ip=ip, request_id=request_id)),
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
            seconds = time.monotonic() - start
            if request.path not in PROBES:
                view = getattr(request.resolver_match, "view_name", "")
                count_request(view, request.method or "", response.status_code, seconds)
            facts = {
                "method": request.method,
                "path": redacted_path(request),
                "status": response.status_code,
                "seconds": round(seconds, 3),
                "ip": ip,
            }
            log.log(logging.DEBUG if request.path in PROBES else logging.INFO, "answered", extra=facts)
        response.headers["X-Request-Id"] = request_id
        if not response.has_header("Cache-Control"):
            response.headers["Cache-Control"] = "no-store, private"
        return response

    return middleware


def session_activity_middleware(get_response: Handler) -> Handler:
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


class AccessMiddleware:
    """Enforces the `@access` of each view, as far as it does not depend on the view's object. A view without is refused."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self,
        request: PageRequest,
        view: Any,
        args: Any,  # noqa: ARG002 -- Django's
        kwargs: dict[str, Any],
    ) -> HttpResponse | None:
        """Answer in place of the view, or None. Raises NotPermitted; ImproperlyConfigured for an undeclared view."""
        rule: access | None = getattr(view, "access", None)
        if rule is None:
            raise ImproperlyConfigured(f"{view} has no @access.")
        if rule.is_api:
            return _check_token(request, rule)
        person = cast("permissions.Person", request.user)  # may be anonymous here
        page = ""
        if not rule.is_public and not person.is_authenticated:
            page = redirect_to_login(_address(request), resolve_url(settings.LOGIN_URL)).url
            if request.session.has_ended:
                page += "&ended=idle" if request.session.has_idled_out else "&ended=session"
        elif not rule.is_public and not rule.before_second_factor and request.user.owes_second_factor:
            page = resolve_url("accounts:security")
        if page:
            note_not_taken(request, "ended" if request.session.has_ended else "")
            return whole_page(request, page)
        if not rule.is_public:
            request.user = cast("User", get_user(request))  # itself: a lazy object is slow to ask
        return _check_method(request, rule, kwargs)


def _check_token(request: PageRequest, needs: access) -> HttpResponse | None:
    """Who calls the JSON API is its token's owner, whatever cookies came along. Raises NotPermitted."""
    request.COOKIES, request.session = {}, SessionStore()
    if needs.is_public:
        return _check_method(request, needs, {})
    switch_to_token("")
    try:
        token = tokens.authenticate(request.headers.get("Authorization", ""), ip=client_ip(request))
    except tokens.TokenRejected as error:
        return problems.unauthorized_problem(request, is_missing=error.cause == "missing")
    except tokens.RateLimited as error:
        return problems.too_many(request, error.seconds)
    request.user, request.token = token.owner, token
    switch_to_token(str(token))
    if token.team_id:
        permissions.limit_to_team(token.team_id)
    rule = needs.rule_for(request.method)
    if rule and rule.scope and rule.scope not in token.scopes:
        return problems.scope_missing(request, rule.scope)
    return _check_method(request, needs, {})


def _check_method(request: PageRequest, needs: access, kwargs: dict[str, Any]) -> HttpResponse | None:
    if request.method not in needs.methods:
        if needs.is_api:
            return problems.method_not_allowed(request, needs.methods)
        return HttpResponseNotAllowed(needs.methods)
    is_post = request.method == "POST"
    if rule := needs.rule_for(request.method):
        request.rule = rule
        if rule.is_anywhere and not rule.is_denied_by_view:
            rule.require(request.user)
        if needs.recent and not is_recent(request.session):
            return _ask_who_it_is(request)
    if is_post or not needs.page:
        return None
    page = resolve_url(needs.page, **{key: kwargs[key] for key in needs.keys})
    query = request.META["QUERY_STRING"]
    return HttpResponseRedirect(f"{page}?{query}" if query else page)


def _ask_who_it_is(request: PageRequest) -> HttpResponse:
    """To the page that asks for the password, and from there back here: of a POST only the draft comes back."""
    if request.method == "POST":
        note_not_taken(request)
        messages.warning(
            request, _("Nothing was changed. Please do it again after you confirmed who you are.")
        )
    return whole_page(request, f"{resolve_url('accounts:confirm')}?{urlencode({'next': _address(request)})}")


def _address(request: PageRequest) -> str:
    """Where to come back to: a fragment belongs to the page that shows it."""
    if not request.htmx:
        return request.get_full_path()
    return request.htmx.current_url_abs_path or resolve_url(settings.LOGIN_REDIRECT_URL)
