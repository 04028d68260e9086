"""`pipx install .` needs no Django and gives a command that works. Needs a package index, as every installation does."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_database
ROOT = Path(__file__).resolve().parents[2]


def test_the_client_installs_without_the_server(tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin/python"), "install", "--quiet"]
    subprocess.run([*pip, str(ROOT)], check=True, timeout=300)
    shown = subprocess.run(
        [place / "bin/hyperclusters", "--help"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "creations" in shown.stdout
    files = (place / "lib").glob("python*/site-packages/*")
    names = {path.name.lower() for path in files}
    assert "hyperclusters" in names
    assert not names & {"django", "psycopg", "gunicorn"}
    inside = {
        path.name for path in next((place / "lib").glob("python*/site-packages/hyperclusters")).iterdir()
    }
    assert inside - {"__pycache__"} == {"__init__.py", "cli"}
    completion = subprocess.run(
        [place / "bin/hyperclusters"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={
            "_HYPERCLUSTERS_COMPLETE": "complete_bash",
            "COMP_WORDS": "hyperclusters cre",
            "COMP_CWORD": "1",
        },
    )
    assert completion.stdout.split() == ["create", "creations"]
