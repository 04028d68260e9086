"""PostgreSQL with the chain, under the name where Django looks for an engine."""

from django.db.backends.postgresql import base

from hyperclusters.audit.engines import AuditedDatabase


class DatabaseWrapper(AuditedDatabase, base.DatabaseWrapper):
    """Django's engine with the chain."""
