"""The machine's own key: asked for as the vendor's SDK does, and nothing odd is taken for one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from huaweicloudsdkcore.auth.internal import MetadataAccessor
from huaweicloudsdkmodelarts.v1.region.modelarts_region import ModelArtsRegion

from hyperclusters.modelarts import ENDPOINTS, MetadataError, Transport, fetch_key

SENT = ("Host", "X-Metadata-Token")


class Metadata(ThreadingHTTPServer):
    """A metadata service that says what it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.token: tuple[int, str] = (200, "metadata-token")
        self.key: tuple[int, str] = (200, key())
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One call to it."""

    server: Metadata

    def do_PUT(self) -> None:
        self._answer(*self.server.token)

    def do_GET(self) -> None:
        self._answer(*self.server.key)

    def _answer(self, status: int, body: str) -> None:
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the library's name
        """Say nothing."""


def key(*, lives: timedelta = timedelta(hours=24), access: str = "MACHINEAK") -> str:
    ends = (datetime.now(UTC) + lives).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    record = {
        "access": access,
        "secret": "machine-secret",
        "securitytoken": "machine-token",
        "expires_at": ends,
    }
    return json.dumps({"credential": record})


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    """A metadata service on loopback."""
    with Metadata() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_the_key_is_asked_for_as_the_vendor_s_sdk_does(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Transport() as http:
        ours = fetch_key(http, metadata.endpoint)
    mine = [(method, path, *map(headers.get, SENT)) for method, path, headers in metadata.asked]
    ttl = metadata.asked[0][2]["X-Metadata-Token-Ttl-Seconds"]
    metadata.asked.clear()
    monkeypatch.setattr(MetadataAccessor, "_METADATA_ENDPOINT", metadata.endpoint)
    theirs = MetadataAccessor().get_credential()
    assert mine == [(method, path, *map(headers.get, SENT)) for method, path, headers in metadata.asked]
    assert ttl == metadata.asked[0][2]["X-Metadata-Token-Ttl-Seconds"]
    held = ours.credentials
    assert (held.access_key, held.secret_key, held.security_token) == (
        theirs.access,
        theirs.secret,
        theirs.security_token,
    )
    assert timedelta(hours=23) < ours.until - datetime.now(UTC) < timedelta(hours=25)
    assert "machine" not in repr(ours).lower()


@pytest.mark.parametrize("status", [404, 405, 503])
def test_a_metadata_service_without_tokens_is_asked_without_one(status: int, metadata: Metadata) -> None:
    metadata.token = (status, "no")
    with Transport() as http:
        assert fetch_key(http, metadata.endpoint).credentials.access_key == "MACHINEAK"
    assert "X-Metadata-Token" not in metadata.asked[-1][2]


@pytest.mark.parametrize(
    ("token", "answer", "cause"),
    [
        ((500, "x"), (200, key()), "metadata_refused"),
        ((200, "two\nlines"), (200, key()), "metadata_refused"),
        ((200, "t"), (401, "Please configure Cloud Service Agency first"), "metadata_no_agency"),
        ((200, "t"), (404, ""), "metadata_refused"),
        ((200, "t"), (302, ""), "metadata_refused"),
        ((200, "t"), (200, ""), "metadata_unreadable"),
        ((200, "t"), (200, "<html>"), "metadata_unreadable"),
        ((200, "t"), (200, "[]"), "metadata_unreadable"),
        ((200, "t"), (200, '{"credential": {"access": "a"}}'), "metadata_unreadable"),
        ((200, "t"), (200, key(access="a\r\nX-Evil: 1")), "metadata_unreadable"),
        ((200, "t"), (200, key().replace("T", " ", 1)), "metadata_unreadable"),
    ],
)
def test_nothing_odd_is_taken_for_a_key(
    token: tuple[int, str], answer: tuple[int, str], cause: str, metadata: Metadata
) -> None:
    metadata.token, metadata.key = token, answer
    with Transport() as http, pytest.raises(MetadataError) as error:
        fetch_key(http, metadata.endpoint)
    assert error.value.cause == cause
    assert "machine" not in str(error.value)


def test_a_machine_without_a_metadata_service_says_so() -> None:
    with Transport(connect_timeout=1) as http, pytest.raises(MetadataError) as error:
        fetch_key(http, "http://127.0.0.1:1")
    assert error.value.cause == "metadata_unreachable"


def test_the_regions_are_those_of_the_vendor_s_sdk() -> None:
    theirs = {region.id: region.endpoints[0] for region in ModelArtsRegion.static_fields.values()}
    assert theirs == ENDPOINTS
