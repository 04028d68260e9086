"""What a verification may find: what was done, to which events, and what shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

ENOUGH = 200  # findings that are told one by one; a ledger with more is broken beyond doubt


class Kind(models.TextChoices):
    """What was done to the ledger or to its anchors."""

    EDITED = "edited", _("edited")
    DELETED = "deleted", _("deleted")
    INSERTED = "inserted", _("inserted")
    REORDERED = "reordered", _("put elsewhere")
    CUT = "cut off", _("cut off at the end")
    ROLLED_BACK = "rolled back", _("rolled back to an older state")
    UNREADABLE = "unreadable", _("unreadable")
    RESEALED = "resealed", _("sealed again with a key that was replaced before")
    ANCHOR_EDITED = "anchor edited", _("anchor edited")
    ANCHOR_MISSING = "anchor missing", _("anchor missing")
    ARCHIVE_EDITED = "archive edited", _("archive or its record edited")
    GUARD_CHANGED = "guard changed", _("database protection changed")
    INDEX_EDITED = "index edited", _("index or search differs from the events")


@dataclass(frozen=True, slots=True)
class Finding:
    """`first` to `last` are numbers of events, or lines of the anchors' file for what was done to that. Both are 0 where
    the detail says all."""

    kind: str
    first: int
    last: int
    detail: str = ""

    def __str__(self) -> str:
        if not (self.first or self.last):
            return f"{self.kind}: {self.detail}"
        what = "line" if self.kind.startswith("anchor") else "event"
        place = f"{what} {self.first}" if self.first == self.last else f"{what}s {self.first} to {self.last}"
        return f"{self.kind}: {place}" + (f" ({self.detail})" if self.detail else "")

    def facts(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)


@dataclass(slots=True)
class Findings:
    """What was found, neighbours of one kind taken together."""

    found: list[Finding] = field(default_factory=list)
    is_more: bool = False

    def add(self, kind: Kind, first: int, last: int | None = None, detail: str = "") -> None:
        """Note that this was done to these events."""
        last = first if last is None else last
        before = self.found[-1] if self.found else None
        if before and (before.kind, before.detail, before.last + 1) == (kind, detail, first):
            self.found[-1] = Finding(kind.value, before.first, last, detail)
        elif len(self.found) < ENOUGH:
            self.found.append(Finding(kind.value, first, last, detail))
        else:
            self.is_more = True
