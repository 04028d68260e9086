"""The faults in force: rules in the store, and which of them strikes a request."""

import json
import random
import sqlite3
from collections.abc import Mapping
from typing import Any

from .fault_kinds import KINDS, MATCHERS, Fault
from .grammar import Call
from .records import BehaviourError

DEFAULTS: dict[str, dict[str, Any]] = {
    "lost_request": {"deed": False},
    "error": {"deed": False, "status": 503},
}


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
