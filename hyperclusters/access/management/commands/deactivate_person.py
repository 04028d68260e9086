"""`manage.py deactivate_person`: deactivate a person who has left."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hyperclusters.access.deactivation import deactivate
from hyperclusters.access.errors import ChangeRefused
from hyperclusters.access.models import User


class Command(BaseCommand):
    help = "End a person's sessions, access, requests and invitations at once, and let them sign in no more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--reason", required=True, help="kept in the audit")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.by_username(options["username"]).first()
        if person is None:
            raise CommandError(f"Nobody is called {options['username']!r}.")
        try:
            deactivate(person, by=None, reason=options["reason"])
        except ChangeRefused as error:
            raise CommandError(f"Not done: {error.cause}.") from error
        self.stdout.write(f"{person.username} is deactivated.")
