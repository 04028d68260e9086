"""What the workers do for the ledger at set times, besides their work: anchor it, verify it, hand it on, raise alerts.

Each duty is a row that several workers may reach for; one conditional UPDATE gives it to one of them for a while.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections
from django.db.models import Q

from . import alerts, anchors, clock, denials, push, structure, verification
from .chain import HeadLost
from .models import Duty, Head

log = logging.getLogger(__name__)
SOON = 5.0  # seconds between two looks of what goes along the ledger
NEW_EVERY = 60.0  # and between two verifications of what is new
DATABASE_AWAY = 1.0  # and between two attempts to give a duty back
HELD = timedelta(hours=1)  # longest that a duty takes; one whose worker was killed is free again after it

Do = Callable[[Duty], None]


class Stopped(Exception):
    """The process is to end: what has not been verified is verified by the next one."""


def run_due(may_go_on: Callable[[], bool] = lambda: True) -> None:
    """Do whatever is due and free, one after the other, in this thread. One that fails is said, and tried again soon."""
    _anchor()
    for name, (seconds, do) in _duties(may_go_on).items():
        if (duty := _claim(name, seconds)) is None:
            continue
        was_due_at = duty.due_at
        try:
            do(duty)
        except Stopped:
            _give_back(duty, was_due_at, may_go_on)  # due for whoever comes next
            return
        except Exception as error:
            log.exception("the audit's duty %r ended with an error; it is due again soon", name)
            duty.due_at = clock.now() + timedelta(seconds=SOON)
            duty.failures, duty.error = duty.failures + 1, f"{type(error).__name__}: {error}"[:200]
        else:
            if name not in push.sinks():  # which count by themselves
                duty.failures, duty.error = 0, ""
        due_at = clock.now() + timedelta(seconds=seconds) if duty.due_at == was_due_at else duty.due_at
        _give_back(duty, due_at, may_go_on)


def _duties(may_go_on: Callable[[], bool]) -> dict[str, tuple[float, Do]]:
    def go_on(_done: int, _all: int) -> None:
        if not may_go_on():
            raise Stopped

    every = settings.AUDIT_VERIFY_HOURS * 3600.0
    duties: dict[str, tuple[float, Do]] = {
        "alerts": (SOON, alerts.warn),
        "denials": (SOON, lambda _: denials.close_windows()),
    }
    if (
        not structure.later_migrations()
    ):  # else a worker of that release verifies, or the verification is overdue
        duties["verify whole"] = (
            every,
            lambda _: verification.note(verification.WHOLE, verification.verify_whole(go_on)),
        )
        duties["verify new"] = (
            NEW_EVERY,
            lambda _: verification.note(verification.NEW, verification.verify_new(go_on)),
        )
    for name, sink in push.sinks().items():
        duties[name] = (SOON, partial(push.push, sink=sink, may_go_on=may_go_on))
    return duties


def _claim(name: str, seconds: float) -> Duty | None:
    """The duty, if it is due and nobody else has it. It waits for its interval, or for a sink's longest pause."""
    now = clock.now()
    longest = timedelta(seconds=max(seconds, push.BACKOFF_AT_MOST))
    start = (
        Head.objects.get().seq if name == "alerts" else 0
    )  # the past is handed on, but nobody is woken for it
    duty, _ = Duty.objects.get_or_create(name=name, defaults={"due_at": now, "seq": start})
    unheld = Q(held_until__isnull=True) | clock.due("held_until", HELD)
    free = Duty.objects.filter(unheld, clock.due("due_at", longest), name=name)
    if not clock.is_due(duty.due_at, longest) or not free.update(held_until=now + HELD):
        return None
    return Duty.objects.get(name=name)


def _give_back(duty: Duty, due_at: datetime, may_go_on: Callable[[], bool]) -> None:
    """As soon as the database answers: what is not given back is nobody's for an hour. What lapsed is not ours to give."""
    ours = Duty.objects.filter(name=duty.name, held_until=duty.held_until)
    while True:
        close_old_connections()  # the one that an error ended, so that the next attempt opens another
        try:
            ours.update(held_until=None, due_at=due_at, failures=duty.failures, error=duty.error)
        except (OperationalError, InterfaceError):
            if not may_go_on():
                raise
            time.sleep(DATABASE_AWAY)
        else:
            return


def _anchor() -> None:
    """Every worker keeps the file of its own machine; one that cannot be written is said, and keeps nothing else from being done."""
    try:
        anchors.anchor_if_due()
    except (HeadLost, Head.DoesNotExist):
        log.exception("ALERT the audit cannot be anchored: the record of the chain's end is gone")
    except OSError as error:
        log.exception("ALERT the audit cannot be anchored: %s cannot be written", error.filename)
