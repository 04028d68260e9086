"""The application: routes a request through the gateway's checks, the journal, faults and its effect."""

import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

from . import api, behaviours, control, faults, gateway, journal, signature
from .answers import Answer
from .api import Effect
from .behaviours import Behaviours
from .database import Database
from .faults import Fault
from .grammar import Call, read_call, read_path
from .http_request import Request
from .journal import JournalEntry

OnRequest = Callable[[JournalEntry], None]


class Application:
    """One simulated ModelArts on one store."""

    def __init__(self, folder: Path, on_request: OnRequest | None = None) -> None:
        self.database = Database(folder)
        self.stopping = threading.Event()
        self.callback_errors: list[Exception] = []
        self._on_request = on_request

    def respond(self, request: Request) -> Answer:
        """The answer to a request, and how to send it."""
        request_id = uuid.uuid4().hex
        with self.database.read() as db:
            state = behaviours.current(db)
        now = time.time() + state.clock_offset
        if control.is_control(request):
            answer = control.respond(self.database, request)
        else:
            answer = self._api_answer(request, request_id, now)
        return answer.with_header("X-Request-Id", request_id).with_header(
            "Date", formatdate(now, usegmt=True)
        )

    def _api_answer(self, request: Request, request_id: str, now: float) -> Answer:
        """Gateway, journal, effect. The row exists before anything else of the request is visible."""
        target = read_path(request.path)
        if refusal := gateway.path_refusal(request, target, request_id):
            return refusal
        call = read_call(target.methods[request.method], target, request)
        entry = _entry(request, call, request_id)
        with self.database.write() as db:
            if refusal := gateway.key_refusal(db, request, request_id, now):
                journal.add(db, replace(entry, accepted=False, answer=refusal.summary))
                return refusal
            name = api.name_of(db, call)
            entry = journal.add(db, replace(entry, name=name))
            latencies, fault = faults.claim(db, call, name)
        if call.changes:
            self._tell(entry)
        if self.stopping.wait(sum(each.before for each in latencies)):
            return Answer(0, lost=True)
        with self.database.write() as db:
            effect = _perform(db, call, fault, behaviours.current(db))
            answer = faults.apply_fault(fault, effect.answer, entry.request_id) if fault else effect.answer
            titles = ", ".join(each.title for each in (*latencies, *([fault] if fault else [])))
            journal.finish(db, replace(entry, effect=effect.effect, fault=titles, answer=answer.summary))
        self.stopping.wait(sum(each.after for each in latencies))
        return answer

    def _tell(self, entry: JournalEntry) -> None:
        """Call the watcher. A failure must not change the answer: it is stored for the test's end."""
        if self._on_request is None:
            return
        try:
            self._on_request(entry)
        except Exception as error:  # noqa: BLE001 - a watcher's failed assertion can be of any kind
            self.callback_errors.append(error)


def _perform(db: sqlite3.Connection, call: Call, fault: Fault | None, state: Behaviours) -> Effect:
    """Perform the effect as the fault allows: now, later, or only as far as the answer it would have had."""
    delay = fault.delay if fault else 0.0
    if delay is not None:
        return api.perform(db, call, state, delay)
    db.execute("SAVEPOINT deed")
    effect = api.perform(db, call, state)
    db.execute("ROLLBACK TO deed")
    return Effect(effect.answer)


def _entry(request: Request, call: Call, request_id: str) -> JournalEntry:
    claim = signature.read_claim(request)
    return JournalEntry(
        arrived_at=request.arrived_at,
        call=call.kind,
        method=request.method,
        path=f"{request.path}?{request.query}" if request.query else request.path,
        project_id=call.target.project_id,
        type=call.values.get("type", ""),
        name=call.values.get("name", ""),
        body_digest=request.body_digest,
        access_key=claim.access_key if claim else "",
        sdk_date=request.header("x-sdk-date"),
        request_id=request_id,
    )
