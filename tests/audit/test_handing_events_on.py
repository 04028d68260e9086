"""Log shippers and a webhook get every event, at least once and in order; alerts are said."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from hyperclusters.audit import duties, push
from hyperclusters.audit.alerts import BURST
from hyperclusters.audit.chain import digest, unline
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import Duty
from hyperclusters.audit.origin import Origin, acting_from
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from tests.conftest import events

KEY = "k" * 32


@dataclass
class Collector:
    """A webhook's other end. `answers` are given one after the other, then 204."""

    address: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def numbers(self) -> list[int]:
        return [json.loads(line)["seq"] for _, body in self.got for line in body.decode().splitlines()]


@pytest.fixture
def collector() -> Iterator[Collector]:
    seen = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.got.append((dict(self.headers), body))
            status = seen.answers.pop(0) if seen.answers else 204
            if status:
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing on the terminal."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    seen.address = f"http://127.0.0.1:{server.server_port}/audit?from=us"
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def switched_on(settings: Any, tmp_path: Path, collector: Collector) -> None:
    settings.AUDIT_ANCHORS = tmp_path / "anchors.jsonl"
    settings.AUDIT_WEBHOOK, settings.AUDIT_WEBHOOK_KEY = collector.address, KEY


def noted(count: int) -> None:
    for _ in range(count):
        record(Did.SIGNED_OUT, Outcome.DONE, person_name="ada")


def again() -> None:
    """The duties, once time has passed."""
    Duty.objects.update(due_at=timezone.now())
    duties.run_due()


def test_every_event_is_posted_once_in_order_and_signed(
    database: None, collector: Collector, settings: Any
) -> None:
    noted(push.AT_ONCE + 5)
    duties.run_due()
    noted(2)
    again()
    assert collector.numbers() == [event.seq for event in events()]
    headers, body = collector.got[0]
    made = hmac.new(KEY.encode(), headers["X-Audit-Timestamp"].encode() + b"." + body, "sha256").hexdigest()
    assert headers["X-Audit-Signature"] == f"v1={made}"
    assert abs(int(headers["X-Audit-Timestamp"]) - timezone.now().timestamp()) < 60
    for line in body.decode().splitlines():
        text, sealed = unline(line)
        assert digest(settings.AUDIT_KEYS[0][1], text) == sealed


@pytest.mark.parametrize("answer", [500, 404, 301, 307, 100, 0])
def test_what_is_not_taken_is_posted_again_after_growing_pauses(
    answer: int, database: None, collector: Collector
) -> None:
    noted(3)
    collector.answers = [answer, answer]
    duties.run_due()
    duty = Duty.objects.get(name="push to webhook")
    assert (duty.seq, duty.failures) == (0, 1)
    assert duty.error
    first_pause = duty.due_at - timezone.now()
    duties.run_due()
    assert len(collector.got) == 1
    again()
    duty.refresh_from_db()
    assert duty.failures == 2
    assert duty.due_at - timezone.now() > first_pause
    again()
    duty.refresh_from_db()
    assert (duty.seq, duty.failures, duty.error) == (3, 0, "")
    assert collector.numbers() == [1, 2, 3] * 3


def test_a_collector_that_is_away_keeps_nothing_else_from_being_done(
    database: None, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.AUDIT_WEBHOOK = "http://127.0.0.1:1/"
    settings.AUDIT_STDOUT = True
    noted(2)
    duties.run_due()
    assert [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()] == [1, 2]
    again()
    noted(1)
    again()
    assert [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()] == [3]


def test_alerts_are_said_once_and_not_for_the_past(database: None, caplog: pytest.LogCaptureFixture) -> None:
    record(Did.CLUSTER_SEEN_OUTSIDE, Outcome.NOTED, subject=Subject("cluster", "1", "before"))
    duties.run_due()
    kinds = (Did.CLUSTER_SEEN_OUTSIDE, Did.CREATE_OVERDUE, Did.PROJECT_BLOCKED, Did.AUDIT_BROKEN)
    for kind in kinds:
        record(kind, Outcome.NOTED)
    noted(3)
    again()
    again()
    said = [record.getMessage() for record in caplog.records if "ALERT" in record.getMessage()]
    assert [line.split()[1] for line in said] == [str(kind) for kind in kinds]
    assert all(json.loads(line.split(" ", 2)[2])["digest"] for line in said)


def test_a_burst_of_denials_is_one_event_for_the_person_and_one_for_the_address(database: None) -> None:
    duties.run_due()
    with acting_from(Origin("page", "192.0.2.7", "")):
        for _ in range(BURST - 1):
            record(Did.SIGN_IN_FAILED, Outcome.DENIED, person_name="ada")
        again()
        assert not events(action=Did.DENIALS_BURST)
        for _ in range(BURST):
            record(Did.SIGN_IN_FAILED, Outcome.DENIED, person_name="ada")
        again()
        record(Did.SIGN_IN_FAILED, Outcome.DENIED, person_name="ada")
        again()
    told = [(event.object_kind, event.object_name) for event in events(action=Did.DENIALS_BURST)]
    assert told == [("denials:person", "ada"), ("denials:address", "192.0.2.7")]
