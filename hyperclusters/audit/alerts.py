"""What somebody should be woken for: events of these kinds become warnings in the log, and many denials an event."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta

from . import clock
from .chain import line
from .ledger import Subject, record
from .models import Duty, Event
from .push import new_events
from .readable import values
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
    batch = values(new_events(duty)[:AT_ONCE], "action", "outcome", "canonical", "digest")
    for seq, action, _, text, sealed in batch:
        if action is None:
            log.warning("ALERT audit event %s is unreadable: see manage.py verify_audit", seq)
        elif action in ALERTS:
            log.warning("ALERT %s %s", action, line(text, sealed))
    if any(outcome == Outcome.DENIED for _, _, outcome, _, _ in batch):
        _note_bursts()
    if batch:
        duty.seq = batch[-1][0]
        duty.save(update_fields=["seq"])


def _note_bursts() -> None:
    """One event for each person and each address that was denied too often; the next one not before the time is over."""
    since = clock.now() - WITHIN
    denied = Event.objects.filter(outcome=Outcome.DENIED).order_by("-seq")[:LOOKED_AT]
    found = values(denied, "at", "person_name", "ip")
    recent = [(person, ip) for _, at, person, ip in found if at and at > since]
    for kind, counted in (
        ("person", Counter(p for p, _ in recent)),
        ("address", Counter(ip for _, ip in recent)),
    ):
        for name, count in counted.items():
            told = Event.objects.about(f"denials:{kind}", name[:64]).filter(at__gt=since)
            if name and count >= BURST and not told.exists():
                subject = Subject(f"denials:{kind}", name, name)
                record(Action.DENIALS_BURST, Outcome.NOTED, subject=subject, after={"denials": count})
