"""`manage.py export_audit`: export the ledger, or the events of a filter, to a file. The export itself is an event."""

import sys
import time
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hyperclusters.access.exports import export_events
from hyperclusters.access.models import Team
from hyperclusters.audit.export import Format
from hyperclusters.audit.files import overwrite
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.segments import archived_until
from hyperclusters.audit.times import parse_time

EVERY = 0.2  # seconds between two lines about the progress


class Command(BaseCommand):
    help = (
        "Write events to a file or to standard output, oldest first; the last line is the manifest. "
        "JSON Lines are lossless and can be verified by `verify_export` without the database."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=[form.value for form in Format], default="jsonl")
        parser.add_argument("--output", type=Path, metavar="FILE", help="standard output without it")
        parser.add_argument("--since", metavar="TIME", help="UTC, as 2026-11-24 or 2026-11-24T10:00")
        parser.add_argument("--until", metavar="TIME", help="the same; a date alone includes that whole day")
        for name in ("person", "team", "project", "action", "outcome", "cluster", "request", "ip"):
            parser.add_argument(f"--{name}", default="")
        parser.add_argument("--search", default="", help="a part of a name, or a whole ID or request ID")

    def handle(self, *args: Any, **options: Any) -> None:
        event_filter = self._filter(options)
        if until := archived_until(event_filter.since, event_filter.until):
            self.stderr.write(
                f"Events up to {until:%Y-%m-%d %H:%M:%S} UTC are in archives, and not in this file."
            )
        pieces = export_events(person=None, event_filter=event_filter, form=Format(options["format"]))
        size, last_progress, is_terminal = 0, 0.0, sys.stderr.isatty()
        with overwrite(options["output"]) if options["output"] else open(1, "wb", closefd=False) as file:
            for piece in pieces:
                file.write(piece)
                size += len(piece)
                if is_terminal and time.monotonic() - last_progress > EVERY:
                    last_progress = time.monotonic()
                    self.stderr.write(f"\r{size / 1e6:,.1f} MB", ending="")
        if is_terminal:
            self.stderr.write(f"\r{size / 1e6:,.1f} MB")

    def _filter(self, options: dict[str, Any]) -> EventFilter:
        team = Team.objects.filter(slug=options["team"]).first()
        if options["team"] and team is None:
            raise CommandError(f"There is no team {options['team']}.")
        return EventFilter(
            since=_time(options["since"]),
            until=_time(options["until"], is_end=True),
            person_name=options["person"],
            team_id=team.pk if team else None,
            project_name=options["project"],
            action=options["action"],
            outcome=options["outcome"],
            ip=options["ip"],
            about=(options["cluster"],) if options["cluster"] else (),
            request=options["request"],
            text=options["search"],
        )


def _time(text: str | None, *, is_end: bool = False) -> datetime | None:
    if not text:
        return None
    try:
        return parse_time(text, is_end=is_end)
    except ValueError as error:
        raise CommandError(f"The time {text[:40]!r} was not understood: {error}.") from error
