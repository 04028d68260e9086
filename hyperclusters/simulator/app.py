"""The application: routes a request through the gateway's checks, the journal, faults and its effect."""

import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate

from . import api, behaviours, control, faults, gateway, journal, signature
from .cloud import Cloud
from .faults import Fault
from .grammar import Call, methods_of, read_call
from .http_messages import NO_EFFECT, Answer, Request
from .journal import JournalEntry

OnRequest = Callable[[JournalEntry], None]


class Application:
    """One simulated ModelArts on one cloud."""

    def __init__(self, cloud: Cloud, on_request: OnRequest | None = None) -> None:
        self._cloud = cloud
        self.stopping = threading.Event()
        self.callback_errors: list[Exception] = []
        self._on_request = on_request

    def respond(self, request: Request) -> Answer:
        """The answer to a request, and how to send it."""
        request_id = uuid.uuid4().hex
        now = time.time() + self._cloud.behaviours().clock_offset
        if control.is_control(request):
            answer = control.respond(self._cloud, request)
        else:
            answer = self._api_answer(request, request_id, now)
        return answer.with_header("X-Request-Id", request_id).with_header(
            "Date", formatdate(now, usegmt=True)
        )

    def _api_answer(self, request: Request, request_id: str, now: float) -> Answer:
        """Gateway, journal, effect. The row exists before anything else of the request is visible."""
        methods = methods_of(request.path)
        if refusal := gateway.path_refusal(request, methods, request_id):
            return refusal
        call = read_call(methods[request.method], request)
        entry = _entry(request, call, request_id)
        with self._cloud.database.write() as db:
            if refusal := gateway.key_refusal(db, request, request_id, now):
                journal.add(db, replace(entry, accepted=False, answer=refusal.summary))
                return refusal
            cluster = api.find(db, call)
            entry = journal.add(db, replace(entry, name=cluster.name) if cluster else entry)
            latencies, fault = faults.claim(db, call, entry.name)
        if call.changes:
            self._tell(entry)
        if self.stopping.wait(sum(each.before for each in latencies)):
            return Answer(0, is_lost=True)
        with self._cloud.database.write() as db:
            honest = _perform(db, call, fault)
            answer = fault.answer(honest, entry.request_id) if fault else honest
            titles = ", ".join(each.title for each in (*latencies, fault) if each)
            journal.finish(db, replace(entry, effect=honest.effect, fault=titles, answer=answer.summary))
        self.stopping.wait(sum(each.after for each in latencies))
        return answer

    def _tell(self, entry: JournalEntry) -> None:
        """Call the watcher. A failure must not change the answer: it is stored for the test's end."""
        try:
            if self._on_request:
                self._on_request(entry)
        except Exception as error:  # noqa: BLE001 - a watcher's failed assertion can be of any kind
            self.callback_errors.append(error)


def _perform(db: sqlite3.Connection, call: Call, fault: Fault | None) -> Answer:
    """Perform the effect as the fault allows: now, later, or only as far as the answer it would have had."""
    state, delay = behaviours.current(db), fault.delay if fault else 0.0
    if delay is not None:
        return api.perform(db, call, state, delay)
    db.execute("SAVEPOINT deed")
    answer = api.perform(db, call, state)
    db.execute("ROLLBACK TO deed")
    return replace(answer, effect=NO_EFFECT)


def _entry(request: Request, call: Call, request_id: str) -> JournalEntry:
    claim = signature.read_claim(request)
    return JournalEntry(
        arrived_at=request.arrived_at,
        call=call.kind,
        method=request.method,
        path=f"{request.path}?{request.query}" if request.query else request.path,
        project_id=call.project_id,
        type=call.type,
        name=call.name,
        body_digest=request.body_digest,
        access_key=claim.access_key if claim else "",
        sdk_date=request.header("x-sdk-date"),
        request_id=request_id,
    )
