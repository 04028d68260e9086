"""`manage.py verify_audit`: verify the ledger. Exits with 0 if it is as it was written, with 1 if not."""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from hyperclusters.audit import integrity, structure, verification
from hyperclusters.audit.archive_files import verify_file
from hyperclusters.audit.findings import IntegrityIssue

EVERY = 0.2  # seconds between two lines about the progress


class Command(BaseCommand):
    help = (
        "Verify every event, the anchors, the records of archives, and the triggers and indexes around them. Says what was "
        "edited, deleted, inserted, put elsewhere, cut off or rolled back, and where. Exits with 1 if anything was that "
        "acknowledge_audit has not acknowledged."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--archive", type=Path, metavar="FILE", help="verify this archive instead, without the database"
        )
        parser.add_argument(
            "--no-note", action="store_true", help="write nothing down: not for pages, and no alert event"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if file := options["archive"]:
            if not file.is_file():
                raise CommandError(f"{file} is no file.")
            findings = verify_file(file)
            self._say(findings.issues, f"{file}: intact{verification.count(findings.acknowledged)}")
            return
        if later := structure.later_migrations():
            raise CommandError(
                f"This release does not know {', '.join(later)}. Verify with the release that made it."
            )
        self._last_progress = 0.0
        result = verification.verify_whole(
            self._progress if sys.stderr.isatty() else lambda _count, _all: None
        )
        if not options["no_note"]:
            try:
                verification.note(integrity.WHOLE, result)
            except DatabaseError as error:
                self.stderr.write(f"The result could not be written down: {error}")
        self._say(verification.still_open(result), verification.summary(result))

    def _say(self, findings: Sequence[IntegrityIssue], intact: str) -> None:
        if findings:
            raise CommandError("broken\n" + "\n".join(map(str, findings)))
        self.stdout.write(intact)

    def _progress(self, count: int, total: int) -> None:
        if time.monotonic() - self._last_progress > EVERY or count == total:
            self._last_progress = time.monotonic()
            self.stderr.write(f"\r{count:,} of {total:,}", ending="\n" if count == total else "")
            self.stderr.flush()
