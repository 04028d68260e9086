"""`manage.py sync_clusters`: list every project's clusters now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hyperclusters.clusters.inventory import sync
from hyperclusters.clusters.models import ClusterListing


class Command(BaseCommand):
    help = "List the clusters of every project and both types now. Exits with 1 if a list failed."

    def handle(self, *args: Any, **options: Any) -> None:
        failures = 0
        for cluster_listing in ClusterListing.objects.select_related("project__team"):
            if sync(cluster_listing):
                present = cluster_listing.project.clusters.present().of_type(cluster_listing.type).count()
                self.stdout.write(f"{cluster_listing}: {present} clusters")
            else:
                failures += 1
                cluster_listing.refresh_from_db()
                self.stdout.write(
                    f"{cluster_listing}: failed ({cluster_listing.failure_code or cluster_listing.failure_cause or 'calls are stopped'})"
                )
        if failures:
            raise CommandError(f"{failures} lists failed; what was known before is kept.")
