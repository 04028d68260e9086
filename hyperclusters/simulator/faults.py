"""Faults: explicit, one-off or permanent ways in which an answer, or the effect behind it, goes wrong."""

import base64
import dataclasses
import json
import random
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from .answers import Answer, gateway_error, modelarts_error
from .api import Call
from .behaviours import BehaviourError
from .fault_kinds import KINDS, MATCHERS
from .garbage import corrupt, pad

THROTTLING_TEXT = (
    "The throttling threshold has been reached: policy user over ratelimit,limit:100,time:1 minute"
)
# What the vendor's gateway is known to say with a status. Any other is worded as ModelArts words
# errors, with a code made up from the status.
GATEWAY_ERRORS: dict[int, tuple[str, str]] = {
    HTTPStatus.UNAUTHORIZED: (
        "APIGW.0301",
        "Incorrect IAM authentication information: verify aksk signature fail",
    ),
    HTTPStatus.FORBIDDEN: ("APIGW.0302", "The project of the path is not one that this key may use"),
    HTTPStatus.TOO_MANY_REQUESTS: ("APIGW.0308", THROTTLING_TEXT),
    HTTPStatus.BAD_GATEWAY: ("APIGW.0201", "Bad gateway: the backend closed the connection"),
    HTTPStatus.GATEWAY_TIMEOUT: ("APIGW.0201", "Backend timeout"),
}


@dataclass(frozen=True)
class Fault:
    """One rule: which requests it applies to, and what happens to them. Which fields count depends on `fault`."""

    fault: str
    call: str = "any"
    times: int | None = None
    name: str | None = None
    project: str | None = None
    probability: float = 1.0
    seed: int = 0
    before: float = 0.0
    after: float = 0.0
    seconds: float = 1.0
    status: int | None = None
    deed: bool = True
    retry_after: str | None = None
    error_code: str | None = None
    error_msg: str | None = None
    kind: str = "html"
    body: bytes = b""
    content_type: str = "application/json"
    size: int = 2 * 1024 * 1024
    reset: bool = False

    @property
    def title(self) -> str:
        """The rule's name in the journal."""
        detail = {"error": self.status, "garbage": self.kind}.get(self.fault)
        return f"{self.fault} {detail}" if detail else self.fault

    def as_json(self) -> dict[str, Any]:
        """The rule as it can be posted again: the fields that count for it."""
        names = ["fault", *MATCHERS, *KINDS[self.fault].parameters]
        content = {name: value for name, value in asdict(self).items() if name in names}
        if "body" in content:
            content["body_base64"] = base64.b64encode(content.pop("body")).decode()
        return content

    def meets(self, call: Call, name: str) -> bool:
        """Whether this rule applies to a request, apart from chance and count."""
        return (
            self.call in {"any", call.kind}
            and self.project in {None, call.target.project_id}
            and self.name in {None, name}
        )


def read(content: Mapping[str, Any]) -> Fault:
    """Parse a rule from a person or a test. Raises BehaviourError with a sentence."""
    kind = KINDS.get(str(content.get("fault")))
    if kind is None:
        raise BehaviourError(f"there is no fault {content.get('fault')!r}; there are: {', '.join(KINDS)}")
    content = dict(content)
    if "body_base64" in content and "body" not in content:
        content["body"] = _decode(content.pop("body_base64"))
    allowed = {**MATCHERS, **kind.parameters}
    checked = {}
    for name, value in content.items():
        if name == "fault":
            continue
        if name not in allowed:
            raise BehaviourError(
                f"{content['fault']} has no parameter {name!r}; it has: {', '.join(allowed)}"
            )
        checked[name] = None if value is None and allowed[name].optional else allowed[name].check(name, value)
    return Fault(**{**kind.defaults, **checked, "fault": content["fault"]})


def add(db: sqlite3.Connection, fault: Fault) -> None:
    """Add a rule after the existing ones."""
    rule = json.dumps(fault.as_json())
    db.execute("INSERT INTO faults (rule, times_left) VALUES (?, ?)", (rule, fault.times))


def replace(db: sqlite3.Connection, rules: Any) -> None:
    """Replace all rules by these. Raises BehaviourError."""
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise BehaviourError("faults must be a list of objects")
    db.execute("DELETE FROM faults")
    for rule in rules:
        add(db, read(rule))


def rules_in_force(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """The rules still in force, each with how often it is yet to strike."""
    rows = db.execute("SELECT rule, times_left FROM faults ORDER BY number")
    return [{**json.loads(row["rule"]), "times": row["times_left"]} for row in rows]


def claim(db: sqlite3.Connection, call: Call, name: str) -> tuple[list[Fault], Fault | None]:
    """Count down and return what applies to this request: every latency, and the first rule of another kind."""
    latencies: list[Fault] = []
    striking: Fault | None = None
    for row in db.execute("SELECT * FROM faults ORDER BY number").fetchall():
        fault = read(json.loads(row["rule"]))
        is_latency = fault.fault == "latency"
        if not fault.meets(call, name) or (striking and not is_latency) or not _is_due(db, row, fault):
            continue
        _count_down(db, row)
        if is_latency:
            latencies.append(fault)
        else:
            striking = fault
    return latencies, striking


def deed_delay(fault: Fault | None) -> float | None:
    """When the effect happens under a fault: 0 for now, seconds from now, or None for never."""
    if fault is None:
        return 0.0
    if fault.fault == "late_deed":
        return fault.seconds
    return 0.0 if fault.deed else None


def apply_fault(fault: Fault, honest: Answer, request_id: str) -> Answer:
    """The answer that is sent instead of the honest one."""
    match fault.fault:
        case "error":
            answer = _error(fault, request_id)
        case "late_deed":
            answer = _error(fault, request_id) if fault.status else Answer(0, lost=True)
        case "drip":
            answer = dataclasses.replace(honest, pause=fault.seconds)
        case "garbage":
            answer = corrupt(fault.kind, honest, fault.body, fault.content_type, fault.status)
        case "oversized":
            answer = pad(honest, fault.size)
        case "raw_answer":
            answer = Answer(0, fault.body, raw=True)
        case _:
            answer = Answer(0, lost=True, reset=fault.reset)
    return answer


def _error(fault: Fault, request_id: str) -> Answer:
    status = fault.status or HTTPStatus.SERVICE_UNAVAILABLE
    defaults = GATEWAY_ERRORS.get(status)
    code, message = defaults or (f"ModelArts.{status}0000", "The service failed to handle the request")
    code, message = fault.error_code or code, fault.error_msg or message
    if defaults:
        answer = gateway_error(status, code, message, request_id)
    else:
        answer = modelarts_error(code, message, status)
    return answer if fault.retry_after is None else answer.with_header("Retry-After", fault.retry_after)


def _is_due(db: sqlite3.Connection, row: sqlite3.Row, fault: Fault) -> bool:
    """Toss the rule's coin. The nth toss depends only on seed and n, in every process."""
    if fault.probability >= 1:
        return True
    db.execute("UPDATE faults SET draws = draws + 1 WHERE number = ?", (row["number"],))
    coin = random.Random(f"{fault.seed}:{row['draws']}")  # noqa: S311 - chance that can be repeated, no secret
    return coin.random() < fault.probability


def _count_down(db: sqlite3.Connection, row: sqlite3.Row) -> None:
    if row["times_left"] is None:
        return
    db.execute("UPDATE faults SET times_left = times_left - 1 WHERE number = ?", (row["number"],))
    db.execute("DELETE FROM faults WHERE times_left <= 0")


def _decode(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise BehaviourError("body_base64 must be base64") from error
