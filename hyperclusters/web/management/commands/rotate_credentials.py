"""`manage.py rotate_credentials`: encrypt what CREDENTIAL_KEYS protect anew with the newest of them.

It stands in this room because it is about three others: the projects' keys, the second factors of people, and the addresses of chats.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hyperclusters.accounts import factors
from hyperclusters.clusters.credentials import key_ids
from hyperclusters.clusters.models import KeyKind, Project
from hyperclusters.clusters.projects import reseal_keys
from hyperclusters.notifications.targets import reseal_addresses


class Command(BaseCommand):
    help = (
        "Encrypt every project's key, second factor and chat's address anew with the first of CREDENTIAL_KEYS. Safe to interrupt: run it again and it "
        "goes on. When it ends with 0, the other keys can be taken out of CREDENTIAL_KEYS."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        projects = Project.objects.exclude(key_kind=KeyKind.MACHINE)
        count = projects.exclude(sealed_with=key_ids()[0]).count()
        self.stdout.write(f"{count} of {projects.count()} keys are not encrypted with {key_ids()[0]} yet")
        failures = 0
        for number, (project, is_sealed) in enumerate(reseal_keys(), 1):
            failures += not is_sealed
            state = "encrypted anew" if is_sealed else "cannot be read with any of CREDENTIAL_KEYS"
            self.stdout.write(f"{number}/{count} {project.name}: {state}")
        self.stdout.write(f"{factors.reseal_all()} second factors encrypted anew")
        chats = list(reseal_addresses())
        self.stdout.write(
            f"{sum(is_sealed for _, is_sealed in chats)} of {len(chats)} chats' addresses encrypted anew"
        )
        if unreadable := [target.name for target, is_sealed in chats if not is_sealed]:
            self.stderr.write(f"cannot be read, replace the URL of these chats: {', '.join(unreadable)}")
            failures += len(unreadable)
        if failures:
            raise CommandError(
                f"{failures} keys cannot be read: give these projects their keys again (/projects/), these chats their URLs."
            )
