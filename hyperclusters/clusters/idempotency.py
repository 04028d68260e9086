"""Idempotency keys of API clients. Each stands for a UUID that is unique in the database, as a form's one-time token is."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

from hyperclusters.access.models import User

from .models import Project


def token_for(*, kind: str, person: User, project: Project, key: str) -> UUID:
    """The token of this person's key in this project. Pages make random ones (version 4), so the two never meet."""
    return uuid5(NAMESPACE_URL, f"hyperclusters:{kind}:{person.pk}:{project.pk}:{key}")
