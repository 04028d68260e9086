"""`manage.py demo`: simulator, worker and web on this machine, with invented people and history."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from hyperclusters.demo import seed
from hyperclusters.demo.accounts import PEOPLE
from hyperclusters.demo.processes import (
    ErrorLines,
    Process,
    folder_lock,
    port_problem,
    stop_all,
    wait_until_ready,
    watch,
)
from hyperclusters.demo.simulated_cloud import SimulatedCloud
from hyperclusters.environment import number
from hyperclusters.modelarts import Credentials


class Command(BaseCommand):
    help = (
        "Run the dashboard on this machine with a simulated cloud. Ctrl-C stops it; started again it goes on."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if os.environ.get("DATABASE_URL"):
            raise CommandError("The demo keeps to its own SQLite file: unset DATABASE_URL.")
        self.port = number("PORT", 8000, least=1, most=65535)
        self.simulator_port = number("SIMULATOR_PORT", 9000, least=1, most=65535)
        with folder_lock(settings.DATA_DIR) as is_ours:
            if not is_ours:
                raise CommandError(f"Another demo runs in {settings.DATA_DIR}. Stop it, or set DATA_DIR.")
            for name, port in (("PORT", self.port), ("SIMULATOR_PORT", self.simulator_port)):
                if problem := port_problem(port):
                    raise CommandError(
                        f"Port {port} cannot be used: {problem}. Choose another one with {name}=…."
                    )
            self._run()

    def _run(self) -> None:
        self.stopping = False
        self.log = settings.DATA_DIR / "demo.log"
        errors = self._redirect_log()
        for number_ in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number_, self._stop)
        processes = [self._simulator(), self._worker(), self._web()]
        try:
            self._start(*processes)
            self._greet()
            watch(processes, should_stop=lambda: self.stopping, say=self._say, errors=errors)
        except RuntimeError as error:
            raise CommandError(str(error)) from error
        finally:
            self._say("Stopping …")
            stop_all(processes)

    def _redirect_log(self) -> ErrorLines:
        """The terminal is for what matters: all else goes to a file."""
        stream = self.log.open("a", encoding="utf-8")
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(stream)
        return ErrorLines(self.log)

    def _start(self, simulator: Process, worker: Process, web: Process) -> None:
        folder = settings.DATA_DIR / "past-is-made"
        if not folder.exists():
            self._say("First start: writing the demo's people and a month of history …")
            self._clear()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        simulator.start()
        wait_until_ready(simulator, f"http://127.0.0.1:{self.simulator_port}/_simulator/switches")
        if not folder.exists():
            seed.make(self._simulated_cloud())
        seed.set_passwords(settings.DEMO_PASSWORD)
        seed.issue_token(settings.DEMO_TOKEN)
        folder.touch()
        connections.close_all()
        worker.start()
        web.start()
        wait_until_ready(web, f"http://127.0.0.1:{self.port}/healthz")

    def _clear(self) -> None:
        """Remove what an interrupted first start left."""
        for path in settings.DATA_DIR.glob("hyperclusters.sqlite3*"):
            path.unlink()
        shutil.rmtree(settings.DATA_DIR / "simulator", ignore_errors=True)

    def _simulated_cloud(self) -> SimulatedCloud:
        key = os.environ.get("SIMULATOR_AK") or "DEMOACCESSKEY"
        secret = os.environ.get("SIMULATOR_SK") or "demo-secret-key"
        return SimulatedCloud(f"http://127.0.0.1:{self.simulator_port}", Credentials(key, secret))

    def _simulator(self) -> Process:
        data = str(settings.DATA_DIR / "simulator")
        port = str(self.simulator_port)
        return Process(
            "simulator",
            [sys.executable, "-m", "hyperclusters.simulator", "--port", port, "--data", data],
            self.log,
        )

    def _worker(self) -> Process:
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker"]
        return Process("worker", command, self.log, _CHILD)

    def _web(self) -> Process:
        address = f"127.0.0.1:{self.port}"
        gunicorn = [sys.executable, "-m", "gunicorn", "hyperclusters.wsgi", "--bind", address]
        return Process(
            "web server", [*gunicorn, "--threads", "8", "--log-level", "warning"], self.log, _CHILD
        )

    def _greet(self) -> None:
        people = "\n".join(f"  {name:<8} {what}" for name, what in PEOPLE.items())
        self._say(
            f"\nSimulated cloud: http://127.0.0.1:{self.simulator_port}/_simulator/\n"
            f"Mails: {settings.EMAIL_FILE_PATH}\nLog: {self.log}\nCtrl-C stops everything.\n\n"
            f"The dashboard is at http://127.0.0.1:{self.port}\n\n{people}\n\n"
            f"  password {settings.DEMO_PASSWORD}\n"
            f"  ada's API token {settings.DEMO_TOKEN}"
        )

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True


_CHILD = {"DEMO": "1"}
