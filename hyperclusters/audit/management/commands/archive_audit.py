"""`manage.py archive_audit --before DATE`: move older audit events to files that stay verifiable."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError

from hyperclusters.audit.acknowledgements import login
from hyperclusters.audit.archive import NotArchived, archive
from hyperclusters.audit.times import parse_time


class Command(BaseCommand):
    help = (
        "Verify the events from before a time, write them to a file with a manifest, and then take them out of the database, "
        "where a sealed record of the file stays. Verify the file with verify_audit --archive FILE."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--before", required=True, metavar="DATE", help="2026-01-31 or 2026-01-31T12:00, UTC"
        )
        parser.add_argument(
            "--to",
            type=Path,
            metavar="FOLDER",
            help="where the files go (default: AUDIT_ARCHIVE, where pages and workers look for them)",
        )

        parser.add_argument(
            "--by", default=login(), metavar="NAME", help="who archives (default: your login)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            before = parse_time(options["before"])
        except ValueError as error:
            raise CommandError(f"--before was not understood: {error}.") from error
        folder = options["to"] or settings.AUDIT_ARCHIVE
        try:
            segment = archive(before=before, folder=folder, person_name=options["by"])
        except NotArchived as reason:
            raise CommandError(f"Nothing was archived: {reason}.") from reason
        except OSError as error:
            raise CommandError(f"Nothing was archived: {error}.") from error
        except ProgrammingError as error:  # PostgreSQL's code for a missing right
            raise CommandError(
                f"Nothing was archived: {error}. Run this as the owner of the tables; web and workers may not."
            ) from error
        self.stdout.write(f"events {segment.first} to {segment.last} are in {folder / segment.file}")
