"""The access keys that the gateway knows, and the lock on a key that keeps failing."""

import sqlite3
import time

FAILURES_ALLOWED = 5
LOCK_SECONDS = 300.0


def put(db: sqlite3.Connection, access_key: str, secret_key: str, security_token: str) -> None:
    """Add or change a key. Its lock and count of failures stay: a restart unlocks nobody."""
    db.execute(
        "INSERT INTO keys (access_key, secret_key, security_token) VALUES (?, ?, ?) ON CONFLICT (access_key) "
        "DO UPDATE SET secret_key = excluded.secret_key, security_token = excluded.security_token",
        (access_key, secret_key, security_token),
    )


def find(db: sqlite3.Connection, access_key: str) -> sqlite3.Row | None:
    """The key with this name: its columns."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM keys WHERE access_key = ?", (access_key,)).fetchone()
    return row


def remove(db: sqlite3.Connection, access_key: str) -> bool:
    """Remove a key; False if it was unknown."""
    return db.execute("DELETE FROM keys WHERE access_key = ?", (access_key,)).rowcount > 0


def record(db: sqlite3.Connection, access_key: str, *, is_good: bool) -> None:
    """Count a bad signature, or end a series of them; one more than allowed locks the key, as documented."""
    count = "0" if is_good else "failures + 1"
    db.execute(f"UPDATE keys SET failures = {count} WHERE access_key = ?", (access_key,))  # noqa: S608 - constants
    db.execute(
        "UPDATE keys SET failures = 0, locked_until = ? WHERE access_key = ? AND failures > ?",
        (time.time() + LOCK_SECONDS, access_key, FAILURES_ALLOWED),
    )
