"""Every kind of fault with its parameters and meanings, for checks and the help page."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .behaviours import (
    AS_DOCUMENTED,
    AS_OBSERVED,
    OWN,
    BehaviourError,
    number,
    one_of,
    text,
    true_or_false,
    whole_number,
)
from .garbage import GARBAGE
from .grammar import CALL_KINDS

LONGEST_SECONDS = 24 * 3600.0
LARGEST_BODY = 256 * 1024 * 1024
STATUSES = range(200, 600)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a fault: its check and its meaning."""

    check: Callable[[str, Any], Any]
    meaning: str
    optional: bool = False


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault."""

    meaning: str
    label: str
    parameters: dict[str, Parameter] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)


def _status(name: str, value: Any) -> int:
    status = whole_number(name, value)
    if status not in STATUSES:
        raise BehaviourError(f"{name} must be a final HTTP status, {STATUSES.start} to {STATUSES.stop - 1}")
    return status


def _header_text(name: str, value: Any) -> str:
    header = text(name, str(value) if isinstance(value, int) and not isinstance(value, bool) else value)
    if not header.isascii() or not header.isprintable():
        raise BehaviourError(f"{name} must be printable ASCII: it becomes a header")
    return header


def _bytes(name: str, value: Any) -> bytes:
    return value if isinstance(value, bytes) else text(name, value).encode()


def _size(name: str, value: Any) -> int:
    size = whole_number(name, value)
    if size > LARGEST_BODY:
        raise BehaviourError(f"{name} must not be larger than {LARGEST_BODY}")
    return size


_seconds = partial(number, most=LONGEST_SECONDS)
_performs = Parameter(true_or_false, "whether the deed is done all the same")

MATCHERS = {
    "call": Parameter(partial(one_of, choices=("any", *CALL_KINDS)), "any, " + ", ".join(CALL_KINDS)),
    "times": Parameter(
        partial(whole_number, least=1), "strike the next N requests, then no more", optional=True
    ),
    "name": Parameter(text, "only requests about a cluster of this name", optional=True),
    "project": Parameter(text, "only requests of this project ID", optional=True),
    "probability": Parameter(partial(number, most=1.0), "strike with this chance, 0 to 1"),
    "seed": Parameter(whole_number, "makes the chance repeatable"),
}

KINDS = {
    "latency": FaultKind(
        "The answer takes longer. Adds to any other fault.",
        OWN,
        {
            "before": Parameter(_seconds, "seconds from accepting to the deed"),
            "after": Parameter(_seconds, "seconds from the deed to the answer"),
        },
    ),
    "lost_answer": FaultKind(
        "The deed is done; the connection closes without an answer.",
        AS_OBSERVED,
        {"reset": Parameter(true_or_false, "close by a TCP reset")},
    ),
    "lost_request": FaultKind(
        "The connection closes after the request was read, and nothing is done.",
        AS_OBSERVED,
        {"reset": Parameter(true_or_false, "close by a TCP reset")},
        {"deed": False},
    ),
    "late_deed": FaultKind(
        "The connection closes, or an error is answered, and the deed takes hold later, restarts or not.",
        AS_OBSERVED,
        {
            "seconds": Parameter(_seconds, "seconds until the deed"),
            "status": Parameter(_status, "the error's status; none closes the connection", optional=True),
        },
    ),
    "error": FaultKind(
        "An error status with a body as the vendor's gateway or ModelArts words it.",
        AS_DOCUMENTED,
        {
            "status": Parameter(_status, "401, 403, 429, 500, 502, 503, 504 or any other; 503 if left out"),
            "deed": _performs,
            "retry_after": Parameter(
                _header_text,
                "a Retry-After header, which is undocumented: seconds, a date, or nonsense",
                optional=True,
            ),
            "error_code": Parameter(text, "another error_code", optional=True),
            "error_msg": Parameter(text, "another error_msg", optional=True),
        },
        {"deed": False, "status": 503},
    ),
    "garbage": FaultKind(
        "The body is not what was promised.",
        OWN,
        {
            "kind": Parameter(partial(one_of, choices=tuple(GARBAGE)), ", ".join(GARBAGE)),
            "deed": _performs,
            "status": Parameter(_status, "another status than the honest one", optional=True),
            "body": Parameter(_bytes, "the body of kind custom (in JSON also body_base64)"),
            "content_type": Parameter(_header_text, "the Content-Type of kind custom"),
        },
    ),
    "oversized": FaultKind(
        "The honest body, padded with spaces.",
        OWN,
        {"size": Parameter(_size, "bytes of the whole body"), "deed": _performs},
    ),
    "drip": FaultKind(
        "The answer comes one byte at a time.",
        OWN,
        {
            "seconds": Parameter(_seconds, "seconds between two bytes"),
            "deed": _performs,
        },
    ),
    "raw_answer": FaultKind(
        "These bytes go out instead of any HTTP answer; then the connection closes.",
        OWN,
        {"body": Parameter(_bytes, "the bytes (in JSON also body_base64)"), "deed": _performs},
    ),
}
