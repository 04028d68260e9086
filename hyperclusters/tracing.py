"""Optional traces: a span for each web request, each piece of a worker's work, and each call to the cloud.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set, and without it nothing of OpenTelemetry is imported. It needs
requirements-tracing.txt; the other OTEL_… variables mean what OpenTelemetry's manual says. A trace has the ID of the
web request that asked for the work, so the ID on a page, in the log and in the audit finds it. Attributes are a
route, a status or an ID; never a path, a query or an exception's text.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.conf import settings

if settings.TRACES:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON
    from opentelemetry.trace import get_current_span

    class _RequestIds(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            request_id = str(structlog.contextvars.get_contextvars().get("request_id") or "")
            return int(request_id, 16) if len(request_id) == 32 else super().generate_trace_id()

    # All or nothing: the IDs are not spread as ratio samplers want them; sample in the collector.
    provider = TracerProvider(
        resource=Resource.create({"service.name": settings.TRACES}),
        id_generator=_RequestIds(),
        sampler=ALWAYS_ON,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer("hyperclusters")

Value = str | int | float


@contextmanager
def span(name: str, **attributes: Value) -> Iterator[None]:
    """Everything inside is one span. An exception's text is not recorded: it may hold anything."""
    if not settings.TRACES:
        yield
        return
    with _tracer.start_as_current_span(
        name, attributes=_attribute_names(attributes), record_exception=False, set_status_on_exception=False
    ):
        yield


def note(name: str, **attributes: Value) -> None:
    """Name the current span, now that its subject is known, and add these attributes."""
    if settings.TRACES:
        present = get_current_span()
        present.update_name(name)
        present.set_attributes(_attribute_names(attributes))


def record_span(name: str, seconds: float, **attributes: Value) -> None:
    """Record a span that ends now and began that long ago."""
    if settings.TRACES:
        now = time.time_ns()
        _tracer.start_span(
            name, start_time=now - int(seconds * 1e9), attributes=_attribute_names(attributes)
        ).end(now)


def _attribute_names(attributes: dict[str, Value]) -> dict[str, Value]:
    """`http__route` as OpenTelemetry writes it: `http.route`."""
    return {name.replace("__", "."): value for name, value in attributes.items()}
