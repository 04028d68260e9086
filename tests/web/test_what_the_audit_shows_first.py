"""People's events come first, those of one request in one row; failures say why; views are kept."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict

from hyperclusters.accounts.models import SavedView
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import Event
from hyperclusters.audit.request_context import RequestContext, request_context
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.web.audit.event_rows import days, rows, what_was_read
from hyperclusters.web.shared.listing import carried_fields, menu_of_several
from hyperclusters.web.templatetags.row_tags import event_days
from hyperclusters.web.texts.events import SENTENCES
from tests.conftest import People, Projects, run_worker, submit_creation
from tests.web.pages import SignIn, body, main, words

pytestmark = pytest.mark.any_database

LIST = "/audit/"
CLUSTER_ID = "2a7c05b1-94f3-4c1e-8a11-7b0d6fbce68c"


@pytest.fixture
def past(people: People) -> None:
    """A failure with a code, one without, something that the worker noticed, and a hand-over with a reason."""
    failed = {"status": 409, "code": "ModelArts.0106", "message": "Quota exceeded", "cause": "status_409"}
    for name, response in (("with-code", failed), ("without-code", {"cause": "status_502"})):
        record(
            EventType.CREATE_FAILED,
            Outcome.FAILED,
            on=Subject("creation", f"id-of-{name}", name, people.vision),
            by=people.ada,
            response=response,
            evidence=str(response["cause"]),
        )
    with request_context(RequestContext("worker")):
        record(
            EventType.CLUSTER_SEEN_OUTSIDE,
            Outcome.NOTED,
            on=Subject("cluster", "1", "foreign", people.vision),
            after={"cluster_id": CLUSTER_ID},
        )
    record(
        EventType.OWNER_CHANGED,
        Outcome.DONE,
        on=Subject("cluster", "2", "handed-over", people.vision),
        by=people.tom,
        reason="Baseline of the March model",
    )


def shown(page: Any) -> set[str]:
    return {row.what for row in page.context["events"]}


def test_people_come_first_and_the_rest_by_a_switch_in_the_address(past: None, as_: SignIn) -> None:
    olga = as_("olga")
    olga.get(f"{LIST}?outcome=failed")
    first, everything = olga.get(LIST), olga.get(f"{LIST}?reads=1")
    assert {"with-code", "handed-over"} <= shown(first)
    assert not {"foreign"} & shown(first)
    assert "read the audit" not in words(first)
    assert {"with-code", "foreign"} <= shown(everything)
    assert "read the audit · Outcome: Failed" in words(everything)
    assert shown(olga.get(f"{LIST}?action=cluster:seen:outside")) == {"foreign"}  # chosen, so wanted


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ith-cod", {"with-code"}), ("id-of-wit", {"with-code", "without-code"}), ("ModelArts.01", {"with-code"}),
        ("march mod", {"handed-over"}), ("2a7c05b1", {"foreign"}), ("2A7C05", {"foreign"}), ("adA", {"with-code", "without-code"}),
        ("ith-cod%", set()), ("no such", set()),
    ],
)  # fmt: skip
def test_a_search_finds_parts_and_never_a_search(text: str, names: set[str], past: None, as_: SignIn) -> None:
    olga = as_("olga")
    for _ in range(2):
        page = olga.get(LIST, {"q": text, "reads": "1"})
        found = {
            row.what for row in page.context["events"] if not row.action.startswith(("session", "access"))
        }
        assert found == names
        assert "audit:read" not in {row.action for row in page.context["events"]}
    assert Event.objects.filter(action="audit:read", object_name__contains=text).exists()


def test_reason_and_code_are_filters_of_their_own(past: None, as_: SignIn) -> None:
    olga = as_("olga")
    assert shown(olga.get(f"{LIST}?code=0106")) == {"with-code"}
    assert shown(olga.get(f"{LIST}?reason=MARCH")) == {"handed-over"}
    assert shown(olga.get(f"{LIST}?reason=0106")) == set()
    assert shown(olga.get(f"{LIST}?person=ada&person=tom&outcome=failed&outcome=done&team=vision")) == {
        "with-code", "without-code", "handed-over",
    }  # fmt: skip


def test_a_failed_row_has_its_code_and_message_or_the_message_alone(past: None, as_: SignIn) -> None:
    text = words(as_("olga").get(f"{LIST}?outcome=failed"))
    assert "tried to create with-code Failed ModelArts.0106 Quota exceeded" in text
    assert "Failed The cloud answered HTTP 502" in text
    assert "status_" not in main(as_("olga").get(f"{LIST}?outcome=failed"))


def test_the_events_of_one_request_are_one_row_that_opens(
    people: People, projects: Projects, as_: SignIn
) -> None:
    creation = submit_creation(people.ada, projects.vision, name="grouped")
    run_worker()
    page = as_("olga").get(f"{LIST}?cluster={creation.pk}")
    (group,) = page.context["days"][0].groups
    assert group.lead.action == EventType.CREATE_SUCCEEDED
    assert len(group.others) == Event.objects.filter(object_id=str(creation.pk)).count() - 1 >= 2
    assert body(page).count("<details><summary title=") == 1
    assert len(re.findall(r'href="/audit/\d+/"><time', body(page))) == len(group.others) + 1


def test_sign_ins_of_a_day_are_one_row_that_opens_unless_somebody_looks_for_them(
    past: None, people: People, as_: SignIn
) -> None:
    for number, person in enumerate((people.ada, people.tom, people.ada)):
        with request_context(RequestContext("web", request_id=f"request-{number}")):
            record(EventType.SIGNED_IN, Outcome.DONE, by=person)
            record(EventType.SIGN_IN_FAILED, Outcome.FAILED, by=person)
    olga = as_("olga")
    for query, leads in (("", 1), ("?range=7d", 1), (f"?action={EventType.SIGNED_IN}", 3)):
        page = olga.get(LIST + query)
        groups = [group for day in page.context["days"] for group in day.groups]
        sizes = [len(group.others) for group in groups if group.lead.action == EventType.SIGNED_IN]
        assert (len(sizes), sum(sizes)) == (leads, 3 - leads), query
        assert ("· 2 more by tom, ada" in words(page)) == (leads == 1)
        more = re.findall(r'<tr class="sub">.*?<td class="who">(\w+)</td>', body(page), re.DOTALL)
        assert more == (["tom", "ada"] if leads == 1 else [])
        failures = [group for group in groups if group.lead.action == EventType.SIGN_IN_FAILED]
        assert len(failures) == (3 if leads == 1 else 0)


def test_an_event_of_another_day_than_its_group_says_the_day(past: None) -> None:
    lead, earlier = (row._replace(group="one") for row in rows(Event.objects.order_by("-seq")[:2]))
    lead = lead._replace(iso="2026-11-25T00:00:10.000Z", time="00:00:10", when="2026-11-25 00:00:10")
    same = earlier._replace(iso="2026-11-25T00:00:05.000Z", time="00:00:05", when="2026-11-25 00:00:05")
    earlier = earlier._replace(iso="2026-11-24T23:59:50.000Z", time="23:59:50", when="2026-11-24 23:59:50")
    markup = event_days(days([lead, same, earlier]), True)
    assert re.findall(r">([0-9: -]+)</time>", markup) == ["00:00:10", "00:00:05", "2026-11-24 23:59:50"]


def test_every_action_is_a_sentence(people: People) -> None:
    assert set(SENTENCES) == set(EventType.values)
    record(EventType.SIGNED_IN, Outcome.DONE, by=people.ada)
    record(EventType.GRANT_ADDED, Outcome.DONE, by=people.tom)  # without an object
    signed_in, grant = rows(Event.objects.order_by("-seq")[:2][::-1])
    assert (signed_in.before, signed_in.what) == ("signed in", "")
    assert grant.before == "Access granted"


def test_a_visit_has_no_slug_in_its_words() -> None:
    assert (
        what_was_read("list outcome=failed,unknown&range=7d")
        == "the audit · Outcome: Failed, Unknown · Time: Last 7 days"
    )
    assert what_was_read("review show=new").startswith("the review queue")


def test_a_menu_of_several_values_sends_its_boxes_and_its_form_carries_the_rest() -> None:
    query = QueryDict("kind=a&kind=c&sort=name&page=3&q=x")
    menu = menu_of_several(query, "kind", "Kind", [("a", "First"), ("b", "Second"), ("c", "Third")])
    assert (menu.selection, menu.count, menu.boxes) == ("First, Third", 2, 3)
    assert carried_fields(query, [menu]) == [("sort", "name")]
    long = [(letter, f"A long name for {letter}") for letter in "abc"]
    assert menu_of_several(query, "kind", "Kind", long).selection == "2"


def test_a_view_is_saved_for_its_person_and_deleted(past: None, people: People, as_: SignIn) -> None:
    olga = as_("olga")
    saved = olga.post(
        "/views/", {"page": "audit", "name": "Mine", "query": "?outcome=failed&outcome=done&before=9"}
    )
    assert saved["Location"] == "/audit/?outcome=failed&outcome=done&before=9"
    view = SavedView.objects.get()
    assert (view.person, view.query) == (people.olga, "outcome=failed&outcome=done")
    assert 'href="?outcome=failed&amp;outcome=done" aria-current="true"' in body(
        olga.get(f"{LIST}?outcome=done&outcome=failed")
    )
    assert "Mine" not in main(as_("tom").get(LIST))
    assert as_("tom").post(f"/views/{view.pk}/delete/").status_code == 404
    assert olga.post(f"/views/{view.pk}/delete/", {"query": "?"})["Location"] == LIST
    assert not SavedView.objects.exists()
    assert olga.post("/views/", {"page": "elsewhere", "name": "x"}).status_code == 404


def test_a_view_that_is_too_long_is_not_saved_and_its_person_keeps_the_list(past: None, as_: SignIn) -> None:
    olga, query = as_("olga"), "?" + "&".join(f"person=somebody-{number}" for number in range(150))
    answer = olga.post("/views/", {"page": "audit", "name": "Long", "query": query})
    assert answer["Location"] == LIST + query
    assert "These filters are too long for a view." in words(olga.get(LIST))
    assert not SavedView.objects.exists()


def test_failed_or_unknown_last_week_is_two_clicks_from_home(past: None, as_: SignIn) -> None:
    olga = as_("olga")
    assert 'href="/audit/"' in body(olga.get("/"))
    link = re.search(r'href="(\?[^"]+)"[^>]*>Failed or unknown last week', body(olga.get(LIST)))
    assert link
    page = olga.get(LIST + link[1].replace("&amp;", "&"))
    assert page.context["form"].errors == {}
    assert page.context["period"] == "Last week"


def test_each_word_below_the_chart_stands_at_the_bar_of_its_time(past: None, as_: SignIn) -> None:
    olga = as_("olga")
    for chosen in ("24h", "7d", "30d"):
        chart = olga.get(f"{LIST}summary/?range={chosen}").context["chart"]
        for place, word in chart.axis:
            (bar,) = (bar for bar in chart.bars if round(100 * bar.slot / chart.width, 2) == place)
            assert word in bar.word, (chosen, word)


def test_bars_and_legend_of_the_chart_lead_to_what_they_count(past: None, as_: SignIn) -> None:
    olga = as_("olga")
    chart = olga.get(f"{LIST}summary/?range=7d").context["chart"]
    bars = [bar for bar in chart.bars if bar.failed]
    assert len(olga.get(LIST + bars[0].url).context["events"]) >= 2
    assert shown(olga.get(LIST + chart.urls["failed"])) == {"with-code", "without-code"}
    assert olga.get(f"{LIST}summary/?person=nobody").context["chart"] is None


@pytest.mark.parametrize(
    ("query", "number"),
    [("", 3), ("outcome=refused", 1), ("action=cluster:create:failed&action=project:test:ended", 2)],
)
def test_the_legend_leads_to_as_many_events_as_it_says(
    query: str,
    number: int,
    past: None,
    people: People,
    as_: SignIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on = Subject("creation", "id-of-other", "other", people.vision)
    record(EventType.CREATE_REFUSED, Outcome.REFUSED, on=on, by=people.ada)
    long_ago = clock.now() - timedelta(days=40)
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda: long_ago)
        record(EventType.CREATE_FAILED, Outcome.FAILED, on=on, by=people.ada)
    olga = as_("olga")
    chart = olga.get(f"{LIST}summary/?{query}").context["chart"]
    listed = olga.get(LIST + chart.urls["failed"]).context["events"]
    assert chart.failed == len(listed) == number
