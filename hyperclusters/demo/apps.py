from django.apps import AppConfig


class DemoConfig(AppConfig):
    """The local demo: its people, history and processes. Nothing imports it but the settings."""

    name = "hyperclusters.demo"
    label = "demo"
