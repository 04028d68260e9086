"""`manage.py verify_export FILE`: is an exported file (JSON Lines) as it was written? Exits with 1 if not."""

from argparse import ArgumentParser
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from hyperclusters.audit.verify_export import troubles

ENOUGH = 100  # that are told one by one


class Command(BaseCommand):
    help = "Verify an export in JSON Lines by itself: no database is asked; AUDIT_KEYS must hold the keys of its events."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        if not file.exists():
            raise CommandError(f"{file} does not exist.")
        with file.open(encoding="utf-8", newline="\n") as lines:
            found = list(islice(troubles(lines, dict(settings.AUDIT_KEYS)), ENOUGH))
        if found:
            raise CommandError("broken\n" + "\n".join(found))
        self.stdout.write(f"{file}: intact")
