from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Who did what, with which outcome: append-only."""

    name = "hyperclusters.audit"
    label = "audit"
