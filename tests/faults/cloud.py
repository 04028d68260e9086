"""The simulated cloud in a process of its own, with a witness in its handler: `python -m tests.faults.cloud FOLDER`.

When a create arrives, the witness checks over its own connection whether the intent is committed (promise G1).
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from hyperclusters.simulator import Simulator
from hyperclusters.simulator.journal import JournalEntry

INTENTS = """
SELECT c.id, c.sends FROM clusters_creation c JOIN clusters_project p ON p.id = c.project_id
WHERE p.project_id = ? AND c.name = ? AND c.sends > 0
"""
EVENTS = "SELECT COUNT(*) FROM audit_event WHERE action = 'cluster:create:sending' AND object_name = ? AND object_id IN (?, ?)"


class Witness:
    """Records every create for which fewer intents, or fewer events of them, are committed than creates were seen."""

    def __init__(self, database_url: str, notes: Path) -> None:
        self._url = database_url
        self._notes = notes
        self._seen: Counter[tuple[str, str]] = Counter()
        self._counting = threading.Lock()

    def __call__(self, entry: JournalEntry) -> None:
        """Called by the simulator for every create and delete, before the deed."""
        if entry.call != "create":
            return
        with self._counting:
            self._seen[entry.project_id, entry.name] += 1
            count = self._seen[entry.project_id, entry.name]
        with closing(self._connect()) as database:
            rows = self._ask(database, INTENTS, (entry.project_id, entry.name))
            events = sum(self._events(database, entry.name, str(row[0])) for row in rows)
        sends = sum(row[1] for row in rows)
        if sends < count or events < count:
            with self._counting, self._notes.open("a") as notes:
                notes.write(
                    f"G1 {entry.project_id} {entry.name}: create {count} seen with {sends} intents, {events} events\n"
                )

    def _events(self, database: Any, name: str, key: str) -> int:
        plain = key.replace("-", "")
        dashed = f"{plain[:8]}-{plain[8:12]}-{plain[12:16]}-{plain[16:20]}-{plain[20:]}"
        return int(self._ask(database, EVENTS, (name, plain, dashed))[0][0])

    def _connect(self) -> Any:
        if self._url.startswith("sqlite"):
            return sqlite3.connect(self._url.removeprefix("sqlite:///"), timeout=20)
        return psycopg.connect(self._url)

    def _ask(self, database: Any, question: str, values: Sequence[str]) -> list[Any]:
        if not self._url.startswith("sqlite"):
            question = question.replace("?", "%s")
        return list(database.execute(question, values).fetchall())


def main(folder: Path) -> None:
    """Serve until SIGTERM; once it listens, the file `port` has the port."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    witness = Witness(os.environ["DATABASE_URL"], folder / "witness")
    simulator = Simulator.start(
        folder, access_key=os.environ["CLOUD_AK"], secret_key=os.environ["CLOUD_SK"], on_request=witness
    )
    with simulator:
        (folder / "port.new").write_text(str(simulator.port))
        (folder / "port.new").rename(folder / "port")
        signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
