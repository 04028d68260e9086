"""Repeated denials, refusals and failed sign-ins become one event with a count, so that nobody can fill the ledger.

A window has one action, outcome, person (or all anonymous callers) and network; for a refusal, also its cause. The
first denials about a few things, and the first refusal, are events at once. The rest is counted in a row and becomes
one event when the window is over. So each of them is in exactly one event. When too many windows are open, those that
would open another share one. What a worker or a command refuses is always an event.
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
from .chain import PendingEvent
from .models import DenialWindow, Event
from .vocabulary import EventType, Outcome

WINDOW = timedelta(minutes=5)
FIRST = 5  # things a window is about that get an event of their own
LABELS = 20  # things that a summary names; others are counted under OTHERS
OTHERS = "…"
NETWORKS = 100  # open windows of one action and person (or all strangers), before others share one
BY_STRANGERS = {EventType.SIGN_IN_FAILED, EventType.PASSWORD_RESET_ASKED}  # whatever their outcome


def is_repeated(event: Event) -> bool:
    """Whether this event is counted instead of recorded. Call it in the event's transaction."""
    if not event.ip or not _is_turned_away(event):
        return False  # a refusal by a worker or a command ends work that has its own history
    about = _about(event)
    key = _key(about, cause=event.evidence if event.outcome == Outcome.REFUSED else "")
    while True:
        window = DenialWindow.objects.select_for_update().filter(key=key).first()
        if window is not None:
            return _is_counted(window, event)
        if about["ip"] and _is_crowded(about, event.at):
            about |= {"ip": "", "team_id": None, "team_name": ""}
            key = _key(about, cause="")
            continue
        try:
            with transaction.atomic():
                DenialWindow.objects.create(key=key, opened_at=event.at, labels={_label(event): 0}, **about)
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
    """What one subscriber has: an IPv4 address, an IPv6 /64. A text that is not an address stands for itself."""
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
    most = 1 if window.outcome == Outcome.REFUSED else FIRST
    is_first = label not in window.labels and len(window.labels) < most
    if label not in window.labels and len(window.labels) >= LABELS:
        label = OTHERS
    if not is_first:
        window.count += 1
        window.first_at, window.last_at = window.first_at or event.at, event.at
        window.ip = event.ip if window.ip else ""  # a shared window is about no address
    window.labels[label] = window.labels.get(label, 0) + (not is_first)
    window.save()
    return not is_first


def _summarize(window: DenialWindow) -> None:
    """One event for everything counted; none if nothing was. It commits together with the end of the window."""
    if not window.count or window.first_at is None or window.last_at is None:
        return
    about = [{"what": label, "count": count} for label, count in window.labels.items() if count]
    event = Event(
        at=clock.now(),
        action=window.action,
        outcome=window.outcome,
        object_kind="denials",
        object_name=next(iter(window.labels)) if len(window.labels) == 1 else "",
        after={  # keys in the order in which PostgreSQL keeps them
            "last": window.last_at.isoformat(),
            "about": sorted(about, key=lambda each: (-each["count"], each["what"])),
            "count": window.count,
            "first": window.first_at.isoformat(),
        },
        evidence="repeated",
        **{name: getattr(window, name) for name in COPIED_COLUMNS},
    )
    transaction.on_commit(PendingEvent(event))


COPIED_COLUMNS = ("person_id", "person_name", "team_id", "team_name", "ip", "source")


def _is_turned_away(event: Event) -> bool:
    """Whether a person was refused. Without a person, a refusal belongs to a sign-in, and each sign-in has its event."""
    if event.outcome == Outcome.REFUSED:
        return event.person_id is not None
    return event.outcome == Outcome.DENIED or event.action in BY_STRANGERS


def _about(event: Event) -> dict[str, Any]:
    """What a window takes from its first event. Anonymous callers share one, so it names none of them."""
    values: dict[str, Any] = {name: getattr(event, name) for name in ("action", "outcome", *COPIED_COLUMNS)}
    return values if _is_by(event) else values | {"person_id": None, "person_name": ""}


def _is_by(event: Event) -> bool:
    """Whether the event's person did it: anybody may ask for a new password."""
    return event.person_id is not None and event.action != EventType.PASSWORD_RESET_ASKED


def _key(about: dict[str, Any], *, cause: str) -> str:
    parts = [*map(about.get, ("action", "outcome", "person_id", "team_id")), network_of(about["ip"]), cause]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _is_crowded(about: dict[str, Any], now: datetime) -> bool:
    """Whether so many windows are open that a further network, team or cause shares one."""
    same = DenialWindow.objects.filter(action=about["action"], person_id=about["person_id"])
    return same.filter(opened_at__gt=now - WINDOW).count() >= NETWORKS


def _label(event: Event) -> str:
    """What an event is about: a page, an object, or for anonymous callers the name that they tried."""
    return (event.object_name or ("" if _is_by(event) else event.person_name) or event.reason)[:100]


def _over(now: datetime) -> QuerySet[DenialWindow]:
    """Windows that are over; one that a clock far ahead opened counts as over too."""
    return DenialWindow.objects.filter(Q(opened_at__lte=now - WINDOW) | Q(opened_at__gte=now + WINDOW))
