from django.apps import AppConfig


class AccessConfig(AppConfig):
    """Who may do what, where, and until when."""

    name = "hyperclusters.access"
    label = "access"
