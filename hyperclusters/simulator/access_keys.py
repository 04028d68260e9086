"""The access keys that the gateway knows, and the lock on a key that keeps failing."""

import sqlite3
import time
from dataclasses import dataclass

FAILURES_ALLOWED = 5
LOCK_SECONDS = 300.0


@dataclass(frozen=True)
class Key:
    """An access key. With a security token it is a temporary one."""

    access_key: str
    secret_key: str
    security_token: str
    failures: int
    locked_until: float

    @property
    def is_locked(self) -> bool:
        return time.time() < self.locked_until


def put(db: sqlite3.Connection, access_key: str, secret_key: str, security_token: str) -> None:
    """Add or change a key. Its lock and count of failures stay: a restart unlocks nobody."""
    db.execute(
        "INSERT INTO keys (access_key, secret_key, security_token) VALUES (?, ?, ?) ON CONFLICT (access_key) "
        "DO UPDATE SET secret_key = excluded.secret_key, security_token = excluded.security_token",
        (access_key, secret_key, security_token),
    )


def find(db: sqlite3.Connection, access_key: str) -> Key | None:
    """The key with this name."""
    columns = "access_key, secret_key, security_token, failures, locked_until"
    row = db.execute(f"SELECT {columns} FROM keys WHERE access_key = ?", (access_key,)).fetchone()  # noqa: S608 - constants
    return Key(*row) if row else None


def remove(db: sqlite3.Connection, access_key: str) -> bool:
    """Remove a key; False if it was unknown."""
    return db.execute("DELETE FROM keys WHERE access_key = ?", (access_key,)).rowcount > 0


def record_failure(db: sqlite3.Connection, key: Key) -> None:
    """Count a bad signature; one more than allowed locks the key, as documented, and resets the count."""
    db.execute("UPDATE keys SET failures = failures + 1 WHERE access_key = ?", (key.access_key,))
    db.execute(
        "UPDATE keys SET failures = 0, locked_until = ? WHERE access_key = ? AND failures > ?",
        (time.time() + LOCK_SECONDS, key.access_key, FAILURES_ALLOWED),
    )


def record_success(db: sqlite3.Connection, key: Key) -> None:
    """A good signature ends a series of bad ones."""
    db.execute("UPDATE keys SET failures = 0 WHERE access_key = ? AND failures > 0", (key.access_key,))
