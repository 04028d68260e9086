"""Archived events are found by the same filters as those of the ledger, and what fails verification is not believed."""

from __future__ import annotations

import errno
import gzip
import io
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.db.models import QuerySet

from hyperclusters.access.models import Team
from hyperclusters.audit import archive, archive_events, archive_files, clock
from hyperclusters.audit.archive_events import Cursor
from hyperclusters.audit.archive_files import Unavailable
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.matching import Matches, matcher
from hyperclusters.audit.models import Event, Segment
from hyperclusters.audit.readable import events as read
from hyperclusters.audit.request_context import RequestContext, request_context
from hyperclusters.audit.segments import archives_between, archives_since
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.conftest import People

START = datetime(2030, 1, 7, tzinfo=UTC)
ACTIONS = (EventType.CREATE_REQUESTED, EventType.CREATE_FAILED, EventType.GRANT_ADDED, EventType.AUDIT_READ)
OUTCOMES = (Outcome.DONE, Outcome.FAILED, Outcome.UNKNOWN)


@pytest.fixture(autouse=True)
def own_files(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_ANCHORS = tmp_path / "anchors.jsonl"
    settings.AUDIT_ARCHIVE = tmp_path / "archive"


@pytest.fixture
def ledger(people: People, monkeypatch: pytest.MonkeyPatch) -> int:
    """300 events of many kinds, an hour apart; every seventh is dated by a clock that is behind. The last number."""
    teams = list(Team.objects.order_by("pk"))
    for number in range(300):
        at = START + timedelta(hours=number - 30 * (number % 7 == 0))
        monkeypatch.setattr(clock, "now", lambda at=at: at)
        team = (*teams, None)[number % (len(teams) + 1)]
        source = "worker" if number % 4 == 0 else "web"
        with request_context(
            RequestContext(source=source, request_id=f"req-{number // 3:04}", ip=f"10.0.0.{number % 3}")
        ):
            record(
                ACTIONS[number % 4],
                OUTCOMES[number % 3],
                on=Subject(
                    "creation",
                    f"0f{number % 11:06x}-aa",
                    "tt" if number % 10 == 9 else f"train-{number % 5}-ümlaut",
                    team,
                ),
                by=(people.ada, people.tom, None)[number % 3],
                reason=("", "Because 50% of_it failed", "因为训练失败了")[number % 3],
                after={"cluster": {"id": f"cl-{number % 13}"}, "n": number, "名": "字"}
                if number % 2
                else None,
                response={"code": f"ModelArts.{number % 6}", "message": "no"} if number % 3 == 1 else None,
                upstream_request_id=f"up-{number}",
            )
    monkeypatch.setattr(clock, "now", lambda: START + timedelta(hours=400))
    last = Event.objects.order_by("-seq").values_list("seq", flat=True)[0]
    return int(last)


def segment_up_to(hours: int) -> Segment:
    return archive.archive(before=START + timedelta(hours=hours), folder=Path(folder()))


def folder() -> Path:
    from django.conf import settings  # noqa: PLC0415 -- as this test's fixture has set it

    return Path(settings.AUDIT_ARCHIVE)


def everything(matches: Matches, segments: list[Segment], **options: Any) -> list[tuple[int, Event | None]]:
    """All pages of a search, one after another."""
    found: list[tuple[int, Event | None]] = []
    cursor: Cursor | None = None
    for _ in range(1000):
        page = archive_events.search(segments, matches, cursor=cursor, **options)
        found += page.events
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("the search does not end")


FILTERS: dict[str, Callable[[], dict[str, Any]]] = {
    "all": dict,
    "people only": lambda: {"people_only": True},
    "people only with a name": lambda: {"people_only": True, "person_name": "ada"},
    "people only with an action": lambda: {"people_only": True, "action": str(EventType.AUDIT_READ)},
    "since": lambda: {"since": START + timedelta(hours=100)},
    "until": lambda: {"until": START + timedelta(hours=100)},
    "span": lambda: {"since": START + timedelta(hours=50), "until": START + timedelta(hours=210)},
    "person": lambda: {"person_name": "ada"},
    "people": lambda: {"person_name": ("ada", "tom")},
    "nobody": lambda: {"person_name": "nobody"},
    "team": lambda: {"team_id": Team.objects.order_by("pk")[0].pk},
    "teams": lambda: {"team_id": tuple(Team.objects.order_by("pk").values_list("pk", flat=True))},
    "project": lambda: {"project_name": "none-such"},
    "action": lambda: {"action": str(EventType.CREATE_FAILED)},
    "actions": lambda: {"action": (str(EventType.CREATE_FAILED), str(EventType.GRANT_ADDED))},
    "outcome": lambda: {"outcome": "failed"},
    "pair": lambda: {"outcome": "failed", "action": str(EventType.GRANT_ADDED), "person_name": "tom"},
    "ip": lambda: {"ip": "10.0.0.2"},
    "about a name": lambda: {"about": ("train-3-ümlaut",)},
    "about an ID": lambda: {"about": ("none", "0f000003-aa")},
    "request": lambda: {"request": "req-0033"},
    "request of the cloud": lambda: {"request": "up-77"},
    "reason": lambda: {"reason": "BECAUSE 50% of_"},
    "reason of two letters": lambda: {"reason": "失败"},
    "reason in Chinese": lambda: {"reason": "训练失败"},
    "code": lambda: {"code": "modelarts.4"},
    "short code": lambda: {"code": ".4"},
    "text": lambda: {"text": "Train-3"},
    "text in a document": lambda: {"text": "cl-12"},
    "text of a person": lambda: {"text": "ada"},
    "text of two letters": lambda: {"text": "tt"},
    "text in Chinese": lambda: {"text": "训练失败"},
    "text that is no pattern": lambda: {"text": "50% of_it"},
    "text and IDs": lambda: {"text": "up-1", "text_ids": ("0f000005-aa",)},
    "text across two fields": lambda: {"text": "aa\nada"},
    "many": lambda: {
        "text": "train",
        "people_only": True,
        "outcome": ("failed", "done"),
        "since": START + timedelta(hours=20),
    },
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_finds_the_same_events_before_and_after_archiving(name: str, ledger: int) -> None:
    event_filter = EventFilter(**FILTERS[name]())
    team = Team.objects.order_by("pk")[1].pk
    scopes: list[tuple[tuple[int, ...] | None, QuerySet[Event]]] = [
        (None, Event.objects.filter(seq__lte=ledger)),
        ((team,), Event.objects.filter(seq__lte=ledger, team_id=team)),
        ((), Event.objects.none()),
    ]
    before = [set(event_filter.apply(rows).values_list("seq", flat=True)) for _, rows in scopes]  # type: ignore[arg-type]
    assert before[0] or name in {"nobody", "project"} or "across" in name
    segment_up_to(90)
    segment_up_to(250)
    segments = archives_between(event_filter.since, event_filter.until)
    for (teams, rows), expected in zip(scopes, before, strict=True):
        live = set(event_filter.apply(rows).values_list("seq", flat=True))  # type: ignore[arg-type]
        found = [seq for seq, _ in everything(matcher(event_filter, teams), segments, size=7)]
        assert len(found) == len(set(found))
        assert live.isdisjoint(found)
        assert live | set(found) == expected


@pytest.mark.parametrize(
    ("said", "searched"),
    [
        ("Straße", "STRASSE"),
        ("STRASSE", "straße"),
        ("\ufb01ne", "FINE"),
        ("\u212aelvin", "kelvin"),
        ("\u0130stanbul", "istanbul"),
        ("été", "ÉTÉ"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ДОМ", "дом"),
        ("Train", "tRAIN"),
    ],
)
def test_letters_with_several_forms_are_found_alike_before_and_after_archiving(
    said: str, searched: str, people: People
) -> None:
    with transaction.atomic():
        record(
            EventType.CREATE_FAILED,
            Outcome.FAILED,
            on=Subject("creation", "1", said, people.vision),
            reason=said,
            response={"code": said},
        )
        record(EventType.ACCESS_DENIED, Outcome.DENIED, on=Subject("page"))  # the newest event always stays
    filters = [EventFilter(text=searched), EventFilter(reason=searched), EventFilter(code=searched)]
    before = [list(each.apply(Event.objects.all()).values_list("seq", flat=True)) for each in filters]
    segment = archive.archive(before=clock.now() + timedelta(hours=1), folder=folder())
    after = [[seq for seq, _ in everything(matcher(each, None), [segment])] for each in filters]
    assert after == before


def test_an_archived_event_is_the_one_that_the_ledger_had_in_every_field(ledger: int) -> None:
    names = [each.attname for each in Event._meta.concrete_fields]
    rows = {seq: event for seq, event in read(Event.objects.all()) if event}
    segment = segment_up_to(250)
    found = everything(matcher(EventFilter(), None), archives_since())
    assert [seq for seq, _ in found] == list(range(segment.last, segment.first - 1, -1))
    for seq, event in found:
        single = archive_events.find(segment, seq)
        for each in (event, single):
            assert {name: getattr(each, name) for name in names} == {
                name: getattr(rows[seq], name) for name in names
            }
    assert archive_events.find(segment, segment.last + 1) is None


def test_a_search_whose_time_is_over_continues_where_it_stopped(ledger: int) -> None:
    segment_up_to(90)
    segment_up_to(250)
    matches = matcher(EventFilter(request="req-0001"), None)
    first = archive_events.search(archives_since(), matches, seconds=-1)
    assert (first.events, bool(first.cursor)) == ([], True)
    assert len(everything(matches, archives_since(), seconds=-1)) == 3


@pytest.mark.parametrize("place", ["0.5", "1.10", "1.99999999999999999", "x", "-1.5", "1.5.5", "9999.9"])
def test_a_place_that_somebody_typed_shows_no_half_row(place: str, ledger: int) -> None:
    segment_up_to(90)
    page = archive_events.search(
        archives_since(), matcher(EventFilter(), None), cursor=Cursor.parse(place), shows_damage=True
    )
    assert page.damage_count == 0


def damage(how: str, path: Path, other: Path) -> None:
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    if how == "edited":
        path.write_bytes(content.replace(b'"person_name":"ada"', b'"person_name":"eve"', 1))
    elif how == "cut":
        path.write_bytes(content[: -len(lines[-1]) // 2])
    elif how == "swapped":
        shutil.copy(other, path)
    elif how == "compressed":
        path.write_bytes(gzip.compress(b"\x00" * 100_000_000 + content))
    elif how == "one endless line":
        path.write_bytes(b"x" * 30_000_000)
    elif how == "not text":
        path.write_bytes(b"\xff\xfe\n" + b"{}\n[]\n" + b'{"previous":' * 99 + b"\n")
    elif how == "a copy with another number":
        path.write_bytes(lines[0].replace(b'"seq":', b'"seq":1', 1) + content)


@pytest.mark.parametrize(
    "how",
    ["edited", "cut", "swapped", "compressed", "one endless line", "not text", "a copy with another number"],
)
def test_rows_that_fail_verification_are_shown_as_such_and_only_to_who_reads_everything(
    how: str, ledger: int
) -> None:
    first, second = segment_up_to(90), segment_up_to(250)
    rows = {seq: event for seq, event in everything(matcher(EventFilter(), None), [second]) if event}
    damage(how, folder() / second.file, folder() / first.file)
    found = everything(matcher(EventFilter(), None), [second], shows_damage=True)
    assert any(event is None for _, event in found)
    assert all(event.canonical == rows[seq].canonical for seq, event in found if event)
    assert not any(event and event.person_name == "eve" for _, event in found)
    team = Team.objects.order_by("pk")[1].pk
    limited = everything(matcher(EventFilter(), (team,)), [second])
    assert all(event and event.team_id == team for _, event in limited)


@pytest.mark.parametrize("how", ["missing", "link", "folder", "pipe", "name"])
def test_a_file_that_is_no_plain_file_of_the_folder_is_not_read(
    how: str, ledger: int, tmp_path: Path
) -> None:
    segment = segment_up_to(250)
    path = folder() / segment.file
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    if how == "link":
        path.symlink_to(elsewhere)
    elif how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "name":
        segment.file = "../elsewhere"
    page = archive_events.search([segment], matcher(EventFilter(), None))
    assert (page.events, page.cursor, page.unavailable) == ([], None, [segment])
    with pytest.raises(Unavailable) as reason:
        archive_events.find(segment, segment.first)
    assert reason.value.is_missing == (how == "missing")


def test_a_part_of_a_file_is_found_without_reading_all_of_it(
    ledger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = segment_up_to(250)
    monkeypatch.setattr(archive_events, "NEAR", 4000)
    for seq in (segment.first, segment.first + 1, 150, segment.last):
        event = archive_events.find(segment, seq)
        assert event is not None
        assert event.seq == seq


def test_a_damaged_number_hides_no_other_event(ledger: int, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = segment_up_to(250)
    path = folder() / segment.file
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"".join(line.replace(b'"seq":', b'"seq":9', 1) if n % 2 else line for n, line in enumerate(lines))
    )
    monkeypatch.setattr(archive_events, "NEAR", 4000)
    assert archive_events.find(segment, segment.first + 1) is None
    for seq in range(segment.first, segment.last + 1, 2):
        assert archive_events.find(segment, seq), seq


def test_old_records_without_times_are_searched_whatever_the_span(ledger: int) -> None:
    segment = segment_up_to(250)
    segment.first_at = segment.last_at = None
    with transaction.atomic():
        assert archives_between(None, START)  # events with an earlier clock
    assert everything(matcher(EventFilter(since=START), None), [segment])


@pytest.mark.parametrize("act", ["seek", "read"])
def test_a_disk_that_fails_while_a_file_is_read_makes_it_unavailable(
    act: str, ledger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = segment_up_to(250)

    class Failing(io.FileIO):
        """A file on a disk that fails after it was opened."""

    def fail(*_: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Failing, act, fail)
    monkeypatch.setattr(archive_files, "open_file", lambda _name: Failing(folder() / segment.file))
    page = archive_events.search([segment], matcher(EventFilter(), None))
    assert (page.events, page.cursor, page.unavailable) == ([], None, [segment])
    with pytest.raises(Unavailable) as reason:
        archive_events.find(segment, segment.first)
    assert not reason.value.is_missing


def test_a_search_of_blank_lines_ends_in_time_and_names_the_damage(ledger: int) -> None:
    segment = segment_up_to(250)
    with (folder() / segment.file).open("ab") as file:
        file.write(b"\n" * 1000)
    page = archive_events.search([segment], matcher(EventFilter(), None), seconds=-1)
    assert page.events == []
    assert page.damage_count
    assert page.cursor
    rows = everything(matcher(EventFilter(), None), [segment], size=5000)
    assert [seq for seq, _ in rows] == list(range(segment.last, segment.first - 1, -1))
