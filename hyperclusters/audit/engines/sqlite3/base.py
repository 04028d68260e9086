"""The name under which Django looks for an engine."""

import os
from contextlib import suppress
from typing import Any

from django.db.backends.sqlite3 import base

from hyperclusters.audit.engines import AuditedDatabase


class DatabaseWrapper(AuditedDatabase, base.DatabaseWrapper):
    """Django's own, and the chain."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A file that does not exist yet is made for its owner alone; SQLite gives the files beside it the same rights.

        One that exists is not opened here: closing it again would end the locks of this process's other connections.
        """
        with suppress(OSError):  # SQLite says what is wrong
            os.close(os.open(conn_params["database"], os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        return super().get_new_connection(conn_params)
