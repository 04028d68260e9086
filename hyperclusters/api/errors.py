"""What each exception is to an API client."""

from __future__ import annotations

import math
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, RequestDataTooBig
from django.core.exceptions import ValidationError as InvalidModel
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from hyperclusters.access.errors import Cause, ChangeRefused
from hyperclusters.access.permissions import NotPermitted
from hyperclusters.audit import clock
from hyperclusters.clusters.errors import (
    AgainstRules,
    Blocked,
    CreationRefused,
    InvalidValues,
    OverrideUnexplained,
    TokenUsed,
    TooMany,
    WrongName,
)
from hyperclusters.clusters.operations.transitions import StaleState
from hyperclusters.web.shared.error_pages import database_unavailable, not_found, permission_denied
from hyperclusters.web.shared.problems import problem
from hyperclusters.web.texts.access import access_refusal
from hyperclusters.web.texts.refusals import refusal

FIELDS = {"subnet_id": "hyper_cluster_subnet_id", NON_FIELD_ERRORS: "body"}  # the client's names for ours
# The causes that an endpoint can be refused for; the page /api/ lists them.
STATUS_OF_CAUSE = {
    Cause.ONESELF: 409,
    Cause.ABOVE: 409,
    Cause.SERVICE: 409,
    Cause.LAST_ADMIN: 409,
    Cause.HELD: 409,
    Cause.DECIDED: 409,
    Cause.INACTIVE: 409,
    Cause.NO_REASON: 422,
    Cause.PAST: 422,
    Cause.OPEN_ENDED: 422,
    Cause.TOO_LONG: 422,
}


def add_handlers(api: NinjaAPI) -> None:
    """Answer each exception that an endpoint may end in. Any other one is our fault: 500."""
    handlers: dict[type[Exception], Any] = {
        Http404: not_found,
        NotPermitted: permission_denied,
        ValidationError: invalid,
        InvalidModel: invalid_model,
        HttpError: malformed_body,
        RequestDataTooBig: too_large,
        CreationRefused: creation_refusal,
        ChangeRefused: change_refused,
        StaleState: stale,
        OperationalError: busy,
        InterfaceError: busy,
    }
    for error, handler in handlers.items():
        api.add_exception_handler(error, handler)


def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """422: fields or parameters that are unknown, missing or of another kind."""
    errors = [{"field": _field(each["loc"]), "message": str(each["msg"])} for each in error.errors]
    return problem(request, 422, "invalid", _("Some fields or parameters are not valid."), errors=errors)


def invalid_model(request: HttpRequest, error: InvalidModel) -> HttpResponse:
    """422: values that our own rules refuse."""
    by_field: dict[str, list[str]] = {NON_FIELD_ERRORS: error.messages}
    if hasattr(error, "error_dict"):
        by_field = error.message_dict
    return problem(request, 422, "invalid", " ".join(error.messages), errors=_errors(by_field))


def malformed_body(request: HttpRequest, error: HttpError) -> HttpResponse:
    """400: the body is no JSON."""
    return problem(request, error.status_code, "malformed", _("The body must be a JSON object."))


def too_large(request: HttpRequest, _error: Exception) -> HttpResponse:
    """413: more than any request needs."""
    return problem(request, 413, "too_large", _("The request is too large."))


def busy(request: HttpRequest, _error: Exception) -> HttpResponse:
    """503: the database is locked or away."""
    return database_unavailable(request)


def stale(request: HttpRequest, _error: Exception) -> HttpResponse:
    """409: it has moved on since."""
    detail = _("It is not in a state for this any more. Read it again.")
    return problem(request, 409, "stale_state", detail, sent="maybe")


def change_refused(request: HttpRequest, error: ChangeRefused) -> HttpResponse:
    """409 or 422: a rule about access."""
    status = STATUS_OF_CAUSE.get(error.cause, 409)
    return problem(request, status, str(error.cause), access_refusal(error))


def creation_refusal(request: HttpRequest, error: CreationRefused) -> HttpResponse:
    """Why a creation or deletion was not accepted. Nothing was sent."""
    if isinstance(error, TokenUsed):
        detail = _("This Idempotency-Key was used with another body. Use a new key for a new request.")
        return problem(request, 422, "idempotency_key_reused", detail)
    detail, status, retry_after = refusal(error), 409, None
    if isinstance(error, InvalidValues | AgainstRules | OverrideUnexplained | WrongName):
        status = 422
    elif isinstance(error, TooMany):
        status, retry_after = 429, 60
    elif isinstance(error, Blocked):
        until = error.project.blocked_until
        seconds = (until - clock.now()).total_seconds() if until else 0
        status, retry_after = 503, max(math.ceil(seconds), 1)
    return problem(request, status, error.cause, detail, retry_after=retry_after, **_about(error))


def _about(error: CreationRefused) -> dict[str, Any]:
    """What stands in the way, by its ID here."""
    if isinstance(error, InvalidValues):
        return {"errors": _errors(error.errors)}
    if isinstance(error, AgainstRules):
        return {"errors": [{"field": field, "message": "against the team's rules"} for field in error.fields]}
    objects = {kind: getattr(error, kind, None) for kind in ("creation", "cluster", "deletion")}
    return {kind: str(row.pk) for kind, row in objects.items() if row is not None}


def _errors(by_field: dict[str, list[str]]) -> list[dict[str, str]]:
    """What is wrong with each field, by the client's names."""
    return [
        {"field": FIELDS.get(field, field), "message": text}
        for field, texts in by_field.items()
        for text in texts
    ]


def _field(loc: tuple[object, ...]) -> str:
    """The name that the client gave it: without the models that ninja wraps around."""
    return ".".join(str(part) for part in loc[1:] if part not in {"body", "query"}) or str(loc[0])
