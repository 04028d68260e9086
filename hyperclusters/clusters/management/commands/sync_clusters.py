"""`manage.py sync_clusters`: list every project's clusters now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hyperclusters.clusters.inventory import sync
from hyperclusters.clusters.models import Source


class Command(BaseCommand):
    help = "List the clusters of every project and both types now. Exits with 1 if a list failed."

    def handle(self, *args: Any, **options: Any) -> None:
        failed = 0
        for source in Source.objects.select_related("project__team"):
            if sync(source):
                present = source.project.clusters.present().of_type(source.type).count()
                self.stdout.write(f"{source}: {present} clusters")
            else:
                failed += 1
                source.refresh_from_db()
                self.stdout.write(
                    f"{source}: failed ({source.failure_code or source.failure_cause or 'calls are stopped'})"
                )
        if failed:
            raise CommandError(f"{failed} lists failed; what was known before is kept.")
