"""Whether the list of clusters may look different from how a page has it."""

from __future__ import annotations

from typing import Any

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Anyone, anyone_like
from hyperclusters.audit import clock
from hyperclusters.clusters.models import ClusterListing, Creation
from hyperclusters.statements import rows
from hyperclusters.web.shared.humanize import is_any_moment
from hyperclusters.web.shared.polls import version_of

LISTING = (
    "pk",
    "listed_at",
    "failed_at",
    "suspect_since",
    "inside_listed_at",
    "inside_failed_at",
)


def list_version(person: User) -> str:
    """Of the events, and of what changes without one: lists that are read again, and waiting that goes by."""
    now = clock.now()
    reader = anyone_like(person)
    return version_of(
        [
            (
                *(*facts, blocked_until, bool(blocked_until and blocked_until <= now)),
                *(bool(lease_expires_at), run_after <= now),
            )
            for *facts, blocked_until, lease_expires_at, run_after in rows(_listings, reader, most=None)
        ],
        [
            (pk, polls, run_after, is_any_moment(run_after))
            for pk, polls, run_after in rows(_under_way, reader, most=None)
        ],
    )


def _listings(reader: Anyone) -> Any:
    listings = ClusterListing.objects.visible_to(reader).order_by("pk")
    return listings.values_list(*LISTING, "project__blocked_until", "lease_expires_at", "run_after")


def _under_way(reader: Anyone) -> Any:
    creations = Creation.objects.visible_to(reader).unresolved().order_by("pk")
    return creations.values_list("pk", "polls", "run_after")
