"""The help page: every call, behaviour and fault, the current settings, and the last requests."""

import json
import shlex
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from .behaviours import FIELDS, Behaviours
from .faults import FIELDS as FAULT_FIELDS
from .faults import KINDS, MATCHERS
from .grammar import CALLS
from .journal import JournalEntry

COMMANDS: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
    ("GET", "switches", None),
    ("PUT", "switches", {"unique_names": True, "quota": 3}),
    ("POST", "faults", {"fault": "lost_answer", "call": "create", "times": 1}),
    ("POST", "faults", {"fault": "error", "status": 429, "retry_after": "2", "times": 1}),
    ("DELETE", "faults", None),
    ("DELETE", "switches", None),
    ("GET", "journal?after=0", None),
    ("POST", "clusters", {"project_id": "p1", "name": "from-outside", "type": "ECS"}),
    ("GET", "clusters", None),
    ("DELETE", "clusters/THE-ID", None),
    (
        "POST",
        "hyperinstances",
        {"project_id": "p1", "name": "node-1", "hps_cluster_id": "THE-ID", "servers": 8},
    ),
    ("GET", "hyperinstances", None),
    ("DELETE", "hyperinstances/THE-ID", None),
    ("DELETE", "hyperinstances", None),
    ("POST", "groups", {"project_id": "p1", "name": "group-1", "hyperinstance_cluster_id": "THE-ID"}),
    ("POST", "capacities", {"project_id": "p1", "hyperinstance_cluster_id": "THE-ID", "is_sold_out": True}),
    ("POST", "traces", {"project_id": "p1", "resource_id": "THE-ID", "user": "eve", "time": 1795700000000}),
    ("POST", "projects", {"project_id": "p1", "name": "cn-north-4_vision"}),
)
# fmt: off
JOURNAL_COLUMNS = (
    "seq", "arrived_at", "call", "project_id", "type", "name", "access_key", "effect", "fault", "answer",
)
# fmt: on
INTRODUCTION = (
    "A local stand-in for the hyper-cluster API. Requests are checked as the real one checks them; nothing "
    "here costs money or leaves this machine. Switches and faults of which nothing is said are this simulator's own: the "
    "vendor documents nothing like them."
)
ON_COMMANDS = (
    "PUT changes the switches it names. DELETE on switches puts back the defaults and takes all faults away. "
    "Groups, capacities, traces and projects take the same commands as hyperinstances."
)

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #8884; }
pre { font: 13px/1.5 ui-monospace, monospace; background: #8881; padding: .8rem; overflow-x: auto; }
.scroll { overflow-x: auto; }
"""


def render(host: str, state: Behaviours, rules: list[dict[str, Any]], recent: Sequence[JournalEntry]) -> str:
    """The whole page. `host` is the name for the reader's own commands."""
    parts = [
        "<h1>Simulated ModelArts</h1>",
        f"<p>{INTRODUCTION}</p>",
        "<h2>Calls</h2>",
        _table(("call", "request", "takes or answers"), _call_rows()),
        "<h2>Switches</h2>",
        _table(("switch", "now", "meaning"), _switch_rows(state)),
        "<h2>Faults in force</h2>",
        _table(("rule",), [(json.dumps(rule),) for rule in rules]) if rules else "<p>None.</p>",
        "<h2>Kinds of fault</h2>",
        _table(("fault", "meaning", "parameters"), _fault_rows()),
        f"<p>Every fault also takes: {escape(_parameters(MATCHERS))}.</p>",
        "<h2>Commands</h2>",
        f"<p>{ON_COMMANDS}</p>",
        "<pre>",
        *(escape(_command(host, *command)) + "\n" for command in COMMANDS),
        "</pre>",
        f"<h2>Last {len(recent)} requests</h2>",
        f'<div class="scroll">{_table(JOURNAL_COLUMNS, _journal_rows(recent))}</div>',
    ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Simulated ModelArts</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _command(host: str, method: str, path: str, content: dict[str, Any] | None) -> str:
    words = ["curl"] if method == "GET" else ["curl", "-X", method]
    words.append(f"http://{host}/_simulator/{path}")
    if content is not None:
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(content)]
    return shlex.join(words)


def _call_rows() -> Iterable[tuple[str, ...]]:
    for kind, call in CALLS.items():
        yield kind, f"{call.method} {call.path}", call.meaning


def _switch_rows(state: Behaviours) -> Iterable[tuple[str, ...]]:
    for name, field in FIELDS.items():
        yield name, json.dumps(getattr(state, name)), field.meaning


def _fault_rows() -> Iterable[tuple[str, ...]]:
    for name, kind in KINDS.items():
        yield name, kind.meaning, _parameters(kind.parameters)


def _parameters(names: Iterable[str]) -> str:
    return "; ".join(f"{name}: {FAULT_FIELDS[name].meaning}" for name in names)


def _journal_rows(recent: Sequence[JournalEntry]) -> Iterable[tuple[str, ...]]:
    for entry in reversed(recent):
        row = entry.as_json()
        yield tuple(str(row[column]) for column in JOURNAL_COLUMNS)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
