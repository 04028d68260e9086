"""Rows of the ledger that none of our keys has sealed, until the verifier knows what happened to them."""

from __future__ import annotations

from dataclasses import dataclass, field

Row = tuple[
    int, str, str, str, bool
]  # number, key's ID, digest, text, and whether the other columns say the same
UNREADABLE = (
    "cannot be read: "  # begins the key's ID of a row without a text, followed by its unreadable columns
)


@dataclass(slots=True)
class Loose:
    """Consecutive rows that are not genuine. `runs`: first and last number of neighbours, and why they cannot be
    read, if so."""

    count: int = 0
    last: Row = (0, "", "", "", True)
    runs: list[tuple[int, int, str]] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.count += 1
        self.last = row
        number, unreadable = row[0], unreadable_part(row)
        first, last, why = self.runs[-1] if self.runs else (0, 0, "")
        if self.runs and (last + 1, why) == (number, unreadable):
            self.runs[-1] = first, number, why
        else:
            self.runs.append((number, number, unreadable))


def unreadable_part(row: Row) -> str:
    """The part of this row that could not be read; empty if all could."""
    return row[1] if not row[3] and row[1].startswith(UNREADABLE) else ""
