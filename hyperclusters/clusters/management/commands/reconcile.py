"""`manage.py reconcile`: do due work once; with --wait, until every outcome is settled or needs a person."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from hyperclusters.clusters.models import Creation, Deletion, State
from hyperclusters.clusters.worker import run_due

PAUSE = 0.5  # seconds


class Command(BaseCommand):
    help = "Send what waits and look for what has no clear answer, once. With --wait: until everything is at rest."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--wait", action="store_true", help="go on until nothing is open but what a person must decide"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        causes = {work.pk: work.version for work in _open()}
        while True:
            run_due()
            for kind in (Creation, Deletion):
                for work in kind._default_manager.filter(pk__in=causes):
                    if work.version != causes[work.pk]:
                        causes[work.pk] = work.version
                        self.stdout.write(f"{work.KIND} {work.pk} {work.name}: {work.state}{_because(work)}")
            open_work = _open()
            causes |= {work.pk: work.version for work in open_work if work.pk not in causes}
            if not open_work or not options["wait"]:
                break
            time.sleep(PAUSE)
        to_decide = Creation.objects.filter(state=State.NEEDS_ATTENTION).count()
        self.stdout.write(f"{len(open_work)} still open, {to_decide} waiting for a person's decision")


def _open() -> list[Creation | Deletion]:
    creations = Creation.objects.unresolved().exclude(state=State.NEEDS_ATTENTION)
    return [*creations, *Deletion.objects.unresolved()]


def _because(work: Creation | Deletion) -> str:
    why = getattr(work, "evidence", "") or work.code or work.cause
    return f" ({why})" if why else ""
