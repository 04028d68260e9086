"""What stands around the ledger's rows: the triggers that refuse changes, the indexes and the search that lead to rows."""

from __future__ import annotations

from django.db import DatabaseError, connection

from . import search, triggers
from .findings import Findings, Kind

MESSAGES = 20  # of SQLite about one table


def inspect_triggers(findings: Findings) -> None:
    """Add which triggers are missing, changed, switched off or not ours. One query."""
    for change in triggers.changed(connection):
        findings.add(Kind.GUARD_CHANGED, 0, detail=f"trigger {change}")


def inspect_indexes(findings: Findings, first: int, last: int) -> None:
    """SQLite: add where an index, or the search of the events from `first` to `last`, says something else than the rows.

    Reads the table and its indexes once more. PostgreSQL's files are in nobody's hands but the server's.
    """
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA integrity_check('audit_event')")
        said = [message for (message,) in cursor.fetchmany(MESSAGES)]
    for message in said if said != ["ok"] else []:
        findings.add(Kind.INDEX_EDITED, 0, detail=message)
    try:
        unfound = search.differing(first, last, MESSAGES)
    except DatabaseError as error:
        findings.add(Kind.INDEX_EDITED, 0, detail=f"the search: {error}")
        return
    for seq in unfound:
        findings.add(Kind.INDEX_EDITED, seq, detail="the search knows it by another name")
