"""`manage.py activate_audit_key ID`: make another key of AUDIT_KEYS the current one."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hyperclusters.audit.acknowledgements import login
from hyperclusters.audit.chain import KeyMissing
from hyperclusters.audit.keys import NotActivated, activate


class Command(BaseCommand):
    help = (
        "Make another key of AUDIT_KEYS the current one, by an event. Give every web process and worker both keys first: "
        "one that lacks the current key can record nothing, so it does nothing, and /readyz says 503."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", help="the key's ID, as it stands before the colon in AUDIT_KEYS")
        parser.add_argument(
            "--by", default=login(), metavar="NAME", help="who decided it (default: your login)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            event = activate(options["id"], person_name=options["by"])
        except (NotActivated, KeyMissing) as reason:
            raise CommandError(f"Nothing was changed: {reason}.") from reason
        self.stdout.write(f"{options['id']} is the current key from event {event.seq + 1} on")
