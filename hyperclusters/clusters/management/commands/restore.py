"""`manage.py restore FILE`: replace the SQLite database by a backup."""

import shutil
import sqlite3
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from hyperclusters.audit.management.commands.acknowledge_audit import conclude
from hyperclusters.clusters.heartbeat import is_a_worker_alive

from .note_restore import add_reasons, note


class Command(BaseCommand):
    help = (
        "Migrate a backup, record in its audit that it is restored, and put it in the place of the SQLite database. Stop web "
        "and workers first. The database that was there is kept beside it. For PostgreSQL use pg_restore, see docs/operating.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        add_reasons(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if connection.vendor != "sqlite":
            raise CommandError("This database is PostgreSQL: use `pg_restore`, see docs/operating.md.")
        if not path.is_file() or (trouble := _damage(path)):
            raise CommandError(f"{path} is no whole backup{f': {trouble}' if path.is_file() else ''}.")
        here = Path(connection.settings_dict["NAME"])
        if here.exists() and _is_in_use():
            raise CommandError("A worker was heard of within the last minute: stop web and workers first.")
        draft = here.with_name(f"{here.name}.unfinished")
        for part in _files(draft):
            part.unlink(missing_ok=True)  # of a restore that was killed
        shutil.copyfile(path, draft)
        draft.chmod(0o600)
        with _connected_to(draft):  # even if this is killed, what waits in the backup is never sent
            call_command("migrate", verbosity=0)  # it may be from an earlier release
            note(self, options)
        log, _, _ = _files(draft)
        if log.exists() or _damage(draft):  # closing says nothing of a disk that was full
            raise CommandError(f"{draft} could not be written whole. Nothing was replaced.")
        old_file = self._set_aside(here)
        draft.rename(here)
        self.stdout.write(
            f"{here} is the backup now." + (f" What was there is kept as {old_file}." if old_file else "")
        )
        if options["acknowledge"].strip():
            conclude(self)
        self.stdout.write("Now run sync_clusters; then start web and workers.")
        self.stdout.write("Clusters made since the backup come up as made outside this dashboard.")

    def _set_aside(self, here: Path) -> Path | None:
        """Move the database and its side files away. The log of one database must not be applied to another."""
        if not here.exists():
            return None
        old_file = here.with_name(f"{here.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        for part, old_part in zip(_files(here), _files(old_file), strict=True):
            if part.exists():
                part.rename(old_part)
        return old_file


def _files(database: Path) -> list[Path]:
    """SQLite's files of a database, its own last."""
    return [database.with_name(database.name + suffix) for suffix in ("-wal", "-shm", "")]


@contextmanager
def _connected_to(file: Path) -> Iterator[None]:
    """Use this database. Outside of it no connection is open."""
    connection.close()
    before = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = file
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def _damage(path: Path) -> str:
    """What is wrong with the file; empty if nothing is."""
    try:
        copy = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
            copy.execute("SELECT count(*) FROM audit_event").fetchone()
        finally:
            copy.close()
    except sqlite3.Error as error:
        return str(error)
    return "" if verdict == "ok" else str(verdict)


def _is_in_use() -> bool:
    try:
        return is_a_worker_alive()
    except DatabaseError:  # a damaged or missing database is what a restore is for
        return False
