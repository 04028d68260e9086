"""Checks at the start of a process, reported by name and never with a secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError

from .projects import unreadable


@register(Tags.database)
def keys_open(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Every project's key can be read. Runs only where a database is allowed: `check --database default`, and each
    start."""
    if not databases:
        return []
    try:
        names = unreadable()
    except (
        DatabaseError
    ):  # away, or not migrated yet: this says nothing about keys, and other checks report it
        return [
            checks.Warning(
                "The database could not be asked whether the projects' keys can be read.", id="keys.W001"
            )
        ]
    if not names:
        return []
    return [
        checks.Error(
            f"No key of CREDENTIAL_KEYS opens the credentials of: {', '.join(names)}.",
            hint="Put the key back with which they were sealed, behind the newest; or give these projects new credentials.",
            id="keys.E001",
        )
    ]
