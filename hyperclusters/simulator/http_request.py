"""A request from a WSGI environ, with headers as received."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from wsgiref.types import WSGIEnvironment

MAX_BODY = 1024 * 1024
PLAIN_HEADERS = {"CONTENT_TYPE": "content-type", "CONTENT_LENGTH": "content-length"}


class IncompleteBodyError(ConnectionError):
    """The sender stopped before the announced end, so this never was a request."""


@dataclass(frozen=True)
class Request:
    """What the application needs of a WSGI environ."""

    environ: WSGIEnvironment

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @property
    def raw_path(self) -> bytes:
        """The decoded path's bytes; WSGI carries them as latin-1."""
        return str(self.environ.get("PATH_INFO", "")).encode("latin-1")

    @property
    def path(self) -> str:
        return self.raw_path.decode("utf-8", "replace")

    @property
    def query(self) -> str:
        return str(self.environ.get("QUERY_STRING", ""))

    @property
    def arrived_at(self) -> datetime:
        """When the request line was read, if the server recorded that; else now."""
        return self.environ.get("simulator.arrived_at") or datetime.now(UTC)

    @property
    def content_length(self) -> int:
        """The announced size of the body; the server passes on digits only."""
        return int(self.environ.get("CONTENT_LENGTH") or 0)

    @cached_property
    def headers(self) -> Mapping[str, bytes]:
        """Header values as received, by name in lower case."""
        environ = self.environ
        named = {name: environ[key] for key, name in PLAIN_HEADERS.items() if environ.get(key)}
        named |= {key[5:].replace("_", "-").lower(): environ[key] for key in environ if key[:5] == "HTTP_"}
        return {name: value.encode("latin-1") for name, value in named.items()}

    def header(self, name: str) -> str:
        """A header's value as text, empty if it was not sent."""
        return self.headers.get(name, b"").decode("latin-1").strip()

    @cached_property
    def body(self) -> bytes:
        """The whole body. Raises IncompleteBodyError if the sender stopped within it."""
        length = self.content_length
        content: bytes = self.environ["wsgi.input"].read(length) if length else b""
        if len(content) < length:
            raise IncompleteBodyError(f"{len(content)} of {length} bytes came")
        return content

    @cached_property
    def body_digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def json_object(self) -> dict[str, Any]:
        """The body of a control request. Raises ValueError with a sentence."""
        try:
            content = json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError("the body must be a JSON object") from error
        if not isinstance(content, dict):
            raise ValueError("the body must be a JSON object")  # noqa: TRY004 - one kind of error for one answer
        return content
