"""The name under which Django looks for an engine."""

from django.db.backends.postgresql import base

from hyperclusters.audit.engines import AuditedDatabase


class DatabaseWrapper(AuditedDatabase, base.DatabaseWrapper):
    """Django's own, and the chain."""
