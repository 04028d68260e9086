"""`manage.py worker`: send creations, look for lost ones, keep the inventory fresh. Run as many as you like."""

import os
import signal
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from hyperclusters.clusters.worker import Worker

NICENESS = 5  # where web and worker share a CPU, a page that somebody waits for comes first


class Command(BaseCommand):
    help = "Send creations, look for those without a clear answer, keep the list of clusters fresh. Ends cleanly on SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        self.check(databases=["default"])  # refuses to start where a project's key cannot be read
        os.nice(NICENESS)
        worker = Worker()

        def stop(number: int, frame: FrameType | None) -> None:
            worker.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        self.stdout.write(f"worker {worker.holder} started, {worker.slots} calls at once")
        worker.run()
        self.stdout.write(f"worker {worker.holder} stopped")
