"""What somebody should be woken for: events of these kinds become warnings in the log, and many denials an event."""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import datetime, timedelta

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
    Action.CLOCK_WRONG,
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
        _note_bursts(after=duty.seq)
    if batch:
        duty.seq = batch[-1][0]
        duty.save(update_fields=["seq"])


def _note_bursts(after: int) -> None:
    """One event for each person and each address that was denied too often; the next one not before the time is over.

    Denials count back from the newest of the same person or address, not from now: whoever recorded them may have had
    another clock than we do.
    """
    denied = Event.objects.filter(outcome=Outcome.DENIED).order_by("-seq")
    newest = list(denied.values_list("seq", "at", "person_name", "ip")[:LOOKED_AT])
    by_person = [(seq, at, person) for seq, at, person, _ in newest]
    by_address = [(seq, at, ip) for seq, at, _, ip in newest]
    for kind, rows in (("person", by_person), ("address", by_address)):
        times: dict[str, list[datetime]] = defaultdict(list)
        for seq, at, name in rows:
            if name and (seq > after or name in times):
                times[name].append(at)
        for name, moments in times.items():
            count = sum(abs(moments[0] - at) < WITHIN for at in moments)
            earlier = Event.objects.about(f"denials:{kind}", name[:64]).filter(clock.within("at", WITHIN))
            if count >= BURST and not earlier.exists():
                subject = Subject(f"denials:{kind}", name, name)
                record(Action.DENIALS_BURST, Outcome.NOTED, subject=subject, after={"denials": count})
