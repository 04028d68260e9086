"""`manage.py recover_person`: let a person in again who lost their password, their second factor, or both."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hyperclusters.access.models import User
from hyperclusters.accounts.factors import remove_all
from hyperclusters.accounts.passwords import password_address


class Command(BaseCommand):
    help = "Remove a person's second factors, end their sessions, and print an address at which they set a password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            person = User.objects.get_by_natural_key(options["username"])
        except User.DoesNotExist:
            raise CommandError(f"Nobody is called {options['username']!r}.") from None
        count = remove_all(person=person)
        self.stdout.write(
            f"{count} second factors of {person.username} are removed and their sessions ended. "
            f"Within an hour, they set a password at:\n{password_address(person)}"
        )
