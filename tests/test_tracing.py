"""Traces: from the click through the worker to the cloud under the request's own ID; and without the setting, nothing."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_django import Settings

from hyperclusters import tracing
from tests.conftest import KEY, PASSWORD, Cloud, People, Projects, run_worker
from tests.web.pages import SignIn, submit

ROOT = Path(__file__).resolve().parent.parent


class Receiver(HTTPServer):
    """What an operator's collector is: it takes OTLP by HTTP."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

        class Take(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805 -- the server's own name, inside another's method
                self.bodies.append(handler.rfile.read(int(handler.headers["Content-Length"])))
                handler.send_response(200)
                handler.end_headers()

            def log_message(handler, *_: object) -> None:  # noqa: N805
                """Nothing."""

        super().__init__(("127.0.0.1", 0), Take)

    def spans(self) -> list[Any]:
        """Every span that came."""
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for each in requests
            for resource in each.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def receiver(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A collector, and tracing as a start with its address would have it."""
    collector = Receiver()
    threading.Thread(target=collector.serve_forever, name="collector", daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    settings.TRACES = "hyperclusters-tests"
    importlib.reload(tracing)
    yield collector
    tracing.provider.shutdown()
    settings.TRACES = ""
    importlib.reload(tracing)
    collector.shutdown()
    collector.server_close()


def test_a_trace_leads_from_the_click_through_the_worker_to_the_cloud_by_the_request_s_id(
    receiver: Receiver, as_: SignIn, people: People, cloud: Cloud, projects: Projects
) -> None:
    ada = as_("ada")
    answer = submit(ada, name="followed")
    ada.post("/accounts/login/", {"username": "ada", "password": PASSWORD})
    run_worker()
    assert tracing.provider.force_flush()
    spans = receiver.spans()
    trace = [span for span in spans if span.trace_id.hex() == answer["X-Request-Id"]]
    assert {span.name for span in trace} >= {
        "POST /clusters/new/",
        "work on creation",
        "ModelArts list",
        "ModelArts create",
    }
    (create,) = [span for span in trace if span.name == "ModelArts create"]
    (piece,) = [span for span in trace if span.span_id == create.parent_span_id]
    assert piece.name == "work on creation"
    values = {each.key: each.value for each in create.attributes}
    assert values["http.response.status_code"].int_value == 200
    assert values["result"].string_value == "Answer"
    assert 0 < create.end_time_unix_nano - create.start_time_unix_nano < 5e9
    body = b"".join(receiver.bodies)
    for secret in (KEY.access_key, KEY.secret_key, PASSWORD, ada.cookies["session"].value):
        assert secret.encode() not in body
    assert b"hyperclusters-tests" in body


def test_without_the_setting_nothing_of_it_is_imported() -> None:
    code = (
        "import django, sys; django.setup(); from hyperclusters.web.shared import middleware; from hyperclusters.clusters import worker; "
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    with tracing.span("nothing"):
        tracing.note("nothing")
