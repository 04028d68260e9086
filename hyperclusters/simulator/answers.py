"""Answers in the format of the vendor's gateway and of ModelArts."""

import json
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

JSON_TYPE = "application/json"
NO_EFFECT = "none"


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
