"""Faults: explicit, one-off or permanent ways in which an answer, or the effect behind it, goes wrong."""

import json
import random
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from http import HTTPStatus
from typing import Any

from .answers import JSON_TYPE, Answer, gateway_error, modelarts_error
from .fields import (
    BehaviourError,
    field_of,
    fields_of,
    number,
    one_of,
    optional,
    read,
    text,
    true_or_false,
    whole_number,
)
from .garbage import GARBAGE
from .grammar import CALLS, Call

SECONDS = number(most=24 * 3600.0)
OVERSIZE = 2 * 1024 * 1024
MATCHERS = ("call", "times", "name", "project", "probability", "seed")
THROTTLING_TEXT = (
    "The throttling threshold has been reached: policy user over ratelimit,limit:100,time:1 minute"
)
# What the vendor's gateway is known to say with a status. Any other is worded as ModelArts words
# errors, with a code made up from the status.
GATEWAY_ERRORS: dict[int, tuple[str, str]] = {
    401: ("APIGW.0301", "Incorrect IAM authentication information: verify aksk signature fail"),
    403: ("APIGW.0302", "The project of the path is not one that this key may use"),
    429: ("APIGW.0308", THROTTLING_TEXT),
    502: ("APIGW.0201", "Bad gateway: the backend closed the connection"),
    504: ("APIGW.0201", "Backend timeout"),
}


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault: its meaning, the fields of a fault that count for it, and their defaults if others."""

    meaning: str
    parameters: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)


KINDS = {
    "latency": FaultKind("The answer takes longer. Adds to any other fault.", ("before", "after")),
    "lost_answer": FaultKind(
        "Observed: the deed is done; the connection closes without an answer.", ("reset",)
    ),
    "lost_request": FaultKind(
        "Observed: the connection closes after the request was read, and nothing is done.",
        ("reset",),
        {"deed": False},
    ),
    "late_deed": FaultKind(
        "Observed: the connection closes, and the deed takes hold later, restarts or not.", ("seconds",)
    ),
    "error": FaultKind(
        "Documented: an error status with a body as the vendor's gateway or ModelArts words it.",
        ("status", "deed", "retry_after", "error_code", "error_msg"),
        {"deed": False, "status": 503},
    ),
    "garbage": FaultKind(
        "The body is not what was promised.", ("kind", "deed", "status", "body", "content_type")
    ),
    "oversized": FaultKind(f"The honest body, padded with spaces to {OVERSIZE} bytes.", ("deed",)),
    "drip": FaultKind("The answer comes one byte at a time.", ("seconds", "deed")),
    "raw_answer": FaultKind(
        "These bytes go out instead of any HTTP answer; then the connection closes.", ("body", "deed")
    ),
}


def _header_text(name: str, value: Any) -> str:
    header = text(name, str(value) if isinstance(value, int) and not isinstance(value, bool) else value)
    if not header.isascii() or not header.isprintable():
        raise BehaviourError(f"{name} must be printable ASCII: it becomes a header")
    return header


def _bytes(name: str, value: Any) -> bytes:
    return value if isinstance(value, bytes) else text(name, value).encode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Fault:
    """One rule: which requests it applies to, and what happens to them. Which fields count depends on `fault`."""

    fault: str = field_of("", one_of(*KINDS), "the kind of fault")
    call: str = field_of("any", one_of("any", *CALLS), f"any, {', '.join(CALLS)}")
    times: int | None = field_of(None, optional(whole_number(1)), "strike the next N requests, then no more")
    name: str | None = field_of(None, optional(text), "only requests about a cluster of this name")
    project: str | None = field_of(None, optional(text), "only requests of this project ID")
    probability: float = field_of(1.0, number(most=1.0), "strike with this chance, 0 to 1")
    seed: int = field_of(0, whole_number(), "makes the chance repeatable")
    before: float = field_of(0.0, SECONDS, "seconds from accepting to the deed")
    after: float = field_of(0.0, SECONDS, "seconds from the deed to the answer")
    seconds: float = field_of(1.0, SECONDS, "seconds until the deed, or between two bytes")
    status: int | None = field_of(
        None, whole_number(200, 599), "the status; 503 for an error, else the honest one if left out"
    )
    deed: bool = field_of(True, true_or_false, "whether the deed is done all the same")
    retry_after: str | None = field_of(
        None, optional(_header_text), "a Retry-After header, which is undocumented"
    )
    error_code: str | None = field_of(None, optional(text), "another error_code")
    error_msg: str | None = field_of(None, optional(text), "another error_msg")
    kind: str = field_of("html", one_of(*GARBAGE, "custom"), f"{', '.join(GARBAGE)}, custom")
    body: bytes = field_of(b"", _bytes, "the bytes of a raw answer or of garbage of the kind custom")
    content_type: str = field_of(JSON_TYPE, _header_text, "the Content-Type of garbage of the kind custom")
    reset: bool = field_of(False, true_or_false, "close by a TCP reset")

    @property
    def title(self) -> str:
        """The rule's name in the journal."""
        detail = {"error": self.status, "garbage": self.kind}.get(self.fault)
        return f"{self.fault} {detail}" if detail else self.fault

    @property
    def delay(self) -> float | None:
        """When the effect happens: 0 for now, seconds from now, or None for never."""
        if self.fault == "late_deed":
            return self.seconds
        return 0.0 if self.deed else None

    def as_json(self) -> dict[str, Any]:
        """The rule as it can be posted again: the fields that count for it."""
        names = ["fault", *MATCHERS, *KINDS[self.fault].parameters]
        content = {name: value for name, value in asdict(self).items() if name in names and value is not None}
        if "body" in content:
            content["body"] = self.body.decode("utf-8", "surrogateescape")
        return content

    def meets(self, call: Call, name: str) -> bool:
        """Whether this rule applies to a request, apart from chance and count."""
        return (
            self.call in {"any", call.kind}
            and self.project in {None, call.target.project_id}
            and self.name in {None, name}
        )


FIELDS = fields_of(Fault)


def parse(content: Mapping[str, Any]) -> Fault:
    """The rule that a person or a test gives. Raises BehaviourError."""
    kind = KINDS[FIELDS["fault"].check("fault", content.get("fault"))]
    names = ("fault", *MATCHERS, *kind.parameters)
    return Fault(
        **{**kind.defaults, **read({name: FIELDS[name] for name in names}, content, base=kind.defaults)}
    )


def add(db: sqlite3.Connection, content: Mapping[str, Any]) -> Fault:
    """Add a rule after the existing ones. Raises BehaviourError."""
    fault = parse(content)
    rule = json.dumps(fault.as_json())
    db.execute("INSERT INTO faults (rule, times_left) VALUES (?, ?)", (rule, fault.times))
    return fault


def replace_all(db: sqlite3.Connection, rules: Any) -> None:
    """Replace all rules by these. Raises BehaviourError."""
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise BehaviourError("faults must be a list of objects")
    db.execute("DELETE FROM faults")
    for rule in rules:
        add(db, rule)


def rules_in_force(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """The rules still in force, each with how often it is yet to strike."""
    rows = db.execute("SELECT rule, times_left FROM faults ORDER BY number")
    return [{**json.loads(row["rule"]), "times": row["times_left"]} for row in rows]


def claim(db: sqlite3.Connection, call: Call, name: str) -> tuple[list[Fault], Fault | None]:
    """Count down and return what applies to this request: every latency, and the first rule of another kind."""
    latencies: list[Fault] = []
    striking: Fault | None = None
    for row in db.execute("SELECT * FROM faults ORDER BY number").fetchall():
        fault = parse(json.loads(row["rule"]))
        is_latency = fault.fault == "latency"
        if not fault.meets(call, name) or (striking and not is_latency) or not _is_due(db, row, fault):
            continue
        db.execute("UPDATE faults SET times_left = times_left - 1 WHERE number = ?", (row["number"],))
        if is_latency:
            latencies.append(fault)
        else:
            striking = fault
    db.execute("DELETE FROM faults WHERE times_left <= 0")
    return latencies, striking


def _is_due(db: sqlite3.Connection, row: sqlite3.Row, fault: Fault) -> bool:
    """Toss the rule's coin. The nth toss depends only on seed and n, in every process."""
    if fault.probability >= 1:
        return True
    db.execute("UPDATE faults SET draws = draws + 1 WHERE number = ?", (row["number"],))
    coin = random.Random(f"{fault.seed}:{row['draws']}")  # noqa: S311 - chance that can be repeated, no secret
    return coin.random() < fault.probability


def apply_fault(fault: Fault, honest: Answer, request_id: str) -> Answer:
    """The answer that is sent instead of the honest one."""
    match fault.fault:
        case "error":
            answer = _error(fault, request_id)
        case "drip":
            answer = replace(honest, pause=fault.seconds)
        case "garbage":
            answer = _garbage(fault, honest)
        case "oversized":
            answer = replace(honest, status=_status_with_body(honest), body=honest.body.ljust(OVERSIZE))
        case "raw_answer":
            answer = Answer(0, fault.body, raw=True)
        case _:
            answer = Answer(0, lost=True, reset=fault.reset)
    return answer


def _error(fault: Fault, request_id: str) -> Answer:
    status = fault.status or HTTPStatus.SERVICE_UNAVAILABLE
    made_up = (f"ModelArts.{status}0000", "The service failed to handle the request")
    code, message = GATEWAY_ERRORS.get(status, made_up)
    code, message = fault.error_code or code, fault.error_msg or message
    if status in GATEWAY_ERRORS:
        answer = gateway_error(status, code, message, request_id)
    else:
        answer = modelarts_error(code, message, status)
    return answer if fault.retry_after is None else answer.with_header("Retry-After", fault.retry_after)


def _garbage(fault: Fault, honest: Answer) -> Answer:
    types = {"html": "text/html", "custom": fault.content_type}
    headers = (("Content-Type", types[fault.kind]),) if fault.kind in types else honest.headers
    usual = HTTPStatus.OK if fault.kind == "error_code_200" else _status_with_body(honest)
    body = fault.body if fault.kind == "custom" else GARBAGE[fault.kind](honest.body)
    return Answer(fault.status or usual, body, headers)


def _status_with_body(honest: Answer) -> int:
    """A 204 cannot carry a body, so what takes its place needs another status."""
    return HTTPStatus.OK if honest.status == HTTPStatus.NO_CONTENT else honest.status
