"""Requests as they came in, and answers in the format of the vendor's gateway and of ModelArts."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any

MAX_BODY = 1024 * 1024
JSON_TYPE = "application/json"
NO_EFFECT = "none"


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


@dataclass(frozen=True)
class Answer:
    """One answer, the effect behind it, and how to send it: whole, not at all, byte by byte, or as raw bytes."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    effect: str = NO_EFFECT
    is_lost: bool = False
    reset: bool = False
    raw: bool = False
    pause: float = 0.0

    @property
    def summary(self) -> str:
        """The journal's word: the status, or that nothing was sent."""
        return "lost" if self.is_lost else "raw" if self.raw else str(self.status)

    def with_header(self, name: str, value: str) -> "Answer":
        return replace(self, headers=(*self.headers, (name, value)))


def json_answer(status: int, content: Any) -> Answer:
    """A JSON answer, non-ASCII text as it is."""
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Answer(status, body, (("Content-Type", JSON_TYPE),))


def modelarts_error(code: str, message: str, status: int = HTTPStatus.BAD_REQUEST) -> Answer:
    """An error in the format of ModelArts."""
    return json_answer(status, {"error_code": code, "error_msg": message})


def gateway_error(status: int, code: str, message: str, request_id: str) -> Answer:
    """An error in the format of the API gateway in front of ModelArts."""
    return json_answer(status, {"error_msg": message, "error_code": code, "request_id": request_id})
