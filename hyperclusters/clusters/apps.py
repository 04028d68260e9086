from importlib import import_module

from django.apps import AppConfig


class ClustersConfig(AppConfig):
    """Projects, the inventory of hyper clusters, and creations."""

    name = "hyperclusters.clusters"
    label = "clusters"

    def ready(self) -> None:
        """Add our checks to Django's, and our mails to the outbox; they read models, which exist only now."""
        import_module("hyperclusters.clusters.checks")
        import_module("hyperclusters.clusters.follow_up_mails").add_kind()
