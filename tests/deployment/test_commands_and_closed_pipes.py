"""A command whose reader has gone (`manage.py export_audit | head`) ends quietly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.conftest import People

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parent.parent.parent


def database_url() -> str:
    """The tests' own database, for another process."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    return f"postgres://{values['USER']}@{values['HOST']}:{values['PORT']}/{values['NAME']}"


@pytest.mark.parametrize(
    "command",
    ["help", "who_can", "who_can --csv", "export_audit", "export_audit --format csv", "verify_audit"],
)
def test_a_command_whose_reader_has_gone_ends_quietly(command: str, people: People) -> None:
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "hyperclusters.settings",
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", *command.split()],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()  # before it has written anything
    assert process.stderr is not None
    text = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(60) == 1
    assert text == ""


def test_another_pipe_that_breaks_is_still_a_fault() -> None:
    code = (
        "import manage\n"
        "def command(argv): raise BrokenPipeError('a socket')\n"
        "manage.execute_from_command_line = command\n"
        "manage.run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "BrokenPipeError: a socket" in done.stderr
