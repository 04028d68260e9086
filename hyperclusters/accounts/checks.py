"""Checks that what the settings of the company sign-in name exists. Runs at each start, and with `check --database
default`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError

from hyperclusters.access.models import Team


@register(Tags.database)
def teams_of_groups_exist(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Each team of OIDC_GROUP_ROLES exists: otherwise the group silently gives nothing."""
    slugs = {team for _, team, _ in settings.OIDC_GROUP_ROLES if team}
    if not databases or not slugs:
        return []
    try:
        unknown_slugs = slugs - set(Team.objects.filter(slug__in=slugs).values_list("slug", flat=True))
    except DatabaseError:  # away, or not migrated yet: other checks report it
        return []
    return [
        checks.Warning(f"OIDC_GROUP_ROLES names the team {slug!r}, which does not exist.", id="accounts.W001")
        for slug in sorted(unknown_slugs)
    ]
