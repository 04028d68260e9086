"""The API's addresses. Each carries the `@access` of its endpoints, which the one middleware enforces."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLPattern, path
from ninja.operation import PathView
from ninja.utils import replace_path_param_notation

from hyperclusters.web.shared.decorators import access

from . import access as access_endpoints
from . import audit, clusters, creations, views
from .app import api

ENDPOINTS = (creations, clusters, access_endpoints, audit)  # imported so that they register


def _patterns() -> Iterator[URLPattern]:
    # Ninja's public `urls` has a pattern for each method of an address.
    for router in api._get_bound_routers():
        for route, endpoint in router.path_operations.items():
            view = endpoint.get_view()
            view.access = _declaration(endpoint)  # type: ignore[attr-defined]  # as `@access` marks a view
            name = endpoint.operations[0].url_name
            yield path(replace_path_param_notation(route).lstrip("/"), view, name=name)


def _declaration(endpoint: PathView) -> access:
    """What the methods of one address need, in one declaration."""
    each: list[access] = [vars(operation.view_func)["access"] for operation in endpoint.operations]
    return access(
        get=next((one.get for one in each if one.get), None),
        post=next((one.post for one in each if one.post), None),
        delete=next((one.delete for one in each if one.delete), None),
        is_api=True,
        note="; ".join(one.note for one in each if one.note),
    )


urlpatterns = [*_patterns(), path("openapi.json", views.document, name="openapi")]
