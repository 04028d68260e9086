"""`manage.py who_can`: who can do what in which team, and why."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hyperclusters.access.access_report import COLUMNS, who_can_what
from hyperclusters.access.models import Team
from hyperclusters.access.permissions import Permission
from hyperclusters.audit.spreadsheets import BOM, cell, row


class Command(BaseCommand):
    help = "Say who can do what in a team (or in every team), until when, by whom and why."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("team", nargs="?", help="the team's name in addresses; none: every team")
        parser.add_argument(
            "--may",
            choices=[permission.name.lower() for permission in Permission],
            help="only who may do this",
        )
        parser.add_argument("--csv", action="store_true", help="as CSV with every column")

    def handle(self, *args: Any, **options: Any) -> None:
        teams = Team.objects.all() if options["team"] is None else Team.objects.filter(slug=options["team"])
        if options["team"] is not None and not teams.exists():
            raise CommandError(f"There is no team {options['team']!r}.")
        permission = Permission[options["may"].upper()] if options["may"] else None
        rows = [labels for team in teams for labels in who_can_what(team, permission)]
        if options["csv"]:
            lines = [row(COLUMNS), *(row(map(cell, labels)) for labels in rows)]
            self.stdout.write(BOM + "".join(lines), ending="")
            return
        for team, person, _full_name, role, scope, _may, since, until, by, why, _review in rows:
            self.stdout.write(
                f"{team}: {person} is {role} ({scope}) since {since} until {until}, by {by}: {why}"
            )
