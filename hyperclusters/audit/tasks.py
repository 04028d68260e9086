"""Scheduled tasks of the workers for the ledger: anchor it, verify it, send it on, raise alerts.

Each task is a row that several workers compete for; one conditional UPDATE gives it to one of them for a while.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import DataError, InterfaceError, OperationalError, close_old_connections, transaction
from django.db.models import QuerySet

from . import alerts, anchors, archive_checks, clock, denials, integrity, push, structure, verification
from .chain import HeadLost
from .ledger import Person, Subject, record
from .models import ChainHead, ScheduledTask
from .readable import UNREADABLE
from .vocabulary import EventType, Outcome

log = logging.getLogger(__name__)
VERIFY_WHOLE = "verify whole"
SOON = 5.0  # seconds between two runs of tasks that follow the ledger
NEW_EVERY = 60.0  # and between two verifications of new events
DATABASE_AWAY = 1.0  # and between two attempts to release a task
SHORT_LEASE = timedelta(minutes=5)  # of tasks that take seconds, or ask whether to go on as often
MayGoOn = Callable[[], bool]
Do = Callable[[ScheduledTask, MayGoOn], None]


class Stopped(Exception):
    """The process is stopping, or its lease has lapsed: the next one verifies the rest."""


def run_due(may_go_on: MayGoOn = lambda: True) -> None:
    """Run every task that is due and free, in this thread, until the process is to stop. A failed task is logged and
    tried again soon."""
    _anchor()
    for name, (seconds, do) in _tasks().items():
        if not may_go_on():
            return  # whoever ends this process now would leave the next task to nobody, until its lease lapses
        try:
            if (task := _claim(name, seconds)) is None:
                continue
        except (DataError, *UNREADABLE):
            log.exception("the audit's scheduled task %r has a value that cannot be read", name)
            _make_due(name)
            continue
        was_run_after = task.run_after
        renew = ScheduledTask.objects.renewal(task, _lease(name))
        try:
            do(task, lambda: may_go_on() and renew())  # noqa: B023
        except Stopped:
            _give_back(task, was_run_after, may_go_on)  # due for the next worker
            return
        except Exception as error:
            log.exception("the audit's duty %r ended with an error; it is due again soon", name)
            task.run_after = clock.now() + timedelta(seconds=SOON)
            task.failures, task.error = task.failures + 1, f"{type(error).__name__}: {error}"[:200]
        else:
            if name not in push.sinks():  # these count by themselves
                task.failures, task.error = 0, ""
        run_after = (
            clock.now() + timedelta(seconds=seconds) if task.run_after == was_run_after else task.run_after
        )
        _give_back(task, run_after, may_go_on)
    archive_checks.run_due(may_go_on)


def request_verification(*, by: Person) -> None:
    """Ask the workers to verify everything now. Nothing changes where that is due already, or one of them does it."""
    with transaction.atomic():
        if _later_verification().update(run_after=clock.now()):
            record(EventType.AUDIT_CHECK_REQUESTED, Outcome.ACCEPTED, on=Subject("audit", "", "chain"), by=by)


def is_verification_due() -> bool:
    """Whether a verification of everything is due, or a worker does it now."""
    return not _later_verification().exists()


def _later_verification() -> QuerySet[ScheduledTask]:
    return ScheduledTask.objects.filter(name=VERIFY_WHOLE, lease_holder="", run_after__gt=clock.now())


def _tasks() -> dict[str, tuple[float, Do]]:
    tasks: dict[str, tuple[float, Do]] = {}
    if not structure.later_migrations():  # else a worker of that release verifies, or it is overdue
        tasks[VERIFY_WHOLE] = (settings.AUDIT_VERIFY_HOURS * 3600.0, _verify_whole)
        tasks["verify new"] = (NEW_EVERY, _verify_new)
    tasks["alerts"] = (SOON, lambda task, _: alerts.warn(task))
    tasks["denials"] = (SOON, lambda *_: denials.close_windows())
    for name, sink in push.sinks().items():
        tasks[name] = (SOON, partial(push.push, sink))
    return tasks


def _verify_whole(_task: ScheduledTask, may_go_on: MayGoOn) -> None:
    verification.note(integrity.WHOLE, verification.verify_whole(_progress(may_go_on)))


def _verify_new(_task: ScheduledTask, may_go_on: MayGoOn) -> None:
    verification.note(integrity.NEW, verification.verify_new(_progress(may_go_on)))


def _progress(may_go_on: MayGoOn) -> Callable[[int, int], None]:
    def go_on(_count: int, _all: int) -> None:
        if not may_go_on():
            raise Stopped

    return go_on


def _claim(name: str, seconds: float) -> ScheduledTask | None:
    """Claim the task if it is due and free. A task waits for its interval, or for a sink's longest pause."""
    # The past is handed on to sinks, but raises no alert.
    start = ChainHead.objects.get().seq if name == "alerts" else 0
    task, _ = ScheduledTask.objects.get_or_create(
        name=name, defaults={"run_after": clock.now(), "seq": start}
    )
    longest = timedelta(seconds=max(seconds, push.BACKOFF_AT_MOST))
    if not clock.is_due(task.run_after, longest):
        return None
    return ScheduledTask.objects.filter(clock.due("run_after", longest), name=name).claim(
        uuid.uuid4().hex, length=_lease(name)
    )


def _make_due(name: str) -> None:
    """Somebody stored what is no time: the task is free and due now, and delays no other."""
    row = ScheduledTask.objects.filter(name=name)
    row.update(run_after=clock.now(), lease_holder="", lease_expires_at=None)


def _lease(name: str) -> timedelta | None:
    return None if name.startswith("verify ") else SHORT_LEASE


def _give_back(task: ScheduledTask, run_after: datetime, may_go_on: MayGoOn) -> None:
    """Release the task as soon as the database answers: otherwise nobody has it until its lease lapses. A lapsed
    lease is not ours to release."""
    ours = ScheduledTask.objects.filter(name=task.name, lease_holder=task.lease_holder)
    while True:
        close_old_connections()  # the connection that an error broke, so that the next attempt opens another
        try:
            ours.update(
                lease_holder="",
                lease_expires_at=None,
                run_after=run_after,
                failures=task.failures,
                error=task.error,
            )
        except (OperationalError, InterfaceError):
            if not may_go_on():
                raise
            time.sleep(DATABASE_AWAY)
        else:
            return


def _anchor() -> None:
    """Every worker writes the file of its own machine; a file that cannot be written is logged and stops nothing
    else."""
    try:
        anchors.anchor_if_due()
    except (HeadLost, ChainHead.DoesNotExist):
        log.exception("ALERT the audit cannot be anchored: the record of the chain's end is gone")
    except OSError as error:
        log.exception("ALERT the audit cannot be anchored: %s cannot be written", error.filename)
