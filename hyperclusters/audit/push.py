"""Hands every event on to whoever collects them: as lines on stdout for log shippers, and posted to a webhook.

At least once and in order: each sink has a cursor, which moves only after its batch was taken. Since events get their
numbers under the chain's lock, none can come to light behind the cursor.
"""

from __future__ import annotations

import hmac
import http.client
import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings

from . import clock
from .chain import line
from .models import Duty, Event, EventQuerySet, Head
from .readable import values

AT_ONCE = 100  # events a batch
PATIENCE = 10.0  # seconds for each step of a post
BACKOFF_AT_MOST = 300  # seconds
Sink = Callable[[Sequence[str]], None]


class NotTaken(Exception):
    """The webhook did not say that it has the batch."""


def to_stdout(lines: Sequence[str]) -> None:
    """Print them."""
    sys.stdout.write("".join(f"{each}\n" for each in lines))
    sys.stdout.flush()


def to_webhook(lines: Sequence[str]) -> None:
    """Post them, signed with the moment, so that nobody can forge or replay a batch. Raises NotTaken or OSError."""
    address = urlsplit(settings.AUDIT_WEBHOOK)
    body = "".join(f"{each}\n" for each in lines).encode()
    now = str(int(time.time()))
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
        status = connection.getresponse().status
    except http.client.HTTPException as error:
        raise NotTaken(type(error).__name__) from error
    finally:
        connection.close()
    if not 200 <= status < 300:  # a redirect too: the address is the operator's, not the answer's
        raise NotTaken(f"HTTP {status}")


def signature(timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 of the timestamp, a full stop and the body, in hexadecimal."""
    return hmac.digest(settings.AUDIT_WEBHOOK_KEY.encode(), f"{timestamp}.".encode() + body, "sha256").hex()


def sinks() -> dict[str, Sink]:
    """The sinks that are switched on, by the names of their duties."""
    chosen: dict[str, Sink] = {}
    if settings.AUDIT_STDOUT:
        chosen["push to stdout"] = to_stdout
    if settings.AUDIT_WEBHOOK:
        chosen["push to webhook"] = to_webhook
    return chosen


def push(duty: Duty, sink: Sink, may_go_on: Callable[[], bool]) -> None:
    """Hand on what is new, batch by batch. A batch that is not taken is tried again later, after growing pauses."""
    while may_go_on():
        batch = values(new_events(duty)[:AT_ONCE], "canonical", "digest")
        if not batch:
            return
        try:
            sink([_line(*event) for event in batch])
        except (NotTaken, OSError) as error:
            duty.failures += 1
            duty.error = f"{type(error).__name__}: {error}"[:200]
            duty.due_at = clock.now() + timedelta(seconds=min(2**duty.failures, BACKOFF_AT_MOST))
            duty.save(update_fields=["failures", "error", "due_at"])
            return
        duty.seq, duty.failures, duty.error = batch[-1][0], 0, ""
        duty.save(update_fields=["seq", "failures", "error"])


def new_events(duty: Duty) -> EventQuerySet:
    """What the duty has not had yet, up to the chain's end: a forged number far beyond it must not hide what follows."""
    head = Head.objects.first() or Head()
    return Event.objects.filter(seq__gt=duty.seq, seq__lte=head.seq).order_by("seq")


def _line(seq: int, text: str | None, sealed: str | None) -> str:
    if text is None or sealed is None:
        return json.dumps({"seq": seq, "unreadable": "see manage.py verify_audit"})
    return line(text, sealed)
