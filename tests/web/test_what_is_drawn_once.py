"""What is drawn once shows what it was given, and nothing of anybody else's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.template import engines
from django.test import RequestFactory
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.translation import override

from hyperclusters.access.models import User
from hyperclusters.web.shared.listing import Choice, FilterMenu
from tests.web.pages import SignIn

pytestmark = pytest.mark.any_database

WHO = '{% load hyperclusters_tags %}{% cached_include "components/_who.html" initials="XY" username=name line=line %}'

LANGUAGES = (("en", "English"), ("zh-hans", "简体中文"))
SIDE = '{% load hyperclusters_tags %}{% cached_forms "components/_side.html" username=name languages=languages %}'


def draw(source: str, **context: Any) -> str:
    return str(engines["django"].from_string(source).render(context))


def test_other_values_and_other_languages_are_drawn_anew() -> None:
    mine, yours = draw(WHO, name="ada", line="Creator"), draw(WHO, name="mallory", line="Creator")
    assert "<b>ada</b>" in mine
    assert "ada" not in yours
    assert "<b>mallory</b>" in yours
    assert "Account:" in mine
    with override("zh-hans"):
        assert "Account:" not in draw(WHO, name="ada", line="Creator")


def test_text_is_escaped_although_the_same_text_was_shown_as_markup() -> None:
    assert "<i>x</i>" in draw(WHO, name=SafeString("<i>x</i>"), line="-")
    assert "<i>x</i>" not in draw(WHO, name="<i>x</i>", line="-")


def test_forms_have_the_token_and_the_address_of_their_own_page() -> None:
    name = "{token} {address} {0} {{x}} {"
    for token, path in (("a" * 64, "/one/?q={token}&b=<b>"), ("b" * 64, "/two/")):
        request = RequestFactory().get(path)
        side = draw(SIDE, csrf_token=token, request=request, name=name, languages=LANGUAGES)
        assert side.count(f'name="csrfmiddlewaretoken" value="{token}"') == 3
        assert side.count(f'name="next" value="{escape(request.get_full_path())}"') == 2
        assert f"<b>{name}</b>" in side


@pytest.mark.django_db
@pytest.mark.parametrize("value", [lambda: User(username="ada"), lambda: ["ada"]], ids=["a row", "a list"])
def test_what_may_change_is_not_drawn_once(value: Callable[[], Any]) -> None:
    with pytest.raises(TypeError):
        draw(WHO, name=value(), line="-")


def test_a_long_address_is_not_remembered() -> None:
    def menu(url: str) -> FilterMenu:
        return FilterMenu(
            "Team", "", (Choice("every", url, is_current=True), Choice("one", "?", is_current=False))
        )

    assert menu("?q=gpu").is_short
    assert not menu(f"?q={'x' * 500}").is_short


def test_two_people_in_turn_see_their_own_names_badges_and_menus(as_: SignIn) -> None:
    ada, olga = as_("ada"), as_("olga")
    for _ in range(2):
        for browser, mine, other in ((ada, "ada", "olga"), (olga, "olga", "ada")):
            text = browser.get("/clusters/").content.decode()
            assert f"<b>{mine}</b>" in text
            assert f"<b>{other}</b>" not in text
    assert "/audit/review/" in olga.get("/").content.decode()
    assert "/audit/review/" not in ada.get("/").content.decode()
