"""The worker's loop: runs due work, with as many calls at once as allowed, until it is told to stop."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from datetime import date
from functools import partial
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from hyperclusters import tracing
from hyperclusters.access import mail
from hyperclusters.access.models import Service
from hyperclusters.audit import tasks
from hyperclusters.audit.request_context import RequestContext, request_context
from hyperclusters.notifications import delivery, happenings

from . import connections, counters, heartbeat, inquiries, inventory, lookups
from .models import ConnectionTest, Inquiry, ProjectLookup
from .models.operation import QUEUED, UNKNOWN
from .monthly_reports import create_report, last_month
from .operations.creation import CREATIONS
from .operations.deletion import DELETIONS
from .operations.engine import Engine
from .operations.kind import MayBegin
from .operations.transitions import WAKE_CHANNEL, warn_of_overdue
from .slots import Slots, Turns

log = logging.getLogger(__name__)
IDLE = 0.1  # seconds between two checks whether the SQLite file was written; a submit is claimed within this
Job = Callable[..., object]
IDLE_LISTENING = 0.5  # and until the next check for work that became due by itself


class Worker:
    """The work of one process. `run` returns when `stop` was called and all work in flight is recorded."""

    def __init__(self, *, concurrency: int | None = None) -> None:
        self.holder = secrets.token_hex(8)
        self.slots = Slots(concurrency or settings.WORKER_CONCURRENCY)
        # One thread more, for mails: work that is claimed begins at once.
        self.pool = ThreadPoolExecutor(self.slots.number + 1, thread_name_prefix="worker")
        self.keeper = ThreadPoolExecutor(1, thread_name_prefix="ledger")  # a slow webhook delays no creation
        self.activities: dict[str, str] = {}  # what each thread is doing
        self.keeping: Future[None] | None = None
        self.stopping = threading.Event()
        self.jobs = jobs(self.may_go_on, self.slots.in_turn)
        self.wake = threading.Event()
        self.is_looking = False  # for due work, at this moment
        self.data_version = 0
        self.swept_at = self.alive_at = float("-inf")
        self.mailing: Future[None] | None = None
        # A chat service that hangs delays neither another one nor a cluster.
        self.messengers = ThreadPoolExecutor(len(Service) + 1, thread_name_prefix="messages")
        self.messaging: dict[str, Future[None]] = {}
        self.month: date | None = None  # its report needs no further thought

    def stop(self) -> None:
        """Claim nothing more; finish what is in flight."""
        self.stopping.set()
        self.wake.set()

    def may_go_on(self) -> bool:
        """Whether this process is not stopping."""
        return not self.stopping.is_set()

    def open_work(self) -> list[str]:
        """The work that has not ended yet."""
        return sorted(self.activities.values())

    def run(self) -> None:
        """Work until stopped. While the database is away, wait: due work stays due."""
        if connection.vendor == "postgresql":
            threading.Thread(target=self._listen, name="listener", daemon=True).start()
        with request_context(RequestContext(source="worker")):
            while not self.stopping.is_set():
                self._show_life()
                self.wake.clear()
                self.is_looking = True
                try:
                    if not self.step():
                        self.is_looking = False
                        self._rest()
                except DatabaseError:
                    log.exception("the database did not answer; trying again")
                    close_old_connections()
                    self.wake.wait(IDLE_LISTENING)
        for pool in (
            self.pool,
            self.keeper,
            self.messengers,
        ):  # work that has not begun is due for another worker
            pool.shutdown(wait=True, cancel_futures=True)
        counters.flush()
        heartbeat.remove(self.holder)

    def _show_life(self) -> None:
        """Touch the file that a probe looks at. Not the database: its outage restarts no worker."""
        if time.monotonic() - self.alive_at > heartbeat.EVERY:
            with suppress(OSError):  # a full disk stops no creation
                settings.WORKER_ALIVE_FILE.touch()
            self.alive_at = time.monotonic()

    def _rest(self) -> None:
        """Wait for possible work: for PostgreSQL's notification, or until the SQLite file was written."""
        if connection.vendor == "postgresql":
            self.wake.wait(IDLE_LISTENING)
            return
        until = time.monotonic() + IDLE_LISTENING
        while not self.wake.wait(IDLE) and time.monotonic() < until:
            with connection.cursor() as cursor:
                cursor.execute(
                    "PRAGMA data_version"
                )  # another number once any other connection has committed
                signals, self.data_version = self.data_version, cursor.fetchone()[0]
            if signals != self.data_version:
                return

    def _listen(self) -> None:
        """Wake when somebody commits new work (PostgreSQL). Without it, work is found by polling, a little later."""
        while not self.stopping.is_set():
            try:
                with connection.cursor() as cursor:
                    cursor.execute(f"LISTEN {WAKE_CHANNEL}")
                while not self.stopping.is_set():
                    for _ in connection.connection.notifies(timeout=1.0, stop_after=1):
                        self.wake.set()
            except (DatabaseError, psycopg.Error):  # the second where psycopg is used directly, below Django
                log.warning("the database ended the listening connection; listening again")
                connection.close()
                self.stopping.wait(1.0)
        connection.close()

    def _run(self, work: Callable[[Any], object], item: object) -> None:
        """Run one item in its own thread. A failure ends only this item's turn; it is due again a little later."""
        name = threading.current_thread().name
        self.activities[name] = f"{type(item).__name__} {getattr(item, 'pk', item)}"
        try:
            with request_context_of(item):
                try:
                    work(item)
                except Exception:
                    log.exception("work ended with an error")
        finally:
            close_old_connections()
            del self.activities[name]

    def _mail(self) -> None:
        """Send due mails in a thread: a slow mail server delays no cluster."""
        if self.mailing is None or self.mailing.done():
            self.mailing = self.pool.submit(self._run, lambda _: mail.send_due(self.may_go_on), "letters")

    def _message(self) -> None:
        """Queue messages to chats in one thread, and send those of each service in a thread of its own."""
        work: dict[str, Callable[[Any], object]] = {"new": lambda _: queue_messages(self.may_go_on)}
        for service in Service.values:
            work[service] = partial(delivery.send_due, may_go_on=self.may_go_on)  # `_run` passes the name
        for name, each in work.items():
            if name not in self.messaging or self.messaging[name].done():
                self.messaging[name] = self.messengers.submit(self._run, each, name)

    def _keep_ledger(self, _: object) -> None:
        tasks.run_due(self.may_go_on)
        if (month := last_month()) != self.month:
            create_report(month, self.may_go_on)
            self.month = month

    def step(self) -> bool:
        """Start due work that fits. True if something was started."""
        if time.monotonic() - self.swept_at > heartbeat.EVERY:
            heartbeat.beat(self.holder)
            counters.flush()
            sweep()
            if self.keeping is None or self.keeping.done():
                self.keeping = self.keeper.submit(self._run, self._keep_ledger, "ledger")
            self._mail()
            self._message()
            self.swept_at = time.monotonic()
        if not self.slots.are_free():
            return False
        for claim, work in self.jobs:
            item = claim(self.holder)
            if item is not None:
                future = self.pool.submit(self._run, work, item)
                self.slots.take(future, item)
                future.add_done_callback(self._look_again)
                return True
        return False

    def _look_again(self, _work: Future[None]) -> None:
        """Work has ended: look again if other work may wait for its slot, or while that is not known."""
        if self.is_looking or self.slots.are_short:
            self.wake.set()


def queue_messages(may_go_on: Callable[[], bool] = lambda: True) -> None:
    """Queue messages about what is new, and end those that are old."""
    happenings.queue_new(may_go_on)
    delivery.remove_old()


def sweep() -> None:
    """Handle what nobody claims: work whose sender died, outcomes that have been open for too long, and keys whose time
    is over."""
    ProjectLookup.objects.expired().delete()
    for engine in (CREATIONS, DELETIONS):
        engine.sweep()
        warn_of_overdue(engine.rows, engine.event("overdue"))


@contextmanager
def request_context_of(item: object) -> Iterator[None]:
    """Events and log lines of this work carry the ID of the web request that asked for it."""
    request_id = getattr(item, "request_id", "")
    kind = type(item).__name__.lower()
    names = {kind: str(getattr(item, "pk", item))}
    with (
        request_context(RequestContext(source="worker", request_id=request_id)),
        structlog.contextvars.bound_contextvars(request_id=request_id, **names),
        tracing.span(f"work on {kind}", **names) if hasattr(item, "pk") else nullcontext(),
    ):
        yield


def jobs(
    may_begin: MayBegin = lambda: True, turns: Turns = list
) -> tuple[tuple[Callable[[str], object], Job], ...]:
    """How each kind of work is claimed and done, the most urgent first: what people wait for comes before refreshes."""

    def due(engine: Engine[Any], state: str) -> Callable[[str], object]:
        return partial(engine.claim, state=state, turns=turns)

    return (
        (due(CREATIONS, QUEUED), partial(CREATIONS.send, may_begin=may_begin)),
        (due(DELETIONS, QUEUED), partial(DELETIONS.send, may_begin=may_begin)),
        (ConnectionTest.objects.claim, partial(connections.run_test, may_begin=may_begin)),
        (Inquiry.objects.claim, inquiries.run_inquiry),
        (ProjectLookup.objects.claim, lookups.run_lookup),
        (due(CREATIONS, UNKNOWN), CREATIONS.poll),
        (due(DELETIONS, UNKNOWN), DELETIONS.poll),
        (inventory.claim_source, partial(inventory.sync, may_begin=may_begin)),
    )


def run_due(*, holder: str = "") -> int:
    """Do everything that is due, in this thread. Returns how many items were worked on."""
    count = 0
    holder = holder or secrets.token_hex(8)
    with request_context(RequestContext(source="worker")):
        sweep()
        mail.send_due()
        queue_messages()
        for service in Service.values:
            delivery.send_due(service)
        for claim, work in jobs():
            while (item := claim(holder)) is not None:
                with request_context_of(item):
                    work(item)
                count += 1
        counters.flush()
    return count
