from importlib import import_module

from django.apps import AppConfig


class ClustersConfig(AppConfig):
    """Projects, the inventory of hyper clusters, and creations."""

    name = "hyperclusters.clusters"
    label = "clusters"

    def ready(self) -> None:
        """Add our checks to Django's; they read models, which exist only now."""
        import_module("hyperclusters.clusters.checks")
