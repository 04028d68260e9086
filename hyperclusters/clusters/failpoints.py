"""Named places where the fault tests kill, hold or disturb a process. Elsewhere each is an empty function.

They work only if HYPERCLUSTERS_FAILPOINTS=1 is set *and* UPSTREAM_HOSTS names this machine only: a deployment that
can reach a real cloud cannot be killed here, whatever else its environment holds.

FAILPOINT says what happens: `name:2` kills the process when it reaches that place for the second time (SIGKILL, so
that nothing is cleaned up); `name:1:hold` leaves `name.held` in FAILPOINT_FOLDER and waits until the file `name.go`
appears there. Separate several with commas.
"""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

THIS_MACHINE = {"127.0.0.1", "::1", "localhost"}
HELD_AT_MOST = 30.0  # seconds

hits: Counter[str] = Counter()
on_hit: dict[str, Callable[[int], None]] = {}  # a test's disturbance by place; gets the number of visits
_lock = threading.Lock()


def may_live() -> bool:
    """Whether both conditions hold."""
    hosts = set(settings.UPSTREAM_HOSTS)
    return os.environ.get("HYPERCLUSTERS_FAILPOINTS") == "1" and bool(hosts) and hosts <= THIS_MACHINE


def _nothing(name: str) -> None:
    """The failpoint outside the fault tests."""


def _strike(name: str) -> None:
    with _lock:
        hits[name] += 1
        nth = hits[name]
    points = os.environ.get("FAILPOINT", "").split(",")
    if f"{name}:{nth}" in points:
        os.kill(os.getpid(), signal.SIGKILL)
    if f"{name}:{nth}:hold" in points:
        _hold(Path(os.environ["FAILPOINT_FOLDER"]), name)
    if name in on_hit:
        on_hit[name](nth)


def _hold(folder: Path, name: str) -> None:
    (folder / f"{name}.held").touch()
    until = time.monotonic() + HELD_AT_MOST
    while time.monotonic() < until and not (folder / f"{name}.go").exists():
        time.sleep(0.005)


failpoint: Callable[[str], None] = _strike if may_live() else _nothing
