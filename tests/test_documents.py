"""The pages under docs/ say what the code says, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documents import PAGES, ROOT, docstring, documented

WRITTEN_BY_HAND = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "tests/faults/README.md",
    *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name not in PAGES),
]
PATH = re.compile(r"`((?:hyperclusters|tests|docs|deploy|templates|static|bench)/[\w/.-]+\w)`")
ARCHITECTURE = ROOT / "docs/architecture.md"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_written_from_the_code_is_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), "make docs"


def test_every_module_says_what_it_does() -> None:
    assert [str(path.relative_to(ROOT)) for path in documented() if not docstring(path)] == []


@pytest.mark.parametrize("page", WRITTEN_BY_HAND, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_path_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", text):
        goal = (page.parent / target).resolve() if target else page
        assert goal.exists(), target
        assert not anchor or anchor in anchors(goal.read_text()), f"{target}#{anchor}"
    for mentioned in PATH.findall(text):
        assert (ROOT / mentioned).exists(), mentioned


def test_the_architecture_can_be_read_in_a_few_minutes() -> None:
    words = re.sub(r"(?s)```mermaid.*?```", "", ARCHITECTURE.read_text()).split()  # diagrams are looked at
    assert len(words) <= 1500


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
