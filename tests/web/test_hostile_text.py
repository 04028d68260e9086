"""G31, G32: whatever text comes in, by a form or from the cloud, is text wherever it comes out; odd names that are valid work."""

from __future__ import annotations

import html
import re

import pytest
from pytest_django import Settings

from hyperclusters.audit.models import Event
from hyperclusters.clusters.models import Cluster, Creation, Project, State
from tests.conftest import Cloud, People, Projects, events, run_worker, run_worker_again, submit_creation
from tests.web.pages import HTMX, PAYLOADS, SignIn, body, holds_markup, submit, words

# Beyond what tries to be markup: templates, shells, formulas, headers, paths, directions, and what databases choke on.
TEXTS = (
    *PAYLOADS,
    "${7*7}", "#{7*7}", "{% debug %}", "{{ settings.SECRET_KEY }}", "%(name)s %s %d", "$(id)", "`id`", "; ls -la |",
    "' OR '1'='1", "1; DROP TABLE audit_event;--", "\\", "'\"", "../../etc/passwd", "..%2f..%2f", "C:\\con",
    "+1+1", "-1+1", "@SUM(1)", "\tx", "a\r\nSet-Cookie: x=1", "a\nlevel=critical", "\x1b[31mred", "\x7f",
    "\u202eabc", "\u2066x\u2069", "\u200bzero", "\ufeffbom", "İıſK", "ﷺ" * 10, "e" + "\u0301" * 50, "🏳️‍🌈", "x" * 480,
)  # fmt: skip


def unchanged(text: str) -> str:
    """As a text box hands it on: line breaks as the standard has them, blanks around it gone."""
    return text.strip()


@pytest.fixture(scope="module")
def numbered() -> dict[str, str]:
    """Each text under a valid name."""
    return {f"text-{number}": text for number, text in enumerate(TEXTS)}


def test_g31_forty_texts_come_out_as_text_of_every_page(
    numbered: dict[str, str], as_: SignIn, people: People, cloud: Cloud, projects: Projects
) -> None:
    assert len(TEXTS) >= 40
    ada, olga = as_("ada"), as_("olga")
    for name, text in numbered.items():
        answer = submit(ada, name=name, reason=text)
        assert answer.status_code in {302, 422}, text
    creations = {creation.name: creation for creation in Creation.objects.all()}
    assert len(creations) >= len(TEXTS) - 3  # a form takes no NUL, and says so
    for name, creation in creations.items():
        page = ada.get(creation.get_absolute_url())
        assert not holds_markup(body(page)), numbered[name]
        assert " ".join(unchanged(numbered[name]).split()) in words(page) or not numbered[name].isprintable()
    for address in ("/clusters/", "/creations/", "/audit/"):
        for text in TEXTS:
            for headers in ({}, HTMX):
                answer = olga.get(
                    address, {"q": text, "person": text, "sort": text, "team": text}, headers=headers
                )
                assert answer.status_code in {200, 400}  # what is no value of a filter is refused by name
                assert not holds_markup(body(answer))
    for event in Event.objects.filter(action="cluster:create:requested"):
        assert not holds_markup(body(olga.get(event.get_absolute_url())))


def test_g31_what_the_cloud_says_is_data_on_pages_and_safe_escapes_in_the_audit(
    as_: SignIn, people: People, cloud: Cloud, projects: Projects, settings: Settings
) -> None:
    settings.WRITES_PER_MINUTE = 100_000
    ada, olga = as_("ada"), as_("olga")
    for number, text in enumerate(TEXTS):
        name = f"told-{number}"
        submit_creation(people.ada, projects.vision, name)
        message = text.encode("ascii", "backslashreplace").decode() if not text.isascii() else text
        cloud.simulator.fault("error", "create", name=name, status=400, error_code="X.1", error_msg=message)
    run_worker()
    failed = Creation.objects.filter(state=State.FAILED)
    assert failed.count() == len(TEXTS)
    for creation in failed:
        assert creation.message.isprintable()
        assert not holds_markup(body(ada.get(creation.get_absolute_url())))
        event = Event.objects.filter(object_id=str(creation.pk), action="cluster:create:failed").get()
        assert str(event.response).isprintable()
        assert not holds_markup(body(olga.get(event.get_absolute_url())))
    for page in ("/creations/", "/audit/", "/"):
        assert not holds_markup(body(olga.get(page)))


NAMES = (
    ".",
    "..",
    "-",
    "_",
    "-rf",
    "--help",
    "-2",
    "...",
    "0",
    "a",
    "x" * 64,
    "new",
    "null",
    "None",
    "con",
    "a.b_c-D9",
    "1e5",
)


def test_g32_odd_names_that_are_valid_work_from_the_form_to_the_audit(
    as_: SignIn, people: People, cloud: Cloud, projects: Projects
) -> None:
    ada, tom = as_("ada"), as_("tom")
    for name in NAMES:
        assert submit(ada, name=name).status_code == 302, name
    run_worker()
    assert {cluster.name for cluster in cloud.simulator.clusters()} == set(NAMES)
    for name in NAMES:
        creation = Creation.objects.get(name=name)
        assert creation.state == State.CREATED
        asked = events(action="cluster:create:requested", object_name=name)
        assert len(asked) == 1  # stored, sent and audited byte for byte
        cluster = Cluster.objects.get(name=name)
        page = tom.get(cluster.get_absolute_url())
        assert f"<h1>{html.escape(name)}</h1>" in body(page)
        again = re.search(r'href="(/clusters/new/\?[^"]*)"', body(page))
        assert again
        assert f'value="{html.escape(name)}"' in body(tom.get(html.unescape(again[1])))
        assert name in words(ada.get("/clusters/", {"q": name}))
    assert tom.post(f"{cluster.get_absolute_url()}delete/", {"name": name}).status_code == 302
    run_worker()
    assert name not in {left.name for left in cloud.simulator.clusters()}


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a ",
        " a",
        "a\n",
        "a\r\n",
        "a/b",
        "a\\b",
        "a b",
        "é",
        "ａ",
        "a\x00",
        "x" * 65,
        "a%2f",
        "a?",
        "a#",
        "🚀",
        "a\u200b",
        "İ",
        "a+b",
    ],
)
def test_g32_a_name_outside_the_grammar_is_refused_whole(
    name: str, as_: SignIn, cloud: Cloud, projects: Projects
) -> None:
    assert submit(as_("ada"), name=name).status_code == 422
    run_worker()
    assert cloud.posts == []


def test_g22_canaries_are_in_no_answer_no_event_and_no_dump(
    as_: SignIn, people: People, cloud: Cloud, projects: Projects
) -> None:
    cloud.simulator.fault("garbage", "list", times=2)
    submit_creation(people.ada, projects.vision)
    run_worker()
    creation = Creation.objects.get()
    run_worker_again(creation)
    ada, olga, root = as_("ada"), as_("olga"), as_("root")
    answers = [olga.get(page) for page in ("/", "/clusters/", "/creations/", "/audit/", "/nothing")]
    answers += [root.get(projects.vision.get_absolute_url()), ada.get(creation.get_absolute_url())]
    answers += [olga.get(event.get_absolute_url()) for event in Event.objects.all()]
    for locked_project in Project.objects.all():
        assert "test-secret" not in " ".join(map(str, vars(locked_project).values()))
    for answer in answers:
        for canary in ("TESTKEY", "test-secret", "Signature=", "argon2", "md5$"):
            assert canary not in body(answer)
            assert canary not in repr(answer.headers)
