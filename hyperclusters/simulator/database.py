"""The simulator's SQLite file, for several threads and several processes."""

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import journal

FILE_NAME = "simulator.sqlite3"
BUSY_SECONDS = 30.0

# In WAL mode readers continue while one writer commits.
SCHEMA = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS clusters (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    networks TEXT NOT NULL,
    created_at REAL NOT NULL,
    exists_from REAL NOT NULL DEFAULT 0,
    listed_from REAL NOT NULL DEFAULT 0,
    exists_until REAL
);
CREATE INDEX IF NOT EXISTS clusters_by_project ON clusters (project_id, type, number);
CREATE TABLE IF NOT EXISTS resources (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, content TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, {", ".join(journal.COLUMNS)});
CREATE TABLE IF NOT EXISTS keys (
    access_key TEXT PRIMARY KEY,
    secret_key TEXT NOT NULL,
    security_token TEXT NOT NULL DEFAULT '',
    failures INTEGER NOT NULL DEFAULT 0,
    locked_until REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS switches (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS faults (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL,
    times_left INTEGER,
    draws INTEGER NOT NULL DEFAULT 0
);
"""


class Database:
    """One connection to the file, which one thread of this process uses at a time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            folder / FILE_NAME, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._db.row_factory = sqlite3.Row
        # SQLite does not wait while another process switches a new file to WAL.
        with (folder / "opening").open("w") as lock_file:
            fcntl.flock(lock_file, fcntl.LOCK_EX)
            self._db.executescript(SCHEMA)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for reading; each statement sees the newest commit."""
        with self._lock:
            yield self._db

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection inside one transaction, committed at the end, rolled back on an exception.

        What is committed outlives a killed process. A power cut may lose the last commits, never tear one.
        """
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()
