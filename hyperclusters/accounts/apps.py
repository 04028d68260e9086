from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """How a person proves who they are, and for how long that holds."""

    name = "hyperclusters.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Add our checks to Django's."""
        import_module("hyperclusters.accounts.checks")
