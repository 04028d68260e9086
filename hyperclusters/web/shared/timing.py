"""Where the time of an answer goes, told to platform admins alone: to others it would tell what they must not know."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.backends import django as backend

from hyperclusters.access.permissions import Permission, may


@dataclass(slots=True)
class _Times:
    start: float = field(default_factory=time.perf_counter)
    statements: int = 0
    database: float = 0.0
    template: float = 0.0
    is_drawing: bool = False  # a template draws others

    def count(self, execute: Callable[..., Any], *statement: Any) -> Any:
        """Run a statement, as a wrapper of the connection."""
        start = time.perf_counter()
        try:
            return execute(*statement)
        finally:
            self.statements += 1
            self.database += time.perf_counter() - start


_times: ContextVar[_Times | None] = ContextVar("the times of this answer, if they are told", default=None)


def server_timing(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """What a browser shows beside the answer, from the moment that who asks is known."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not may(request.user, Permission.APPOINT):
            return get_response(request)
        times = _Times()
        token = _times.set(times)
        try:
            with connection.execute_wrapper(times.count):
                response = get_response(request)
        finally:
            _times.reset(token)
        total, database, template = (
            f"{seconds * 1000:.1f}"
            for seconds in (time.perf_counter() - times.start, times.database, times.template)
        )
        response.headers["Server-Timing"] = (
            f'total;dur={total}, database;dur={database};desc="{times.statements} statements", template;dur={template}'
        )
        return response

    return middleware


class Templates(backend.DjangoTemplates):
    """Django's, timed where somebody is told."""

    def get_template(self, template_name: str) -> _Template:
        """Raises TemplateDoesNotExist."""
        return _Template(super().get_template(template_name).template, self)


class _Template(backend.Template):
    def render(self, context: dict[str, Any] | None = None, request: HttpRequest | None = None) -> Any:
        with _drawing():
            return super().render(context, request)


@contextmanager
def _drawing() -> Iterator[None]:
    times = _times.get()
    if times is None or times.is_drawing:
        yield
        return
    start, times.is_drawing = time.perf_counter(), True
    try:
        yield
    finally:
        times.template += time.perf_counter() - start
        times.is_drawing = False
