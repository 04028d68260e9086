"""`manage.py verify_export FILE`: verify an exported file or a monthly report. Exits with 1 if it was changed."""

import re
from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from hyperclusters.audit.spreadsheets import BOM
from hyperclusters.audit.verify_export import troubles, verify_report, verify_sheet

ENOUGH = 100  # printed one by one
END_AT_MOST = 1 << 20  # bytes that hold the manifest
SEALED_WITH = re.compile(r'"+key"+: "+([^"]*)"+, "+seal"+')


class Command(BaseCommand):
    help = (
        "Verify an export (JSON Lines or CSV) or a monthly report by itself: no database is asked; AUDIT_KEYS must hold the keys that sealed it. "
        "A CSV file is another one once a spreadsheet has saved it."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--unsealed",
            action="store_true",
            help="the file was exported by a version without seals: lines that were cut out of it cannot be noticed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        if not file.is_file():
            raise CommandError(f"{file} is not a file.")
        try:
            with file.open(encoding="utf-8", newline="\n") as lines:
                problems = list(islice(_problems(lines, without_seal=options["unsealed"]), ENOUGH))
        except UnicodeDecodeError:
            problems = ["it holds bytes that are no UTF-8: every export is UTF-8"]
        if problems:
            raise CommandError("broken\n" + "\n".join(problems))
        self.stdout.write(f"{file}: intact{_sealed_by(file)}")


def _sealed_by(file: Path) -> str:
    """Which of several keys sealed the file. Which one is current only the database knows, and it is not asked."""
    with file.open("rb") as content:
        content.seek(max(file.stat().st_size - END_AT_MOST, 0))
        end = content.read().decode(errors="replace")
    key_ids = SEALED_WITH.findall(end)
    if not key_ids or len(settings.AUDIT_KEYS) == 1:
        return ""
    return f", sealed with the key {key_ids[-1]!r}. If that key was replaced, anybody who has it can have made the file since then."


def _problems(lines: TextIO, *, without_seal: bool) -> Iterator[str]:
    start, keys = lines.read(10), dict(settings.AUDIT_KEYS)
    lines.seek(0)
    if start == '{"report":':
        return verify_report(lines.read(), keys)
    return (verify_sheet if start[:1] in {BOM, '"'} else troubles)(lines, keys, without_seal=without_seal)
