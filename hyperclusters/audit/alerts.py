"""What somebody should be woken for: events of these kinds become warnings in the log, and many denials an event."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta

from . import clock
from .chain import line
from .ledger import Subject, record
from .models import Duty, Event
from .vocabulary import Action, Outcome

log = logging.getLogger(__name__)
ALERTS = (
    Action.CREATE_OVERDUE,
    Action.DELETE_OVERDUE,
    Action.CREATE_CONTRADICTED,
    Action.PROJECT_BLOCKED,
    Action.AUDIT_BROKEN,
    Action.DENIALS_BURST,
    Action.CLUSTER_SEEN_OUTSIDE,
    Action.TEAM_UNLED,
)
AT_ONCE = 500
BURST, WITHIN = 20, timedelta(minutes=5)  # so many denials of one person or address in that time
LOOKED_AT = 1000  # newest denials


def warn(duty: Duty) -> None:
    """Go along the ledger from where the duty stands; each alert becomes one warning, or more if this is interrupted."""
    rows = Event.objects.filter(seq__gt=duty.seq).order_by("seq")
    batch = list(rows.values_list("seq", "action", "outcome", "canonical", "digest")[:AT_ONCE])
    for _, action, _, text, sealed in batch:
        if action in ALERTS:
            log.warning("ALERT %s %s", action, line(text, sealed))
    if any(outcome == Outcome.DENIED for _, _, outcome, _, _ in batch):
        _note_bursts()
    if batch:
        duty.seq = batch[-1][0]
        duty.save(update_fields=["seq"])


def _note_bursts() -> None:
    """One event for each person and each address that was denied too often; the next one not before the time is over."""
    since = clock.now() - WITHIN
    denied = (
        Event.objects.filter(outcome=Outcome.DENIED, at__gt=since)
        .order_by("-at", "-seq")
        .values_list("person_name", "ip")
    )
    recent = list(denied[:LOOKED_AT])
    for kind, counted in (
        ("person", Counter(p for p, _ in recent)),
        ("address", Counter(ip for _, ip in recent)),
    ):
        for name, count in counted.items():
            told = Event.objects.about(f"denials:{kind}", name[:64]).filter(at__gt=since)
            if name and count >= BURST and not told.exists():
                subject = Subject(f"denials:{kind}", name, name)
                record(Action.DENIALS_BURST, Outcome.NOTED, subject=subject, after={"denials": count})
