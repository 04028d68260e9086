from django.apps import AppConfig


class DemoConfig(AppConfig):
    """The local demo: its people, some past life, and its processes. Nobody imports it."""

    name = "hyperclusters.demo"
    label = "demo"
