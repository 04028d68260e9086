"""A figure is a ratio: milliseconds of one machine say little on another, and this one may be busy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

TITLES = ("what", "ours", "yardstick", "ratio", "reach", "")
WIDTHS = (61, 22, 30, 6, 6, 4)


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, ours and the yardstick's as people read them, their ratio, and the one to reach at most
    (none: told for its own sake)."""

    what: str
    ours: str
    yardstick: str
    ratio: float
    reach: float | None

    @property
    def is_reached(self) -> bool:
        return self.reach is None or self.ratio <= self.reach

    def __str__(self) -> str:
        reach, verdict = "", ""
        if self.reach is not None:
            reach, verdict = f"{self.reach:.2f}", "pass" if self.is_reached else "MISS"
        return row(self.what, self.ours, self.yardstick, f"{self.ratio:.2f}", reach, verdict)


def p95(seconds: Sequence[float]) -> float:
    """The time that 95 of 100 stay below."""
    return quantiles(seconds, n=20, method="inclusive")[-1]


def shown(seconds: Sequence[float]) -> str:
    """Median and p95, in milliseconds."""
    return f"{median(seconds) * 1000:.2f} / {p95(seconds) * 1000:.2f} ms"


def row(*cells: str) -> str:
    """One line of the table."""
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def titles() -> str:
    """The head of the table. Two times are median and p95."""
    return row(*TITLES) + "\n" + row(*("─" * width for width in WIDTHS))
