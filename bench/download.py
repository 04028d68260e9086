"""Downloads a file without keeping it, and watches what the web server's memory does meanwhile."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

from django.db import connection

from bench.browser import FORGERY_TOKEN, Browser
from bench.site import Site

PIECE = 1 << 20
LOOK = 0.05  # seconds between two looks at the memory


@dataclass(frozen=True, slots=True)
class Download:
    """How long it took in all and to the first byte, in seconds; how much the server's memory grew at most, in MiB."""

    seconds: float
    first: float
    grown: float
    size: int


def download(site: Site, browser: Browser, path: str, form: str) -> Download:
    """By a post if there is a format to choose, else by a get."""
    wire = http.client.HTTPConnection(site.web, timeout=600)
    headers = {"Cookie": browser.cookies, "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"format": form, "csrfmiddlewaretoken": FORGERY_TOKEN}) if form else None
    with _Memory(site) as memory:
        started = time.perf_counter()
        wire.request("POST" if form else "GET", path, body, headers)
        answer = wire.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{path} was answered with {answer.status}")
        size = len(answer.read(1))
        first = time.perf_counter() - started
        while piece := answer.read(PIECE):
            size += len(piece)
        seconds = time.perf_counter() - started
    wire.close()
    return Download(seconds, first, memory.grown, size)


def copied(columns: Sequence[str]) -> float:
    """The seconds that a plain COPY takes for the same columns in the same order, read here and thrown away."""
    names = ", ".join(f'"{name}"' for name in columns)
    query = f"SELECT {names} FROM audit_event ORDER BY seq"  # noqa: S608 -- names of columns
    started = time.perf_counter()
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT WITH (FORMAT csv)") as copy:
        for _ in copy:
            pass
    return time.perf_counter() - started


class _Memory:
    """How much the web server's processes grew within a block, at most, in MiB."""

    def __init__(self, site: Site) -> None:
        self._pids = site.web_pids()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._idle = {pid: self._resident(pid) for pid in self._pids}
        self.grown = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK):
            for pid in self._pids:
                self.grown = max(self.grown, self._resident(pid) - self._idle[pid])

    @staticmethod
    def _resident(pid: int) -> float:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * 4096 / 2**20
