from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """How people prove who they are, and for how long that counts."""

    name = "hyperclusters.accounts"
    label = "accounts"

    def ready(self) -> None:
        """Add our checks to Django's."""
        import_module("hyperclusters.accounts.checks")
