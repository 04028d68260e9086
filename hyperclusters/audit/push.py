"""Sends every event on: as lines on stdout for log shippers, and as posts to a webhook.

At least once and in order: each sink has a cursor, which moves only after its batch was accepted; receivers tell
duplicates by `seq`. Events get their numbers under the chain's lock, so none can appear behind the cursor. A post is
`application/x-ndjson` with `X-Audit-Timestamp` and `X-Audit-Signature: v1=…` (see `signature`).
"""

from __future__ import annotations

import hmac
import http.client
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from . import clock
from .chain import to_jsonl
from .ledger import Subject, record
from .models import AlertSettings, ChainHead, Event, EventQuerySet, ScheduledTask, UndeliveredEvent
from .readable import sealed_fields, values
from .vocabulary import EventType, Outcome

AT_ONCE = 100  # events a batch
PATIENCE = 10.0  # seconds for each step of a post
BACKOFF_AT_MOST = 300  # seconds; a Retry-After beyond it is cut to it
TOO_LARGE = 413
REFUSALS = {400, TOO_LARGE, 422}  # the sink answers, and refuses exactly these events
IN_A_ROW = 3  # single events refused with 400 or 422 one after another: then it is the sink that is wrong
Sink = Callable[[Sequence[str]], None]


class NotDelivered(Exception):
    """A sink did not confirm the batch."""

    def __init__(self, why: str, status: int = 0, retry_after: float = 0) -> None:
        super().__init__(why)
        self.status = status
        self.retry_after = retry_after  # seconds


def to_stdout(lines: Sequence[str]) -> None:
    """Print the events. Raises NotDelivered if stdout is closed, OSError if nobody reads it any more."""
    try:
        sys.stdout.write("".join(f"{each}\n" for each in lines))
        sys.stdout.flush()
    except ValueError as error:
        raise NotDelivered("stdout is closed") from error


def to_webhook(lines: Sequence[str]) -> None:
    """Post the events, signed with the time, so that nobody can forge or replay a batch. Raises NotDelivered or
    OSError."""
    address = urlsplit(settings.AUDIT_WEBHOOK)
    body = "".join(f"{each}\n" for each in lines).encode()
    now = str(int(clock.now().timestamp()))
    headers = {
        "Content-Type": "application/x-ndjson",
        "X-Audit-Timestamp": now,
        "X-Audit-Signature": f"v1={signature(now, body)}",
    }
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=PATIENCE)
    try:
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
    except http.client.HTTPException as error:
        raise NotDelivered(type(error).__name__) from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:  # redirects too: the operator sets the address, not the answer
        raise NotDelivered(
            f"HTTP {answer.status}", answer.status, _seconds(answer.getheader("Retry-After", ""))
        )


def _seconds(text: str) -> float:
    """The seconds of a Retry-After (seconds or a date); 0 if it is neither."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return (parsedate_to_datetime(text) - clock.now()).total_seconds()
    except (TypeError, ValueError):
        return 0


def signature(timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 of the timestamp, a full stop and the body, in hexadecimal."""
    return hmac.digest(settings.AUDIT_WEBHOOK_KEY.encode(), f"{timestamp}.".encode() + body, "sha256").hex()


def sinks() -> dict[str, Sink]:
    """The sinks that are switched on, by the names of their tasks."""
    active: dict[str, Sink] = {}
    if settings.AUDIT_STDOUT:
        active["push to stdout"] = to_stdout
    if settings.AUDIT_WEBHOOK:
        active["push to webhook"] = to_webhook
    return active


def push(sink: Sink, task: ScheduledTask, may_go_on: Callable[[], bool]) -> None:
    """Send new events, batch by batch. A batch that is refused for its content is sent again in halves; one that
    fails for another reason is sent again later, after growing pauses."""
    size = AT_ONCE
    while may_go_on():
        batch = values(new_events(task)[:size], "canonical", "digest")
        if not batch:
            return
        try:
            sink([_line(*event) for event in batch])
        except (NotDelivered, OSError) as error:
            status = error.status if isinstance(error, NotDelivered) else 0
            if status in REFUSALS and len(batch) > 1:
                size = len(batch) // 2
                continue
            if status not in REFUSALS or (status != TOO_LARGE and _refuses_everything(task)):
                _try_later(task, error, batch[0][0])
                return
            _set_aside(task, batch[0][0], str(error))
        else:
            _advance(task, batch[-1][0])
            size = min(size * 2, AT_ONCE)


def new_events(task: ScheduledTask) -> EventQuerySet:
    """The events that the task has not sent, up to the chain's end: a forged number far beyond it must not hide what
    follows."""
    head = ChainHead.objects.first() or ChainHead()
    return Event.objects.filter(seq__gt=task.seq, seq__lte=head.seq).order_by("seq")


def _line(seq: int, text: str | None, seal: str | None) -> str:
    """The event as it was sealed; a line that says so if it is not, or belongs to another number."""
    fields = sealed_fields(text, seal)
    if fields is None or fields["seq"] != seq:
        return json.dumps({"seq": seq, "unreadable": "see manage.py verify_audit"})
    return to_jsonl(str(text), str(seal))


def _advance(task: ScheduledTask, seq: int) -> None:
    task.seq, task.failures, task.error, task.is_late = seq, 0, "", False
    task.save(update_fields=["seq", "failures", "error", "is_late"])


def _try_later(task: ScheduledTask, error: Exception, seq: int) -> None:
    """Pause. Events that have waited too long raise an alert, once until something is accepted again."""
    task.failures += 1
    task.error = f"{type(error).__name__}: {error}"[:200]
    pause = max(2**task.failures if task.failures < 9 else BACKOFF_AT_MOST, getattr(error, "retry_after", 0))
    now = clock.now()
    task.run_after = now + timedelta(seconds=min(pause, BACKOFF_AT_MOST))
    waits_since = _time_of(new_events(task))
    late = timedelta(minutes=AlertSettings.current().late_minutes)
    with transaction.atomic():
        if waits_since and now - waits_since > late and not task.is_late:
            task.is_late = True
            subject = Subject("sink", task.name, task.name)
            record(EventType.PUSH_LATE, Outcome.FAILED, on=subject, after={"seq": seq}, reason=task.error)
        task.save(update_fields=["failures", "error", "run_after", "is_late"])


def _refuses_everything(task: ScheduledTask) -> bool:
    """Whether the events right before this one were refused as well: then the sink or its address is wrong."""
    before = UndeliveredEvent.objects.filter(sink=task.name, seq__gt=task.seq - IN_A_ROW, seq__lte=task.seq)
    return before.count() == IN_A_ROW


def _set_aside(task: ScheduledTask, seq: int, error: str) -> None:
    """Skip one event that the sink refuses by itself, and report it; the event stays in the ledger."""
    with transaction.atomic():
        UndeliveredEvent.objects.get_or_create(
            sink=task.name, seq=seq, defaults={"error": error[:200], "at": clock.now()}
        )
        subject = Subject("sink", task.name, task.name)
        record(EventType.PUSH_REFUSED, Outcome.FAILED, on=subject, after={"seq": seq}, reason=error)
        _advance(task, seq)


@dataclass(frozen=True, slots=True)
class SinkState:
    """How far a sink is behind the ledger."""

    name: str
    seq: int  # has every event up to here, except those set aside
    backlog: int  # events
    waits_since: datetime | None
    error: str
    undelivered_seqs: tuple[int, ...]  # the numbers of the newest ones, newest first
    undelivered_count: int


def sink_states() -> list[SinkState]:
    """The state of each sink that is switched on; one that no worker has begun waits for every event."""
    head = ChainHead.objects.get().seq
    tasks = ScheduledTask.objects.in_bulk(list(sinks()))
    return [_state(tasks.get(name) or ScheduledTask(name=name), head) for name in sinks()]


def _state(task: ScheduledTask, head: int) -> SinkState:
    rows = UndeliveredEvent.objects.filter(sink=task.name)
    return SinkState(
        name=task.name.removeprefix("push to "),
        seq=task.seq,
        backlog=max(head - task.seq, 0),
        waits_since=_time_of(new_events(task)),
        error=task.error,
        undelivered_seqs=tuple(rows.order_by("-seq").values_list("seq", flat=True)[:10]),
        undelivered_count=rows.count(),
    )


def _time_of(rows: EventQuerySet) -> datetime | None:
    """The time of the first of these events, if there is one and it is readable."""
    times = values(rows[:1], "at")
    return times[0][1] if times else None
