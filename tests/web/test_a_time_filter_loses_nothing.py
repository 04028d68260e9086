"""G39: every event whose time lies in a range is on the pages, in the count, the chart and the exports, exactly once."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.test import Client as Browser
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from hyperclusters.access.models import Grant
from hyperclusters.audit import clock, paging
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import Event
from hyperclusters.audit.request_context import RequestContext, request_context
from hyperclusters.audit.times import LATEST, later, parse_time
from hyperclusters.audit.verify_export import troubles
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.web.projects.forms import KeyForm
from tests.conftest import People
from tests.web.pages import SignIn, words

LIST, EXPORT = "/audit/", "/audit/export/"
IP = "192.0.2.7"  # from which all was done: no other event of a test has it
START = datetime(2026, 11, 20, 9, 30, 0, 250_000, tzinfo=UTC)
MINUTE, HOUR, YEAR = timedelta(minutes=1), timedelta(hours=1), timedelta(days=365)
COUNT = 130  # three pages


def in_order(number: int) -> datetime:
    return START + number * MINUTE


LEDGERS: dict[str, Callable[[int], datetime]] = {
    "in order": in_order,
    "one an hour ahead": lambda number: in_order(number) + (HOUR if number == COUNT // 2 else 0 * HOUR),
    "one a year ahead": lambda number: in_order(number) + (YEAR if number == COUNT // 2 else 0 * HOUR),
    "one a year behind": lambda number: in_order(number) - (YEAR if number == COUNT // 2 else 0 * HOUR),
    "two clocks, two hours apart": lambda number: in_order(number) + number % 2 * 2 * HOUR,
    "backwards": lambda number: in_order(COUNT - number),
    "all at once": lambda _: START,
    "seven at a time": lambda number: in_order(number // 7),
    "whole seconds and parts of them": lambda number: START.replace(microsecond=number % 3 * 333_333),
    "shuffled": lambda number: in_order(random.Random(number).randrange(COUNT)),
}


@pytest.fixture
def write(people: People, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], datetime]], None]:
    """Writes a ledger whose clock goes as the function says."""

    def write(time_of: Callable[[int], datetime], count: int = COUNT) -> None:
        with (
            monkeypatch.context() as patched,
            request_context(RequestContext("page", IP)),
            transaction.atomic(),
        ):
            for number in range(count):
                patched.setattr(clock, "now", partial(time_of, number))
                record(
                    EventType.CREATE_SUCCEEDED if number % 3 else EventType.CREATE_FAILED,
                    Outcome.DONE if number % 3 else Outcome.FAILED,
                    on=Subject(
                        "thing",
                        f"id-{number}",
                        f"train-{number % 4}",
                        team=people.vision if number % 2 else people.speech,
                    ),
                    person_name="walker" if number % 10 else "runner",
                )

    return write


def written() -> list[Event]:
    return list(Event.objects.filter(object_kind="thing"))


def expected(since: datetime | None, until: datetime | None) -> list[int]:
    """What lies in the range, newest first, as anybody would write it down."""
    fitting = [e for e in written() if (not since or e.at >= since) and (not until or e.at < until)]
    return [event.seq for event in sorted(fitting, key=lambda event: (event.at, event.seq), reverse=True)]


def ranges() -> list[tuple[datetime | None, datetime | None]]:
    """At the first, a middle and the last event, right beside them, and beyond all."""
    times = sorted(event.at for event in written())
    first, middle, last = times[0], times[len(times) // 2], times[-1]
    tick = timedelta(microseconds=1)
    return [
        (None, middle), (middle, None), (first, last), (first, last + tick), (middle + tick, last + tick),
        (START - YEAR - HOUR, START + YEAR + 4 * HOUR), (None, in_order(40)), (in_order(40), in_order(90)),
    ]  # fmt: skip


def query(since: datetime | None, until: datetime | None) -> str:
    values = {"since": since, "until": until}
    return "&".join(f"{name}={at:%Y-%m-%dT%H:%M:%S.%f}" for name, at in values.items() if at)


def walked(browser: Browser, query: str, *, down: bool) -> list[int]:
    """The numbers on every page from one end to the other, by the pager's own links."""
    seqs: list[int] = []
    path = f"{LIST}?ip=192.0.2.7&{query}" + ("" if down else "&after=0")
    while path:
        context = browser.get(path).context
        numbers = [int(row.url.split("/")[2]) for row in context["events"]]
        seqs = seqs + numbers if down else numbers + seqs
        step = context["steps"][2 if down else 1][0] if context["steps"] else ""  # one page shows all
        path = f"{LIST}{step}" if step else ""
    return seqs


def exported(browser: Browser, form: str, query: str) -> list[int]:
    answer: Any = browser.post(f"{EXPORT}?ip=192.0.2.7&{query}", {"format": form})
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    answer.close()
    return numbers(text, form)


def numbers(text: str, form: str) -> list[int]:
    if form == "csv":
        return [int(row[0]) for row in list(csv.reader(io.StringIO(text, newline="")))[1:-1]]
    assert list(troubles(text.splitlines(keepends=True), dict(settings.AUDIT_KEYS))) == []
    return [json.loads(line)["event"]["seq"] for line in text.splitlines()[:-1]]


@pytest.mark.parametrize("ledger", LEDGERS)
def test_g39_pages_count_and_exports_hold_every_event_of_a_range_once(
    ledger: str, write: Any, as_: SignIn, tmp_path: Path
) -> None:
    write(LEDGERS[ledger])
    olga = as_("olga")
    for since, until in ranges():
        asked, fitting = query(since, until), expected(since, until)
        assert walked(olga, asked, down=True) == fitting, asked
        assert walked(olga, asked, down=False) == fitting, asked
        assert olga.get(f"{LIST}summary/?ip=192.0.2.7&{asked}").context["count"] == (len(fitting), False), (
            asked
        )
    for form in ("csv", "jsonl"):
        assert exported(olga, form, asked) == sorted(fitting)
        values = [f"--{part.replace('=', '=', 1)}" for part in asked.split("&")]
        path = tmp_path / f"audit.{form}"
        call_command("export_audit", "--ip", IP, "--format", form, "--output", str(path), *values)
        assert numbers(path.read_text("utf-8-sig"), form) == sorted(fitting)


@pytest.mark.parametrize("ledger", LEDGERS)
def test_g39_the_chart_counts_every_creation_of_a_range(ledger: str, write: Any, as_: SignIn) -> None:
    write(LEDGERS[ledger])
    olga = as_("olga")
    for since, until in ((START, START + 2 * HOUR), (START - HOUR, START + timedelta(days=20))):
        chart = olga.get(f"{LIST}summary/?{query(since, until)}").context["chart"]
        assert chart.created + chart.failed == len(expected(since, until))


def test_g39_an_event_dated_ahead_hides_none_from_the_page_or_the_command(
    write: Any, as_: SignIn, tmp_path: Path
) -> None:
    write(lambda number: in_order(number) + (YEAR if number == 4 else 0 * HOUR), 8)
    soon = (START + HOUR).isoformat()[:26]
    assert len(walked(as_("olga"), f"until={soon}", down=True)) == 7
    path = tmp_path / "audit.jsonl"
    call_command("export_audit", "--until", soon, "--ip", IP, "--output", str(path))
    assert len(numbers(path.read_text(), "jsonl")) == 7


@pytest.mark.parametrize("ledger", LEDGERS)
def test_g39_one_event_leads_to_the_next_in_the_order_of_the_list(
    ledger: str, write: Any, as_: SignIn
) -> None:
    write(LEDGERS[ledger], 12)
    tom = as_("tom")
    order = [event.seq for event in Event.objects.filter(team_name="Vision").order_by("at", "seq")]
    for before, seq, after in zip([None, *order], order, order[1:], strict=False):
        context = tom.get(f"{LIST}{seq}/").context
        assert (context["older"], context["newer"]) == (before, after)


def test_g39_any_filter_shows_what_a_plain_comparison_shows(
    write: Any,
) -> None:
    """Generated ranges and combinations over a ledger with two clocks and many equal times, in pages of seven."""
    write(lambda number: START + timedelta(minutes=random.Random(number).randrange(30), hours=number % 2), 90)
    page = partial(paging.page, size=7)
    events = sorted(written(), key=lambda event: (event.at, event.seq), reverse=True)
    times = st.none() | st.sampled_from(events).map(lambda event: event.at)
    teams = sorted({event.team_id for event in events if event.team_id})

    @hypothesis(max_examples=80, deadline=None, database=None)
    @given(
        since=times,
        until=times,
        person_name=st.sampled_from(["", "walker", "runner"]),
        outcome=st.sampled_from(["", "failed"]),
        team_id=st.sampled_from([None, *teams]),
        text=st.sampled_from(["", "train-3", "id-7"]),
        start=st.sampled_from([0, *(event.seq for event in events), events[0].seq + 500]),
    )
    def compared(text: str, start: int, **values: Any) -> None:
        event_filter = EventFilter(**values, text=text)

        def fits(event: Event) -> bool:
            equal = all(
                not values[n] or getattr(event, n) == values[n] for n in ("person_name", "outcome", "team_id")
            )
            in_time = event.at >= (values["since"] or event.at) and event.at < (values["until"] or LATEST)
            return equal and in_time and (not text or text in f"{event.object_name} {event.object_id}")

        fitting = [event.seq for event in events if fits(event)]
        parts = event_filter.alternatives([Event.objects.filter(object_kind="thing")], at_any_time=True)
        span = paging.Span(event_filter.since, event_filter.until)
        place = {event.seq: (event.at, event.seq) for event in events}
        here = place.get(start, (LATEST, start) if start else (START - YEAR, 0))
        below = [seq for seq in fitting if place[seq] < here]
        above = [seq for seq in fitting if place[seq] > here]
        assert [event.seq for event in page(parts, before=start, span=span).events] == below[:7]
        assert [event.seq for event in page(parts, after=start, span=span).events] == above[-7:]
        for down in (True, False):
            numbers: list[int] = []
            shown = page(parts, after=None if down else 0, span=span)
            while True:
                seqs = [event.seq for event in shown.events]
                numbers = numbers + seqs if down else seqs + numbers
                if (step := shown.older if down else shown.newer) is None:
                    break
                shown = page(parts, before=step if down else None, after=None if down else step, span=span)
            assert numbers == fitting

    compared()


def test_a_date_alone_as_an_end_includes_that_day_everywhere(write: Any, as_: SignIn, tmp_path: Path) -> None:
    write(lambda number: START.replace(hour=0, minute=0, microsecond=0) + number * HOUR, 72)
    olga = as_("olga")
    for query, count in (
        ("until=2026-11-20", 24), ("since=2026-11-21", 48), ("since=2026-11-21&until=2026-11-21", 24),
        ("until=2026-11-20T00:00", 0), ("until=2026-11-20T08:00%2B08:00", 0), ("since=2026-11-22&until=2026-11-20", 0),
    ):  # fmt: skip
        assert len(walked(olga, query, down=True)) == count, query
        assert olga.get(f"{LIST}summary/?ip=192.0.2.7&{query}").context["count"] == (count, False)
        assert len(exported(olga, "jsonl", query)) == count
        path = tmp_path / "audit.csv"
        values = [f"--{part}".replace("%2B", "+") for part in query.split("&")]
        call_command("export_audit", "--format", "csv", "--ip", IP, "--output", str(path), *values)
        assert len(numbers(path.read_text("utf-8-sig"), "csv")) == count
    jumped = olga.get(f"{LIST}?ip=192.0.2.7&jump=2026-11-20T23:30").context["events"]
    assert jumped[0].when == "2026-11-20 23:00:00"


def test_g39_the_last_moment_there_is_lies_in_its_day(write: Any, as_: SignIn) -> None:
    write(lambda number: [START, datetime.max.replace(tzinfo=UTC)][number % 2], 4)
    olga = as_("olga")
    for query, count in (("since=9999-12-31&until=9999-12-31", 2), ("until=9999-12-31", 4), ("until=9999-12-31T23:59:59", 2)):  # fmt: skip
        for down in (True, False):
            assert len(walked(olga, query, down=down)) == count, query
        assert olga.get(f"{LIST}summary/?ip=192.0.2.7&{query}").context["count"] == (count, False)
        assert len(exported(olga, "jsonl", query)) == count


def test_rows_and_fields_say_that_they_are_in_utc_and_keep_what_was_typed(write: Any, as_: SignIn) -> None:
    write(in_order, 3)
    answer = as_("olga").get(f"{LIST}?until=2026-11-20&since=2026-11-20T09:30:01")
    text = answer.content.decode()
    assert "Time (UTC)" in words(answer)
    assert '<time class="utc" datetime="2026-11-20T09:31:00Z">09:31:00</time>' in text
    assert "20 Nov 2026" in words(answer)
    assert '<input type="date" class="input" id="id_until" name="until" value="2026-11-20"' in text
    assert '<input type="date" class="input" id="id_since" name="since" value="2026-11-20"' in text
    assert '<input type="time" class="input" name="since_time" value="09:30:01"' in text
    text = as_("olga").get(f"{LIST}?until=2026-13-20").content.decode()
    assert '<input type="text" class="input" id="id_until" name="until" value="2026-13-20"' in text


def test_a_day_and_its_optional_time_become_one_filter(write: Any, as_: SignIn) -> None:
    write(in_order, 3)
    olga = as_("olga")
    sent = "q=&since=2026-11-20&since_time=09:31&until=2026-11-20&until_time=&person=ada&person="
    for path in (LIST, "/audit/archive/"):
        answer = olga.get(f"{path}?{sent}")
        assert answer.status_code == 302
        assert answer["Location"] == f"{path}?since=2026-11-20T09%3A31&until=2026-11-20&person=ada"
    alone = olga.get(f"{LIST}?since_time=09:31", follow=True)
    assert "Enter a time such as" in words(alone)


RIGHT = [
    "0001-01-01", "0001-01-01T00:00", "0001-01-01T00:00-12:00", "9999-12-31", "9999-12-31T23:59:59",
    "9999-12-31T23:59:59.999999", "9999-12-31T23:59:59+14:00", "2026-11-25 10:00", "2024-02-29", "2026-11-25T10:00Z",
]  # fmt: skip
WRONG = [
    "yesterday", "0000-01-01", "10000-01-01", "-2026-11-25", "2026-13-01", "2023-02-29", "2026-11-25T24:00",
    "2026-11-25T23:59:60", "2026-11-25T10:00+25:00", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00",
    "２０２６-11-25", "٢٠٢٦-١١-٢٥", "2026-11-25\x00", "\x00", "2026-W48-3", "20261125", "2026-11", "1764108000",
    "2026-11-25T10", "2026-11-25T10:00:00.1234567", "9" * 10_000, "2026-11-25" + " " * 50 + "x", "';--", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", ["since", "until", "jump"])
def test_any_time_that_is_given_has_the_right_result_or_a_clear_error(
    name: str, write: Any, as_: SignIn
) -> None:
    write(in_order, 4)
    olga = as_("olga")
    for text in (*RIGHT, *WRONG):
        params = {"ip": IP, name: text.encode("utf-8", "surrogatepass").decode("latin-1")} if text == "\ud800" else {
            "ip": IP, name: text
        }  # fmt: skip
        response, summary, export = (olga.get(path, params) for path in (LIST, f"{LIST}summary/", EXPORT))
        assert (response.status_code, summary.status_code, export.status_code) == (200, 200, 200), text
        if text in WRONG:
            assert "Enter a time such as 2026-11-25" in words(response), text
            assert response.context["events"] == [], text
            continue
        at = parse_time(text, is_end=name != "since")
        fits = sum(event.at >= at if name == "since" else event.at <= at for event in written())
        assert len(response.context["events"]) == fits, text
        if name != "jump":
            assert summary.context["count"] == (fits, False), text
            chart = summary.context["chart"]
            assert chart is None or 24 <= len(chart.bars) <= 60, text
            answer: Any = olga.post(
                f"{EXPORT}?ip=192.0.2.7&{name}={text.replace('+', '%2B')}", {"format": "csv"}
            )
            assert b"manifest" in b"".join(answer.streaming_content)
            answer.close()


@pytest.mark.parametrize("text", [*RIGHT, *WRONG])
def test_commands_take_any_time_or_say_what_is_wrong_with_it(text: str, write: Any, tmp_path: Path) -> None:
    write(in_order, 4)
    for name in ("--since", "--until"):
        if text in RIGHT:
            call_command("export_audit", f"{name}={text}", "--output", str(tmp_path / "audit.jsonl"))
        else:
            with pytest.raises(CommandError, match="not understood"):
                call_command("export_audit", f"{name}={text}")
    with pytest.raises(CommandError, match=r"not understood|Nothing was archived"):
        call_command("archive_audit", f"--before={text}" if text not in RIGHT[3:7] else "--before=0001-01-01")


def test_a_time_is_never_moved_beyond_the_last_moment() -> None:
    assert later(LATEST, timedelta.max) == LATEST
    assert parse_time("9999-12-31", is_end=True) == LATEST
    assert parse_time("2026-11-25", is_end=True) == datetime(2026, 11, 26, tzinfo=UTC)


def test_a_page_of_a_range_reads_one_range_of_one_index(write: Any) -> None:
    write(in_order)
    rows = EventFilter(person_name="runner").alternatives([Event.objects.all()])
    span = paging.Span(in_order(10), in_order(90))
    found = paging._from(rows[0], paging._position(written()[50].seq), span, upwards=False).values("seq")[:52]
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # a table this small it would read as a whole
            cursor.execute("ANALYZE audit_event")
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
        plan = found.explain()
    assert "event_person_at" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan
    if connection.vendor == "postgresql":
        assert "ROW(at, seq) <=" in plan.partition("Filter:")[0]
    else:
        assert "(person_name=? AND at>? AND at<?)" in plan


DAYS = [
    "9999-12-31",
    "9999-12-30",
    "0001-01-01",
    "10000-01-01",
    "2026-13-01",
    "٢٠٢٦-١١-٢٥",
    "\x00",
    "9" * 10_000,
    "",
    "x",
]


@pytest.mark.parametrize("day", DAYS)
def test_any_last_day_of_a_grant_is_taken_or_refused_in_words(day: str, people: People, as_: SignIn) -> None:
    tom = as_("tom")
    terms = {"who": "nina", "role": "viewer", "until": "date", "date": day, "reason": "x"}
    answer = tom.post("/teams/vision/give/", terms)
    assert answer.status_code == (302 if day.startswith("9999-12-3") else 422), day
    if answer.status_code == 302:
        grant = Grant.objects.get(person=people.nina, team=people.vision)
        assert grant.until == parse_time(day, is_end=True)
        for path in ("/teams/vision/", f"/teams/vision/grants/{grant.pk}/", "/", "/access/"):
            assert tom.get(path).status_code in {200, 404}, path


def test_a_team_s_longest_grant_may_be_any_number_of_days(people: People) -> None:
    people.vision.longest_days = 2**31 - 1
    assert people.vision.latest_end(clock.now()) == LATEST


@pytest.mark.parametrize("text", [*RIGHT, *WRONG])
def test_any_end_of_a_temporary_key_is_read_or_refused_in_words(text: str) -> None:
    form = KeyForm({"access_key": "A", "secret_key": "b", "security_token": "c", "key_until": text})
    assert form.is_valid() == (text in RIGHT)
