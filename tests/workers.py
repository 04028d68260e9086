"""A real worker in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from hyperclusters.clusters.worker import Worker


@contextmanager
def worker_thread(worker: Worker) -> Iterator[threading.Thread]:
    """A thread that runs this worker once the test starts it. At the end it is told to stop, and waited for."""

    def run() -> None:
        try:
            worker.run()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, name="the worker")
    try:
        yield thread
    finally:
        worker.stop()
        if thread.ident is not None:
            thread.join()
