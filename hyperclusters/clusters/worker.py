"""The worker's loop: whatever is due, as many calls at once as allowed, until told to stop."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from django.conf import settings
from django.db import DatabaseError, close_old_connections

from hyperclusters.audit.origin import Origin, acting_from

from . import deletions, heartbeat, inventory, reconcile, sending

log = logging.getLogger(__name__)
IDLE = 0.1  # seconds between two looks for work; a submit is claimed within this


class Worker:
    """One process's share of the work. `run` returns when `stop` was called and all work in flight is written down."""

    def __init__(self, *, concurrency: int | None = None) -> None:
        self.holder = secrets.token_hex(8)
        self.slots = concurrency or settings.WORKER_CONCURRENCY
        self.pool = ThreadPoolExecutor(self.slots, thread_name_prefix="worker")
        self.busy: set[Future[None]] = set()
        self.stopping = threading.Event()
        self.swept_at = float("-inf")

    def stop(self) -> None:
        """Claim nothing more; finish what is in flight."""
        self.stopping.set()

    def run(self) -> None:
        """Work until stopped. A database that is away is waited for: what is due stays due."""
        with acting_from(Origin(source="worker")):
            while not self.stopping.is_set():
                try:
                    worked = self.step()
                except DatabaseError:
                    log.exception("the database did not answer; trying again")
                    close_old_connections()
                    worked = False
                if not worked:
                    self.stopping.wait(IDLE)
        self.pool.shutdown(wait=True)
        heartbeat.stopped(self.holder)

    def step(self) -> bool:
        """Start whatever is due and fits. True if something was started."""
        self.busy = {future for future in self.busy if not future.done()}
        if time.monotonic() - self.swept_at > heartbeat.EVERY:
            heartbeat.beat(self.holder)
            sending.sweep()
            deletions.sweep()
            self.swept_at = time.monotonic()
        if len(self.busy) >= self.slots:
            return False
        for claim, work in JOBS:
            item = claim(self.holder)
            if item is not None:
                self.busy.add(self.pool.submit(_run, work, item))
                return True
        return False


# In order of urgency: what people wait for comes before what is refreshed by itself.
JOBS: tuple[tuple[Callable[[str], object], Callable[..., object]], ...] = (
    (sending.claim_queued, sending.send),
    (deletions.claim_queued, deletions.send),
    (reconcile.claim_unknown, reconcile.look),
    (deletions.claim_unknown, deletions.look),
    (inventory.claim_source, inventory.sync),
)


def run_due(*, holder: str = "") -> int:
    """Do everything that is due, one after the other, in this thread. Returns how many items were worked on."""
    done = 0
    holder = holder or secrets.token_hex(8)
    with acting_from(Origin(source="worker")):
        sending.sweep()
        deletions.sweep()
        for claim, work in JOBS:
            while (item := claim(holder)) is not None:
                work(item)
                done += 1
    return done


def _run(work: Callable[..., object], item: object) -> None:
    """One item in a thread of its own. A failure ends this item's turn only; its lease lapses and it is due again."""
    try:
        with acting_from(Origin(source="worker")):
            work(item)
    except Exception:
        log.exception("work on %s ended with an error", item)
    finally:
        close_old_connections()
