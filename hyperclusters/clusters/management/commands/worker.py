"""`manage.py worker`: send creations, look for lost ones, keep the inventory fresh. Run two or more."""

import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from hyperclusters.clusters.worker import Worker

log = logging.getLogger(__name__)
FAREWELL = (
    0.5  # seconds before the end of SHUTDOWN_GRACE: work still running then is abandoned, as after a kill
)
NICENESS = 5  # where web and worker share a CPU, pages come first


class Command(BaseCommand):
    help = "Send creations, look for those without a clear answer, keep the list of clusters fresh. Ends within SHUTDOWN_GRACE of SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        self.check(databases=["default"])  # refuses to start where a project's key cannot be read
        os.nice(NICENESS)
        worker = Worker()

        def give_up() -> None:
            log.error(
                "not everything ended within SHUTDOWN_GRACE; ending without it: %s",
                ", ".join(worker.open_work()),
            )
            os._exit(1)

        timer = threading.Timer(settings.SHUTDOWN_GRACE - FAREWELL, give_up)
        timer.daemon = True

        def stop(number: int, frame: FrameType | None) -> None:
            if worker.may_go_on():
                timer.start()
            worker.stop()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        self.stdout.write(f"worker {worker.holder} started, {worker.slots.number} calls at once")
        worker.run()
        self.stdout.write(f"worker {worker.holder} stopped")
