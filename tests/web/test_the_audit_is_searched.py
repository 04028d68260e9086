"""Every filter alone and with others, every page once, and nothing of another team through any of them."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from hyperclusters.access.models import Role
from hyperclusters.access.services import grant
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import PAIRS, Event, EventQuerySet
from hyperclusters.audit.paging import SIZE, page
from hyperclusters.audit.request_context import RequestContext, request_context
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.conftest import People, Projects, events
from tests.web.pages import SignIn, body, main, words

LIST = "/audit/"


@pytest.fixture
def mixed(people: People) -> None:
    """Some hundred events in which everything is combined with everything, in no order."""
    chance = random.Random(7)
    cases = list(
        product(
            (people.ada, people.mallory), (Outcome.DONE, Outcome.FAILED), ("10.0.0.1", "10.0.0.2"), range(20)
        )
    )
    chance.shuffle(cases)
    with transaction.atomic():
        for person, outcome, ip, number in cases:
            with request_context(RequestContext("page", ip, f"request-{number}")):
                record(
                    EventType.CREATE_SUCCEEDED if outcome == Outcome.DONE else EventType.CREATE_FAILED,
                    outcome,
                    on=Subject(
                        "thing",
                        f"id-{number}",
                        f"train-{number}",
                        team=people.vision if person == people.ada else people.speech,
                    ),
                    by=person,
                    upstream_request_id=f"cloud-{number}",
                )


CHOICES: dict[str, list[Any]] = {
    "person_name": ["", "ada", "nobody"],
    "outcome": ["", "failed"],
    "action": ["", "cluster:create:succeeded"],
    "ip": ["", "10.0.0.2"],
    "about": [(), ("train-3", "id-4")],
    "request": ["", "request-3", "cloud-4"],
    "text": ["", "AIN-1", "id-3"],
}


def fits(event: Event, values: dict[str, Any]) -> bool:
    """The filter as anybody would write it down."""
    equal = all(
        not values[name] or getattr(event, name) == values[name]
        for name in ("person_name", "outcome", "action", "ip")
    )
    about = not values["about"] or event.object_name in values["about"] or event.object_id in values["about"]
    requests = (event.request_id, event.upstream_request_id)
    text = values["text"]
    said = (event.object_name, event.object_id, event.person_name, event.reason, *requests)
    found = not text or any(text.lower() in part.lower() for part in said)
    return equal and about and found and (not values["request"] or values["request"] in requests)


def walked(parts: list[EventQuerySet], event_filter: EventFilter, *, down: bool) -> list[int]:
    """Every page from one end to the other."""
    seqs: list[int] = []
    shown = page(event_filter.alternatives(parts), after=None if down else 0)
    while True:
        numbers = [event.seq for event in shown.events]
        seqs = seqs + numbers if down else numbers + seqs
        if (step := shown.older if down else shown.newer) is None:
            return seqs
        shown = page(
            event_filter.alternatives(parts), before=step if down else None, after=None if down else step
        )


def test_any_combination_of_filters_shows_every_event_that_fits_exactly_once_in_both_directions(
    mixed: None,
) -> None:
    everything = list(Event.objects.order_by("-seq"))
    for values in product(*CHOICES.values()):
        given = dict(zip(CHOICES, values, strict=True))
        event_filter = EventFilter(**given)
        expected = [event.seq for event in everything if fits(event, given)]
        assert walked([Event.objects.all()], event_filter, down=True) == expected, given
        assert walked([Event.objects.all()], event_filter, down=False) == expected, given
        assert [
            event.seq for event in event_filter.apply(Event.objects.all()).order_by("-seq")
        ] == expected, given


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_two_filters_that_have_an_index_of_their_own_show_what_fits_both(
    mixed: None, people: People, pair: tuple[str, str]
) -> None:
    values: dict[str, list[Any]] = {
        "person_name": ["ada", "mallory"],
        "team_id": [people.vision.pk, people.speech.pk],
        "project_name": ["", "vision-cn"],
        "action": [EventType.CREATE_SUCCEEDED, EventType.CREATE_FAILED],
        "outcome": [Outcome.DONE, Outcome.FAILED],
    }
    for chosen in product(*(values[name] for name in pair)):
        given = dict(zip(pair, chosen, strict=True))
        for ip in ("", "10.0.0.1"):
            wanted = given | {"ip": ip}
            fitting = Event.objects.filter(**{name: value for name, value in wanted.items() if value})
            expected = list(fitting.order_by("-seq").values_list("seq", flat=True))
            assert walked([Event.objects.all()], EventFilter(**wanted), down=True) == expected, wanted


def test_three_filters_of_which_two_never_meet_ask_for_no_events(mixed: None) -> None:
    values: dict[str, Any] = {"person_name": "ada", "outcome": "done", "ip": "10.0.0.1"}
    for action, count in ((EventType.CREATE_SUCCEEDED, 1), (EventType.GRANT_ENDED, 0)):
        assert len(EventFilter(**values, action=action).alternatives([Event.objects.all()])) == count


def test_from_any_number_the_pager_leads_on_where_there_is_more_and_only_there(mixed: None) -> None:
    parts = [Event.objects.all()]
    for event_filter in (EventFilter(), EventFilter(outcome="failed"), EventFilter(text="ain-1")):
        fitting = list(event_filter.apply(Event.objects.all()).order_by("seq").values_list("seq", flat=True))
        for number in range(fitting[-1] + 3):
            below = [seq for seq in fitting if seq < number][-SIZE:]
            above = [seq for seq in fitting if seq > number][:SIZE]
            for seqs, shown in (
                (below, page(event_filter.alternatives(parts), before=number)),
                (above, page(event_filter.alternatives(parts), after=number)),
            ):
                assert [event.seq for event in shown.events] == seqs[::-1]
                assert shown.older == (seqs[0] if seqs and seqs[0] > fitting[0] else None)
                assert shown.newer == (seqs[-1] if seqs and seqs[-1] < fitting[-1] else None)


def test_what_is_recorded_while_one_pages_moves_nothing(mixed: None, people: People) -> None:
    was = list(Event.objects.order_by("-seq").values_list("seq", flat=True))
    first = page([Event.objects.all()])
    for _ in range(SIZE):
        record(EventType.SIGNED_OUT, Outcome.DONE, by=people.ada)
    numbers, shown = [event.seq for event in first.events], first
    while shown.older is not None:
        shown = page([Event.objects.all()], before=shown.older)
        numbers += [event.seq for event in shown.events]
    assert numbers == was
    back = page([Event.objects.all()], after=first.events[0].seq)
    assert [event.action for event in back.events] == [EventType.SIGNED_OUT] * SIZE


def test_an_admin_of_two_teams_pages_through_both(mixed: None, people: People) -> None:
    parts = [Event.objects.filter(team_id=people.vision.pk), Event.objects.filter(team_id=people.speech.pk)]
    expected = list(
        Event.objects.filter(team_id__isnull=False).order_by("-seq").values_list("seq", flat=True)
    )
    for down in (True, False):
        assert walked(parts, EventFilter(), down=down) == expected


def test_a_time_range_takes_its_first_moment_and_leaves_its_last_out(mixed: None) -> None:
    times = sorted(Event.objects.values_list("at", flat=True))
    since, until = times[20], times[60]
    found = set(walked([Event.objects.all()], EventFilter(since=since, until=until), down=True))
    assert found == set(Event.objects.filter(at__gte=since, at__lt=until).values_list("seq", flat=True))
    assert walked([Event.objects.all()], EventFilter(since=times[-1] + timedelta(hours=1)), down=True) == []


def test_one_jumps_to_a_time_and_pages_on_from_there(mixed: None, as_: SignIn) -> None:
    olga = as_("olga")
    soon = timezone.now() + timedelta(hours=1)
    assert "No matching events" not in words(olga.get(f"{LIST}?jump={soon:%Y-%m-%dT%H:%M}"))
    assert "No matching events" in words(olga.get(f"{LIST}?jump=2020-01-01T00:00"))


NOT_UNDERSTOOD = [
    "team=nowhere", "project=none", "action=cluster:create", "outcome=x", "since=yesterday", "until=2026-13-01",
    "range=1y", "before=-1", "after=x", f"before={2**70}", "q=%00", "jump=now",
]  # fmt: skip


@pytest.mark.parametrize("query", NOT_UNDERSTOOD)
def test_a_filter_that_is_not_understood_shows_nothing_rather_than_everything(
    query: str, mixed: None, as_: SignIn
) -> None:
    answer = as_("olga").get(f"{LIST}?{query}")
    assert answer.status_code == 200
    assert answer.context["events"] == []
    if not query.startswith(("before", "after")):
        assert "We didn't understand this filter" in words(answer)


def test_g24_nothing_of_another_team_comes_through_filters_menus_counts_charts_or_events(
    mixed: None, people: People, projects: Projects, as_: SignIn
) -> None:
    tom = as_("tom")
    queries = (
        "person=mallory", "q=mallory", "q=speech", "project=speech-cn-north-9", "team=speech", "ip=10.0.0.1", "cluster=train-3",
        "request=request-3", "q=id-3", "range=1h", "after=0",
    )  # fmt: skip
    for query in ("", *queries):
        page_, summary = tom.get(f"{LIST}?{query}"), tom.get(f"{LIST}summary/?{query}")
        assert {row.team for row in page_.context["events"]} <= {"Vision"}, query
        text = main(page_).replace(query.partition("=")[2], "") + main(summary)
        assert "Speech" not in text, query
        assert "speech-cn-north-9" not in text.replace("project=speech-cn-north-9", ""), query
    own = tom.get(f"{LIST}summary/").context
    assert own["count"][0] <= Event.objects.filter(team_name="Vision").count()
    assert (
        own["chart"].created
        == Event.objects.filter(team_name="Vision", action=EventType.CREATE_SUCCEEDED).count()
    )
    foreign, unknown = (tom.get(f"{LIST}?team={name}") for name in ("speech", "nonsens"))
    assert main(foreign).replace("speech", "") == main(unknown).replace("nonsens", "")
    event = Event.objects.filter(team_name="Vision", action=EventType.CREATE_SUCCEEDED).latest("seq")
    response = tom.get(event.get_absolute_url())
    for step in ("newer", "older"):
        if seq := response.context[step]:
            assert Event.objects.get(seq=seq).team_name == "Vision"


def test_reading_is_one_event_a_visit(mixed: None, as_: SignIn) -> None:
    olga = as_("olga")
    for path in (LIST, LIST, f"{LIST}?before=50", f"{LIST}?after=0"):
        olga.get(path)
    assert len(events(action="audit:read", person_name="olga")) == 1
    olga.get(f"{LIST}?outcome=failed")
    assert len(events(action="audit:read", person_name="olga")) == 2
    olga.get(f"{LIST}summary/")
    assert len(events(action="audit:read", person_name="olga")) == 2


def test_a_visit_is_told_in_words(mixed: None, as_: SignIn) -> None:
    olga = as_("olga")
    olga.get(f"{LIST}?outcome=failed&range=7d")
    assert "read the audit · Outcome: Failed · Time: Last 7 days" in words(olga.get(f"{LIST}?reads=1"))
    assert "read the audit" not in words(olga.get(LIST))
    olga.get("/audit/review/?show=outside")
    assert "read the review queue · Part: Created elsewhere" in words(olga.get(f"{LIST}?reads=1"))


def test_the_chart_counts_each_bar_and_says_it_in_a_table(mixed: None, as_: SignIn) -> None:
    text = body(as_("olga").get(f"{LIST}summary/"))
    assert "80 succeeded, 80 failed or refused, 0 unknown" in text
    assert text.count('<th scope="row">') == 30
    assert 'fill="url(#failed)"' in text


def test_the_rows_are_shown_without_counting_them(
    mixed: None, as_: SignIn, django_assert_max_num_queries: Any
) -> None:
    olga = as_("olga")
    olga.get(LIST)
    # Eleven for the list, its filters, its archives and its integrity; five for the person and the frame around it.
    with django_assert_max_num_queries(16) as captured:
        olga.get(LIST)
    # The inbox counts its unread notices, fifty at most; some of them are events.
    counts = [each for query in captured for each in query["sql"].split("SELECT COUNT(")[1:]]
    assert [sql for sql in counts if "audit_event" in sql and "LIMIT 50) counted)" not in sql] == []


def test_the_last_admin_of_two_teams_reads_both_on_one_page(mixed: None, people: People, as_: SignIn) -> None:
    grant(person=people.tom, role=Role.ADMIN, team=people.speech, reason="helps out")
    teams = {row.team for row in as_("tom").get(f"{LIST}?outcome=failed").context["events"]}
    assert teams == {"Vision", "Speech"}
