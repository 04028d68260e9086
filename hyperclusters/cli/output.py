"""What the command prints: tables for people, JSON for machines, progress on stderr."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import typer

Row = dict[str, Any]


def printable(value: Any) -> str:
    """A value in one line that cannot steer a terminal: control and invisible characters are escaped."""
    text = "" if value is None else "yes" if value is True else "no" if value is False else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def emit(text: str) -> None:
    """Print a line on stdout. A reader that has closed the pipe ends the command, which is no error."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        pipe_closed()


def pipe_closed() -> None:
    """End the command quietly."""
    discard_output()
    raise typer.Exit(0) from None


def discard_output() -> None:
    """Write the rest of stdout nowhere, also what is still to be flushed when the process ends."""
    with suppress(OSError):  # it has no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def progress(text: str) -> None:
    """Print on stderr."""
    sys.stderr.write("".join(f"{printable(line)}\n" for line in text.split("\n")))
    sys.stderr.flush()


def emit_json(value: Any, *, indent: int | None = 2) -> None:
    """Print JSON in ASCII."""
    emit(json.dumps(value, indent=indent))


def emit_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under headings, aligned."""
    cells = [[printable(value) or "-" for value in row] for row in rows]
    lines = [[column.upper() for column in columns], *cells]
    widths = [max(_width(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        cells_in_width = (
            cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)
        )
        emit("  ".join(cells_in_width).rstrip())


def emit_fields(fields: Iterable[tuple[str, Any]]) -> None:
    """Print one thing: a name and a value on each line. Empty values are left out."""
    pairs = [(name, printable(value)) for name, value in fields if value not in ("", None, [])]
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        emit(f"{name:<{width}}  {value}")


def when(value: Any) -> str:
    """A time of the API in UTC; empty for none."""
    if not value:
        return ""
    try:
        return f"{datetime.fromisoformat(str(value)).astimezone(UTC):%d %b %Y, %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return str(value)


def _width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
