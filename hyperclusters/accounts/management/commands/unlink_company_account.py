"""`manage.py unlink_company_account`: for a person with a new company account, or a new provider."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hyperclusters.access.identifiers import ascii_lower
from hyperclusters.accounts.company import unlink
from hyperclusters.accounts.models import CompanyAccount


class Command(BaseCommand):
    help = (
        "Unlink one person's company account, or all of one issuer. At the next company sign-in, the person is found "
        "by their verified e-mail address."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--username")
        which.add_argument("--issuer", help="as OIDC_ISSUER was")
        parser.add_argument("--reason", required=True, help="kept in the audit")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = CompanyAccount.objects.select_related("person")
        if options["issuer"]:
            accounts = accounts.filter(issuer=options["issuer"].rstrip("/"))
        else:
            accounts = accounts.filter(person__username__ascii_lower=ascii_lower(options["username"]))
        if not accounts:
            raise CommandError("No such company account is linked.")
        for account in accounts:
            unlink(account, reason=options["reason"])
            self.stdout.write(
                f"{account.person.username} is unlinked from {account.subject} of {account.issuer}."
            )
