"""`make test` runs every part and tells the result of each, whatever became of the one before (O21)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("Browser", "SQLite", "PostgreSQL", "ICU")
# Stands in for Python: it notes what it is to run, and the parts that FAILING names fail.
PYTHON = """#!/bin/sh
case "$*" in
  *postgres.py*--icu*) part=ICU ;;
  *postgres.py*) part=PostgreSQL ;;
  *--ignore=tests/browser*) part=SQLite ;;
  *) part=Browser ;;
esac
echo "ran $part"
case " $FAILING " in *" $part "*) exit 1 ;; esac
"""

pytestmark = pytest.mark.any_database


@pytest.mark.parametrize("failing", [(), PARTS[:1], PARTS[1:2], PARTS[2:3], PARTS[3:], PARTS])
def test_every_part_of_the_suite_runs_and_its_result_is_told(
    failing: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "tests").mkdir()
    for name in ("Makefile", "tests/twice.sh"):  # a copy: what failed is noted beside them
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o700)
    left_out = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CI"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    command = ["make", "-s", "-o", ".venv/dev", "test", f"BIN={tmp_path}"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment | {"FAILING": " ".join(failing)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout.splitlines()
    assert {f"ran {part}" for part in PARTS} <= set(said), done.stdout + done.stderr
    for part in PARTS:
        assert f"{part}: {'FAILED (1)' if part in failing else 'passed'}" in said
    assert (done.returncode == 0) == (not failing)
