"""Named places at which the fault tests end, hold or disturb a process. Everywhere else each is an empty function.

They come alive only where HYPERCLUSTERS_FAILPOINTS=1 is set *and* UPSTREAM_HOSTS names this machine alone: a
deployment that can reach a real cloud cannot be made to die here, whatever else its environment holds.

Alive, FAILPOINT says what happens: `name:2` kills the process at the second time it gets to that place (SIGKILL, so
that nothing is tidied up), `name:1:hold` makes it wait there until the file `name.go` appears in FAILPOINT_FOLDER,
having left `name.held` there. Several are separated by commas.
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
on_hit: dict[
    str, Callable[[int], None]
] = {}  # a test's own disturbance by place; gets how often it was reached
_counting = threading.Lock()


def may_live() -> bool:
    """Whether both conditions hold: asked for, and no other machine can be called."""
    hosts = set(settings.UPSTREAM_HOSTS)
    return os.environ.get("HYPERCLUSTERS_FAILPOINTS") == "1" and bool(hosts) and hosts <= THIS_MACHINE


def _nothing(name: str) -> None:
    """What a failpoint is outside the fault tests."""


def _hit(name: str) -> None:
    with _counting:
        hits[name] += 1
        nth = hits[name]
    wanted = os.environ.get("FAILPOINT", "").split(",")
    if f"{name}:{nth}" in wanted:
        os.kill(os.getpid(), signal.SIGKILL)
    if f"{name}:{nth}:hold" in wanted:
        _hold(Path(os.environ["FAILPOINT_FOLDER"]), name)
    if name in on_hit:
        on_hit[name](nth)


def _hold(folder: Path, name: str) -> None:
    (folder / f"{name}.held").touch()
    until = time.monotonic() + HELD_AT_MOST
    while time.monotonic() < until and not (folder / f"{name}.go").exists():
        time.sleep(0.005)


failpoint: Callable[[str], None] = _hit if may_live() else _nothing
