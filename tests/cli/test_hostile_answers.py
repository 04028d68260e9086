"""Whatever a server or proxy answers, and however wrong the local clock is: a sentence and the documented exit code."""

from __future__ import annotations

import errno
import io
import json
import sys
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from hyperclusters.cli import client, read_commands
from hyperclusters.cli.client import retry_after
from hyperclusters.cli.errors import ExitCode

from .conftest import Run
from .server import DRIP, Answer, ok, serve
from .test_exit_codes import CREATE, HTML, ME, ROW, creation

pytestmark = pytest.mark.any_database
JSON = {"Content-Type": "application/json"}
PROBLEM = {"Content-Type": "application/problem+json"}
ID = ROW["id"]
READS = (
    ("whoami",),
    ("list",),
    ("show", ID),
    ("show", "train"),
    ("creations",),
    ("creations", ID),
    ("audit",),
    ("grants", "vision"),
)
EVENT = {
    "seq": 1,
    "is_readable": True,
    "at": "2026-11-25T22:30:00+00:00",
    "action": "access:granted",
    "outcome": "done",
    "person": "tom",
    "object": None,
    "response": None,
    "reason": "",
}
NOT_OURS: dict[str, Answer] = {
    "page": (200, HTML, b"<h1>Welcome to the hotel</h1>"),
    "empty": (200, JSON, b""),
    "no content": (204, {}, b""),
    "cut short": (200, JSON, b'{"items": ['),
    "not UTF-8": (200, JSON, b'{"username": "\xff"}'),
    "deep": (200, JSON, b"[" * 100_000),
    "null": ok(None),
    "number": ok(7),
    "text": ok("hello"),
    "list": ok([]),
    "list of lists": ok([[[]]]),
    "other object": ok({"hello": "world"}),
    "items is null": ok({"items": None, "next": None}),
    "items of numbers": ok({"items": [7], "next": None}),
    "items of nothing": ok({"items": [{}], "next": None}),
    "next is a number": ok({"items": [], "next": 7}),
    "next is for ever": ok({"items": [], "next": "again"}),
    "other kinds": ok(dict.fromkeys((*ROW, *ME, "items", "next"), 7)),
    "null everywhere": ok(dict.fromkeys((*ROW, *ME, "items", "next"))),
}
ERRORS: dict[str, Answer] = {
    "portal": (403, HTML, b"<h1>Sign in</h1>"),
    "proxy wants a password": (407, HTML, b""),
    "gateway": (502, HTML, b"<h1>Bad gateway</h1>"),
    "problem is a page": (409, PROBLEM, b"<h1>"),
    "problem is deep": (409, PROBLEM, b"[" * 100_000),
    "problem is a list": (409, PROBLEM, b"[]"),
    "errors of numbers": (422, PROBLEM, json.dumps({"detail": 7, "errors": [7, {"field": []}]}).encode()),
    "errors is a number": (422, PROBLEM, b'{"errors": 7, "request_id": []}'),
    "teapot": (418, {}, b""),
    "unknown status": (599, HTML, b""),
}


@pytest.mark.parametrize("name", [*NOT_OURS, *ERRORS])
def test_a_read_that_gets_something_else_ends_with_a_sentence(
    run: Run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RETRY_SECONDS", 0.1)
    with serve((NOT_OURS | ERRORS)[name]) as server:
        for command in READS:
            ended = run(*command, url=server.url)
            if name in ERRORS:
                assert ended.code in {1, 4, 5}, (command, ended)
            elif ended.code == 0:  # nothing to print, or nothing but unknown values
                assert name in {"next is a number", "other kinds", "null everywhere"} or not ended.out
            else:
                assert ended.code in {1, 4}, (command, ended)
            assert ended.code == 0 or "\nError: " in f"\n{ended.err}", (command, ended)
            assert "Traceback" not in ended.err


@pytest.mark.parametrize("name", list(NOT_OURS))
@pytest.mark.parametrize("wait", [(), ("--wait",)], ids=["", "wait"])
def test_a_write_that_gets_something_else_is_open_and_says_how_to_go_on(
    run: Run, name: str, wait: tuple[str, ...]
) -> None:
    with serve(NOT_OURS[name]) as server:
        ended = run(*CREATE, *wait, url=server.url)
    assert (ended.code, "again with --key k-1" in ended.err) == (ExitCode.UNKNOWN, True), ended
    assert not ended.out


@pytest.mark.parametrize("name", list(NOT_OURS))
def test_waiting_through_something_else_is_open(run: Run, name: str) -> None:
    with serve(creation("queued"), NOT_OURS[name]) as server:
        ended = run(*CREATE, "--wait", "--timeout", "1", url=server.url)
    assert (ended.code, "again with --key k-1" in ended.err) == (ExitCode.UNKNOWN, True), ended


def test_an_answer_that_never_ends_is_given_up_at_the_deadline(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RETRY_SECONDS", 0.3)
    monkeypatch.setattr(client, "SHORTEST_ATTEMPT", 0.3)
    with serve(DRIP) as server:
        read, write = run("whoami", url=server.url), run(*CREATE, url=server.url)
    assert (read.code, "did not end in time" in read.err) == (ExitCode.UNREACHABLE, True), read
    assert (write.code, "again with --key k-1" in write.err) == (ExitCode.UNKNOWN, True), write


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon", "7", "-"])
def test_a_time_that_is_none_is_printed_as_it_came(run: Run, at: str) -> None:
    with serve(ok(ROW | {"requested_at": at})) as server:
        ended = run("creations", ID, url=server.url)
    assert (ended.code, at in ended.out) == (0, True)


@pytest.mark.parametrize(
    "text", [ID.upper(), f"{{{ID}}}", f"urn:uuid:{ID}", ID.replace("-", ""), f"URN:UUID:{ID}"]
)
def test_an_id_may_be_given_in_every_usual_form(run: Run, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    paths: list[str] = []

    def get(_self: Any, path: str, **_query: Any) -> Any:
        paths.append(path)
        return ROW | {"networks": []}

    monkeypatch.setattr(client.Client, "get", get)
    for command in (("creations", text, "--json"), ("show", text, "--json")):
        assert run(*command).code == 0
    assert paths == [f"/creations/{ID}", f"/clusters/{ID}"]


@pytest.mark.parametrize(
    "text",
    [ID[:-1], f"{ID}0", ID.replace("-", "_"), f" {ID}", "０" + ID[1:], "urn:uuid:", "{}", "../me", "a/b"],
)
def test_what_is_no_id_of_a_creation_is_usage(run: Run, text: str) -> None:
    ended = run("creations", text)
    assert (ended.code, "not the ID of a creation" in ended.err) == (2, True), ended


@pytest.mark.parametrize("seconds", ["nan", "-1", "-inf", "soon"])
def test_a_time_limit_that_is_none_is_usage(run: Run, seconds: str) -> None:
    assert run(*CREATE, "--timeout", seconds).code == 2


def test_arguments_that_are_no_text_are_usage(run: Run) -> None:
    for command in (
        ("show", "\udcff"),
        ("create", "a\udcff", "--project", "p"),
        ("list", "--search", "\udcff"),
    ):
        assert run(*command).code == 2


@pytest.mark.parametrize("ahead", [timedelta(days=-400), timedelta(), timedelta(days=400)])
def test_retry_after_as_a_date_is_read_by_the_server_s_clock(ahead: timedelta) -> None:
    now = datetime.now().astimezone() + ahead
    dates = {"Date": format_datetime(now), "Retry-After": format_datetime(now + timedelta(seconds=7))}
    assert retry_after(httpx.Headers(dates)) == 7


def test_following_prints_each_event_once_in_the_order_of_the_ledger(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events are listed by their time, which a wrong clock wrote: the newest of the list need not be the last written."""
    hour = timedelta(hours=1)
    start = datetime.fromisoformat("2026-11-25T22:30:00+00:00")
    written: list[dict[str, Any]] = [
        EVENT | {"seq": seq, "at": (start + offset).isoformat()}
        for seq, offset in ((1, 0 * hour), (2, 9 * hour), (3, -9 * hour), (4, 0 * hour), (5, 1 * hour))
    ]
    polls: list[dict[str, Any]] = []

    def get(_self: Any, _path: str, **query: Any) -> Any:
        polls.append(query)
        if len(polls) > 6:
            raise KeyboardInterrupt
        visible = written[: 2 if len(polls) < 3 else 5]
        if (after := query.get("after", "")) != "":
            return {"items": [row for row in visible if row["seq"] > after][: query["limit"]], "next": None}
        return {"items": sorted(visible, key=lambda row: row["at"], reverse=True), "next": None}

    monkeypatch.setattr(client.Client, "get", get)
    monkeypatch.setattr(read_commands, "FOLLOW_SECONDS", 0.0)
    ended = run("audit", "--follow", "--json", "--limit", "10")
    assert ended.code == 0
    assert [json.loads(line)["seq"] for line in ended.out.splitlines()] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_is_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(number, "No space left on device")

    with serve(ok({"items": [ROW], "next": None})) as server:
        monkeypatch.setattr(sys, "stdout", Full())
        ended = run("creations", url=server.url)
    assert (ended.code, "No space left on device" in ended.err) == (1, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PROXY", "ftp://proxy"),
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("SSL_CERT_FILE", "/nothing/here"),
    ],
)
def test_a_proxy_or_certificate_that_cannot_be_used_is_usage(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    ended = run("list", url="https://clusters.example.com")
    assert (ended.code, ended.err.startswith("Error: ")) == (2, True), ended


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:99999", "http://[::1", "http://a\x00b", "http://a b", "http://é\u200b", "//x", ""],
)
def test_an_address_that_is_none_is_usage(run: Run, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HYPERCLUSTERS_URL", url.replace("\x00", "%00"))
    assert run("list").code == 2


def test_a_token_from_stdin_that_is_no_text_is_usage(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hc_\xff\xfe\n"), encoding="utf-8"))
    assert run("login", "--url", "https://clusters.example.com").code == 2
    assert not (tmp_path / "config").exists()
