"""The access keys that the gateway knows, and the lock on a key that keeps failing."""

import json
import sqlite3
import time
from dataclasses import dataclass

FAILURES_ALLOWED = 5


@dataclass(frozen=True)
class Key:
    """An access key. With a security token it is a temporary one; `projects` None means any project."""

    access_key: str
    secret_key: str
    security_token: str = ""
    expires_at: float | None = None
    projects: tuple[str, ...] | None = None
    failures: int = 0
    locked_until: float = 0.0

    @property
    def is_locked(self) -> bool:
        return time.time() < self.locked_until

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and time.time() >= self.expires_at


def put(db: sqlite3.Connection, key: Key) -> None:
    """Add or change a key. Its lock and count of failures stay: a restart unlocks nobody."""
    db.execute(
        "INSERT INTO keys (access_key, secret_key, security_token, expires_at, projects) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (access_key) DO UPDATE SET secret_key = excluded.secret_key, "
        "security_token = excluded.security_token, expires_at = excluded.expires_at, "
        "projects = excluded.projects",
        (key.access_key, key.secret_key, key.security_token, key.expires_at, json.dumps(key.projects)),
    )


def find(db: sqlite3.Connection, access_key: str) -> Key | None:
    """The key with this name."""
    row = db.execute("SELECT * FROM keys WHERE access_key = ?", (access_key,)).fetchone()
    return _from_row(row) if row else None


def every(db: sqlite3.Connection) -> list[Key]:
    """All keys, by name."""
    return [_from_row(row) for row in db.execute("SELECT * FROM keys ORDER BY access_key")]


def remove(db: sqlite3.Connection, access_key: str) -> bool:
    """Remove a key; False if it was unknown."""
    return db.execute("DELETE FROM keys WHERE access_key = ?", (access_key,)).rowcount > 0


def note_failure(db: sqlite3.Connection, access_key: str, lock_seconds: float) -> None:
    """Count a bad signature; one more than allowed locks the key and resets the count."""
    db.execute("UPDATE keys SET failures = failures + 1 WHERE access_key = ?", (access_key,))
    db.execute(
        "UPDATE keys SET failures = 0, locked_until = ? WHERE access_key = ? AND failures > ?",
        (time.time() + lock_seconds, access_key, FAILURES_ALLOWED),
    )


def note_success(db: sqlite3.Connection, access_key: str) -> None:
    """A good signature ends a series of bad ones."""
    db.execute("UPDATE keys SET failures = 0 WHERE access_key = ?", (access_key,))


def unlock(db: sqlite3.Connection, access_key: str) -> None:
    """Unlock a key before its time."""
    db.execute("UPDATE keys SET failures = 0, locked_until = 0 WHERE access_key = ?", (access_key,))


def _from_row(row: sqlite3.Row) -> Key:
    values = dict(row)
    projects = json.loads(values["projects"])
    values["projects"] = None if projects is None else tuple(projects)
    return Key(**values)
