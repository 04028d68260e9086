"""Where the time of an answer goes, told to platform admins alone: to others it would tell what they must not know."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hyperclusters.access.permissions import Permission, may


def server_timing(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """`Server-Timing`, which a browser's tools show: from the moment that who asks is known."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not may(request.user, Permission.APPOINT):
            return get_response(request)
        spent: list[float] = []

        def note(execute: Callable[..., Any], *statement: Any) -> Any:
            start = time.perf_counter()
            try:
                return execute(*statement)
            finally:
                spent.append(time.perf_counter() - start)

        start = time.perf_counter()
        with connection.execute_wrapper(note):
            response = get_response(request)
        total, database = (1000 * seconds for seconds in (time.perf_counter() - start, sum(spent)))
        response.headers["Server-Timing"] = (
            f'total;dur={total:.1f}, database;dur={database:.1f};desc="{len(spent)} statements"'
        )
        return response

    return middleware
