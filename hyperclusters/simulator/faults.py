"""Every kind of fault, its answer, and when the effect happens under it; and the rules in force, in the store."""

import json
import random
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, PlainSerializer

from .grammar import BehaviourError, Call, Record, Seconds, Whole
from .http_messages import JSON_TYPE, Answer, gateway_error, modelarts_error

OVERSIZE = 2 * 1024 * 1024
HTML = b"<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>"
ERROR = b'{"error_code": "ModelArts.6400", "error_msg": "Invalid parameter"}'
LIMIT_TEXT = "The throttling threshold has been reached: policy user over ratelimit,limit:100,time:1 minute"
# What the vendor's gateway is known to say with a status. Any other is worded as ModelArts words
# errors, with a code made up from the status.
GATEWAY_ERRORS: dict[int, tuple[str, str]] = {
    401: ("APIGW.0301", "Incorrect IAM authentication information: verify aksk signature fail"),
    403: ("APIGW.0302", "The project of the path is not one that this key may use"),
    429: ("APIGW.0308", LIMIT_TEXT),
    502: ("APIGW.0201", "Bad gateway: the backend closed the connection"),
    504: ("APIGW.0201", "Backend timeout"),
}
MATCHERS = ("call", "times", "name", "project", "probability", "seed")
# The meaning of each kind, and which fields of a fault count for it.
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "latency": ("The answer takes longer. Adds to any other fault.", ("before", "after")),
    "lost_answer": ("Observed: the effect happens; the connection closes without an answer.", ("reset",)),
    "lost_request": ("Observed: the connection closes after the request, nothing happens.", ("reset",)),
    "late_deed": ("Observed: the connection closes; the effect happens later.", ("seconds",)),
    "error": (
        "Documented: an error status with a body as the vendor's gateway or ModelArts words it.",
        ("status", "deed", "retry_after", "error_code", "error_msg"),
    ),
    "garbage": ("The body is not as promised.", ("kind", "deed", "status", "body", "content_type")),
    "oversized": ("The honest body, padded with spaces to 2 MiB.", ("deed",)),
    "drip": ("The answer comes one byte at a time.", ("seconds", "deed")),
    "raw_answer": ("These bytes instead of any HTTP answer; then the connection closes.", ("body", "deed")),
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "lost_request": {"deed": False},
    "error": {"deed": False, "status": 503},
}
GarbageKind = Literal["html", "cut_json", "empty", "wrong_name", "no_id", "error_code_200", "custom"]
CallName = Literal[
    "any", "create", "list", "show", "delete", "hyperinstances", "groups", "capacity", "traces", "projects"
]
HeaderText = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(pattern=r"^[ -~]*$"),  # printable ASCII: it becomes a header
]
# Text stands for its bytes; bytes that are no text are kept through JSON all the same.
Bytes = Annotated[
    bytes,
    BeforeValidator(lambda text: text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text),
    PlainSerializer(lambda value: value.decode("utf-8", "surrogateescape")),
]


class Fault(Record):
    """One rule: which requests it applies to, and what happens to them. Which fields count depends on `fault`."""

    fault: str
    call: CallName = Field(default="any", description="only calls of this kind")
    times: Annotated[Whole, Field(ge=1)] | None = Field(
        default=None, description="strike only the next N requests"
    )
    name: str | None = Field(default=None, description="only requests about a cluster of this name")
    project: str | None = Field(default=None, description="only requests of this project ID")
    probability: Annotated[float, Field(ge=0, le=1)] = Field(
        default=1.0, description="strike with this chance"
    )
    seed: Whole = Field(default=0, description="makes the chance repeatable")
    before: Seconds = Field(default=0.0, description="seconds from accepting to the effect")
    after: Seconds = Field(default=0.0, description="seconds from the effect to the answer")
    seconds: Seconds = Field(default=1.0, description="seconds until the effect, or between two bytes")
    status: Annotated[int, Field(ge=200, le=599)] = Field(
        default=0, description="the status; 503 for an error, else the honest one if left out"
    )
    deed: bool = Field(default=True, description="whether the effect happens; for an error not if left out")
    retry_after: HeaderText | None = Field(default=None, description="a Retry-After header, undocumented")
    error_code: str | None = Field(default=None, description="another error_code")
    error_msg: str | None = Field(default=None, description="another error_msg")
    kind: GarbageKind = Field(default="html", description=", ".join(get_args(GarbageKind)))
    body: Bytes = Field(default=b"", description="the bytes of a raw answer or of the kind custom")
    content_type: HeaderText = Field(default=JSON_TYPE, description="the Content-Type of the kind custom")
    reset: bool = Field(default=False, description="close by a TCP reset")

    @property
    def title(self) -> str:
        """The rule's name in the journal."""
        detail = {"error": str(self.status), "garbage": self.kind}.get(self.fault, "")
        return f"{self.fault} {detail}".strip()

    @property
    def delay(self) -> float | None:
        """When the effect happens: 0 for now, seconds from now, or None for never."""
        if self.fault == "late_deed":
            return self.seconds
        return 0.0 if self.deed else None

    def meets(self, call: Call, name: str) -> bool:
        """Whether this rule applies to a request, apart from chance and count."""
        return (
            self.call in {"any", call.kind}
            and self.project in {None, call.project_id}
            and self.name in {None, name}
        )

    def answer(self, honest: Answer, request_id: str) -> Answer:
        """The answer that is sent instead of the honest one."""
        # A 204 cannot carry a body, so what takes its place needs another status.
        status = HTTPStatus.OK if honest.status == HTTPStatus.NO_CONTENT else honest.status
        match self.fault:
            case "error":
                answer = self._error(request_id)
            case "garbage":
                answer = self._garbage(replace(honest, status=self.status or status))
            case "oversized":
                answer = replace(honest, status=status, body=honest.body.ljust(OVERSIZE))
            case "drip":
                answer = replace(honest, pause=self.seconds)
            case "raw_answer":
                answer = Answer(0, self.body, raw=True)
            case _:
                answer = Answer(0, is_lost=True, reset=self.reset)
        return answer

    def _error(self, request_id: str) -> Answer:
        made_up = (f"ModelArts.{self.status}0000", "The service failed to handle the request")
        code, message = GATEWAY_ERRORS.get(self.status, made_up)
        code, message = self.error_code or code, self.error_msg or message
        if self.status in GATEWAY_ERRORS:
            answer = gateway_error(self.status, code, message, request_id)
        else:
            answer = modelarts_error(code, message, self.status)
        return answer if self.retry_after is None else answer.with_header("Retry-After", self.retry_after)

    def _garbage(self, honest: Answer) -> Answer:
        body = honest.body
        match self.kind:
            case "html":
                return Answer(honest.status, HTML, (("Content-Type", "text/html"),))
            case "custom":
                return Answer(honest.status, self.body, (("Content-Type", self.content_type),))
            case "error_code_200":
                return replace(honest, status=self.status or HTTPStatus.OK, body=ERROR)
            case "wrong_name":
                body = _change_clusters(body, lambda cluster: cluster.update(name="not-what-was-asked-for"))
            case "no_id":
                body = _change_clusters(body, lambda cluster: cluster.pop("id", None))
            case _:
                body = body[: len(body) // 2] if self.kind == "cut_json" else b""
        return replace(honest, body=body)


def _change_clusters(body: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Change every cluster of an answer, whether one or a list."""
    content = json.loads(body or b"null")
    if isinstance(content, dict):
        for cluster in content.get("hyper_clusters", [content]):
            change(cluster)
    return json.dumps(content).encode()


def parse(content: Mapping[str, Any]) -> Fault:
    """The rule that a person or a test gives. Raises BehaviourError."""
    fault = str(content.get("fault"))
    if fault not in KINDS:
        raise BehaviourError(f"there is no fault {fault!r}; there are: {', '.join(KINDS)}")
    names = ("fault", *MATCHERS, *KINDS[fault][1])
    if others := [name for name in content if name not in names]:
        raise BehaviourError(f"{fault} has no {', '.join(others)}; it has: {', '.join(names)}")
    return Fault.read({**DEFAULTS.get(fault, {}), **content})


def add(db: sqlite3.Connection, content: Mapping[str, Any]) -> dict[str, Any]:
    """Add a rule after the existing ones. Raises BehaviourError."""
    fault = parse(content)
    rule = fault.model_dump(include=set(content))
    db.execute("INSERT INTO faults (rule, times_left) VALUES (?, ?)", (json.dumps(rule), fault.times))
    return rule


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
    other: Fault | None = None
    for row in db.execute("SELECT * FROM faults ORDER BY number").fetchall():
        fault = parse(json.loads(row["rule"]))
        is_latency = fault.fault == "latency"
        if (other and not is_latency) or not fault.meets(call, name) or not _is_due(db, row, fault):
            continue
        db.execute("UPDATE faults SET times_left = times_left - 1 WHERE number = ?", (row["number"],))
        if is_latency:
            latencies.append(fault)
        else:
            other = fault
    db.execute("DELETE FROM faults WHERE times_left <= 0")
    return latencies, other


def _is_due(db: sqlite3.Connection, row: sqlite3.Row, fault: Fault) -> bool:
    """Toss the rule's coin. The nth toss depends only on seed and n, in every process."""
    if fault.probability >= 1:
        return True
    db.execute("UPDATE faults SET draws = draws + 1 WHERE number = ?", (row["number"],))
    coin = random.Random(f"{fault.seed}:{row['draws']}")  # noqa: S311 - chance that can be repeated, no secret
    return coin.random() < fault.probability
