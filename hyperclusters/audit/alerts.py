"""Alerts: events of these kinds become warnings in the log, and many denials become an event."""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from datetime import datetime, timedelta

from django.db.models import QuerySet

from . import clock
from .chain import to_jsonl
from .ledger import Subject, record
from .models import AlertSettings, DenialWindow, Event, ScheduledTask
from .push import new_events
from .readable import events, values
from .vocabulary import EventType, Outcome

log = logging.getLogger(__name__)
ALERTS = (
    EventType.CREATE_OVERDUE,
    EventType.DELETE_OVERDUE,
    EventType.CREATE_CONTRADICTED,
    EventType.DELETE_CONTRADICTED,
    EventType.PROJECT_BLOCKED,
    EventType.AUDIT_BROKEN,
    EventType.DENIALS_BURST,
    EventType.CLUSTER_SEEN_OUTSIDE,
    EventType.TEAM_UNLED,
    EventType.CLOCK_WRONG,
    EventType.PUSH_LATE,
    EventType.PUSH_REFUSED,
    EventType.MESSAGE_GIVEN_UP,
)
AT_ONCE = 500
BATCH = 1000  # newest denials


def warn(task: ScheduledTask) -> None:
    """Read the ledger from the task's cursor on; each alert becomes one warning, or more if this is interrupted."""
    batch = list(events(new_events(task)[:AT_ONCE]))
    for seq, event in batch:
        if event is None:
            log.warning("ALERT audit event %s is unreadable: see manage.py verify_audit", seq)
        elif event.action in ALERTS:
            facts = json.loads(to_jsonl(event.canonical, event.digest))
            log.warning("ALERT %s", event.action, extra={"audit_event": facts})
    limits = AlertSettings.current()
    within = timedelta(minutes=limits.minutes)
    is_repeating = _repeated_denials(within)
    if any(event and event.outcome == Outcome.DENIED for _, event in batch) or is_repeating.exists():
        _note_bursts(task.seq, limits.denials, within)
    if batch:
        task.seq = batch[-1][0]
        task.save(update_fields=["seq"])


def _note_bursts(after: int, burst: int, within: timedelta) -> None:
    """One event for each person and each address that was denied too often; the next one only after that time."""
    denials = Event.objects.filter(outcome=Outcome.DENIED).order_by("-at", "-seq")[:BATCH]
    newest = [row for row in values(denials, "at", "person_name", "ip") if row[1] is not None]
    repetitions: dict[str, Counter[str]] = {"person": Counter(), "address": Counter()}
    for window in _repeated_denials(within):
        repetitions["address"][window.ip] += window.count
        repetitions["person"].update(
            {window.person_name: window.count} if window.person_name else window.labels
        )
    people = [(seq, at, person) for seq, at, person, _ in newest]
    addresses = [(seq, at, ip) for seq, at, _, ip in newest]
    for kind, rows in (("person", people), ("address", addresses)):
        counts = repetitions[kind] + _count_recent(rows, after, repetitions[kind], within)
        for name, count in counts.items():
            earlier = Event.objects.for_object(f"denials:{kind}", name[:64]).filter(
                clock.within("at", within)
            )
            if name and count >= burst and not earlier.exists():
                subject = Subject(f"denials:{kind}", name, name)
                record(EventType.DENIALS_BURST, Outcome.NOTED, on=subject, after={"denials": count})


def _repeated_denials(within: timedelta) -> QuerySet[DenialWindow]:
    return DenialWindow.objects.filter(clock.within("last_at", within), outcome=Outcome.DENIED)


def _count_recent(
    rows: list[tuple[int, datetime, str]], after: int, counts: Counter[str], within: timedelta
) -> Counter[str]:
    """The number of recent denials of each name that has one after `after` or a repeated one. `rows`: newest first.

    They count back from the name's newest one, not from now: another clock than ours may have recorded it.
    """
    times: dict[str, list[datetime]] = defaultdict(list)
    for seq, at, name in rows:
        if name and (seq > after or name in times or name in counts):
            times[name].append(at)
    return Counter({name: sum(abs(at[0] - each) < within for each in at) for name, at in times.items()})
