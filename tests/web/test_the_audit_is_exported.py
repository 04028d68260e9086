"""What is filtered can be taken away as a file, exactly that, and the file can be verified by itself."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction
from django.test import Client as Browser

from hyperclusters.audit.chain import DOCUMENTS, SCALARS
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import Event
from hyperclusters.audit.spreadsheets import cell
from hyperclusters.audit.verify_export import troubles
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.web.audit.views import export as export_view
from tests.conftest import People, events
from tests.web.pages import PAYLOADS, SignIn, body, words

EXPORT = "/audit/export/"
FORMULAS = (
    "1E5", "00123", "3-4-26", "Mar-4", "may", "true", "10:30 pm", "1/2", "=1+1", "+1", "｜calc", "％x", "\u3000=1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "|cmd", "%0a=1", "＝1+1", "＋1", "－1", "＠x",
    '=HYPERLINK("http://evil.example","x")', "-rf", "--help", "=cmd|' /C calc'!A0",
)  # fmt: skip


def keys() -> dict[str, bytes]:
    return dict(settings.AUDIT_KEYS)


def take(browser: Browser, form: str, query: str = "") -> str:
    """The file, as it was downloaded."""
    answer: Any = browser.post(f"{EXPORT}{query}", {"format": form})
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    answer.close()
    return text


def test_a_file_goes_out_as_it_is_also_to_browsers_that_take_compressed_ones(
    database: None, as_: SignIn
) -> None:
    answer: Any = as_("olga").post(EXPORT, {"format": "csv"}, HTTP_ACCEPT_ENCODING="gzip")
    assert b"".join(answer.streaming_content).startswith(b'\xef\xbb\xbf"seq"')
    assert answer.headers["Content-Encoding"] == "identity"
    answer.close()


def rows_of(text: str) -> list[dict[str, str]]:
    """The events of a CSV file, without its manifest."""
    found = list(csv.DictReader(io.StringIO(text, newline="")))
    assert found[-1]["seq"] == "manifest"
    return found[:-1]


def lines_of(text: str) -> list[dict[str, Any]]:
    """The events of a JSON Lines file, without its manifest."""
    found = [json.loads(line) for line in text.split("\n")[:-1]]
    assert "manifest" in found[-1]
    return [line["event"] for line in found[:-1]]


@pytest.fixture
def past(people: People) -> None:
    """Events of two teams, with every name that a spreadsheet or a page could trip over."""
    with transaction.atomic():
        for number, name in enumerate((*FORMULAS, *PAYLOADS, "中文", 'a"b,c', "two\nlines")):
            outcome = Outcome.FAILED if number % 3 == 0 else Outcome.DONE
            subject = Subject("creation", f"id-{number}", name)
            record(EventType.CREATE_FAILED, outcome, on=replace(subject, team=people.vision), by=people.ada, reason=name, evidence=name, response={'message': name})  # fmt: skip
            record(
                EventType.CREATE_FAILED, outcome, on=replace(subject, team=people.speech), by=people.mallory
            )


QUERIES = ["", "?outcome=failed", "?team=speech&outcome=failed", "?person=ada&q=evil", "?person=nobody"]


@pytest.mark.parametrize("query", QUERIES)
def test_a_file_holds_exactly_what_the_list_shows(query: str, past: None, as_: SignIn) -> None:
    olga = as_("olga")
    until = Event.objects.latest("seq").seq
    wanted: list[int] = []
    path = f"/audit/{query}"
    while path:
        page = olga.get(path)
        wanted += [int(row.url.split("/")[2]) for row in page.context["events"]]
        older = page.context["steps"][2][0] if page.context["steps"] else ""  # one page shows all
        path = f"/audit/{older}" if older else ""
    wanted = sorted(seq for seq in wanted if seq <= until)
    for text in (take(olga, "csv", query), take(olga, "jsonl", query)):
        found = rows_of(text) if text.startswith('"') else lines_of(text)
        assert [seq for row in found if (seq := int(row["seq"])) <= until] == wanted


def test_no_cell_is_taken_for_a_formula_and_none_loses_a_character(past: None, as_: SignIn) -> None:
    found = rows_of(take(as_("olga"), "csv", "?person=ada"))
    stored = {event.seq: event for event in Event.objects.filter(person_name="ada")}
    assert len(found) == len(stored)
    for row in found:
        event = stored[int(row["seq"])]
        for name in ("object_name", "reason", "evidence"):
            text = getattr(event, name)
            assert row[name] == cell(text)
            assert row[name] in (text, f"'{text}")
        assert not any(value[:1] in "=+-@\t\r\n|%" for value in row.values() if value)
        assert json.loads(row["response"]) == event.response
        assert row["digest"] == event.digest


def test_json_lines_are_lossless_and_verified_without_the_database(past: None, as_: SignIn) -> None:
    last = Event.objects.latest("seq").seq
    text = take(as_("olga"), "jsonl")
    assert lines_of(text)[-1]["seq"] == last
    stored = {event.seq: event for event in Event.objects.all()}
    for facts in lines_of(text):
        event = stored[facts["seq"]]
        for name in (*SCALARS, *DOCUMENTS):
            assert facts[name] == getattr(event, name), name
    assert list(troubles(text.splitlines(keepends=True), keys())) == []
    manifest = json.loads(text.splitlines()[-1])["manifest"]
    assert (manifest["by"], manifest["filter"]) == ("olga", {})
    assert manifest["count"] == len(text.splitlines()) - 1


def retyped(lines: list[str], **manifest: Any) -> list[str]:
    """The same lines, with a manifest that fits them as far as anybody without a key can write one."""
    told = json.loads(lines[-1])["manifest"]
    places = [
        {"seq": json.loads(line)["event"]["seq"], "digest": json.loads(line)["digest"]} for line in lines[:-1]
    ]
    told |= {"count": len(places), "first": places[0], "last": places[-1]}
    told |= {"sha256": hashlib.sha256("".join(lines[:-1]).encode()).hexdigest()} | manifest
    return [*lines[:-1], json.dumps({"manifest": told}, ensure_ascii=False) + "\n"]


def unsealed(lines: list[str]) -> list[str]:
    """As a version without seals would have written it."""
    told = json.loads(lines[-1])["manifest"]
    told["until"] = told["through_seq"]
    stored = {name: told[name] for name in ("filter", "until", "by", "at", "count", "first", "last")}
    return [*lines[:-1], json.dumps({"manifest": stored}, ensure_ascii=False) + "\n"]


def tampered(lines: list[str]) -> dict[str, tuple[list[str], str]]:
    """What somebody could do to a file, and what is said of it."""
    other = json.loads(lines[-1])["manifest"]
    return {
        "edited": ([lines[0], lines[1].replace('"outcome":"', '"outcome":"x'), *lines[2:]], "was edited"),
        "a line taken out": ([lines[0], *lines[2:]], "the manifest speaks of"),
        "a line taken out and the manifest retyped": (retyped([lines[0], *lines[2:]]), "its seal is not ours"),
        "only the count retyped": ([lines[0], *lines[2:-1], *retyped([lines[0], *lines[2:]], sha256=other["sha256"])[-1:]], "its seal is not ours"),
        "a line taken out and the seal too": (unsealed(retyped([lines[0], *lines[2:]])), "has no seal"),
        "the end cut off and the manifest retyped": (retyped([*lines[:-3], lines[-1]]), "its seal is not ours"),
        "the filter retyped": (retyped(lines, filter={"outcome": "unknown"}), "its seal is not ours"),
        "who it was retyped": (retyped(lines, by="eve"), "its seal is not ours"),
        "a seal that is none": (retyped(lines, seal=None), "its seal is not ours"),
        "a key that is none": (retyped(lines, key=["x"]), "not among AUDIT_KEYS"),
        "a line twice": ([lines[0], lines[0], *lines[1:]], "out of its order"),
        "swapped": ([lines[1], lines[0], *lines[2:]], "out of its order"),
        "cut": (lines[:-2], "the manifest is missing"),
        "the end cut off": ([*lines[:-2], lines[-1]], "another last event"),
        "the beginning cut off": (lines[1:], "another first event"),
        "junk": ([*lines[:-1], "{}\n", lines[-1]], "not a line of an export"),
        "a manifest that is none": ([*lines[:-1], '{"manifest": [1]}\n'], "not a line of an export"),
        "something behind": ([*lines, lines[0]], "something follows the manifest"),
    }  # fmt: skip


@pytest.mark.parametrize("query", ["", "?outcome=failed", "?person=ada&q=evil"])
def test_g40_what_is_done_to_a_file_is_named(query: str, past: None, as_: SignIn) -> None:
    lines = take(as_("olga"), "jsonl", query).splitlines(keepends=True)
    assert list(troubles(lines, keys())) == []
    for what, (changed, text) in tampered(lines).items():
        assert any(text in told for told in troubles(changed, keys())), what
    for number in range(len(lines) - 1):  # any line, wherever it stands
        assert list(troubles([*lines[:number], *lines[number + 1 :]], keys())), number
        assert list(troubles(retyped([*lines[:number], *lines[number + 1 :]]), keys())), number
    other = dict.fromkeys(keys(), b"another key")
    assert any("its seal is not ours" in told for told in troubles(lines, other))
    assert any("which is not among AUDIT_KEYS" in told for told in troubles(lines, {}))


def test_an_export_without_a_seal_is_verified_as_before_if_one_says_so(past: None, as_: SignIn) -> None:
    lines = unsealed(take(as_("olga"), "jsonl").splitlines(keepends=True))
    assert list(troubles(lines, keys(), without_seal=True)) == []
    assert any("--unsealed" in text for text in troubles(lines, keys()))
    for changed in ([lines[0], *lines[2:]], lines[:-1], [lines[1], lines[0], *lines[2:]]):
        assert list(troubles(changed, keys(), without_seal=True))


def test_g40_a_csv_file_is_verified_as_a_whole(past: None, as_: SignIn, tmp_path: Path) -> None:
    answer: Any = as_("olga").post(EXPORT, {"format": "csv"})
    whole = b"".join(answer.streaming_content)
    answer.close()
    lines = whole.splitlines(keepends=True)
    edited = whole.replace(b"ada", b"eve", 1)
    retyped = edited.replace(
        hashlib.sha256(b"".join(lines[:-1])).hexdigest().encode(),
        hashlib.sha256(b"".join(edited.splitlines(keepends=True)[:-1])).hexdigest().encode(),
    )
    bare = b"".join([*lines[:-1], b'"manifest","{""manifest"": {""count"": 1}}"\n'])
    path = tmp_path / "audit.csv"
    path.write_bytes(whole)
    call_command("verify_export", str(path))
    for changed, text in (
        (edited, "not those that were exported"), (b"".join([*lines[:3], *lines[4:]]), "not those that were exported"),
        (retyped, "its seal is not ours"), (b"".join(lines[:-1]), "manifest is missing"), (whole[3:], "not those"),
        (bare, "has no seal"), (whole + lines[4], "manifest is missing"), (b'\xef\xbb\xbf', "manifest is missing"),
        (whole.replace(b"\n", b"\r\n"), "not those|missing"), (b'"\xff\x00', "no UTF-8"),
    ):  # fmt: skip
        path.write_bytes(changed)
        with pytest.raises(CommandError, match=text):
            call_command("verify_export", str(path))


def test_g40_nothing_stands_behind_the_manifest_of_a_csv_file(
    past: None, as_: SignIn, tmp_path: Path
) -> None:
    answer: Any = as_("olga").post(EXPORT, {"format": "csv"})
    whole = b"".join(answer.streaming_content)
    answer.close()
    end, row = whole[:-1], b"84,2026-11-26 04:00:00,access:grant:added,done,olga,approved"
    path = tmp_path / "audit.csv"
    for changed in (
        end + b"\r" + row, end + b"\r" + row + b"\n", end + b"\x0b" + row, end + b',"approved by olga"\n', end[:-3] + b',"\n' + row + b'\n"\n',
        end.replace(b'}}","",""', b'}}","olga","approved"'), whole.replace(b'","",""', b'";"";""'), end, end + b"\r\n", whole + b"\n", end + b" \n",
        whole.replace(b'{""manifest"": {', b'{""manifest"":  {'), whole.replace(b'"manifest","', b'"manifest" ,"'), whole.replace(b'"manifest","', b'manifest,"'),
        whole.replace(b'{""manifest"": {', b'{""manifest"":0,""manifest"": {'), whole.replace(b'""filter"": {}', b'""filter"": {""person"":""bob""},""filter"": {}'),
        end + b"\xff\n", end + b"\x00\n", end[:-3] + b"\n", end + b"x" * 200_000,
    ):  # fmt: skip
        assert changed != whole
        path.write_bytes(changed)
        with pytest.raises(CommandError, match="broken"):
            call_command("verify_export", str(path))


def test_an_export_is_itself_one_event_that_says_what_was_taken(past: None, as_: SignIn) -> None:
    until = Event.objects.latest("seq").seq
    take(as_("olga"), "csv", "?outcome=failed")
    (event,) = events(action="audit:exported")
    assert event.person_name == "olga"
    assert event.after == {"format": "csv", "filter": {"outcome": "failed"}, "through_seq": until}


def test_g24_an_admin_s_file_holds_their_own_team_s_events_alone(past: None, as_: SignIn) -> None:
    tom = as_("tom")
    for form in ("csv", "jsonl"):
        assert "mallory" not in take(tom, form)
        assert "Speech" not in take(tom, form, "?q=evil")
    foreign = tom.post(f"{EXPORT}?team=speech", {"format": "csv"})
    unknown = tom.post(f"{EXPORT}?team=nowhere", {"format": "csv"})
    assert foreign.status_code == unknown.status_code == 422
    assert body(foreign).count("speech") == body(unknown).count("nowhere")
    assert {event.team_name for event in events(action="audit:exported")} == {"Vision"}


def test_two_exports_at_a_time_and_a_third_is_told_to_wait(past: None, as_: SignIn) -> None:
    olga = as_("olga")
    running: list[Any] = [olga.post(EXPORT, {"format": "csv"}) for _ in range(export_view.AT_ONCE)]
    refused = olga.post(EXPORT, {"format": "csv"})
    assert (refused.status_code, refused["Retry-After"]) == (503, "60")
    assert "Nothing was exported" in words(refused)
    assert len(events(action="audit:exported")) == export_view.AT_ONCE
    running[0].close()  # one whose reader has gone before the first byte
    next(iter(running[1].streaming_content))
    running[1].close()  # and one in the middle
    assert take(olga, "csv")
    assert take(olga, "jsonl")


def test_a_format_that_is_none_exports_nothing(past: None, as_: SignIn) -> None:
    assert as_("olga").post(EXPORT, {"format": "xlsx"}).status_code == 422
    assert not events(action="audit:exported")


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_g21_of_several_keys_the_one_that_sealed_a_file_is_named(
    form: str, past: None, tmp_path: Any, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    path = tmp_path / "audit"
    call_command("export_audit", "--output", str(path), "--format", form)
    call_command("verify_export", str(path))
    assert capsys.readouterr().out.strip().endswith("intact")
    for keys in ([("new", b"n" * 32), *settings.AUDIT_KEYS], [*settings.AUDIT_KEYS, ("new", b"n" * 32)]):
        settings.AUDIT_KEYS = keys
        call_command("verify_export", str(path))
        assert "intact, sealed with the key 'tests'." in capsys.readouterr().out


def test_the_commands_export_and_verify(
    past: None, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "audit.jsonl"
    call_command("export_audit", "--output", str(path), "--outcome", "failed", "--person", "ada")
    text = path.read_text()
    assert {facts["outcome"] for facts in lines_of(text)} == {"failed"}
    call_command("verify_export", str(path))
    assert "intact" in capsys.readouterr().out
    path.write_text(text.replace('"ada"', '"eve"', 1))
    with pytest.raises(CommandError, match="edited"):
        call_command("verify_export", str(path))
    assert [event.source for event in events(action="audit:exported")] == ["command"]
    with pytest.raises(CommandError, match="not understood"):
        call_command("export_audit", "--since", "yesterday")
