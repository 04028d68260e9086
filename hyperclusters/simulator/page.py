"""The help page: every call, behaviour and fault, the current settings, commands, and the last requests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Template

from .behaviours import Behaviours
from .fault_kinds import KINDS, MATCHERS, Fault
from .grammar import CALLS
from .journal import JournalEntry

RECENT_ROWS = 50


def render(host: str, state: Behaviours, rules: list[dict[str, Any]], entries: Sequence[JournalEntry]) -> str:
    """The whole page. `host` is the name for the reader's own commands."""
    template = Template((Path(__file__).parent / "page.html").read_text(), autoescape=True)
    recent = [entry.as_json() for entry in entries[: -RECENT_ROWS - 1 : -1]]
    switches = Behaviours.model_fields.items()
    calls = CALLS.items()
    html: str = template.render(
        root=f"http://{host}/_simulator",
        calls=[
            (kind, f"{call.method} {call.path}", ", ".join(call.content.model_fields)) for kind, call in calls
        ],
        switches=[(name, json.dumps(getattr(state, name)), field.description) for name, field in switches],
        rules=[[json.dumps(rule)] for rule in rules],
        kinds=[
            *((kind, meaning, _parameters(names)) for kind, (meaning, names) in KINDS.items()),
            ("every fault", "", _parameters(MATCHERS)),
        ],
        heads=list(recent[0]) if recent else [],
        entries=[list(entry.values()) for entry in recent],
    )
    return html


def _parameters(names: Sequence[str]) -> str:
    return "; ".join(f"{name}: {Fault.model_fields[name].description}" for name in names)
