"""`manage.py note_restore FILE`: record from which backup the database was restored."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from hyperclusters.audit.acknowledgements import login, note_restore

from .acknowledge_audit import conclude


class Command(BaseCommand):
    help = (
        "Record in the audit from which backup this database comes, and up to which event. Run it after pg_restore and "
        "migrate, before web and workers start. With SQLite `restore` does it by itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        add_reasons(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        note(self, options)


def add_reasons(parser: ArgumentParser) -> None:
    """Add the arguments that `restore` has as well."""
    parser.add_argument(
        "--acknowledge",
        default="",
        metavar="REASON",
        help="why it was restored; acknowledges that the audit went back to the backup's last event",
    )
    parser.add_argument("--by", default=login(), metavar="NAME", help="who decided it (default: your login)")


def note(command: BaseCommand, options: dict[str, Any]) -> None:
    """Record the restore; if it is acknowledged, verify the audit and print the result."""
    reason = options["acknowledge"].strip()
    try:
        event = note_restore(
            options["file"], reason=reason, person_name=options["by"], is_acknowledged=bool(reason)
        )
    except DatabaseError as error:
        raise CommandError(
            f"The restore is not recorded: {error}. Run note_restore again before web and workers start."
        ) from error
    command.stdout.write(f"event {event.seq} records the restore")
    if reason:
        conclude(command)
