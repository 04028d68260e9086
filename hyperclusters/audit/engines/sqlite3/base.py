"""The name under which Django looks for an engine."""

from django.db.backends.sqlite3 import base

from hyperclusters.audit.engines import Chaining


class DatabaseWrapper(Chaining, base.DatabaseWrapper):
    """Django's own, and the chain."""
