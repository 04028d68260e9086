"""Tells platform admins where the time of an answer goes. Others could learn from it what they must not know."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from hyperclusters.access.permissions import Permission, may
from hyperclusters.web.shared.middleware import PROBES


def server_timing(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Adds `Server-Timing`, which a browser's tools show. It counts from when the person is known."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        is_page = request.path not in PROBES and not request.path.startswith("/api/")
        if not is_page or not may(request.user, Permission.APPOINT):
            return get_response(request)
        durations: list[float] = []

        def note(execute: Callable[..., Any], *statement: Any) -> Any:
            start = time.perf_counter()
            try:
                return execute(*statement)
            finally:
                durations.append(time.perf_counter() - start)

        start = time.perf_counter()
        with connection.execute_wrapper(note):
            response = get_response(request)
        total, database = (1000 * seconds for seconds in (time.perf_counter() - start, sum(durations)))
        response.headers["Server-Timing"] = (
            f'total;dur={total:.1f}, database;dur={database:.1f};desc="{len(durations)} statements"'
        )
        return response

    return middleware
