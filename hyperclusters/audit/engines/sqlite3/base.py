"""SQLite with the chain, under the name where Django looks for an engine."""

import os
from contextlib import suppress
from typing import Any

from django.db.backends.sqlite3 import base

from hyperclusters.audit.engines import AuditedDatabase


class DatabaseWrapper(AuditedDatabase, base.DatabaseWrapper):
    """Django's engine with the chain."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Create a missing file readable by its owner only; SQLite gives the files beside it the same permissions.

        An existing file is not opened here: closing it again would end the locks of this process's other connections.
        """
        with suppress(OSError):  # SQLite says what is wrong
            os.close(os.open(conn_params["database"], os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        return super().get_new_connection(conn_params)
