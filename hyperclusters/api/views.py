"""The API's document, for programs and for people."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from hyperclusters.web.decorators import PUBLIC, access
from hyperclusters.web.problems import MEDIA_TYPE

from .app import api
from .idempotency import REPLAYED
from .schemas import Problem

# What any request may be answered, by what it is about.
ALWAYS = {
    401: "No usable token",
    403: "Not permitted, or the token lacks the scope",
    405: "No such method",
    422: "Unknown or invalid fields or parameters",
    429: "Too many requests; see Retry-After",
    500: "Our fault",
    503: "Busy, or calls to the cloud are stopped; see Retry-After",
}
ON_OBJECTS = {404: "Absent, or in a team that you are not in"}
ON_WRITES = {
    400: "Malformed, or without Idempotency-Key",
    409: "Something stands in the way",
    413: "Too large",
}
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
            row = {"method": method.upper(), "path": address, **operation}
            groups.setdefault(operation["tags"][0], []).append(row)
    return render(
        request, "api/reference.html", {"groups": groups, "errors": ALWAYS | ON_OBJECTS | ON_WRITES}
    )


@cache
def openapi() -> dict[str, Any]:
    """The document, with the errors that every endpoint has in common."""
    result: dict[str, Any] = dict(api.get_openapi_schema(path_prefix="/api/v1/"))
    result["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    result["components"]["schemas"] |= problem.pop("$defs", {}) | {"Problem": problem}
    for address, methods in result["paths"].items():
        methods.pop("head", None)
        for method, operation in methods.items():
            _complete(address, method, operation)
    return result


def _complete(address: str, method: str, operation: dict[str, Any]) -> None:
    errors = ALWAYS | (ON_OBJECTS if "{" in address or method == "post" else {})
    if method != "get":
        errors |= ON_WRITES
    for status, text in errors.items():
        operation["responses"][status] = {"description": text, "content": {MEDIA_TYPE: PROBLEM}}
    if accepted := operation["responses"].get(202):
        location = {"description": "Where to watch it", "schema": {"type": "string"}}
        accepted["headers"] = {"Location": location, "Idempotent-Replayed": REPLAYED}
    if address.endswith("/audit/export"):
        lines = {"application/x-ndjson": {"schema": {"type": "string"}}}
        operation["responses"][200] = {"description": "JSON Lines", "content": lines}
