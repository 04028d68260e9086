"""What docs/security.md promises has tests, and they exist."""

import re
from pathlib import Path

import pytest

from tests.documents import tests as every_test
from tests.security_statements import ASVS, STATEMENTS, Statement

ROOT = Path(__file__).resolve().parent.parent
TESTS = every_test()


@pytest.mark.parametrize("statement", [*STATEMENTS, *ASVS], ids=lambda statement: statement.text)
def test_a_security_statement_has_tests_that_exist(statement: Statement) -> None:
    assert statement.tests
    assert set(statement.tests) <= TESTS.keys()


def test_each_statement_and_each_requirement_is_listed_once() -> None:
    assert len({statement.text for statement in STATEMENTS}) == len(STATEMENTS) >= 40
    listed = re.findall(r"\d+\.\d+\.\d+", " ".join(statement.asvs for statement in ASVS))
    assert len(listed) == len(set(listed)) >= 80


def test_every_test_and_place_that_the_page_names_exists() -> None:
    page = (ROOT / "docs/security.md").read_text()
    assert set(re.findall(r"\btest_[a-z]\w+\b(?!\.py)", page)) <= TESTS.keys()
    for place in re.findall(r"`(tests/[\w/.]+)`", page):
        assert (ROOT / place).exists(), place
