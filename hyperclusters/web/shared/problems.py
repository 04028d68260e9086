"""Errors of the JSON API: problem details as in RFC 9457, with a code that programs can rely on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

API_PREFIX = "/api/v1/"
MEDIA_TYPE = "application/problem+json"


def is_api(request: HttpRequest) -> bool:
    """Whether this is an address of the JSON API, known or not."""
    return request.path_info.startswith(API_PREFIX)


def problem(
    request: HttpRequest,
    status: int,
    code: str,
    detail: str,
    *,
    sent: str = "no",
    retry_after: int | None = None,
    **more: Any,
) -> HttpResponse:
    """An error. `sent` says of a write whether anything went to the cloud: `no`, `maybe` or `yes`."""
    body = {
        "type": f"/api/#{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request.META.get("REQUEST_ID", ""),
    }
    if request.method not in {"GET", "HEAD"}:
        body["sent"] = sent
    response = HttpResponse(
        json.dumps(body | more, ensure_ascii=False), status=status, content_type=MEDIA_TYPE
    )
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def unauthorized_problem(request: HttpRequest, *, is_missing: bool) -> HttpResponse:
    """401: no token, or one that cannot be used. Which of its faults a token has, only the audit says."""
    code = "token_missing" if is_missing else "token_invalid"
    if is_missing:
        detail = _("Send a token: Authorization: Bearer hc_….")
    else:
        detail = _("This token is unknown, expired or revoked. Create another one under My access.")
    response = problem(request, 401, code, detail)
    error = "" if is_missing else ', error="invalid_token"'
    response.headers["WWW-Authenticate"] = f'Bearer realm="hyperclusters"{error}'
    return response


def scope_missing(request: HttpRequest, scope: str) -> HttpResponse:
    """403: the token is good, but not for this."""
    detail = _("This token does not have the scope %(scope)s.") % {"scope": scope}
    return problem(request, 403, "scope_missing", detail, scope=scope)


def too_many(request: HttpRequest, seconds: int) -> HttpResponse:
    """429: more requests of one token than a minute has room for."""
    detail = _("Too many requests. Try again in %(seconds)d s.") % {"seconds": seconds}
    return problem(request, 429, "rate_limited", detail, retry_after=seconds)


def method_not_allowed(request: HttpRequest, methods: Sequence[str]) -> HttpResponse:
    """405: this address has other methods."""
    response = problem(request, 405, "method_not_allowed", _("This address does not have this method."))
    response.headers["Allow"] = ", ".join(methods)
    return response
