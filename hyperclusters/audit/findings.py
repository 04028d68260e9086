"""The findings of a verification: what was done, to which events, and what shows it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

FINDING_LINE = re.compile(
    r"([a-z ]+): (?:event|line)s? (-?[0-9]+)(?: to (-?[0-9]+))?(?: \((.*)\))?", re.DOTALL
)  # see Finding.__str__
ELSEWHERE = "it stands at {}"  # the detail of an event that was moved
ENOUGH = 200  # findings listed one by one; a ledger with more is certainly broken


class IssueKind(models.TextChoices):
    """What was done to the ledger or to its anchors."""

    EDITED = "edited", _("edited")
    DELETED = "deleted", _("deleted")
    INSERTED = "inserted", _("inserted")
    REORDERED = "reordered", _("put elsewhere")
    CUT = "cut off", _("cut off at the end")
    ROLLED_BACK = "rolled back", _("rolled back to an older state")
    UNREADABLE = "unreadable", _("unreadable")
    RESEALED = "resealed", _("sealed with a key that is not the current one")
    ANCHOR_EDITED = "anchor edited", _("anchor edited")
    ANCHOR_MISSING = "anchor missing", _("anchor missing")
    ARCHIVE_EDITED = "archive edited", _("archive or its record edited")
    ARCHIVE_MISSING = "archive missing", _("archive missing")
    GUARD_CHANGED = "guard changed", _("database protection changed")
    INDEX_EDITED = "index edited", _("index, search or stored value does not fit")


# What is said of an event in the ledger, not of its place, an archive or an anchor.
OF_EVENTS = {
    IssueKind.EDITED,
    IssueKind.INSERTED,
    IssueKind.REORDERED,
    IssueKind.UNREADABLE,
    IssueKind.RESEALED,
}


@dataclass(frozen=True, slots=True)
class IntegrityIssue:
    """`first` to `last` are numbers of events, or lines of a file of anchors. Both are 0 where the detail says
    everything.

    `content` is a digest of the present content: other content at the same place is another finding.
    """

    kind: str
    first: int
    last: int
    detail: str = ""
    content: str = field(default="", compare=False)

    def __str__(self) -> str:
        if self.detail and not (self.first or self.last):
            return f"{self.kind}: {self.detail}"
        what = "line" if self.kind.startswith("anchor") else "event"
        place = f"{what} {self.first}" if self.first == self.last else f"{what}s {self.first} to {self.last}"
        return f"{self.kind}: {place}" + (f" ({self.detail})" if self.detail else "")

    @classmethod
    def parse(cls, text: str) -> IntegrityIssue:
        """The finding that `str` writes like this; a finding with only the text if it is none."""
        if match := FINDING_LINE.fullmatch(text):
            kind, first, last, detail = match.groups(default="")
            return cls(kind, int(first), int(last or first), detail)
        kind, _, detail = text.partition(": ")
        return cls(kind, 0, 0, detail)

    @property
    def rows(self) -> tuple[int, int]:
        """The numbers under which its events are stored now, first and last."""
        place = re.match(ELSEWHERE.format("(-?[0-9]+)"), self.detail)
        return (int(place[1]), int(place[1])) if place else (self.first, self.last)

    @property
    def identity(self) -> tuple[str, int, int, str, str]:
        """What tells this finding from others. Events cut off at the end become deleted ones once others follow."""
        kind = IssueKind.DELETED.value if self.kind == IssueKind.CUT else str(self.kind)
        return kind, self.first, self.last, self.detail, self.content

    def as_audit_json(self) -> dict[str, Any]:
        """The finding as it is stored."""
        return asdict(self)


@dataclass(slots=True)
class IntegrityIssues:
    """The findings, neighbours of one kind joined."""

    issues: list[IntegrityIssue] = field(default_factory=list)
    acknowledged: list[IntegrityIssue] = field(default_factory=list)  # in an archive, when it was written
    is_more: bool = False

    def add(
        self, kind: IssueKind, first: int, last: int | None = None, detail: str = "", content: str = ""
    ) -> None:
        """Add that this was done to these events."""
        issues = IntegrityIssue(kind.value, first, first if last is None else last, detail, content)
        before = self.issues[-1] if self.issues else None
        if before and (before.kind, before.detail, before.last + 1) == (kind, detail, first):
            both = hashlib.sha256(f"{before.content}{content}".encode()).hexdigest() if content else ""
            self.issues[-1] = replace(issues, first=before.first, content=both)
        elif len(self.issues) < ENOUGH:
            self.issues.append(issues)
        else:
            self.is_more = True


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Neighbours as ranges."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        first = runs.pop()[0] if runs and runs[-1][1] == number - 1 else number
        runs.append((first, number))
    return runs
