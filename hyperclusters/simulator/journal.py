"""The requests to the simulator and their effects: the witness in tests.

A row is committed when a request is accepted, and gets its effect in the transaction of that effect.
"""

import sqlite3
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from .http_messages import NO_EFFECT

PENDING = "pending"


@dataclass(frozen=True)
class JournalEntry:
    """One request to the API.

    `accepted` is False for what the gateway refused (key, signature, clock, size). `effect` is "created <id>",
    "deleted <id>" or "none". `answer` is the status sent, "lost" if the connection was closed instead, "raw" for the
    bytes of a fault, "pending" while (or because) no answer was decided.
    """

    arrived_at: datetime
    call: str
    method: str
    path: str
    project_id: str
    type: str
    name: str
    body_digest: str
    access_key: str
    sdk_date: str
    request_id: str
    accepted: bool = True
    effect: str = NO_EFFECT
    fault: str = ""
    answer: str = PENDING
    seq: int = 0

    def as_json(self) -> dict[str, Any]:
        """The row as JSON can say it."""
        return {**asdict(self), "arrived_at": self.arrived_at.isoformat(timespec="microseconds")}


COLUMNS = [each.name for each in fields(JournalEntry) if each.name != "seq"]


def add(db: sqlite3.Connection, entry: JournalEntry) -> JournalEntry:
    """Write a new row; returns the entry with its number."""
    names, places = ", ".join(COLUMNS), ", ".join(f":{name}" for name in COLUMNS)
    insertion = db.execute(f"INSERT INTO journal ({names}) VALUES ({places})", entry.as_json())  # noqa: S608 - our own names
    return replace(entry, seq=insertion.lastrowid or 0)


def finish(db: sqlite3.Connection, entry: JournalEntry) -> None:
    """Write the effect of an accepted request, in the transaction of that effect."""
    outcome = (entry.effect, entry.fault, entry.answer, entry.seq)
    db.execute("UPDATE journal SET effect = ?, fault = ?, answer = ? WHERE seq = ?", outcome)


def entries(db: sqlite3.Connection) -> list[JournalEntry]:
    """All rows, oldest first."""
    rows = db.execute("SELECT * FROM journal ORDER BY seq")
    return [_from_row(dict(row)) for row in rows]


def _from_row(row: dict[str, Any]) -> JournalEntry:
    arrived_at, accepted = datetime.fromisoformat(row["arrived_at"]), bool(row["accepted"])
    return JournalEntry(**{**row, "arrived_at": arrived_at, "accepted": accepted})
