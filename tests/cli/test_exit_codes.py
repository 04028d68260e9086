"""What scripts rely on: exit codes, JSON on stdout, the token on neither; against a server that answers by a script."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from hyperclusters.cli import client
from hyperclusters.cli.app import COMMANDS
from hyperclusters.cli.client import retry_after

from .conftest import TOKEN, Run
from .server import DROP, Answer, ok, problem, serve

pytestmark = pytest.mark.any_database
CREATE = ("create", "train", "--project", "p", "--key", "k-1")
HTML: dict[str, str] = {"Content-Type": "text/html"}
ROW: dict[str, Any] = {
    "id": "0e6f1c1e-7d7a-4b5e-9a9e-000000000001",
    "project": "p",
    "team": "vision",
    "name": "train",
    "type": "HPS",
    "hyper_cluster_subnet_id": "",
    "reason": "",
    "state": "queued",
    "is_settled": False,
    "cluster": None,
    "cause": "",
    "code": "",
    "message": "",
    "cloud_request_id": "",
    "requested_by": "ada",
    "requested_at": "2026-11-25T22:30:00+00:00",
    "settled_at": None,
    "next_check_at": None,
}
ME = {
    "username": "ada",
    "full_name": "Ada",
    "grants": [],
    "token": {"name": "t", "scopes": [], "team": None, "expires_at": "2027-01-01T00:00:00Z"},
}


def creation(state: str, **more: Any) -> Answer:
    settled = state in {"created", "failed", "refused", "not_created", "cancelled"}
    return ok(ROW | {"state": state, "is_settled": settled} | more, 202)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (problem(400, "malformed"), 1),
        (problem(401, "token_invalid"), 4),
        (problem(403, "scope_missing"), 4),
        (problem(404, "not_found"), 4),
        ((404, HTML, b"<h1>Not here</h1>"), 1),
        (problem(409, "name_taken"), 1),
        (problem(422, "idempotency_key_reused"), 1),
        (problem(429, "rate_limited", Retry_After="60"), 1),
        (problem(503, "blocked", Retry_After="60"), 1),
        (problem(503, "busy", sent="maybe", Retry_After="60"), 3),
        (problem(500, "internal_error", sent="maybe"), 3),
        ((502, HTML, b"Bad gateway"), 3),
        ((302, HTML | {"Location": "https://elsewhere.example/"}, b""), 1),
        ((200, HTML, b"<h1>Welcome</h1>"), 3),
        (DROP, 3),
        (creation("queued"), 0),
        (creation("created"), 0),
        (creation("failed"), 1),
        (creation("needs_attention"), 3),
    ],
)
def test_a_create_ends_with_the_code_of_its_outcome(run: Run, answer: Answer | str, code: int) -> None:
    with serve(answer) as server:
        ended = run(*CREATE, "--timeout", "0.3", url=server.url)
    assert ended.code == code, ended.err
    assert "Idempotency key: k-1" in ended.err
    assert set(server.keys) == {"k-1"}
    assert ("again with --key k-1" in ended.err) == (code == 3 and not ended.out)


@pytest.mark.parametrize(
    ("state", "code"),
    [("created", 0), ("failed", 1), ("not_created", 1), ("cancelled", 1), ("needs_attention", 3)],
)
def test_waiting_ends_with_the_outcome_and_says_what_happens_meanwhile(
    run: Run, state: str, code: int
) -> None:
    with serve(creation("queued"), creation("unknown"), creation(state)) as server:
        ended = run(*CREATE, "--wait", "--json", url=server.url)
    assert ended.code == code
    assert json.loads(ended.out)["state"] == state
    assert "Waiting to be sent" in ended.err
    assert "Checking the cloud" in ended.err


def test_waiting_for_too_long_is_an_open_outcome(run: Run) -> None:
    with serve(creation("unknown")) as server:
        ended = run(*CREATE, "--wait", "--timeout", "0.3", url=server.url)
    assert (ended.code, "--key k-1" in ended.err) == (3, True)


def test_waiting_for_approval_is_said_and_an_open_outcome(run: Run) -> None:
    approval = {"needed": True, "state": "waiting", "why": "type:ECS", "by": None, "at": None, "reason": ""}
    with serve(creation("queued", approval=approval)) as server:
        ended = run(*CREATE, "--wait", "--timeout", "0.3", url=server.url)
    assert ended.code == 3
    assert "Waiting for approval by another admin of the team" in ended.err


def test_a_declined_creation_says_who_and_why(run: Run) -> None:
    approval = {
        "needed": True,
        "state": "declined",
        "why": "count:20",
        "by": "tom",
        "at": None,
        "reason": "Full",
    }
    with serve(creation("refused", approval=approval)) as server:
        ended = run(*CREATE, "--wait", url=server.url)
    assert ended.code == 1
    assert "declined, needed from cluster 20 on" in ended.out
    assert all(word in ended.out for word in ("Declined", "tom", "Full"))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again_with_the_same_key(run: Run, status: int) -> None:
    with serve(problem(status, "busy", Retry_After="0"), DROP, creation("created")) as server:
        ended = run("create", "train", "--project", "p", url=server.url)
    assert ended.code == 0
    assert len(server.keys) == 3
    assert len(set(server.keys)) == 1


def test_an_earlier_lost_answer_leaves_a_refusal_open_unless_it_is_about_the_key(run: Run) -> None:
    for refusal, code in ((problem(401, "token_invalid"), 3), (problem(409, "name_taken"), 1)):
        with serve(DROP, refusal) as server:
            assert run(*CREATE, url=server.url).code == code


def test_an_unreachable_server_and_wrong_usage_have_codes_of_their_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RETRY_SECONDS", 0.1)
    assert run("list").code == run(*CREATE).code == 5
    with serve((503, HTML, b"")) as server:
        assert run("list", url=server.url).code == 5
    for wrong in (
        ("create", "train"),
        ("list", "--colour"),
        ("create", "a", "--project", "p", "--type", "X"),
        ("create", "a", "--project", "p", "--key", "with blank"),
        ("delete", "train"),
        ("creations", "../me"),
        ("grants", "../me"),
    ):
        assert run(*wrong).code == 2, wrong
    for url in ("ftp://example.com", "https://ada:pw@example.com", "example.com", "http://"):
        assert run("list", url=url).code == 2, url
    monkeypatch.delenv("HYPERCLUSTERS_TOKEN")
    assert run("list").code == 2


@pytest.mark.parametrize("name", ["\x1b[2Jgone", "a\nb", "a\u202eb", "a\x9b31m", "\u5317\u4eac"])
def test_text_of_the_server_cannot_steer_the_terminal(run: Run, name: str) -> None:
    row = ROW | {"name": name}
    with serve(ok({"items": [row], "next": None})) as server:
        plain = run("creations", url=server.url)
        machine = run("creations", "--json", url=server.url)
    assert all(line.isprintable() for line in plain.out.split("\n"))
    assert plain.out.count("\n") == 2
    assert json.loads(machine.out)[0]["name"] == name
    assert machine.out.isascii()


@pytest.mark.parametrize(("typed", "code", "writes"), [("train", 0, 1), ("trian", 1, 0), ("", 1, 0)])
def test_delete_asks_for_the_name_before_it_sends_anything(
    run: Run, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, writes: int
) -> None:
    deletion = ROW | {"state": "queued", "cluster": {"id": ROW["id"], "cluster_id": "c-1"}}
    stdin = io.StringIO(f"{typed}\n")
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", stdin)
    with serve(
        ok({"id": ROW["id"], "name": "train", "cluster_id": "c-1", "project": "p"}), ok(deletion, 202)
    ) as server:
        ended = run("delete", ROW["id"], url=server.url)
    assert (ended.code, len(server.keys)) == (code, writes), ended.err
    assert "This deletes train (c-1) in p." in ended.err


@pytest.mark.parametrize(
    ("conflict", "words"), [(False, "Deleted\n"), (True, "Deleted, but the cloud lists it again\n")]
)
def test_g53_a_deletion_says_whether_the_cloud_lists_the_cluster_again(
    run: Run, conflict: bool, words: str
) -> None:
    cluster = {"id": ROW["id"], "cluster_id": "c-1"}
    deletion = ROW | {"state": "deleted", "conflict": conflict, "cluster": cluster}
    with serve(ok(cluster | {"name": "train", "project": "p"}), ok(deletion, 202)) as server:
        ended = run("delete", ROW["id"], "--confirm-name", "train", "--key", "k", url=server.url)
    assert words in ended.out, ended.err


def test_login_stores_the_token_for_its_owner_alone_and_for_that_server_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serve(ok(ME)) as server:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{TOKEN}\n"))
        assert run("login", "--url", f"{server.url}/").code == 0
        file = tmp_path / "config/hyperclusters/config.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert json.loads(file.read_text()) == {"url": server.url, "token": TOKEN}
        for name in ("HYPERCLUSTERS_URL", "HYPERCLUSTERS_TOKEN"):
            monkeypatch.delenv(name)
        assert "ada" in run("whoami").out
        assert run("whoami", url="http://127.0.0.1:9").code == 2  # not sent to another server
        monkeypatch.delenv("HYPERCLUSTERS_URL")
        file.chmod(0o644)
        ended = run("whoami")
    assert (ended.code, "chmod 600" in ended.err) == (2, True)


def test_a_token_that_is_refused_is_not_stored(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{TOKEN}\n"))
    with serve(problem(401, "token_invalid")) as server:
        assert run("login", "--url", server.url).code == 4
    assert not os.path.lexists(tmp_path / "config")


def test_an_export_that_was_cut_short_is_no_success(run: Run) -> None:
    with serve((200, {"Content-Type": "application/x-ndjson"}, b'{"seq": 1}\n')) as server:
        ended = run("export", url=server.url)
    assert (ended.code, "not complete" in ended.err) == (5, True)


def test_help_has_an_example_of_each_command(run: Run) -> None:
    for name in [name for name, _command, _example in COMMANDS]:
        assert f"Example: hyperclusters {name}" in " ".join(run(name, "--help").out.split())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("", 0), ("soon", 0), ("-1", 0), ("\u0663", 0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)],
)
def test_retry_after_is_a_number_or_a_date(value: str, seconds: float) -> None:
    assert retry_after(httpx.Headers([(b"Retry-After", value.encode())])) == seconds
