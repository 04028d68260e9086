"""`manage.py acknowledge_audit`: record that somebody looked into the findings of verify_audit, and the reason."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hyperclusters.audit import anchors, integrity, verification
from hyperclusters.audit.acknowledgements import NotAcknowledged, acknowledge, login


class Command(BaseCommand):
    help = (
        "Verify the audit and acknowledge exactly what is found now, by an event with a reason. It stays on the pages as "
        "acknowledged, raises no alert and stops no archive. Whatever is found later alarms as ever."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="what happened, and why it may stand")
        parser.add_argument(
            "--by", default=login(), metavar="NAME", help="who decided it (default: your login)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        findings = verification.still_open(verification.verify_whole())
        try:
            event = acknowledge(findings, reason=options["reason"], person_name=options["by"])
        except NotAcknowledged as reason:
            raise CommandError(f"Nothing was acknowledged: {reason}.") from reason
        for issue in findings:
            self.stdout.write(f"acknowledged: {issue}")
        self.stdout.write(f"by event {event.seq}")
        conclude(self)


def conclude(command: BaseCommand) -> None:
    """Anchor the ledger, verify it, and print the result."""
    try:
        anchors.anchor()
    except (OSError, anchors.EventsGone) as error:
        command.stderr.write(f"The ledger could not be anchored: {error}")
    result = verification.verify_whole()
    verification.note(integrity.WHOLE, result)
    if findings := verification.still_open(result):
        raise CommandError("broken\n" + "\n".join(map(str, findings)))
    command.stdout.write(verification.summary(result))
