"""The numbers beside the entries of the sidebar."""

from __future__ import annotations

from hyperclusters.access.models import User
from hyperclusters.web.shared.context import ENTRIES, entries, frame_numbers


def badge(person: User, page: str = "web:inbox") -> int:
    """The number that this person sees beside the entry of a page."""
    entry = next(entry for entry in ENTRIES if entry.page == page)
    return entry.badge(person, frame_numbers(person, entries(person)))
