"""Findings about what surrounds the ledger's rows, and verification where such a change keeps the database from answering."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError

from . import structure
from .findings import IntegrityIssues, IssueKind
from .raw_rows import is_about_a_definition, savepoint

Answer = TypeVar("Answer")


def inspect_structure(findings: IntegrityIssues) -> None:
    """Add what was changed around the rows."""
    try:
        with savepoint():
            changes = structure.changes()
    except DatabaseError as error:
        if not is_about_a_definition(error):
            raise
        changes = {"the database's catalogue cannot be read": ""}
    for change, definition in changes.items():
        content = hashlib.sha256(definition.encode()).hexdigest() if definition else ""
        findings.add(IssueKind.GUARD_CHANGED, 0, detail=change, content=content)


def attempt(around: IntegrityIssues, act: Callable[[], Answer], what: str) -> Answer | None:
    """The result of `act`. None if the database cannot answer and `around` says what was changed there: then that is
    one more finding."""
    try:
        with savepoint():
            return act()
    except DatabaseError as error:
        if not (around.issues and is_about_a_definition(error)):
            raise
    around.add(IssueKind.UNREADABLE, 0, detail=f"{what}, because of what was changed around them")
    return None
