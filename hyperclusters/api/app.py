"""The API itself: where endpoints register, what is refused before any of them runs, and its OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from ninja import NinjaAPI
from ninja.errors import ValidationError
from ninja.security import HttpBearer

from hyperclusters.accounts.models import ApiToken
from hyperclusters.web.shared.http import PageRequest

from .errors import add_handlers

DESCRIPTION = """\
Create, watch and delete hyper clusters, manage access, and read the audit: the same services, permissions, limits and \
audit as the pages.

Send `Authorization: Bearer hc_…` with a token from **My access**. A `POST` that creates or deletes needs an \
`Idempotency-Key`: the same key and body again give the same creation, for as long as it exists. Errors are \
`application/problem+json`; `sent` says whether anything went to the cloud.
"""


class Token(HttpBearer):
    """The middleware has looked at the token already; this puts it into the document."""

    def __call__(self, request: HttpRequest) -> ApiToken | None:
        return getattr(request, "token", None)

    def authenticate(self, request: HttpRequest, token: str) -> None:
        """Not called."""


api = NinjaAPI(
    title="hyperclusters",
    version="1",
    description=DESCRIPTION,
    docs_url=None,
    openapi_url=None,
    urls_namespace="api",
    auth=Token(),
)
add_handlers(api)


def refuse_unknown_parameters(handler: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """422 for a query parameter that the endpoint does not have: a mistyped filter must not mean everything."""
    operation: Any = handler.__self__  # type: ignore[attr-defined]  # ninja decorates the bound method
    parameters = {
        name
        for model in operation.models
        if model.__ninja_param_source__ == "query"
        for name in model.__ninja_flatten_map__
    }

    @wraps(handler)
    def check_parameters(request: PageRequest, **kwargs: Any) -> HttpResponseBase:
        if unknown := sorted(request.GET.keys() - parameters):
            errors = [{"loc": ("query", name), "msg": "Unknown parameter"} for name in unknown]
            return api.on_exception(request, ValidationError(errors))
        return handler(request, **kwargs)

    return check_parameters


api.add_decorator(refuse_unknown_parameters, mode="view")
