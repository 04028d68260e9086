from importlib import import_module

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Everything a browser sees."""

    name = "hyperclusters.web"
    label = "web"

    def ready(self) -> None:
        """Add our checks to Django's."""
        import_module("hyperclusters.web.checks")
