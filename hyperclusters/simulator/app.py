"""The application: routes a request through the gateway's checks, the journal, faults and its effect."""

import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

from . import api, behaviours, faults, gateway, journal, signature
from .answers import Answer
from .api import Call, Effect
from .behaviours import Behaviours
from .control import Control, is_control
from .database import Database
from .faults import Fault
from .gateway import Gateway
from .grammar import Target, read_path
from .http_request import MAX_BODY, Request
from .journal import JournalEntry

OnRequest = Callable[[JournalEntry], None]


class Application:
    """One simulated ModelArts on one store."""

    def __init__(self, folder: Path, on_request: OnRequest | None = None) -> None:
        self.database = Database(folder)
        self.stopping = threading.Event()
        self.callback_errors: list[Exception] = []
        self.control = Control(self.database)
        self._gateway = Gateway(self.database)
        self._on_request = on_request

    def respond(self, request: Request) -> Answer:
        """The answer to a request, and how to send it."""
        request_id = uuid.uuid4().hex
        with self.database.read() as db:
            state = behaviours.current(db)
        now = time.time() + state.clock_offset
        if is_control(request):
            answer = self.control.answer(request)
        else:
            answer = self._api_answer(request, state, request_id, now)
        return answer.with_header("X-Request-Id", request_id).with_header(
            "Date", formatdate(now, usegmt=True)
        )

    def _api_answer(self, request: Request, state: Behaviours, request_id: str, now: float) -> Answer:
        target = read_path(request.path)
        if target is None:
            return gateway.refuse_path(request_id)
        kind = target.methods.get(request.method)
        if kind is None:
            return gateway.refuse_method(target, request_id)
        if request.header("transfer-encoding"):
            return gateway.refuse_length(request_id)
        if request.length > MAX_BODY:
            return gateway.refuse_size(request_id)
        call = api.read_call(kind, target, request)
        entry = _entry(request, target, call, request_id)
        refusal = self._gateway.refusal(request, target, state, request_id, now)
        if refusal:
            with self.database.write() as db:
                journal.add(db, replace(entry, accepted=False, answer=refusal.summary))
            return refusal
        return self._apply_and_answer(call, entry, state)

    def _apply_and_answer(self, call: Call, entry: JournalEntry, state: Behaviours) -> Answer:
        """Journal, effect, answer. The row exists before anything else of the request is visible."""
        with self.database.write(durable=call.changes) as db:
            name = api.name_of(db, call)
            entry = journal.add(db, replace(entry, name=name))
            latencies, fault = faults.claim(db, call, name)
        if call.changes:
            self._tell(entry)
        if self.stopping.wait(sum(each.before for each in latencies)):
            return Answer(0, lost=True)
        with self.database.write(durable=call.changes) as db:
            effect = _perform(db, call, fault, state)
            answer = faults.apply_fault(fault, effect.answer, entry.request_id) if fault else effect.answer
            applied = ", ".join(each.title for each in (*latencies, *([fault] if fault else [])))
            journal.finish(db, replace(entry, effect=effect.effect, fault=applied, answer=answer.summary))
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
    delay = faults.deed_delay(fault)
    if delay is not None:
        return api.perform(db, call, state, delay)
    db.execute("SAVEPOINT deed")
    effect = api.perform(db, call, state)
    db.execute("ROLLBACK TO deed")
    return Effect(effect.answer)


def _entry(request: Request, target: Target, call: Call, request_id: str) -> JournalEntry:
    claim = signature.read_claim(request.header("authorization"))
    return JournalEntry(
        arrived_at=request.arrived_at,
        call=call.kind,
        method=request.method,
        path=f"{request.path}?{request.query}" if request.query else request.path,
        project_id=target.project_id,
        type=call.type,
        name=call.create_body.name if call.create_body else "",
        body_digest=request.body_digest,
        access_key=claim.access_key if claim else "",
        sdk_date=request.header("x-sdk-date"),
        request_id=request_id,
    )
