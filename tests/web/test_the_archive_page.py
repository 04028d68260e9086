"""G53: archived events are listed, found by the audit's own filters, and shown, to those who could read them before."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any

import pytest
from django.core.management import call_command
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.dateformat import format as date_format

from hyperclusters.access import exports
from hyperclusters.access.access_reviews import open_review
from hyperclusters.access.models import Grant
from hyperclusters.access.permissions import audit_scope
from hyperclusters.audit import archive, clock
from hyperclusters.audit.archive_checks import run_due
from hyperclusters.audit.archive_events import search
from hyperclusters.audit.archive_files import open_file
from hyperclusters.audit.chain import KeyMissing, seq_of
from hyperclusters.audit.ledger import record
from hyperclusters.audit.models import Event, Segment, SegmentCheck
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.web.audit.query import parse_query
from tests.audit.tampering import sql, unguarded
from tests.conftest import People, Projects, events, run_worker, submit_creation
from tests.web.pages import HTMX, SignIn, body, main

PAGE = "/audit/archive/"


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Path:
    settings.AUDIT_ARCHIVE = tmp_path / "archive"
    settings.AUDIT_ANCHORS = tmp_path / "anchors.jsonl"
    return tmp_path / "archive"


@pytest.fixture
def history(people: People, projects: Projects) -> None:
    """Vision and Speech each have a creation, the second one a failure."""
    submit_creation(people.ada, projects.vision)
    submit_creation(people.mallory, projects.speech, "train-speech")
    for _ in range(4):
        run_worker()


def all_archived(folder: Path) -> Segment:
    return archive.archive(before=clock.now() + timedelta(hours=1), folder=folder)


def numbers(page: str) -> set[int]:
    """The events that a page shows rows of."""
    return {int(seq) for seq in re.findall(r'class="link" href="/audit/(\d+)/"><time', page)}


QUERIES = [
    "reads=0",
    "reads=1",
    "q=test-hps",
    "q=ada",
    "person=ada&reads=1",
    "team=vision&reads=1",
    "outcome=done",
    "action=access:grant:added&reads=1",
    "cluster=train-speech",
    "range=1h",
    "range=yesterday",
    "code=ModelArts",
    "person=ada&person=tom&outcome=done&reads=1",
]


@pytest.mark.parametrize("address", QUERIES)
def test_g53_a_search_before_archiving_finds_what_list_and_archive_find_together_afterwards(
    address: str, files: Path, history: None, people: People, as_: SignIn
) -> None:
    before: dict[str, set[int]] = {}
    for name in ("olga", "tom"):
        person = getattr(people, name)
        scope = audit_scope(person)
        query = parse_query(person, scope, QueryDict(address), people_only=True)
        rows: QuerySet[Event] = Event.objects.all()
        rows = rows if scope.teams is None else rows.filter(team_id__in=scope.teams)
        assert query.filter
        before[name] = set(query.filter.apply(rows).values_list("seq", flat=True))  # type: ignore[arg-type]
    segment = all_archived(files)
    for name, expected in before.items():
        found, url = set(), f"{PAGE}?{address}"
        while url:
            page = body(as_(name).get(url))
            found |= numbers(page)
            assert page.count('<span class="tag">Archived</span>') == len(numbers(page))
            onward = re.search(r'rel="next" href="([^"]+)"', page)
            url = PAGE + onward[1].replace("&amp;", "&") if onward else ""
        assert found == {seq for seq in expected if seq <= segment.last}
        assert segment.last >= max(expected, default=0) - 1


def test_g53_older_pages_of_the_archive_lead_to_its_first_event(
    files: Path, history: None, as_: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = all_archived(files)
    monkeypatch.setattr("hyperclusters.web.audit.archive.search", partial(search, size=3))
    olga, url, seqs = as_("olga"), f"{PAGE}?reads=1", list[int]()
    while url:
        page = body(olga.get(url))
        seqs += sorted(numbers(page), reverse=True)
        onward = re.search(r'rel="next" href="([^"]+)"', page)
        url = PAGE + onward[1].replace("&amp;", "&") if onward else ""
        assert len(seqs) <= segment.last
    assert seqs == list(range(segment.last, 0, -1))


def test_g53_nobody_is_called_inactive_whose_events_may_be_archived(
    files: Path, history: None, people: People, as_: SignIn
) -> None:
    grant = Grant.objects.get(person=people.ada, team=people.vision)
    open_review(people.vision, due_on=clock.today(), by=people.tom)
    day = all_archived(files).last_at
    assert day
    tom = as_("tom")
    record(EventType.SIGNED_IN, Outcome.DONE, by=people.tom)
    for page in ("/teams/vision/", "/teams/vision/review/", f"/teams/vision/grants/{grant.pk}/"):
        text = body(tom.get(page))
        cells = re.findall(
            r'<td (?:class="wide" )?data-l="Last action">(.*?)</td>|<dt>Last action</dt><dd>(.*?)</dd>', text
        )
        assert cells
        assert all("never" not in "".join(each) for each in cells)
        assert any(f"none since {date_format(day, 'j M Y')}" in "".join(each) for each in cells)


def test_g53_the_list_leads_to_the_same_search_in_the_archive(
    files: Path, history: None, as_: SignIn
) -> None:
    assert "data-search-archives" not in body(as_("olga").get("/audit/"))
    segment = all_archived(files)
    page = body(as_("olga").get("/audit/?outcome=done&q=train"))
    assert f"Also {segment.last} archived events up to" in page
    assert 'href="/audit/archive/?outcome=done&amp;q=train&amp;reads=0"' in page
    team_page = body(as_("tom").get("/audit/?outcome=done"))
    assert 'href="/audit/archive/?outcome=done&amp;reads=0"' in team_page
    assert "Also" not in team_page
    assert "data-search-archives" not in body(as_("olga").get("/audit/?since=2099-01-01"))


def test_g53_archives_are_listed_to_auditors_alone_without_a_path_of_the_machine(
    files: Path, history: None, as_: SignIn
) -> None:
    assert "No archives yet" in main(as_("olga").get(PAGE))
    segment = all_archived(files)
    page = body(as_("olga").get(PAGE))
    assert segment.file in page
    assert segment.sha256 in page
    assert f"{segment.first} – {segment.last}" in page
    assert str(files) not in page
    own = body(as_("tom").get(PAGE))
    assert segment.file not in own
    assert segment.sha256 not in own


def test_g24_another_teams_archived_event_is_absent_as_a_random_number_is(
    files: Path, history: None, as_: SignIn
) -> None:
    seqs = {team: events(team_name=team)[0].seq for team in ("Vision", "Speech")}
    all_archived(files)
    own = as_("tom").get(f"/audit/{seqs['Vision']}/")
    assert own.status_code == 200
    assert '<span class="tag">Archived</span>' in body(own)
    foreign, unused = as_("tom").get(f"/audit/{seqs['Speech']}/"), as_("tom").get("/audit/999999/")
    assert foreign.status_code == unused.status_code == 404
    assert re.sub(r"[0-9a-f]{32}", "", main(foreign)) == re.sub(r"[0-9a-f]{32}", "", main(unused))
    assert "train-speech" not in body(as_("tom").get(f"{PAGE}?reads=1"))
    assert numbers(body(as_("tom").get(f"{PAGE}?cluster=train-speech&reads=1"))) == set()
    for name in ("ada", "vera", "mallory", "root"):
        assert as_(name).get(PAGE).status_code == 403


def test_g53_the_page_of_an_archived_event_has_what_the_ledger_had_and_its_place_in_the_chain(
    files: Path, history: None, as_: SignIn
) -> None:
    event = events(team_name="Vision", action="cluster:create:sending")[0]
    live = main(as_("olga").get(event.get_absolute_url()))
    assert "Requested through" in live
    all_archived(files)
    page = body(as_("olga").get(event.get_absolute_url()))
    assert event.digest in page
    assert event.canonical[13:77] in page
    assert f'href="/audit/{event.seq - 1}/"' in page
    assert f'href="/audit/{event.seq + 1}/"' in page
    archived_page = main(as_("olga").get(event.get_absolute_url())).replace("Archived ", "")
    assert archived_page == live.replace(
        "Verification Not verified yet ", ""
    )  # an archive is verified by itself


CUTS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a line less": lambda lines: [*lines[:4], *lines[5:]],
    "the last lines less": lambda lines: lines[:-3],
    "the first line less": lambda lines: lines[1:],
    "a line twice": lambda lines: [*lines[:4], lines[3], *lines[4:]],
    "two lines in another order": lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]],
    "nothing left": lambda _lines: [],
    "a blank line for one": lambda lines: [*lines[:4], b"\n", *lines[5:]],
    "a copy of an early line at the end": lambda lines: [*lines, lines[1]],
}


@pytest.mark.parametrize("name", CUTS)
def test_g40_a_search_tells_of_rows_that_are_missing_or_stand_twice(
    name: str, files: Path, history: None, as_: SignIn
) -> None:
    segment = all_archived(files)
    path, olga = files / segment.file, as_("olga")
    assert "data-damaged" not in body(olga.get(f"{PAGE}?cluster=nothing"))
    whole = path.read_bytes().splitlines(keepends=True)
    for lines in (whole, CUTS[name](whole)):
        path.write_bytes(b"".join(lines))
        for each in ({"needles": [b'"no such text"']}, {"size": 1}, {"size": 2}, {"size": 3}):
            damage, seqs = _search_all(segment, **each)
            assert bool(damage) == (lines is not whole)
            if "size" in each:  # what is genuine is shown, whatever stands around it
                assert set(seqs) == {seq_of(line.decode()) for line in lines if line.strip()}
    assert "data-damaged" in body(olga.get(f"{PAGE}?cluster=nothing"))


def _search_all(segment: Segment, **options: Any) -> tuple[int, list[int]]:
    """The damage and the numbers of all pages of a search."""
    damage, cursor, seqs = 0, None, list[int]()
    while True:
        page = search([segment], lambda _: True, cursor=cursor, **options)
        damage += page.damage_count
        seqs += [seq for seq, _ in page.events]
        if (cursor := page.cursor) is None:
            return damage, seqs


def test_g40_a_changed_row_is_shown_as_such_and_its_content_is_not(
    files: Path, history: None, as_: SignIn
) -> None:
    event = events(team_name="Vision", action="cluster:create:requested")[0]
    segment = all_archived(files)
    path = files / segment.file
    lines = path.read_bytes().splitlines(keepends=True)
    lines[event.seq - 1] = lines[event.seq - 1].replace(b"test-hps", b"evil-hps")
    path.write_bytes(b"".join(lines))
    page = body(as_("olga").get(f"{PAGE}?cluster=nothing"))
    assert f'href="/audit/{event.seq}/"' in page
    assert "data-damaged" in page
    everything = body(as_("olga").get(f"{PAGE}?reads=1"))
    assert "evil-hps" not in everything
    shown = as_("olga").get(f"/audit/{event.seq}/")
    assert "evil-hps" not in body(shown)
    assert "valid seal" in main(shown)
    assert as_("tom").get(f"/audit/{event.seq}/").status_code == 404
    own = body(as_("tom").get(f"{PAGE}?reads=1"))
    assert f'href="/audit/{event.seq}/"' not in own
    assert "Ask an auditor" in own


def test_g53_a_search_says_which_archives_it_could_not_read(files: Path, history: None, as_: SignIn) -> None:
    segment = all_archived(files)
    (files / segment.file).unlink()
    page = main(as_("olga").get(f"{PAGE}?reads=1"))
    assert f"Events {segment.first} to {segment.last} were not searched" in page
    assert as_("olga").get(f"/audit/{segment.first}/").status_code == 410


@pytest.mark.parametrize("how", ["DELETE FROM audit_segment", "UPDATE audit_segment SET file = 'x'"])
def test_g53_a_search_says_that_records_of_archives_were_changed(
    how: str, files: Path, history: None, as_: SignIn
) -> None:
    all_archived(files)
    assert "data-gap" not in body(as_("olga").get(f"{PAGE}?reads=1"))
    unguarded(lambda: sql(how))
    for name in ("olga", "tom"):
        assert "data-gap" in body(as_(name).get(f"{PAGE}?reads=1"))


def test_every_search_counts_with_filters_or_without(
    files: Path, history: None, as_: SignIn, settings: Any
) -> None:
    settings.SEARCHES_PER_MINUTE = 1
    all_archived(files)
    for name, first, second in (("tom", PAGE, PAGE), ("olga", f"{PAGE}?reads=1", PAGE)):
        assert as_(name).get(first).status_code == 200
        assert as_(name).get(second).status_code == 429
    assert as_("olga").get(PAGE, headers=HTMX | {"X-Poll": "1"}).status_code == 200


def test_what_the_archive_does_not_understand_is_said(files: Path, history: None, as_: SignIn) -> None:
    all_archived(files)
    page = body(as_("olga").get(f"{PAGE}?since=x&page=1.x"))
    assert "We didn" in page
    assert numbers(page) == set()
    assert as_("olga").get(f"{PAGE}?reads=1&page=%00.5").status_code == 200
    assert numbers(body(as_("olga").get(f"{PAGE}?reads=1&jump=9999-12-31")))


def row_of(segment: Segment, page: str) -> str:
    """The words of the row of an archive."""
    row = re.search(rf'<tr data-state="[a-z]+">(?:(?!</tr>).)*{segment.file}.*?</tr>', page, re.DOTALL)
    assert row
    return " ".join(re.sub(r"<[^>]+>", " ", row[0]).split())


def test_g40_an_auditor_has_an_archive_verified_and_the_page_follows_it(
    files: Path, history: None, as_: SignIn
) -> None:
    segment = all_archived(files)
    browser = as_("olga")
    assert "Never verified" in row_of(segment, body(browser.get(PAGE)))
    for _click in range(2):
        assert browser.post(f"{PAGE}{segment.first}/verify/").status_code == 302
    (event,) = events(action="audit:archive:check-requested")
    assert (event.person_name, event.object_name, event.outcome) == ("olga", segment.file, "accepted")
    page = body(browser.get(PAGE))
    assert "Waiting for a worker" in row_of(segment, page)
    assert 'hx-trigger="every 1s"' in page
    SegmentCheck.objects.update(lease_expires_at=clock.now() + timedelta(minutes=1), count=segment.count // 2)
    fragment = body(browser.get(PAGE, headers=HTMX | {"X-Poll": "1"}))
    assert fragment.lstrip().startswith('<section class="card" id="segments"')
    assert re.search("Verifying: (49|50) %", row_of(segment, fragment))
    SegmentCheck.objects.update(lease_expires_at=None)
    run_due()
    page = body(browser.get(PAGE))
    assert "Verified just now" in row_of(segment, page)
    assert 'hx-trigger="every 1s"' not in page
    (files / segment.file).unlink()
    browser.post(f"{PAGE}{segment.first}/verify/")
    run_due()
    row = row_of(segment, body(browser.get(PAGE)))
    assert "File is missing" in row
    assert "not in the archive folder" in row


def test_g40_a_damaged_archive_says_from_which_event_on(files: Path, history: None, as_: SignIn) -> None:
    segment = all_archived(files)
    path = files / segment.file
    lines = path.read_bytes().splitlines(keepends=True)
    lines[6] = lines[6].replace(b'"outcome":"', b'"outcome":"x', 1)
    path.write_bytes(b"".join(lines))
    as_("olga").post(f"{PAGE}{segment.first}/verify/")
    run_due()
    row = row_of(segment, body(as_("olga").get(PAGE)))
    assert "Damaged from event 7" in row
    assert "edited: 7" in row


@pytest.mark.parametrize("act", ["verify", "download"])
def test_only_auditors_verify_and_download_archives(
    act: str, files: Path, history: None, as_: SignIn
) -> None:
    segment = all_archived(files)
    for name in ("tom", "ada", "root", "mallory"):
        assert as_(name).post(f"{PAGE}{segment.first}/{act}/").status_code == 403
    assert as_("olga").post(f"{PAGE}{segment.first + 1}/{act}/").status_code == 404
    assert not SegmentCheck.objects.exists()
    assert not events(action="audit:archive:check-requested")


def test_a_download_is_the_file_itself_and_is_recorded(files: Path, history: None, as_: SignIn) -> None:
    segment = all_archived(files)
    for part, suffix in (("events", ""), ("manifest", ".manifest")):
        answer = as_("olga").post(f"{PAGE}{segment.first}/download/", {"part": part})
        content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
        assert content == (files / f"{segment.file}{suffix}").read_bytes()
        assert f'filename="{segment.file}{suffix}"' in answer["Content-Disposition"]
        event = events(action="audit:exported")[-1]
        assert (event.person_name, event.object_name) == ("olga", f"{segment.file}{suffix}")
    (files / segment.file).unlink()
    count = len(events(action="audit:exported"))
    answer = as_("olga").post(f"{PAGE}{segment.first}/download/", follow=True)
    assert "nothing was downloaded" in main(answer)
    assert len(events(action="audit:exported")) == count


def test_a_download_that_cannot_be_recorded_is_none_and_leaves_no_file_open(
    files: Path, history: None, people: People, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment, opened = all_archived(files), []

    def open_and_note(name: str) -> IO[bytes]:
        opened.append(open_file(name))
        return opened[-1]

    monkeypatch.setattr(exports, "open_file", open_and_note)
    settings.AUDIT_KEYS = [("another", b"x" * 32)]
    with pytest.raises(KeyMissing):
        exports.export_archive(person=people.olga, segment=segment)
    assert [file.closed for file in opened] == [True]


def test_an_export_says_that_archived_events_are_not_in_it(
    files: Path, history: None, as_: SignIn, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "data-archives" not in body(as_("olga").get("/audit/export/"))
    all_archived(files)
    page = body(as_("olga").get("/audit/export/"))
    assert "Archived events are not in this file." in page
    assert 'href="/audit/archive/">Download archive files' in page
    team_page = body(as_("tom").get("/audit/export/?outcome=done"))
    assert 'href="/audit/archive/?outcome=done">Search the archive' in team_page
    assert "data-archives" not in body(as_("olga").get("/audit/export/?since=2099-01-01"))
    call_command("export_audit")
    captured = capfd.readouterr()
    until = json.loads(captured.out.splitlines()[-1])["manifest"]["archived_until"]
    last_at = Segment.objects.latest("last").last_at
    assert last_at
    assert until == last_at.isoformat()
    assert f"Events up to {last_at:%Y-%m-%d %H:%M:%S} UTC are in archives" in captured.err
    call_command("export_audit", since="2099-01-01")
    captured = capfd.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["manifest"]["archived_until"] == captured.err == ""


def test_the_page_of_the_chart_leads_to_the_archive(files: Path, history: None, as_: SignIn) -> None:
    all_archived(files)
    assert "data-search-archives" in body(as_("olga").get("/audit/summary/"))
    assert "data-search-archives" not in body(as_("olga").get("/audit/summary/?since=2099-01-01"))


def test_the_page_says_who_archived(files: Path, history: None, as_: SignIn) -> None:
    segment = archive.archive(before=clock.now() + timedelta(hours=1), folder=files, person_name="dba-lee")
    assert "by dba-lee" in row_of(segment, body(as_("olga").get(PAGE)))
