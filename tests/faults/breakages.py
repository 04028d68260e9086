"""Deliberate breakages of the product, applied inside one child, so that the harness can show that it sees each of them."""

from __future__ import annotations

from collections.abc import Callable

BREAKAGES: dict[str, Callable[[], None]] = {}


def apply(name: str) -> None:
    """Break this process's copy of the product. Empty: leave it whole."""
    if name:
        BREAKAGES[name]()
