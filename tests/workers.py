"""A real worker in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections

from hyperclusters.clusters.worker import Worker


@contextmanager
def worker_thread(worker: Worker) -> Iterator[threading.Thread]:
    """A thread that runs this worker once the test starts it. At the end it is told to stop, and waited for. Its threads
    leave no connection: a worker's process, which ends with them, would close those."""

    def closing(target: Callable[..., None]) -> Callable[..., None]:
        def run(*values: Any) -> None:
            try:
                target(*values)
            finally:
                connections.close_all()

        return run

    worker._run = closing(worker._run)  # type: ignore[method-assign]
    thread = threading.Thread(target=closing(worker.run), name="the worker")
    try:
        yield thread
    finally:
        worker.stop()
        if thread.ident is not None:
            thread.join()
