"""Repeated denials are one event with a count, so that nobody who is turned away can fill the ledger.

Of the denials of one kind, of one person (or of all strangers) in one network, the first about each of a few things is
an event at once. The rest is counted in a row, and becomes one event when the window is over. Each denial is thus in
exactly one event.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from . import clock
from .chain import Entry
from .models import DenialWindow, Event
from .vocabulary import Outcome

WINDOW = timedelta(minutes=5)
FIRST = 5  # things a window is about that get an event of their own
LABELS = 20  # things that a summary names; the rest is counted under OTHERS
OTHERS = "…"


def is_repeated(event: Event) -> bool:
    """Whether this event is a denial that is counted instead of recorded. Call it in the event's own transaction."""
    if event.outcome != Outcome.DENIED or not event.ip:
        return False  # what a worker or a command denies is the end of one piece of work, which has its own history
    key = _key(event)
    while True:
        window = DenialWindow.objects.select_for_update().filter(key=key).first()
        if window is not None:
            return _is_counted(window, event)
        try:
            with transaction.atomic():
                DenialWindow.objects.create(
                    key=key, opened_at=event.at, labels={_label(event): 0}, **_about(event)
                )
        except IntegrityError:
            continue  # another process opened it at this moment
        return False


def close_windows() -> None:
    """Write the summary of each window that is over."""
    for pk in list(_over(clock.now()).values_list("pk", flat=True)):
        with transaction.atomic():
            if window := _over(clock.now()).select_for_update().filter(pk=pk).first():
                _summarize(window)
                window.delete()


def network_of(ip: str) -> str:
    """What one subscriber has: an IPv4 address, an IPv6 /64. A text that is no address stands for itself."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _is_counted(window: DenialWindow, event: Event) -> bool:
    label = _label(event)
    if abs(event.at - window.opened_at) >= WINDOW:
        _summarize(window)
        window.opened_at, window.count, window.first_at, window.last_at = event.at, 0, None, None
        window.labels = {label: 0}
        window.save()
        return False
    is_first = label not in window.labels and len(window.labels) < FIRST
    if label not in window.labels and len(window.labels) >= LABELS:
        label = OTHERS
    if not is_first:
        window.count += 1
        window.first_at, window.last_at, window.ip = window.first_at or event.at, event.at, event.ip
    window.labels[label] = window.labels.get(label, 0) + (not is_first)
    window.save()
    return not is_first


def _summarize(window: DenialWindow) -> None:
    """One event for all that was counted; none if nothing was. It commits with what closes the window."""
    if not window.count or window.first_at is None or window.last_at is None:
        return
    about = [{"what": label, "count": count} for label, count in window.labels.items() if count]
    event = Event(
        at=clock.now(),
        action=window.action,
        outcome=Outcome.DENIED,
        object_kind="denials",
        object_name=next(iter(window.labels)) if len(window.labels) == 1 else "",
        after={  # keys in the order in which PostgreSQL keeps them
            "last": window.last_at.isoformat(),
            "about": sorted(about, key=lambda each: (-each["count"], each["what"])),
            "count": window.count,
            "first": window.first_at.isoformat(),
        },
        evidence="repeated",
        **{name: getattr(window, name) for name in COPIED},
    )
    transaction.on_commit(Entry(event))


COPIED = ("person_id", "person_name", "team_id", "team_name", "ip", "source")


def _about(event: Event) -> dict[str, Any]:
    """What a window takes from its first event. Strangers share one, so it names none of them."""
    values: dict[str, Any] = {name: getattr(event, name) for name in ("action", *COPIED)}
    return values if event.person_id else values | {"person_name": ""}


def _key(event: Event) -> str:
    parts = [event.action, event.person_id, event.team_id, network_of(event.ip)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _label(event: Event) -> str:
    """What a denial is about: a page, an object, or for strangers the name that they tried."""
    return (event.object_name or (event.person_id is None and event.person_name) or event.reason)[:100]


def _over(now: datetime) -> QuerySet[DenialWindow]:
    """Windows that are over; one that was opened by a clock far ahead counts as over too."""
    return DenialWindow.objects.filter(Q(opened_at__lte=now - WINDOW) | Q(opened_at__gte=now + WINDOW))
