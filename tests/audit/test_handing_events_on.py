"""Log shippers and a webhook get every event, at least once and in order; alerts are said."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from hyperclusters.audit import clock, leases, push, tasks
from hyperclusters.audit.chain import digest, from_jsonl
from hyperclusters.audit.ledger import Subject, record
from hyperclusters.audit.models import AlertSettings, Event, ScheduledTask, UndeliveredEvent
from hyperclusters.audit.request_context import RequestContext, request_context
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters.metrics import exposition
from tests.audit.tampering import sql, unguarded
from tests.conftest import People, events
from tests.web.pages import SignIn, words

BURST = AlertSettings().denials

KEY = "k" * 32


@dataclass
class Collector:
    """A webhook's other end. `answers` are given one after the other, then 204."""

    address: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    refuses: Callable[[bytes], int] = lambda _: 0  # the status for such a body; 0: none
    retry_after: str = ""
    statuses: list[int] = field(default_factory=list)  # of what was got, in order

    def taken(self) -> list[int]:
        """The events of the batches that were taken, in order."""
        pairs = zip(self.got, self.statuses, strict=True)
        bodies = [body for (_, body), status in pairs if status == 204]
        return [json.loads(line)["seq"] for body in bodies for line in body.decode().splitlines()]

    def numbers(self) -> list[int]:
        return [json.loads(line)["seq"] for _, body in self.got for line in body.decode().splitlines()]


@pytest.fixture
def collector() -> Iterator[Collector]:
    seen = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.got.append((dict(self.headers), body))
            status = seen.answers.pop(0) if seen.answers else seen.refuses(body) or 204
            seen.statuses.append(status)
            if status:
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                if seen.retry_after:
                    self.send_header("Retry-After", seen.retry_after)
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
        record(EventType.SIGNED_OUT, Outcome.DONE, person_name="ada")


def again() -> None:
    """The duties, once time has passed."""
    ScheduledTask.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    tasks.run_due()


def test_every_event_is_posted_once_in_order_and_signed(
    database: None, collector: Collector, settings: Any
) -> None:
    noted(push.AT_ONCE + 5)
    tasks.run_due()
    noted(2)
    again()
    assert collector.numbers() == [event.seq for event in events()]
    headers, body = collector.got[0]
    made = hmac.new(KEY.encode(), headers["X-Audit-Timestamp"].encode() + b"." + body, "sha256").hexdigest()
    assert headers["X-Audit-Signature"] == f"v1={made}"
    assert abs(int(headers["X-Audit-Timestamp"]) - timezone.now().timestamp()) < 60
    for line in body.decode().splitlines():
        text, sealed = from_jsonl(line)
        assert digest(settings.AUDIT_KEYS[0][1], text) == sealed


@pytest.mark.parametrize("answer", [500, 404, 301, 307, 100, 0])
def test_what_is_not_taken_is_posted_again_after_growing_pauses(
    answer: int, database: None, collector: Collector
) -> None:
    noted(3)
    collector.answers = [answer, answer]
    tasks.run_due()
    task = ScheduledTask.objects.get(name="push to webhook")
    assert (task.seq, task.failures) == (0, 1)
    assert task.error
    first_pause = task.run_after - timezone.now()
    tasks.run_due()
    assert len(collector.got) == 1
    again()
    task.refresh_from_db()
    assert task.failures == 2
    assert task.run_after - timezone.now() > first_pause
    again()
    task.refresh_from_db()
    assert (task.seq, task.failures, task.error) == (3, 0, "")
    assert collector.numbers() == [1, 2, 3] * 3


def test_a_collector_that_is_away_keeps_nothing_else_from_being_done(
    database: None, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.AUDIT_WEBHOOK = "http://127.0.0.1:1/"
    settings.AUDIT_STDOUT = True
    noted(2)
    tasks.run_due()
    assert [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()] == [1, 2]
    again()
    noted(1)
    again()
    assert [json.loads(line)["seq"] for line in capsys.readouterr().out.splitlines()] == [3]


def test_alerts_are_said_once_and_not_for_the_past(database: None, caplog: pytest.LogCaptureFixture) -> None:
    record(EventType.CLUSTER_SEEN_OUTSIDE, Outcome.NOTED, on=Subject("cluster", "1", "before"))
    tasks.run_due()
    kinds = (
        EventType.CLUSTER_SEEN_OUTSIDE,
        EventType.CREATE_OVERDUE,
        EventType.PROJECT_BLOCKED,
        EventType.AUDIT_BROKEN,
    )
    for kind in kinds:
        record(kind, Outcome.NOTED)
    noted(3)
    again()
    again()
    lines = [vars(line) for line in caplog.records if "ALERT" in line.getMessage()]
    assert [line["audit_event"]["action"] for line in lines] == [str(kind) for kind in kinds]
    assert all(line["audit_event"]["digest"] for line in lines)


def test_a_burst_of_denials_is_one_event_for_the_person_and_one_for_the_address(database: None) -> None:
    tasks.run_due()
    with request_context(RequestContext("page", "192.0.2.7", "")):
        for _ in range(BURST - 1):
            record(EventType.SIGN_IN_FAILED, Outcome.DENIED, person_name="ada")
        again()
        assert not events(action=EventType.DENIALS_BURST)
        for _ in range(BURST):
            record(EventType.SIGN_IN_FAILED, Outcome.DENIED, person_name="ada")
        again()
        record(EventType.SIGN_IN_FAILED, Outcome.DENIED, person_name="ada")
        again()
    rows = [(event.object_kind, event.object_name) for event in events(action=EventType.DENIALS_BURST)]
    assert rows == [("denials:person", "ada"), ("denials:address", "192.0.2.7")]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_g47_a_collector_that_refuses_large_batches_gets_smaller_ones(
    status: int, database: None, collector: Collector
) -> None:
    collector.refuses = lambda body: status if len(body) > 4_000 else 0
    noted(150)
    tasks.run_due()
    numbers = collector.taken()
    assert numbers == [event.seq for event in events()]
    task = ScheduledTask.objects.get(name="push to webhook")
    assert (task.seq, task.failures) == (numbers[-1], 0)
    assert len(collector.got) < 60


@pytest.mark.parametrize("status", [400, 413, 422])
def test_g47_a_single_event_that_is_refused_is_set_aside_and_reported(
    status: int, database: None, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.refuses = lambda body: status if b"too much" in body else 0
    tasks.run_due()
    noted(4)
    record(EventType.SIGNED_OUT, Outcome.DONE, person_name="ada", reason="too much " * 400)
    noted(4)
    again()
    again()
    assert [seq for seq in collector.taken() if seq != 5] == [e.seq for e in events() if e.seq != 5]
    assert 5 not in collector.taken()
    (aside,) = UndeliveredEvent.objects.all()
    assert (aside.sink, aside.seq, aside.error) == ("push to webhook", 5, f"HTTP {status}")
    (event,) = events(action=EventType.PUSH_REFUSED)
    assert (event.object_name, event.after) == ("push to webhook", {"seq": 5})
    assert any("ALERT audit:push:refused" in each.getMessage() for each in caplog.records)
    (state,) = push.sink_states()
    assert (state.name, state.backlog, state.undelivered_seqs) == ("webhook", 0, (5,))


def test_g47_a_collector_that_refuses_everything_is_waited_for(database: None, collector: Collector) -> None:
    """A wrong address answers 400 to each event: after a few of them nothing more is set aside."""
    collector.refuses = lambda _: 400
    noted(40)
    for _ in range(4):
        again()
    assert UndeliveredEvent.objects.count() == push.IN_A_ROW
    task = ScheduledTask.objects.get(name="push to webhook")
    assert task.failures
    collector.refuses = lambda _: 0
    again()
    assert collector.taken() == [event.seq for event in events() if event.seq > push.IN_A_ROW]


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
def test_g47_other_answers_pause_and_split_nothing(status: int, database: None, collector: Collector) -> None:
    noted(20)
    collector.answers = [status]
    tasks.run_due()
    assert len(collector.got) == 1
    assert not UndeliveredEvent.objects.exists()
    assert ScheduledTask.objects.get(name="push to webhook").failures == 1


@pytest.mark.parametrize(
    ("asked_for", "least", "most"),
    [
        ("60", 55, 60),
        ("999999", 290, push.BACKOFF_AT_MOST),
        ("soon", 0, 2),
        ("-5", 0, 2),
        ("", 0, 2),
        ("9" * 40, 290, 300),
    ],
)
def test_g47_a_retry_after_is_honoured_within_bounds(
    asked_for: str, least: int, most: int, database: None, collector: Collector
) -> None:
    collector.retry_after = asked_for
    collector.answers = [503]
    noted(1)
    tasks.run_due()
    pause = ScheduledTask.objects.get(name="push to webhook").run_after - timezone.now()
    assert least - 2 <= pause.total_seconds() <= most


def test_g47_lag_is_an_alert_once_until_something_is_taken_again(
    database: None, collector: Collector
) -> None:
    AlertSettings.objects.create(pk=AlertSettings.ONLY, late_minutes=0)
    collector.answers = [500, 500, 500]
    noted(1)
    for _ in range(3):
        again()
    (event,) = events(action=EventType.PUSH_LATE)
    assert (event.object_name, event.after, event.reason) == (
        "push to webhook",
        {"seq": 1},
        "NotDelivered: HTTP 500",
    )
    again()
    collector.answers = [500]
    noted(1)
    again()
    assert len(events(action=EventType.PUSH_LATE)) == 2


class Gone:
    """A stdout that nobody reads any more."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def write(self, _: str) -> None:
        raise self.error

    def flush(self) -> None:
        """Nothing to do."""


@pytest.mark.parametrize(
    "error", [BrokenPipeError(32, "Broken pipe"), ValueError("I/O operation on closed file")]
)
def test_g47_a_broken_pipe_is_a_lag_like_any_other(
    error: Exception, database: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AUDIT_WEBHOOK, settings.AUDIT_STDOUT = "", True
    noted(3)
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", Gone(error))
        tasks.run_due()
    task = ScheduledTask.objects.get(name="push to stdout")
    assert (task.seq, task.failures) == (0, 1)
    (state,) = push.sink_states()
    assert (state.backlog, state.seq) == (3, 0)
    assert state.waits_since
    again()
    (state,) = push.sink_states()
    assert (state.backlog, state.error) == (0, "")


def test_g47_the_page_and_the_metrics_say_how_far_a_sink_is_behind(
    people: People, as_: SignIn, collector: Collector
) -> None:
    collector.answers = [500]
    tasks.run_due()
    page = words(as_("olga").get("/audit/chain/"))
    head = Event.objects.order_by("-seq").values_list("seq", flat=True)[0]
    assert f"{head} events waiting" in page
    assert "HTTP 500" in page
    text = exposition().decode()
    assert 'hyperclusters_audit_sink_waiting{sink="webhook"}' in text
    assert 'hyperclusters_audit_sink_late_seconds{sink="webhook"}' in text
    UndeliveredEvent.objects.create(sink="push to webhook", seq=2, error="HTTP 413", at=timezone.now())
    again()
    assert 'hyperclusters_audit_sink_undelivered{sink="webhook"} 1.0' in exposition().decode()
    page = words(as_("olga").get("/audit/chain/"))
    assert "has every event" in page
    assert "Set aside: 2" in page


@pytest.mark.parametrize(
    ("column", "value"), [("canonical", "replace(canonical, 'ada', 'eve')"), ("digest", "key_id")]
)
def test_g47_a_sink_gets_no_text_that_was_not_sealed(
    people: People, collector: Collector, column: str, value: str
) -> None:
    record(EventType.SIGNED_IN, Outcome.DONE, on=Subject("person", "1", "ada"))
    seq = Event.objects.latest("seq").seq
    unguarded(lambda: sql(f"UPDATE audit_event SET {column} = {value} WHERE seq = %s", seq))
    tasks.run_due()
    lines = [json.loads(line) for _, body in collector.got for line in body.decode().splitlines()]
    assert [each for each in lines if each["seq"] == seq] == [
        {"seq": seq, "unreadable": "see manage.py verify_audit"}
    ]


def test_g52_a_worker_that_is_told_to_stop_takes_no_task(
    database: None, settings: Any, tmp_path: Path
) -> None:
    settings.AUDIT_ANCHORS = tmp_path / "anchors.jsonl"
    answers = iter([True])  # it is told within the first task
    tasks.run_due(lambda: next(answers, False))
    assert ScheduledTask.objects.count() == 1
    assert not ScheduledTask.objects.exclude(lease_holder="").exists()


def test_g52_another_worker_does_the_task_of_a_dead_one_within_minutes(
    database: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long task keeps its lease by renewing it, so that a lease can be short."""
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.0)
    monkeypatch.setattr(push, "AT_ONCE", 1)
    left: list[timedelta] = []
    row = ScheduledTask.objects.filter(name="push to webhook")

    def lapses_soon(_lines: object) -> None:
        expires_at = row.get().lease_expires_at
        assert expires_at
        left.append(expires_at - clock.now())
        row.update(lease_expires_at=clock.now() + timedelta(seconds=1))

    def taken_by_another(_lines: object) -> None:
        left.append(timedelta())
        row.update(lease_holder="another")  # this one was away for longer than its lease

    for each in range(3):
        record(EventType.SIGNED_IN, Outcome.DONE, on=Subject("person", str(each), str(each)))
    monkeypatch.setattr(push, "sinks", lambda: {"push to webhook": lapses_soon})
    tasks.run_due()
    assert len(left) > 2
    assert all(timedelta(minutes=4) < each <= timedelta(minutes=5) for each in left)

    record(EventType.SIGNED_IN, Outcome.DONE, on=Subject("person", "4", "4"))
    record(EventType.SIGNED_IN, Outcome.DONE, on=Subject("person", "5", "5"))
    monkeypatch.setattr(push, "sinks", lambda: {"push to webhook": taken_by_another})
    row.update(run_after=clock.now() - timedelta(seconds=1))
    left.clear()
    tasks.run_due()
    assert len(left) == 1
    assert row.get().lease_holder == "another"
