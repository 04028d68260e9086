"""`manage.py add_person`: the first account of an installation, or one more."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from hyperclusters.access.models import SITE_ROLES, Role
from hyperclusters.access.services import grant
from hyperclusters.accounts.passwords import open_account


class Command(BaseCommand):
    help = "Add a person, and print the path at which they set their password within the hour."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email", required=True)
        parser.add_argument("--full-name", default="")
        parser.add_argument("--role", choices=[role.value for role in SITE_ROLES], help="a site-wide role")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic():
                person, path = open_account(
                    username=options["username"], email=options["email"], full_name=options["full_name"]
                )
                if options["role"]:
                    reason = "given by the command add_person"
                    grant(person=person, role=Role(options["role"]), team=None, reason=reason)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(
            f"{person.username} is added. Within an hour, they set their password at this path:\n{path}"
        )
