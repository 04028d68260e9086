"""What an input holds is for the browser, which reads one format: it is never localized (P13)."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.forms import BaseForm
from django.test import Client as Browser
from django.utils import translation

from hyperclusters.access.models import Grant, Role, Team
from hyperclusters.access.services import grant
from hyperclusters.audit import clock
from hyperclusters.web.access.forms import UntilForm
from hyperclusters.web.projects.forms import KeyForm
from tests.conftest import People, Projects, confirm
from tests.web.pages import SignIn, body
from tests.web.test_every_page import ACCESS, paths

pytestmark = pytest.mark.any_database

__all__ = ["paths"]
LANGUAGES = [code for code, _name in settings.LANGUAGES]
READABLE = {
    "date": r"\d{4}-\d\d-\d\d",
    "datetime-local": r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?",
    "number": r"-?\d+(\.\d+)?",
}


def speaking(browser: Browser, language: str) -> Browser:
    browser.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    return browser


def form_values(page: str, action: str = "") -> dict[str, Any]:
    """What a browser would post of a page's form without a change: of the form whose action ends so."""
    forms = re.findall(r"<form\b.*?</form>", page, flags=re.DOTALL)
    text = next(
        each for each in forms if f'action="{action}"' in each or (not action and "action=" not in each)
    )
    values: dict[str, Any] = {}
    for tag in re.findall(r"<(?:input|textarea)\b[^>]*>", text):
        found = {name: html.unescape(value) for name, value in re.findall(r'\b([\w-]+)="([^"]*)"', tag)}
        if found.get("type") in {"radio", "checkbox"} and not re.search(r"\bchecked\b", tag):
            continue
        if "name" in found:
            values[found["name"]] = found.get("value", "on" if found.get("type") == "checkbox" else "")
    for name, inside in re.findall(
        r'<select\b[^>]*name="([^"]+)"[^>]*>(.*?)</select>', text, flags=re.DOTALL
    ):
        chosen = re.search(r'<option value="([^"]*)"[^>]*\bselected', inside)
        values[name] = html.unescape(chosen[1]) if chosen else ""
    return values


def assert_readable(page: str) -> int:
    """Every typed input of the page holds nothing, or what a browser takes; how many hold something."""
    full = 0
    for tag in re.findall(r"<input\b[^>]*>", page):
        kind, value = re.search(r'\btype="([^"]+)"', tag), re.search(r'\bvalue="([^"]+)"', tag)
        if kind and value and kind[1] in READABLE:
            assert re.fullmatch(READABLE[kind[1]], value[1]), tag
            full += 1
    return full


@pytest.fixture
def full(people: People, projects: Projects) -> Grant:
    """Large numbers and ends wherever a form has a place for one."""
    Team.objects.filter(pk=people.vision.pk).update(quota=123_456, longest_days=1_234)
    projects.vision.quota = 12_345
    projects.vision.save()
    end = datetime.combine(clock.now().date(), datetime.min.time(), UTC) + timedelta(days=9)
    return grant(person=people.nina, role=Role.VIEWER, team=people.vision, until=end, reason="r")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_input_of_a_page_is_localized(language: str, full: Grant, projects: Projects, as_: SignIn) -> None:
    tom, root = speaking(as_("tom"), language), speaking(confirm(as_("root")), language)
    olga = speaking(as_("olga"), language)
    filled = 0
    for browser, path in (
        (tom, f"/teams/vision/grants/{full.pk}/"),
        (tom, "/teams/vision/rules/"),
        (root, "/teams/vision/quota/"),
        (root, projects.vision.get_absolute_url()),
        (tom, "/teams/vision/give/"),
        (olga, "/audit/?since=2026-11-24T12:30:00&until=2026-11-25T12:30:00"),
    ):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert f'lang="{language}"' in body(answer).lower(), path
        filled += assert_readable(body(answer))
    assert filled >= 4


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_input_of_any_route_is_localized(
    language: str, paths: dict[str, str], full: Grant, as_: SignIn
) -> None:
    paths["teams:grant"] = f"/teams/vision/grants/{full.pk}/"
    filled = 0
    for person in ("ada", "tom", "root", "olga"):
        browser = speaking(confirm(as_(person)), language)
        for (method, route), statuses in ACCESS.items():
            if method == "get" and statuses[person] == 200:
                answer = browser.get(paths[route])
                assert answer.status_code == 200, (person, route)
                if answer["Content-Type"].startswith("text/html"):
                    filled += assert_readable(body(answer))
    assert filled >= 10


def every_form(of: Any = BaseForm) -> Iterator[Any]:
    """Every form class of the dashboard."""
    for each in of.__subclasses__():
        if each.__module__.startswith("hyperclusters."):
            yield each
        yield from every_form(each)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_form_writes_a_value_as_people_of_one_language_do(language: str) -> None:
    kinds = set()
    values = {"date": date(2026, 12, 2), "datetime-local": datetime(2026, 12, 2, 3, 4, tzinfo=UTC)}
    with translation.override(language):
        for form in every_form():
            for name, field in form.base_fields.items():
                kind = field.widget.attrs.get("type") or getattr(field.widget, "input_type", "")
                if kind in READABLE:
                    text = field.widget.format_value(values.get(kind, 1_234_567))
                    assert re.fullmatch(READABLE[kind], text), (form, name, text)
                    kinds.add(kind)
    assert kinds == set(READABLE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_changing_the_role_alone_keeps_the_end_in_every_language(
    language: str, full: Grant, people: People, as_: SignIn
) -> None:
    tom, path = speaking(as_("tom"), language), f"/teams/vision/grants/{full.pk}/"
    page = body(tom.get(path))
    assert full.until
    forms = [
        each for each in re.findall(r"<form\b.*?</form>", page, flags=re.DOTALL) if 'name="role"' in each
    ]
    values = form_values(forms[0])
    assert values["date"] == (full.until - timedelta(days=1)).date().isoformat()
    answer = tom.post(path, values | {"role": "creator", "reason": "because"})
    assert answer.status_code == 302
    now = Grant.objects.active().get(person=people.nina, team=people.vision)
    assert (now.role, now.until) == (Role.CREATOR, full.until)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", ["/teams/vision/rules/", "/teams/vision/quota/"])
def test_a_form_that_is_posted_as_it_was_shown_changes_nothing(
    language: str, path: str, full: Grant, people: People, as_: SignIn
) -> None:
    browser = speaking(as_("tom" if "rules" in path else "root"), language)
    before = Team.objects.filter(pk=people.vision.pk).values().get()
    assert browser.post(path, form_values(body(browser.get(path)))).status_code == 302
    assert Team.objects.filter(pk=people.vision.pk).values().get() == before


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("build", [lambda: UntilForm(team=None), KeyForm])
def test_a_date_of_any_century_is_written_as_browsers_read_it(
    language: str, build: Callable[[], Any], db: None
) -> None:
    form = build()
    with translation.override(language):
        from_form = {
            name: field.widget.format_value(datetime(2026, 12, 2, 3, 4, tzinfo=UTC))
            for name, field in form.fields.items()
            if field.widget.input_type in {"date", "datetime-local"}
        }
    assert from_form
    for name, text in from_form.items():
        assert re.fullmatch(READABLE[form.fields[name].widget.input_type], text), (name, text)
