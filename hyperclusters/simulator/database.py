"""The simulator's SQLite file: connections, transactions, tables.

Several threads and several processes use one file. In WAL mode readers continue while one writer commits.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILE_NAME = "simulator.sqlite3"
BUSY_SECONDS = 30.0

TABLES = """
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
CREATE TABLE IF NOT EXISTS hyperinstances (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    cluster_id TEXT NOT NULL,
    status TEXT NOT NULL,
    servers INTEGER NOT NULL,
    created_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS reports (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    project_id TEXT NOT NULL,
    content TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    arrived_at TEXT NOT NULL,
    call TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    project_id TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    body_digest TEXT NOT NULL,
    access_key TEXT NOT NULL,
    sdk_date TEXT NOT NULL,
    request_id TEXT NOT NULL,
    accepted INTEGER NOT NULL,
    effect TEXT NOT NULL,
    fault TEXT NOT NULL,
    answer TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS keys (
    access_key TEXT PRIMARY KEY,
    secret_key TEXT NOT NULL,
    security_token TEXT NOT NULL DEFAULT '',
    expires_at REAL,
    projects TEXT NOT NULL DEFAULT 'null',
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
    """A pool of connections to one file, with one writer at a time."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE_NAME
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        # SQLite waits by sleeping, up to 100 ms at a time; threads of one process queue here instead.
        self._writing = threading.Lock()
        with self.write() as db:
            for statement in TABLES.split(";"):
                db.execute(statement)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for reading; each statement sees the newest commit."""
        db = self._borrow()
        try:
            yield db
        finally:
            self._give_back(db)

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend a connection inside one transaction, committed at the end, rolled back on an exception.

        Durable commits are on the disk when this returns: those about clusters. The others outlive a killed process
        but not a power cut, which is enough for behaviours and for the rows of calls that only read.
        """
        with self._writing, self.read() as db:
            db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def close(self) -> None:
        """Close every connection; those still lent are closed when they are returned."""
        self._closed = True
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    def _borrow(self) -> sqlite3.Connection:
        with suppress(IndexError):
            return self._idle.pop()
        # A connection moves between threads, but only one at a time uses it.
        db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        db.row_factory = sqlite3.Row
        _use_wal(db)
        return db

    def _give_back(self, db: sqlite3.Connection) -> None:
        self._idle.append(db)
        if self._closed:
            self.close()


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch the file to WAL. SQLite does not wait while another process is doing the same, so this does."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
