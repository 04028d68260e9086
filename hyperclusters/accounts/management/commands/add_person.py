"""`manage.py add_person`: add an account, such as the first one of an installation."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from hyperclusters.access.errors import ChangeRefused
from hyperclusters.access.models import SITE_ROLES, Role, User
from hyperclusters.access.services import grant
from hyperclusters.accounts.passwords import open_account


class Command(BaseCommand):
    help = (
        "Add a person, and print the address at which they set their password within the hour. With --role, give a "
        "site-wide role, also to somebody who has an account already. Kept in the audit as done by a command."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email", default="", help="for a new account")
        parser.add_argument("--full-name", default="")
        parser.add_argument("--role", choices=[role.value for role in SITE_ROLES], help="a site-wide role")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.by_username(options["username"]).first()
        if person and not options["role"]:
            raise CommandError(f"{person.username} has an account already.")
        if not person and not options["email"]:
            raise CommandError("A new account needs an --email.")
        address = ""
        try:
            with transaction.atomic():
                if person is None:
                    person, address = open_account(
                        username=options["username"], email=options["email"], full_name=options["full_name"]
                    )
                if options["role"]:
                    reason = "given by the command add_person"
                    grant(person=person, role=Role(options["role"]), team=None, reason=reason)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except ChangeRefused as error:
            raise CommandError(f"Not done: {error.cause}.") from error
        if options["role"]:
            self.stdout.write(f"{person.username} is {Role(options['role']).label} now.")
        if address:
            self.stdout.write(
                f"{person.username} is added. Within an hour, they set their password at:\n{address}"
            )
