"""`manage.py correct_person`: change an e-mail address or full name."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from hyperclusters.access.errors import ChangeRefused
from hyperclusters.access.models import User
from hyperclusters.access.people import correct


class Command(BaseCommand):
    help = "Change a person's e-mail address or full name. Mails go to the new address; the old one is told."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email", help="empty: no address")
        parser.add_argument("--full-name")
        parser.add_argument("--reason", required=True, help="kept in the audit")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.by_username(options["username"]).first()
        if person is None:
            raise CommandError(f"Nobody is called {options['username']!r}.")
        email, full_name = (
            person.email if options["email"] is None else options["email"],
            person.full_name if options["full_name"] is None else options["full_name"],
        )
        try:
            correct(person, by=None, email=email, full_name=full_name, reason=options["reason"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except ChangeRefused as error:
            raise CommandError(f"Not done: {error.cause}.") from error
        self.stdout.write(
            f"{person.username}: {person.full_name or 'no full name'}, {person.email or 'no address'}."
        )
