"""Names that people type: teams' are told apart by eye, and none holds what cannot be seen."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from hyperclusters.access.identifiers import ascii_lower, clean_name, visible_name
from hyperclusters.access.models import Team
from hyperclusters.access.services import add_person, add_team
from tests.conftest import People, confirm
from tests.web.pages import SignIn, words

ALIKE = {
    "another case": "vision",
    "all capitals": "VISION",
    "Cyrillic i": "V\u0456sion",
    "Greek omicron": "Visi\u03bfn",
    "full-width V": "\uff36ision",
    "zero-width space": "Vis\u200bion",
    "zero-width joiner": "Vision\u200d",
    "word joiner": "\u2060Vision",
    "soft hyphen": "Vi\u00adsion",
    "byte order mark": "\ufeffVision",
    "Hangul filler": "Vision\u3164",
    "braille blank": "Vision\u2800",
    "variation selector": "Vision\ufe0f",
    "tag character": "Vision\U000e0041",
    "right-to-left override": "\u202eVision",
    "control": "Vision\x07",
    "NUL": "Vision\x00",
    "blanks around": "  Vision ",
    "no-break space": "Vision\u00a0",
    "long s": "Vi\u017fion",
    "ligature": "Visi\u2134n",
    "a mark before the other script": "Vis\u0301\u0456on",
}


@pytest.mark.parametrize("kind", ALIKE)
def test_a_team_s_name_that_looks_like_another_s_is_refused(kind: str, people: People) -> None:
    with pytest.raises(ValidationError):
        add_team(slug="other", name=ALIKE[kind])
    assert Team.objects.count() == 2


@pytest.mark.parametrize(
    "name",
    [
        "Vision 2",
        "视觉",
        "视觉 Vision",
        "Vision视觉",
        "ビジョンAI",
        "비전 Vision",
        "Видение",
        "Vision Видение",
        "Größe",
        "R&D – 2",
    ],
)
def test_a_name_in_one_script_or_in_east_asian_ones_is_a_name(name: str, people: People) -> None:
    assert add_team(slug="other", name=name).name == name


def test_the_page_says_what_is_wrong_with_a_team_s_name(people: People, as_: SignIn) -> None:
    root = confirm(as_("root"))
    for name, sentence in (
        ("VISION", "A team has this name already"),
        ("Vis\u200bion", "Remove the invisible characters"),
        ("V\u0456sion", "mixes letters that look alike"),
    ):
        answer = root.post("/people/teams/", {"name": name, "slug": "other"})
        assert answer.status_code == 422
        assert sentence in words(answer)
    assert root.post("/people/teams/", {"name": "  Two   words ", "slug": "other"}).status_code == 302
    assert Team.objects.get(slug="other").name == "Two words"


def test_a_person_s_name_holds_nothing_that_cannot_be_seen(database: None) -> None:
    with pytest.raises(ValidationError):
        add_person(username="zoe", full_name="Zo\u200be")
    assert add_person(username="zoe", full_name=" Zoe\u3000Young").full_name == "Zoe Young"


def test_only_ascii_letters_have_a_case() -> None:
    every = "".join(map(chr, range(0x11000)))
    assert ascii_lower(every)[128:] == every[128:]
    assert ascii_lower("AZaz09@[`{") == "azaz09@[`{"


def test_a_stated_name_keeps_what_can_be_seen() -> None:
    assert visible_name("Z\x00o\ud800e\u200b \n Young" + "x" * 200, 9) == "Zoe Young"
    assert clean_name("") == ""
