"""The demo begins with a month of history in a ledger that verifies, is quiet on the terminal, and runs in any folder.
The clock that it writes its history by is closed to everything else (promise G38)."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from bench.processes import free_port
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.deployment.site import ROOT

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def empty_ledger(transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's, before its first event. What tests before this one recorded stays: a ledger has no way back."""
    settings.DEMO = True
    monkeypatch.setattr(clock, "_has_events", lambda: False)


def is_refused() -> bool:
    try:
        with clock.replay(LONG_AGO):
            return False
    except RuntimeError:
        return abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_g38_only_the_demo_writes_a_history(empty_ledger: None, settings: Any) -> None:
    assert is_refused() == (connection.vendor != "sqlite")
    settings.DEMO = False
    assert is_refused()


def test_g38_no_history_is_written_once_the_ledger_has_an_event(
    transactional_db: None, settings: Any
) -> None:
    settings.DEMO = True
    record(EventType.SIGNED_OUT, Outcome.DONE)
    assert is_refused()


def test_g38_a_history_runs_forward_and_never_ahead_of_the_real_time(empty_ledger: None) -> None:
    if connection.vendor != "sqlite":
        return
    with clock.replay(LONG_AGO) as set_clock:
        set_clock(LONG_AGO + timedelta(days=1))
        assert clock.now() - LONG_AGO < timedelta(days=1, minutes=1)
        for wrong in (LONG_AGO, datetime.now(UTC) + timedelta(hours=1)):
            with pytest.raises(ValueError, match="forward"):
                set_clock(wrong)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_g38_nothing_but_the_demo_s_seed_opens_that_clock() -> None:
    files = (ROOT / "hyperclusters").rglob("*.py")
    users = {str(file.relative_to(ROOT)) for file in files if "clock.replay" in file.read_text()}
    assert users == {"hyperclusters/demo/seed.py"}


class Demo:
    """A running demo, and what it has printed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.output, self.port = folder, folder.with_name("output.txt"), free_port()
        env = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder), "PORT": str(self.port)}
        env |= {
            "SIMULATOR_PORT": str(free_port()),
            "DEMO_PASSWORD": "a-demo-password",
            "PYTHONUNBUFFERED": "1",
        }
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "demo"], env=env, stdout=output, stderr=output
            )

    def wait_until_it_greets(self) -> list[str]:
        while "API token" not in (printed := self.output.read_text()):
            if self.process.poll() is not None:
                pytest.fail(printed)
            with pytest.raises(subprocess.TimeoutExpired):
                self.process.wait(timeout=0.5)
        return printed.splitlines()

    def get(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    folder = tmp_path / "with blanks #1? 100%41 中文"
    folder.mkdir()
    running = Demo(folder)
    yield running
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(timeout=90)


def test_the_demo_starts_quietly_in_any_folder_with_a_month_that_verifies(demo: Demo) -> None:
    lines = demo.wait_until_it_greets()
    assert [line.split() for line in lines[-2:]] == [
        ["password", "a-demo-password"],
        ["ada's", "API", "token", lines[-1].split()[-1]],
    ]
    assert re.fullmatch(r"hc_\w+", lines[-1].split()[-1])
    assert f"The dashboard is at http://127.0.0.1:{demo.port}" in lines[-14:]
    assert len(lines) < 25, "nothing else is on the terminal"
    assert list((demo.folder / "mail").iterdir()), "mails are files"
    assert demo.get("/accounts/login/") == 200

    file = f"file:{urllib.request.pathname2url(str(demo.folder))}/hyperclusters.sqlite3?mode=ro"
    with closing(sqlite3.connect(file, uri=True)) as db:
        first, last = db.execute("SELECT min(at), max(at) FROM audit_event").fetchone()
        days = {at[:10] for (at,) in db.execute("SELECT at FROM audit_event")}
        states = {state for (state,) in db.execute("SELECT state FROM clusters_creation")}
        admins = db.execute(
            "SELECT count(DISTINCT team_id) FROM access_grant WHERE role = 'admin' AND ended_at IS NULL"
        )
        assert admins.fetchone() == (2,)
    span = datetime.fromisoformat(last) - datetime.fromisoformat(first)
    assert timedelta(days=29) < span <= timedelta(days=30, hours=1)
    assert len(days) >= 12
    assert {"created", "failed", "needs_attention"} <= states

    env = {"PATH": os.environ["PATH"], "DATA_DIR": str(demo.folder), "DEMO": "1"}
    verify = [sys.executable, str(ROOT / "manage.py"), "verify_audit"]
    done = subprocess.run(verify, env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "intact" in done.stdout
