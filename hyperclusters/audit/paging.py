"""Pages of the ledger in the order of its sequence: each costs the same however deep it lies, in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .models import Event, EventQuerySet

SIZE = 50
# What a list does not show: the bodies may be large.
LONG = ("reason", "before", "after", "request", "response", "canonical")


@dataclass(frozen=True, slots=True)
class Page:
    """Events, newest first. `newer` and `older` are the numbers from which the next page begins, None at the end."""

    events: list[Event]
    newer: int | None
    older: int | None


def page(
    alternatives: Sequence[EventQuerySet], *, before: int | None = None, after: int | None = None
) -> Page:
    """The newest events, or the ones right before or right after a sequence number. `after=0` is the last page.

    `alternatives`: queries of which an event must be in one (see Filter). Numbers are looked for first, and then only
    the rows that are shown are read.
    """
    upwards = after is not None
    seqs = _next(alternatives, SIZE + 1, before=before, after=after)
    shown, is_more = sorted(seqs[:SIZE], reverse=True), len(seqs) > SIZE
    if not shown:
        return Page([], None, None)
    behind = _next(alternatives, 1, before=shown[-1]) if upwards else []
    ahead = _next(alternatives, 1, after=shown[0]) if before is not None else []
    newer = shown[0] if (is_more if upwards else ahead) else None
    older = shown[-1] if (behind if upwards else is_more) else None
    events = Event.objects.filter(seq__in=shown).defer(*LONG).order_by("-seq")
    return Page(list(events), newer, older)


def _next(
    alternatives: Sequence[EventQuerySet], count: int, *, before: int | None = None, after: int | None = None
) -> list[int]:
    upwards = after is not None
    found: set[int] = set()
    for rows in alternatives:
        if before is not None:
            rows = rows.filter(seq__lt=before)  # noqa: PLW2901 -- narrowed
        if after is not None:
            rows = rows.filter(seq__gt=after)  # noqa: PLW2901 -- narrowed
        ordered = rows.order_by("seq" if upwards else "-seq")
        found.update(ordered.values_list("seq", flat=True)[:count])
    return sorted(found, reverse=not upwards)[:count]
