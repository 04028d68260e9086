"""G19: the vocabulary is closed, and every word of it is spoken somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hyperclusters.audit.models import Event
from hyperclusters.audit.vocabulary import EventType, Outcome

pytestmark = pytest.mark.any_database

HOUSE = Path(__file__).resolve().parents[2] / "hyperclusters"
CODE = "\n".join(
    path.read_text()
    for path in HOUSE.rglob("*.py")
    if path.name != "vocabulary.py" and "migrations" not in path.parts
)


@pytest.mark.parametrize("action", EventType, ids=str)
def test_g19_every_action_is_written_by_the_product(action: EventType) -> None:
    operation, step = action.value.rsplit(":", 1)
    # Operations of either kind have steps in common: `event("sending")`.
    of_both = rf'\.event\("{step}"\)' if operation in {"cluster:create", "cluster:delete"} else "$^"
    assert re.search(rf"\b(Did|Action|EventType)\.{action.name}\b|{of_both}", CODE), (
        "a word that nobody speaks"
    )


def test_words_fit_their_columns_and_say_what_they_are_about() -> None:
    for name, words in (("action", EventType), ("outcome", Outcome)):
        longest = getattr(Event._meta.get_field(name), "max_length", 0)
        assert longest
        assert all(len(word) <= longest for word in words)
    assert all(re.fullmatch(r"[a-z]+(:[a-z-]+){1,2}", word) for word in EventType)
