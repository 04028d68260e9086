"""What docs/security.md says is tested, is."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANUAL = (ROOT / "docs/security.md").read_text()


def test_every_test_that_the_manual_names_exists() -> None:
    named = set(re.findall(r"\btest_[a-z]\w+(?!\w*\.py)\b", MANUAL)) - {
        path.stem for path in ROOT.glob("tests/**/test_*.py")
    }
    there = {
        name
        for path in ROOT.glob("tests/**/*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert len(named) >= 30
    assert named - there == set()


def test_every_place_that_the_manual_names_exists() -> None:
    for place in re.findall(r"`(tests/[\w/.]+)`", MANUAL):
        assert (ROOT / place).exists(), place
