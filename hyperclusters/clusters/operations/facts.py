"""What the ledger and the rows store of a call to the cloud."""

from __future__ import annotations

import json
from typing import Any

from hyperclusters.modelarts import Exchange, ModelArtsError

# Fields of bodies that hold nothing secret.
REQUEST_FIELDS = frozenset({"name", "type", "hyper_cluster_subnet_id"})
ANSWER_FIELDS = frozenset(
    {
        *("id", "name", "type", "hyper_clusters", "network_info", "hyper_cluster_subnet_id", "is_default"),
        *("error_code", "errorCode", "code", "error_msg", "errorMsg", "error_message", "message", "error"),
        *("request_id", "requestId", "is_success"),
    }
)
LEFT_OUT = "(left out)"


def sent_facts(exchange: Exchange | None) -> dict[str, Any] | None:
    """A request: everything that the cloud saw except the signature and the keys."""
    if exchange is None:
        return None
    return {
        "method": exchange.request.method,
        "url": exchange.endpoint + exchange.request.path,
        "query": dict(exchange.request.query),
        "body": _redacted_body(exchange.request.body.decode(), REQUEST_FIELDS),
        "signed_at": exchange.signed_at.isoformat(),
    }


def answer_facts(exchange: Exchange | None, error: ModelArtsError | None = None) -> dict[str, Any] | None:
    """An answer, or why there is none."""
    if exchange is None and error is None:
        return None
    facts: dict[str, Any] = {}
    if exchange is not None:
        facts["status"] = exchange.status
        facts["body"] = _redacted_body(exchange.body, ANSWER_FIELDS)
        facts["seconds"] = round(exchange.elapsed, 3)
    if error is not None:
        facts |= {"cause": error.cause, "code": error.code, "message": error.message}
        facts["proves"] = str(error.proves)
    return facts


def error_fields(error: ModelArtsError | None, *, cause: str = "") -> dict[str, str]:
    """What a row stores of an error, so that pages can explain it."""
    return {
        "cause": cause or (error.cause if error else ""),
        "code": (error.code if error else "")[:64],
        "message": error.message if error else "",
    }


def _redacted_body(body: str, fields: frozenset[str]) -> str:
    """A JSON body with the values of the allowed fields only. A body that is not JSON, or was cut, stays as it came;
    `modelarts` has removed the project's own secrets."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body
    subset = _redact(value, fields)
    return body if subset == value else json.dumps(subset, ensure_ascii=False)


def _redact(value: Any, fields: frozenset[str], depth: int = 6) -> Any:
    if not isinstance(value, dict | list):
        return value
    if not depth:
        return LEFT_OUT
    if isinstance(value, list):
        return [_redact(item, fields, depth - 1) for item in value]
    return {
        name: _redact(item, fields, depth - 1) if name in fields else LEFT_OUT for name, item in value.items()
    }
