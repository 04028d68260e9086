"""`manage.py note_restore FILE`: record from which backup the database was restored."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, transaction

from hyperclusters.audit.acknowledgements import login, note_restore
from hyperclusters.audit.management.commands.acknowledge_audit import conclude
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.models import Creation, Deletion, DeletionState, State
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.operations.deletion import DELETIONS
from hyperclusters.clusters.operations.resolution import Resolution
from hyperclusters.clusters.operations.transitions import StaleState

CAUSE = "database_restored"


class Command(BaseCommand):
    help = (
        "Record in the audit from which backup this database comes, and up to which event, and send nothing that waited in "
        "it. Run it after pg_restore and migrate, before web and workers start. With SQLite `restore` does it by itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        add_reasons(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        note(self, options)
        if options["acknowledge"].strip():
            conclude(self)


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
    """Record the restore in the database that was restored, and stop what waits in it."""
    reason = options["acknowledge"].strip()
    try:
        with transaction.atomic():
            event = note_restore(
                options["file"], reason=reason, person_name=options["by"], is_acknowledged=bool(reason)
            )
            count = _send_nothing_that_waited()
    except (DatabaseError, StaleState) as error:
        raise CommandError(
            f"The restore is not recorded: {error}. Run the command again before web and workers start."
        ) from error
    command.stdout.write(f"event {event.seq} records the restore")
    if count:
        command.stdout.write(
            f"Requests that waited in the backup and may have been sent since: {count}. Team admins must decide about the "
            "creations; the deletions are refused."
        )


def _send_nothing_that_waited() -> int:
    """Let a person decide about each creation that waited in the backup, and refuse each deletion: they may have been
    sent or withdrawn since. Returns how many."""
    creations = list(Creation.objects.filter(state=State.QUEUED).with_related())
    for creation in creations:
        result = Resolution(State.NEEDS_ATTENTION, EventType.CREATE_UNDECIDED, Outcome.UNKNOWN, cause=CAUSE)
        CREATIONS.resolve(creation, result)
    deletions = list(Deletion.objects.filter(state=DeletionState.QUEUED).with_related())
    for deletion in deletions:
        DELETIONS.resolve(deletion, DELETIONS.refusal(deletion, CAUSE))
    return len(creations) + len(deletions)
