"""The traces of CTS, the cloud's own audit. CTS is another service of the region, with a host of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from hyperclusters.modelarts import grammar, parsing
from hyperclusters.modelarts.client import Client
from hyperclusters.modelarts.types import Answer, Request

MOST_TRACES = 50  # of one answer; the vendor's limit is 200
_LATEST = 253_402_300_799_000  # milliseconds: the end of the year 9999


@dataclass(frozen=True, slots=True)
class Trace:
    """One act that CTS recorded: who did what to which resource, when, and the answer's status.

    All but `at` is text to show, with unprintable characters as escapes, and may be empty. `at` is UTC, None if the
    answer has no readable time.
    """

    at: datetime | None
    user: str
    name: str
    code: str
    source_ip: str
    request_id: str
    resource_id: str
    resource_name: str


class TraceClient(Client):
    """A client of CTS: `endpoint` is that of CTS. Each error keeps its meaning; none says that something changed."""

    def list_traces(
        self, *, since: datetime, until: datetime, resource_id: str = "", resource_name: str = ""
    ) -> Answer[tuple[Trace, ...]]:
        """The management traces of the resource with this ID or, without one, of this name; the newest first, at
        most 50.

        Path and fields are those of the vendor's SDK. CTS keeps seven days. Whether it records hyper clusters is not
        documented: a trace is evidence, and none is no evidence.
        """
        request = traces_request(
            project_id=self.project_id,
            since=since,
            until=until,
            resource_id=resource_id,
            resource_name=resource_name,
        )
        matches = partial(_is_about, resource_id=resource_id, resource_name=resource_name)
        return self._call(request, lambda body: tuple(filter(matches, read_traces(body))))


def traces_request(
    *, project_id: str, since: datetime, until: datetime, resource_id: str, resource_name: str
) -> Request:
    """The GET of traces. Raises `InvalidRequest`."""
    grammar.check("project_id", project_id, grammar.is_project_id)
    field, value = ("resource_id", resource_id) if resource_id else ("resource_name", resource_name)
    grammar.check(field, value, lambda text: isinstance(text, str) and text != "" and text.isprintable())
    query = {
        "trace_type": "system",
        "limit": str(MOST_TRACES),
        "from": str(_milliseconds(since)),
        "to": str(_milliseconds(until)),
        field: value,
    }
    return Request("GET", f"/v3/{project_id}/traces", tuple(query.items()), b"", "traces")


def read_traces(body: bytes) -> tuple[Trace, ...]:
    """The traces of an answer. `{"traces": null}` is an empty list; `{}` is no list. Raises MalformedError."""
    rows = parsing.read_object(body).get("traces", "")
    if rows is None:
        rows = []
    if not isinstance(rows, list):
        raise parsing.MalformedError("bad_list")
    if len(rows) > MOST_TRACES:
        raise parsing.MalformedError("too_large")
    return tuple(_trace(row) for row in rows)


def _is_about(trace: Trace, *, resource_id: str, resource_name: str) -> bool:
    """Whether a trace names what was asked for. CTS may know more filters than ours, or ignore ours."""
    if resource_id:
        return trace.resource_id.lower() == resource_id.lower()
    return trace.resource_name == resource_name


def _trace(data: Any) -> Trace:
    if not isinstance(data, dict):
        raise parsing.MalformedError("bad_row")
    fields = ("code", "source_ip", "request_id", "resource_id", "resource_name")
    return Trace(
        at=_time(data.get("time")),
        user=_user(data.get("user")),
        name=_text(data.get("trace_name")),
        **{field: _text(data.get(field)) for field in fields},
    )


def _user(value: Any) -> str:
    """The user's name, from an object with a name, from such an object as JSON text, or from text."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return _text(value)
    return _text(_first(value, ("name", "user_name"))) if isinstance(value, dict) else _text(value)


def _first(data: dict[str, Any], names: Iterable[str]) -> Any:
    return next((data[name] for name in names if data.get(name)), None)


def _time(value: Any) -> datetime | None:
    """A time in milliseconds since 1970, as a number or as its digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        value = int(value)
    if type(value) is not int or not 0 < value <= _LATEST:
        return None
    return datetime.fromtimestamp(value // 1000, UTC)


def _text(value: Any) -> str:
    return parsing.read_text(str(value) if type(value) is int and abs(value) < 10**9 else value)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
