"""G40: a stored value that no column should hold ends no page, file, alert or hand-on: the event is called unreadable."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from hyperclusters.audit import alerts, push, verification
from hyperclusters.audit.chain import COLUMNS, DOCUMENTS
from hyperclusters.audit.ledger import record
from hyperclusters.audit.models import Event, ScheduledTask
from hyperclusters.audit.raw_rows import LEAST, MOST, NUMBERS
from hyperclusters.audit.visits import forget_visits
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters import metrics
from hyperclusters.clusters.models import Creation
from tests.audit import tampering as mallory
from tests.conftest import People, Projects, run_worker, submit_creation
from tests.web.pages import SignIn, body

IS_SQLITE = connection.vendor == "sqlite"
ANY = (
    ["x'ff00'", "CAST(x'ff' AS TEXT)", "x''", "''", "'a' || char(0) || 'b'", "17", "zeroblob(100000)"]
    if IS_SQLITE
    else ["'forged'"]
)
HOSTILE: dict[str, list[str]] = dict.fromkeys(COLUMNS[1:], ANY)
HOSTILE |= {name: [*(ANY if IS_SQLITE else []), "'[]'", "'\"x\"'", "'5'", "'null'"] for name in DOCUMENTS}
HOSTILE |= {"after": [*HOSTILE["after"], '\'{"baseline": 5, "cluster": "x", "send": []}\''],
            "response": [*HOSTILE["response"], '\'{"code": 5, "message": [], "cause": {}, "status": {}}\'']}  # fmt: skip
HOSTILE |= {name: ANY if IS_SQLITE else ["-1", "NULL"] for name in NUMBERS}
if IS_SQLITE:
    HOSTILE["after"] = [*HOSTILE["after"], "'" + "[" * 100_000 + "'", "'{'"]
    HOSTILE["at"] = [
        *ANY,
        "'yesterday'",
        "'2026-13-45 99:00:00'",
        "'2026-02-31 00:00:00'",
        "'2026-02-28 24:00:00'",
        "'0000-01-01 00:00:00'",
        "'9999-12-31 23:59:59'",
        "'0001-01-01 00:00:00'",
    ]
else:
    HOSTILE["at"] = ["'infinity'", "'-infinity'", "'2026-01-01 BC'", "'20000-01-01'"]


@pytest.fixture
def creation(people: People, projects: Projects) -> Creation:
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    return creation


def forge(name: str, values: Iterable[tuple[int, str]]) -> None:
    """Write each value into the event of its number."""
    for seq, value in values:
        statement = f'UPDATE audit_event SET "{name}" = {value} WHERE seq = {seq}'
        mallory.unguarded(partial(mallory.sql, statement))


def post(browser: Any, form: str) -> str:
    answer = browser.post("/audit/export/", {"format": form})
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


@pytest.mark.parametrize("name", HOSTILE)
def test_g40_no_stored_value_ends_in_an_error(
    name: str, creation: Creation, as_: SignIn, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EXPORTS_PER_MINUTE = settings.SEARCHES_PER_MINUTE = 10_000
    olga, ada = as_("olga"), as_("ada")
    seqs = list(Event.objects.filter(object_id=str(creation.pk)).values_list("seq", flat=True))
    rows = [*seqs, Event.objects.values_list("seq", flat=True).latest("seq")]
    for start in range(0, len(HOSTILE[name]), len(rows)):
        values = HOSTILE[name][start : start + len(rows)]
        forge(name, zip(rows, values, strict=False))
        forget_visits()
        pages = ["/audit/", "/audit/?person=ada", "/audit/?q=test-hps", "/audit/summary/", "/audit/chain/", "/audit/review/", "/",
                 *(f"/audit/{seq}/" for seq in seqs)]  # fmt: skip
        for path in pages:
            assert olga.get(path).status_code == 200, (path, values)
        assert ada.get(creation.get_absolute_url()).status_code == 200, values
        assert "manifest" in post(olga, "csv").splitlines()[-1]
        assert "manifest" in json.loads(post(olga, "jsonl").splitlines()[-1])
        handed: list[str] = []
        task = ScheduledTask.objects.create(name=f"push {start}", run_after="2026-01-01T00:00:00Z")
        push.push(handed.extend, task, lambda: True)
        assert len(handed) == task.seq == Event.objects.latest("seq").seq
        alerts.warn(ScheduledTask.objects.create(name=f"alerts {start}", run_after="2026-01-01T00:00:00Z"))
        assert b"audit_head" in metrics.exposition()
        if not all(value == "NULL" or (name in NUMBERS and value == "17") for value in values):
            assert verification.verify().findings, values


@pytest.mark.parametrize("number", [LEAST, -3, 0, MOST])
def test_g40_a_number_at_the_end_of_the_range_hides_nothing(
    number: int, creation: Creation, as_: SignIn
) -> None:
    newest = Event.objects.latest("seq").seq
    values = mallory.row(newest) | {"seq": number, "object_id": str(creation.pk)}
    mallory.unguarded(lambda: mallory.put(values))
    olga = as_("olga")
    address = f"/audit/{number}/" if number > 0 else "/audit/chain/"
    assert f'href="{address}"><time' in body(olga.get("/audit/?cluster=" + values["object_name"]))
    for seq in range(1, newest + 1):
        assert olga.get(f"/audit/{seq}/").status_code == 200
    assert olga.get(f"/audit/{number}/").status_code == (404 if number < 0 else 200)
    assert as_("ada").get(creation.get_absolute_url()).status_code == 200
    assert "manifest" in post(olga, "jsonl").splitlines()[-1]
    handed: list[str] = []
    task = ScheduledTask.objects.create(name="push", run_after="2026-01-01T00:00:00Z")
    push.push(handed.extend, task, lambda: True)
    assert newest <= task.seq < MOST
    run_worker()
    submit_creation(creation.requested_by, creation.project, "after-it")
    push.push(handed.extend, task, lambda: True)
    assert "after-it" in "".join(handed)


def test_g40_an_unreadable_event_says_so(
    creation: Creation, as_: SignIn, caplog: pytest.LogCaptureFixture
) -> None:
    olga = as_("olga")
    seq = Event.objects.filter(object_id=str(creation.pk)).values_list("seq", flat=True)[0]
    forge("canonical", [(seq, "x'ff'" if IS_SQLITE else "'{}'")])
    assert f"Event {seq} can&#39;t be read</a>" in body(olga.get("/audit/?reads=1"))
    assert "so it is not shown" in body(olga.get(f"/audit/{seq}/"))
    assert f"Event {seq} can&#x27;t be read" in body(as_("ada").get(creation.get_absolute_url()))
    if IS_SQLITE:
        assert "unreadable: see manage.py verify_audit" in post(olga, "csv")
    assert as_("mallory").get(f"/audit/{seq}/").status_code == 403


def test_g40_pages_and_files_show_what_was_sealed_whatever_the_columns_say(
    creation: Creation, as_: SignIn
) -> None:
    olga = as_("olga")
    seqs = Event.objects.filter(object_id=str(creation.pk)).values_list("seq", flat=True)
    for name, value in (
        ("reason", "'FORGED'"), ("person_name", "'FORGED'"), ("object_name", "'FORGED'"), ("after", """'{"note": "FORGED"}'"""),
        ("at", "'2020-01-01 00:00:00'" if IS_SQLITE else "'2020-01-01 00:00:00Z'"),
    ):  # fmt: skip
        forge(name, [(seq, value) for seq in seqs])
    answers = [
        olga.get("/audit/?reads=1"), *(olga.get(f"/audit/{seq}/") for seq in seqs),
        as_("ada").get(creation.get_absolute_url()),
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert not any("FORGED" in body(answer) or "2020" in body(answer) for answer in answers)
    assert "FORGED" not in post(olga, "jsonl")


@pytest.mark.parametrize(
    "name", ["reason", "person_name", "object_name", "after", "person_id", "digest", "key_id", "at"]
)
def test_g40_a_csv_file_with_an_event_that_was_edited_for_it_is_found_out(
    name: str, creation: Creation, as_: SignIn, tmp_path: Path
) -> None:
    path, olga = tmp_path / "audit.csv", as_("olga")
    record(
        EventType.CREATE_FAILED,
        Outcome.FAILED,
        reason="'1",
        after={"huge": 1e16, "tiny": 1e-9, "id": 10**17, "n": 1.5},
    )
    record(EventType.CREATE_FAILED, Outcome.FAILED, reason="=1+1\n'", person_name="'x")
    path.write_text(post(olga, "csv"), newline="")
    call_command("verify_export", str(path))
    seq = Event.objects.filter(object_id=str(creation.pk)).values_list("seq", flat=True)[0]
    values = {
        "after": "'{}'",
        "person_id": "17",
        "at": "'2020-01-01 00:00:00'" if IS_SQLITE else "'2020-01-01 00:00:00Z'",
    }
    forge(name, [(seq, values.get(name, "'FORGED'"))])
    path.write_text(post(olga, "csv"), newline="")
    with pytest.raises(CommandError, match=f"event {seq} "):
        call_command("verify_export", str(path))
