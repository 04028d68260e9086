"""`manage.py add_platform_admin`: the first platform admin comes from whoever runs the server."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from hyperclusters.access.models import Role, User
from hyperclusters.access.refusals import AccessRefused
from hyperclusters.access.services import add_person, grant


class Command(BaseCommand):
    help = "Make somebody a platform admin; with an account, if they have none. Kept in the audit as done by a command."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email", default="", help="for a new account")
        parser.add_argument("--reason", default="Set up on the server", help="kept in the audit")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        person = User.objects.filter(username__iexact=name).first()
        password = "" if person else self._password(name)
        try:
            with transaction.atomic():
                person = person or add_person(username=name, email=options["email"], password=password)
                grant(person=person, role=Role.PLATFORM_ADMIN, team=None, reason=options["reason"])
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        except AccessRefused as refused:
            raise CommandError(f"Not done: {refused.cause}.") from refused
        self.stdout.write(f"{person.username} is a platform admin.")

    def _password(self, name: str) -> str:
        """Typed on a terminal; else the first line of what comes in. It never stands on the command line."""
        if sys.stdin.isatty():
            return getpass.getpass(f"Password for {name} (12 characters or more): ")
        return sys.stdin.readline().rstrip("\n")
