from django.apps import AppConfig


class WebConfig(AppConfig):
    """Everything a browser sees."""

    name = "hyperclusters.web"
    label = "web"
