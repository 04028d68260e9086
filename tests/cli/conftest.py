"""The command, run in this process as a shell runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyperclusters.cli import client, read_commands, write_commands
from hyperclusters.cli.app import main

TOKEN = "hc_" + "canary" * 9 + "0000"


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    """`run("list", "--json")`: with a configuration of its own, and without long pauses."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HYPERCLUSTERS_TOKEN", TOKEN)
    monkeypatch.setenv("HYPERCLUSTERS_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(client, "RETRY_SECONDS", 3.0)
    monkeypatch.setattr(client, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(write_commands, "FIRST_POLL", 0.05)
    monkeypatch.setattr(read_commands, "FOLLOW_SECONDS", 0.05)

    def command(*args: str, url: str = "", token: str = "") -> Result:
        if url:
            monkeypatch.setenv("HYPERCLUSTERS_URL", url)
        if token:
            monkeypatch.setenv("HYPERCLUSTERS_TOKEN", token)
        code = main(args)
        captured = capsys.readouterr()
        assert (token or TOKEN) not in captured.out + captured.err
        return Result(code, captured.out, captured.err)

    return command
