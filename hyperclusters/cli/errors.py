"""How the command ends when it does not end well."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What scripts rely on; docs/cli.md explains each."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNKNOWN = 3
    NOT_PERMITTED = 4
    UNREACHABLE = 5


class Failure(Exception):
    """Ends the command with this message on stderr and this exit code."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code
