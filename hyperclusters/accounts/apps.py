from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """How a person proves who they are, and for how long that holds."""

    name = "hyperclusters.accounts"
    label = "accounts"
