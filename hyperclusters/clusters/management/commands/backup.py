"""`manage.py backup FILE`: copy the SQLite database as of one moment, while everything runs."""

import os
import sqlite3
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

PAGES = 1000  # copied at a time, so that writers get their turn in between


class Command(BaseCommand):
    help = (
        "Copy the SQLite database into FILE while web and workers go on. The copy is whole, checked, and readable by its "
        "owner only. For PostgreSQL use pg_dump, see docs/operating.md."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if connection.vendor != "sqlite":
            raise CommandError(
                "This database is PostgreSQL: use `pg_dump --format=custom`, see docs/operating.md."
            )
        if path.exists():
            raise CommandError(f"{path} exists already; a backup overwrites nothing.")
        draft = path.with_name(f"{path.name}.unfinished")
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        connection.ensure_connection()
        copy = sqlite3.connect(draft)
        try:
            connection.connection.backup(copy, pages=PAGES, sleep=0.01)
            (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
            (events,) = copy.execute("SELECT count(*) FROM audit_event").fetchone()
        finally:
            copy.close()
        if verdict != "ok":
            raise CommandError(f"The copy is damaged: {verdict}. {draft} is left for whoever looks into it.")
        draft.rename(path)
        self.stdout.write(f"{path}: {path.stat().st_size} bytes, {events} audit events, checked")
