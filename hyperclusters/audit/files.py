"""Files that hold events: only their owner may read them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO


def create(path: Path) -> IO[bytes]:
    """A new file for its owner alone. Raises FileExistsError."""
    return open(path, "xb", opener=_private)


def overwrite(path: Path) -> IO[bytes]:
    """The same, or an existing file with its own permissions, emptied."""
    return open(path, "wb", opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
