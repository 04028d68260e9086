"""A request as it came in."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

MAX_BODY = 1024 * 1024


@dataclass(frozen=True)
class Request:
    """One request. Header names are in lower case; `length` is announced, and above MAX_BODY nothing is read."""

    method: str
    raw_path: bytes  # percent-decoded
    query: str
    headers: Mapping[str, bytes]
    length: int
    body: bytes
    arrived_at: datetime

    @property
    def path(self) -> str:
        return self.raw_path.decode("utf-8", "replace")

    @cached_property
    def body_digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def header(self, name: str) -> str:
        """A header's value as text, empty if it was not sent."""
        return self.headers.get(name, b"").decode("latin-1")

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object. Raises ValueError with a sentence."""
        try:
            content = json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError("the request body is not JSON") from error
        if not isinstance(content, dict):
            raise ValueError("the request body must be a JSON object")  # noqa: TRY004 - one kind of error for one answer
        return content
