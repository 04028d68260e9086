"""The requests to the simulator and their effects: the witness in tests.

A row is committed when a request is accepted, and gets its effect in the transaction of that effect.
"""

import sqlite3
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

PENDING = "pending"
NO_EFFECT = "none"


@dataclass(frozen=True)
class JournalEntry:
    """One request to the API.

    `accepted` is False for what the gateway refused (key, signature, clock, project, size). `effect` is "created
    <id>", "deleted <id>" or "none". `answer` is the status sent, "lost" if the connection was closed instead, "raw"
    for the bytes of a fault, "pending" while (or because) no answer was decided.
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
        return {"seq": self.seq, **asdict(self), "arrived_at": _as_text(self.arrived_at)}


_COLUMNS = [each.name for each in fields(JournalEntry) if each.name != "seq"]
_INSERT = f"INSERT INTO journal ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - our own column names
_NEWEST = "SELECT * FROM (SELECT * FROM journal WHERE seq > ? ORDER BY seq DESC LIMIT ?) ORDER BY seq"


def add(db: sqlite3.Connection, entry: JournalEntry) -> JournalEntry:
    """Write a new row; returns the entry with its number."""
    values = [getattr(entry, column) for column in _COLUMNS]
    values[0] = _as_text(entry.arrived_at)
    return replace(entry, seq=db.execute(_INSERT, values).lastrowid or 0)


def finish(db: sqlite3.Connection, entry: JournalEntry) -> None:
    """Write the effect of an accepted request, in the transaction of that effect."""
    outcome = (entry.effect, entry.fault, entry.answer, entry.seq)
    db.execute("UPDATE journal SET effect = ?, fault = ?, answer = ? WHERE seq = ?", outcome)


def entries(db: sqlite3.Connection, *, after: int = 0, newest: int = -1) -> list[JournalEntry]:
    """Rows with a higher number than `after`, oldest first; only the `newest` of them if that is given."""
    return [_from_row(row) for row in db.execute(_NEWEST, (after, newest))]


def _from_row(row: sqlite3.Row) -> JournalEntry:
    values = dict(row)
    values["arrived_at"] = datetime.fromisoformat(values["arrived_at"])
    values["accepted"] = bool(values["accepted"])
    return JournalEntry(**values)


def _as_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
