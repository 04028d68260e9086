"""Creates files that hold events, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO


def create(path: Path) -> IO[bytes]:
    """Open a new file for its owner only. Raises FileExistsError."""
    return open(path, "xb", opener=_private)


def overwrite(path: Path) -> IO[bytes]:
    """The same; an existing file is emptied and keeps its permissions."""
    return open(path, "wb", opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
