from importlib import import_module

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The append-only audit."""

    name = "hyperclusters.audit"
    label = "audit"

    def ready(self) -> None:
        """Add our checks to Django's."""
        import_module("hyperclusters.audit.checks")
