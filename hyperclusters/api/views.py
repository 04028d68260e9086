"""The API's document, for programs and for people."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from hyperclusters.web.shared.decorators import PUBLIC, access
from hyperclusters.web.shared.problems import MEDIA_TYPE
from hyperclusters.web.texts.access import REFUSALS

from .app import api
from .errors import STATUS_OF_CAUSE
from .idempotency import REPLAY_HEADER
from .schemas import Problem

# What any request may be answered, by what it is about.
ALWAYS = {
    401: gettext_noop("No usable token"),
    403: gettext_noop("Not permitted, or the token lacks the scope"),
    405: gettext_noop("No such method"),
    422: gettext_noop("Unknown or invalid fields or parameters"),
    429: gettext_noop("Too many requests; see Retry-After"),
    500: gettext_noop("Our fault"),
    503: gettext_noop("Busy, or calls to the cloud are paused; see Retry-After"),
}
ON_OBJECTS = {404: gettext_noop("Absent, or in a team that you are not in")}
ON_WRITES = {
    400: gettext_noop("Malformed, or without Idempotency-Key"),
    409: gettext_noop("Something stands in the way"),
    413: gettext_noop("Too large"),
}
# Every code of an error; docs/api.md explains what to do.
CODES = (
    ("token_missing", 401, _("There is no `Authorization` header.")),
    ("token_invalid", 401, _("The token is unknown, expired or revoked.")),
    ("not_permitted", 403, _("Your role does not allow this.")),
    ("scope_missing", 403, _("The token lacks the scope.")),
    ("not_found", 404, _("It does not exist, or is in a team that you are not in.")),
    ("method_not_allowed", 405, _("This path does not allow the method. `Allow` lists those that it does.")),
    ("bad_request", 400, _("The request itself is malformed.")),
    ("malformed", 400, _("The body is not a JSON object.")),
    ("idempotency_key_missing", 400, _("Send the header `Idempotency-Key`.")),
    ("idempotency_key_invalid", 400, _("The key needs 1 to 255 visible ASCII characters.")),
    ("too_large", 413, _("The body is larger than any request needs.")),
    ("idempotency_key_reused", 422, _("The key was used with another body.")),
    ("invalid", 422, _("Some fields are wrong. The answer lists them under `errors`.")),
    ("team_rules", 422, _("The team's rules do not allow it.")),
    ("override_unexplained", 422, _("`override_inside` needs a reason.")),
    ("wrong_name_typed", 422, _("`confirm_name` is not the cluster's name.")),
    ("project_retired", 409, _("The project is retired.")),
    ("name_unresolved", 409, _("A creation of this name is not settled yet.")),
    ("name_taken", 409, _("A cluster has this name.")),
    ("quota", 409, _("The quota is used up.")),
    ("deletion_open", 409, _("The cluster is being deleted already.")),
    ("already_gone", 409, _("The cluster is gone.")),
    ("locked", 409, _("The cluster is locked.")),
    ("stale_state", 409, _("It has changed since you read it. Read it again.")),
    *((str(cause), status, REFUSALS[cause]) for cause, status in STATUS_OF_CAUSE.items()),
    ("too_many", 429, _("Too many creations were requested within a minute.")),
    ("rate_limited", 429, _("Too many requests were sent. `Retry-After` says when to try again.")),
    ("blocked", 503, _("Calls to the cloud are paused. `Retry-After` says when to try again.")),
    ("busy", 503, _("The database is busy. Try again with the same key.")),
    ("internal_error", 500, _("It is our fault. Try again with the same key.")),
)
# The document is in English; its page translates groups and summaries, and what errors mean.
GROUPS = {
    "access": _("Access"),
    "audit": _("Audit"),
    "clusters": _("Clusters"),
    "creations": _("Creations"),
    "projects": _("Projects"),
}
SUMMARIES = (
    gettext_noop("Read me"),
    gettext_noop("List teams"),
    gettext_noop("List grants"),
    gettext_noop("Create grant"),
    gettext_noop("Revoke grant"),
    gettext_noop("List access requests"),
    gettext_noop("Approve access request"),
    gettext_noop("Decline access request"),
    gettext_noop("List events"),
    gettext_noop("Export events"),
    gettext_noop("Read integrity"),
    gettext_noop("Request creation"),
    gettext_noop("List creations"),
    gettext_noop("Read creation"),
    gettext_noop("Withdraw creation"),
    gettext_noop("Approve creation"),
    gettext_noop("Decline creation"),
    gettext_noop("List clusters"),
    gettext_noop("Read cluster"),
    gettext_noop("Request deletion"),
    gettext_noop("Read deletion"),
    gettext_noop("List projects"),
)
PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}


@access(get=PUBLIC, is_api=True)
def document(request: HttpRequest) -> HttpResponse:
    """The OpenAPI 3.1 document."""
    return JsonResponse(openapi())


@access(get=PUBLIC)
def reference(request: HttpRequest) -> HttpResponse:
    """The same for people."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for address, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            row = operation | {"method": method.upper(), "path": address, "fields": _fields(operation)}
            groups.setdefault(str(GROUPS[operation["tags"][0]]), []).append(row)
    context = {"groups": groups, "codes": CODES, "site": settings.SITE_URL}
    return render(request, "api/reference.html", context)


def _fields(operation: dict[str, Any]) -> list[tuple[str, bool, str]]:
    """Name, whether it is required, and description of each field of the body."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = openapi()["components"]["schemas"].get(body.get("$ref", "").rpartition("/")[2], {})
    required_names = schema.get("required", [])
    return [
        (name, name in required_names, field.get("description", ""))
        for name, field in schema.get("properties", {}).items()
    ]


@cache
def openapi() -> dict[str, Any]:
    """The document, with the errors that every endpoint has in common."""
    result: dict[str, Any] = dict(api.get_openapi_schema(path_prefix="/api/v1/"))
    result["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    result["components"]["schemas"] |= problem.pop("$defs", {}) | {"Problem": problem}
    for address, methods in result["paths"].items():
        for method, operation in methods.items():
            _complete(address, method, operation)
    return result


def _complete(address: str, method: str, operation: dict[str, Any]) -> None:
    operation["summary"] = operation["summary"].capitalize()  # "List Clusters" by ninja
    errors = ALWAYS | (ON_OBJECTS if "{" in address or method == "post" else {})
    if method != "get":
        errors |= ON_WRITES
    for status, text in errors.items():
        operation["responses"][status] = {"description": text, "content": {MEDIA_TYPE: PROBLEM}}
    if response := operation["responses"].get(202):
        location = {"description": "Where to watch it", "schema": {"type": "string"}}
        response["headers"] = {"Location": location, "Idempotent-Replayed": REPLAY_HEADER}
    if address.endswith("/audit/export"):
        lines = {"application/x-ndjson": {"schema": {"type": "string"}}}
        operation["responses"][200] = {"description": "JSON Lines", "content": lines}
