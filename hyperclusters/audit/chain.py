"""The chain: each event is stored as an exact text that names the digest of the event before it, and the HMAC-SHA256
of that text.

The text is chained byte for byte and never made again, so neither the order of JSON keys nor a way of writing times
can raise a false alarm. The other columns exist to be searched and are compared with the text at verification. The
number is the primary key: of two events that name the same predecessor the second is refused, so there is no fork.
The database engines (`engines/`) call `append` right before a COMMIT, so nothing here may import a model.

AUDIT_KEYS holds every key that a process can use; the ledger says which one is current. An activation event, sealed
with the key before it, names the next key. Before any activation the key of the last event is current, and the first
of AUDIT_KEYS in an empty ledger.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Sequence
from typing import Any, Protocol

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

log = logging.getLogger(__name__)
GENESIS = "0" * 64  # what the first event names as the digest before it
SCALARS = (
    "action",
    "outcome",
    "person_id",
    "person_name",
    "team_id",
    "team_name",
    "project_name",
    "object_kind",
    "object_id",
    "object_name",
    "reason",
    "evidence",
    "source",
    "ip",
    "request_id",
    "upstream_request_id",
)
DOCUMENTS = ("before", "after", "request", "response")
COLUMNS = ("seq", "at", *SCALARS, *DOCUMENTS, "key_id", "canonical", "digest")
TEXT = re.compile(
    r'\{"previous":"[0-9a-f]{64}","seq":(\d+),"key":"([^"]*)","at":"'
)  # how an event's text begins
AT_ONCE = 500  # rows of one INSERT
_BYTES_OF_NEWEST = "SELECT {}, {} FROM audit_event WHERE key_id = %s AND seq BETWEEN %s AND %s"
BYTES = {  # whatever somebody wrote there
    "sqlite": _BYTES_OF_NEWEST.format("CAST(canonical AS BLOB)", "CAST(digest AS BLOB)"),
    "postgresql": _BYTES_OF_NEWEST.format("convert_to(canonical, 'UTF8')", "convert_to(digest, 'UTF8')"),
}
KEY_SAMPLE = 20  # events that show whether a key has the right bytes: more than somebody edits by mistake
ACTIVATION = "audit:key:activated"  # the event that makes another key current
ACTIVATION_MARK = (
    f'"action":"{ACTIVATION}"'  # in a text it comes after number, key and time, and nowhere else
)
MARK_FROM, MARK_UP_TO = 85, 240
# The row has no key until the first event after the migration that added the column.
CURRENT_KEY = "coalesce(nullif(key_id, ''), (SELECT key_id FROM audit_event WHERE audit_event.seq = audit_head.seq), '')"
END = f"SELECT seq, digest, {CURRENT_KEY} FROM audit_head WHERE id = 1"  # noqa: S608 -- our own words
# Foreign keys are checked at the COMMIT otherwise, with the chain's end locked, and may wait for a row that somebody
# holds who waits for the chain's end: a deadlock, seen with twenty people creating at once. One round trip for both.
# A write transaction of SQLite locks the whole file.
LOCK_END = {"postgresql": f"SET CONSTRAINTS ALL IMMEDIATE; {END} FOR UPDATE", "sqlite": END}
MOVE = "UPDATE audit_head SET seq = %s, digest = %s, key_id = %s WHERE id = 1"


class HeadLost(DatabaseError):
    """The row with the chain's end is missing: nothing can be recorded, so nothing may be done."""


class KeyMissing(DatabaseError):
    """This process lacks the key that the ledger names as current, or has other bytes for it: it can record nothing, so it
    may do nothing."""

    def __init__(self, key_id: str, lack: str = "lacks") -> None:
        super().__init__(f"AUDIT_KEYS {lack} {key_id!r}, the audit's current key: nothing can be recorded")


class EventFields(Protocol):
    """An event that is not chained yet, by column names."""

    seq: int
    at: Any
    action: str
    after: Any
    key_id: str
    canonical: str
    digest: str


class PendingEvent:
    """An event on its way into the ledger. The transaction's `on_commit` holds it; the engine appends it before the
    COMMIT."""

    def __init__(self, event: EventFields) -> None:
        self.event = event
        self._payload = payload(event)

    def __call__(self) -> None:
        """`on_commit` calls this afterwards: nothing is left to do."""

    def seal(self, seq: int, previous: str, key_id: str, key: bytes) -> tuple[str, str]:
        """The text and the digest at this place of the chain."""
        text = f'{{"previous":"{previous}","seq":{seq},"key":"{key_id}",{self._payload}'
        return text, digest(key, text)


def digest(key: bytes, text: str) -> str:
    """HMAC-SHA256 of a text, in hexadecimal."""
    return hmac.digest(key, text.encode(), hashlib.sha256().name).hex()


def document(value: Any) -> str:
    """JSON as PostgreSQL writes it (`sanitize` has sorted the keys), so that the database can compare the columns."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def payload(event: EventFields) -> str:
    """The text of an event from its time on: what is known before its place in the chain is."""
    # A column that is younger than the migration that chains older events is empty then.
    values = {"at": timestamp(event.at)} | {name: getattr(event, name, "") for name in SCALARS}
    scalars = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    documents = ",".join(f'"{name}":{document(getattr(event, name))}' for name in DOCUMENTS)
    return f"{scalars[1:-1]},{documents}}}"


def timestamp(at: Any) -> str:
    """A time in UTC, to the microsecond, always of the same length: `%Y` writes the year 1 as one digit on Linux."""
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def append(database: BaseDatabaseWrapper, entries: Sequence[PendingEvent]) -> None:
    """Give these events their places behind the chain's end, and insert them. The end stays locked until the COMMIT.

    This is the last act of a transaction, so nobody who holds the lock waits for another lock: no deadlock can
    result, whatever else transactions lock and in which order. Raises DatabaseError, of which KeyMissing is one.
    """
    with database.cursor() as cursor:
        seq, previous, key_id = _end(cursor, LOCK_END[database.vendor])
        rows = []
        for entry in entries:
            seq += 1
            event = entry.event
            event.seq, event.key_id = seq, key_id
            event.canonical, event.digest = entry.seal(
                seq, previous, key_id, _sealing_key(cursor, seq, key_id)
            )
            previous = event.digest
            rows.append(_row(database, event))
            if event.action == ACTIVATION:
                key_id = event.after["key"]
        while len(rows) > AT_ONCE:
            _insert(cursor, rows[:AT_ONCE])
            del rows[:AT_ONCE]
        if database.vendor == "postgresql":  # one round trip less while the others wait
            _insert(cursor, rows, f"; {MOVE}", [seq, previous, key_id])
        else:
            _insert(cursor, rows)
            cursor.execute(MOVE, [seq, previous, key_id])


def copy_events(database: BaseDatabaseWrapper, events: Sequence[EventFields]) -> None:
    """Insert events of another database at their places, with the bytes that `append` would have stored."""
    with database.cursor() as cursor:
        for start in range(0, len(events), AT_ONCE):
            _insert(cursor, [_row(database, event) for event in events[start : start + AT_ONCE]])


def _end(cursor: Any, query: str = END) -> tuple[int, str, str]:
    """The number and the digest of the chain's end, and the ID of the current key. Raises HeadLost."""
    try:
        cursor.execute(query)
        if cursor.description is None:  # the result of SET
            cursor.nextset()
        head = cursor.fetchone()
    except DatabaseError as error:
        if "Could not decode" in str(error):  # SQLite's driver, of a text that is none
            raise HeadLost(
                "the audit's chain has an end that cannot be read: nothing can be recorded"
            ) from error
        raise
    if head is None:
        raise HeadLost("the audit's chain has lost its end (audit_head): nothing can be recorded")
    seq, previous, key_id = head
    if tuple(map(type, head)) != (int, str, str):
        raise HeadLost("the audit's chain has an end that cannot be read: nothing can be recorded")
    return seq, previous, key_id or settings.AUDIT_KEYS[0][0]


_usable_keys: set[tuple[str, bytes]] = set()  # what this process knows from earlier events


def _sealing_key(cursor: Any, seq: int, key_id: str) -> bytes:
    """This key of AUDIT_KEYS. Raises KeyMissing if there is none, or if it has other bytes than the one that sealed the
    newest events up to `seq`: what it seals would never verify."""
    key = dict(settings.AUDIT_KEYS).get(key_id)
    if key is None:
        raise _alert(KeyMissing(key_id))
    if (key_id, key) not in _usable_keys:
        cursor.execute(BYTES[cursor.db.vendor], [key_id, seq - KEY_SAMPLE, seq])
        events = cursor.fetchall()
        if any(hmac.digest(key, text or b"", "sha256").hex().encode() == seal for text, seal in events):
            _usable_keys.add((key_id, key))
        elif events:
            raise _alert(KeyMissing(key_id, "has other bytes for"))
    return key


def _alert(error: KeyMissing) -> KeyMissing:
    log.error("ALERT %s", error)
    return error


def current_key() -> tuple[str, bytes]:
    """The current key and its ID. Raises KeyMissing, HeadLost or another DatabaseError."""
    with connection.cursor() as cursor:
        seq, _, key_id = _end(cursor)
        return key_id, _sealing_key(cursor, seq, key_id)


def usable_key() -> tuple[str, bytes] | None:
    """The same, or None if this process lacks it, has other bytes for it, or the ledger does not say."""
    try:
        return current_key()
    except (KeyMissing, HeadLost):
        return None


def activated_key(text: str) -> str:
    """The ID of the key that this event's text activates; empty if it activates none."""
    if text.find(ACTIVATION_MARK, MARK_FROM, MARK_UP_TO) < 0:
        return ""
    after = json.loads(text)["after"]
    return str(after.get("key", "")) if isinstance(after, dict) else ""


def _row(database: BaseDatabaseWrapper, event: EventFields) -> tuple[Any, ...]:
    documents = (getattr(event, name) for name in DOCUMENTS)
    return (
        event.seq,
        database.ops.adapt_datetimefield_value(event.at),
        *(getattr(event, name) for name in SCALARS),
        *(None if value is None else document(value) for value in documents),
        event.key_id,
        event.canonical,
        event.digest,
    )


def _insert(cursor: Any, rows: Sequence[tuple[Any, ...]], also: str = "", behind: Sequence[Any] = ()) -> None:
    values = ", ".join([f"({', '.join(['%s'] * len(COLUMNS))})"] * len(rows))
    columns = ", ".join(f'"{name}"' for name in COLUMNS)
    cursor.execute(
        f"INSERT INTO audit_event ({columns}) VALUES {values}{also}",  # noqa: S608 -- names of columns, and marks
        [*(value for row in rows for value in row), *behind],
    )


def to_jsonl(text: str, seal: str) -> str:
    """One line of an archive or an export: the event's text with its digest as the last field. Valid JSON, and
    reversible."""
    return f'{text[:-1]},"digest":"{seal}"}}'


def from_jsonl(line: str) -> tuple[str, str]:
    """The text and the digest of such a line, unchecked."""
    return line[:-77] + "}", line[-66:-2]


def seq_of(text: str) -> int:
    """The number in an event's text. Raises ValueError if it is not such a text."""
    return int(text[85 : text.index(",", 85)])


def key_id_of(text: str) -> str:
    """The ID of the key in an event's text. Raises ValueError if it is not such a text."""
    start = text.index('"key":"', 85) + 7
    return text[start : text.index('"', start)]
