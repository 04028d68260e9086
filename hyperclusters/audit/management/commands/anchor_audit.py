"""`manage.py anchor_audit`: write the end of the audit's chain to the files of anchors."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from hyperclusters.audit.anchors import EventsGone, anchor


class Command(BaseCommand):
    help = "Append to AUDIT_ANCHORS, and to the log, where the audit's chain ends now. The worker does it every hour."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            line = anchor()
        except OSError as error:
            raise CommandError(f"{settings.AUDIT_ANCHORS} cannot be written: {error}") from error
        except EventsGone as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"anchored event {line['seq']} {line['digest']} as line {line['line']} of {settings.AUDIT_ANCHORS}"
        )
