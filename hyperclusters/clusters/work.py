"""How work is claimed and how it changes state: one conditional UPDATE and one event, committed together."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Q

from hyperclusters import tracing
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.origin import Origin, acting_from
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.modelarts import Exchange, ModelArtsError

from .failpoints import failpoint
from .models import Work
from .models.work import LEASE_MARGIN

W = TypeVar("W", bound=Work)
WAKE_CHANNEL = "hyperclusters_work"
SIGNATURE_LIFE = timedelta(minutes=15)  # the gateway refuses older X-Sdk-Dates (vendor's AK/SK signing guide)
RETRY_PAUSE = 0.5  # seconds
ERROR_PAUSE = timedelta(seconds=10)  # before work that ended in an error is taken up again
OVERDUE = timedelta(minutes=30)  # after which an open outcome is worth an alert
CLAIM_AMONG = 20  # rows looked at in one go; the ones that others take meanwhile are passed over


# What the ledger keeps of bodies, by name.
SENT = frozenset({"name", "type", "hyper_cluster_subnet_id"})
ANSWERED = frozenset(
    {
        *("id", "name", "type", "hyper_clusters", "network_info", "hyper_cluster_subnet_id", "is_default"),
        *("error_code", "errorCode", "code", "error_msg", "errorMsg", "error_message", "message", "error"),
        *("request_id", "requestId", "is_success"),
    }
)
LEFT_OUT = "(left out)"

MayBegin = Callable[[], bool]  # asked right before a request goes out: False once the process is to stop


def always() -> bool:
    """Nothing stands in the way of beginning."""
    return True


def insist(until: datetime | None, write: Callable[[], object]) -> None:
    """Write what the cloud said, again and again while the database does not answer, until the sender's lease ends.

    Past that time the database error is raised. What was committed although the answer to it was lost is for `write` to
    find out.
    """
    while True:
        try:
            write()
        except (OperationalError, InterfaceError):
            connection.close()
            if until is None or clock.now() > until or connection.in_atomic_block:
                raise
            time.sleep(RETRY_PAUSE)
        else:
            return


class Stale(Exception):
    """Somebody else has moved this on; nothing was changed."""


def move(work: Work, to: str, did: Did, outcome: Outcome, *, facts: dict[str, Any], **changes: Any) -> None:
    """Take `work` from the state and version it was read in to another state. `facts` go to `record` as they are.

    Raises Stale, having changed nothing, if another process was faster.
    """
    before = work.state
    rows = type(work)._default_manager.filter(pk=work.pk, state=before, version=work.version)
    with transaction.atomic(
        savepoint=False
    ):  # whoever has begun one already gives all of it up if this is stale
        if not rows.update(state=to, version=work.version + 1, **changes):
            raise Stale(f"{work.KIND} {work.pk} is not {before} at version {work.version} any more")
        failpoint("move_updated")
        facts.setdefault("person", work.requested_by)
        after = {"state": str(to)} | facts.pop("after", {})
        record(
            did,
            outcome,
            team=work.team,
            project=work.project,
            subject=work.subject,
            before={"state": before},
            after=after,
            **facts,
        )
        failpoint("move_recorded")
    work.state, work.version = to, work.version + 1
    for name, value in changes.items():
        setattr(work, name, value)


def claim(kind: type[W], holder: str, seconds: float, *states: str) -> W | None:
    """Lease the work that has been due longest. Several workers may call this at once: each row goes to one."""
    rows = kind._default_manager
    due = rows.due(*states).values_list("pk", "version")[:CLAIM_AMONG]  # type: ignore[attr-defined]
    for pk, version in due:
        failpoint("claim_found")
        until = clock.now() + timedelta(seconds=seconds)
        free = rows.due(*states).order_by().filter(pk=pk, version=version)  # type: ignore[attr-defined]
        if free.update(lease_holder=holder, lease_until=until):
            failpoint("claimed")
            mine = rows.with_people().filter(pk=pk, version=version, lease_holder=holder)  # type: ignore[attr-defined]
            found: W | None = mine.first()
            return found  # none if it was withdrawn in this very moment
    return None


def is_overdue() -> Q:
    """Sent more than half an hour ago. Judged by the horizon, a time of our clock: the signature's is one of the cloud's."""
    now = clock.now()
    lately = Q(horizon_at__gt=horizon(now - OVERDUE), horizon_at__lte=horizon(now) + clock.TOLERANCE)
    return Q(horizon_at__isnull=False) & ~lately


def warn_of_overdue(kind: type[W], did: Did) -> None:
    """One alert event for each outcome that has been open for more than half an hour, whatever it waits for."""
    now = clock.now()
    rows = kind._default_manager
    overdue = rows.unresolved().filter(is_overdue(), overdue_at__isnull=True)  # type: ignore[attr-defined]
    for work in overdue.with_people():
        with transaction.atomic():
            if not rows.filter(pk=work.pk, overdue_at__isnull=True).update(overdue_at=now):
                continue  # another worker was faster
            failpoint("overdue_marked")
            who = {"person": work.requested_by, "team": work.team, "project": work.project}
            record(did, Outcome.UNKNOWN, subject=work.subject, **who)


@contextmanager
def carrying(item: object) -> Iterator[None]:
    """Events and log lines of this piece of work carry the request in which a person asked for it."""
    asked_in = getattr(item, "asked_in", "")
    kind = type(item).__name__.lower()
    named = {kind: str(getattr(item, "pk", item))}
    with (
        acting_from(Origin(source="worker", request_id=asked_in)),
        structlog.contextvars.bound_contextvars(request_id=asked_in, **named),
        tracing.span(f"work on {kind}", **named) if hasattr(item, "pk") else nullcontext(),
    ):
        yield


@contextmanager
def leased(work: Work) -> Iterator[None]:
    """Give the lease back at the end, if it is still ours; after an error the work is due a little later, or it would be
    taken up again at once. While a request may be out the lease is left to lapse."""
    mine = type(work)._default_manager.filter(pk=work.pk, lease_holder=work.lease_holder)
    mine = mine.exclude(state="sending")
    try:
        yield
    except Exception:
        with suppress(DatabaseError):  # the first error is the one to be raised
            mine.update(due_at=clock.now() + ERROR_PAUSE)
        raise
    finally:
        failpoint("lease_ending")
        if work.state != "sending":
            mine.update(lease_holder="", lease_until=None)


def is_past_horizon(work: Work, started_at: datetime, exchange: Exchange) -> bool:
    """Whether the cloud cannot act any more on what was sent, by all clocks: a question that we began to ask at `started_at`
    was answered after the horizon by our clock, which was not in doubt since, and by the cloud's, if the answer has a date.

    A horizon further ahead than any can be was written by a wrong clock: a whole one begins now.
    """
    if work.horizon_at is None or work.signed_at is None:
        return False
    farthest = horizon(started_at)
    if work.horizon_at > farthest + clock.TOLERANCE:
        type(work)._default_manager.filter(pk=work.pk, version=work.version).update(horizon_at=farthest)
    asked_at = exchange.server_date and exchange.server_date - timedelta(seconds=exchange.elapsed)
    by_the_cloud = asked_at is None or asked_at > horizon(work.signed_at)
    return by_the_cloud and started_at > work.horizon_at and clock.is_proved(farthest - started_at)


def horizon(now: datetime) -> datetime:
    """When nothing signed now can be acted on any more."""
    bound = settings.UPSTREAM_SKEW_MARGIN + settings.UPSTREAM_PROCESSING_BOUND
    return now + SIGNATURE_LIFE + timedelta(seconds=bound)


def sending_lease(now: datetime) -> datetime:
    """Until when whoever sends holds the row: its call's deadline, and time to write the outcome down."""
    return now + timedelta(seconds=settings.UPSTREAM_DEADLINE + LEASE_MARGIN)


def wake_workers() -> None:
    """Tell waiting workers that there is something to do. Where the database cannot, they look by themselves."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {WAKE_CHANNEL}")


def _kept(body: str, allowed: frozenset[str]) -> str:
    """A body as the ledger keeps it: of JSON the fields that are known to hold nothing secret, of the others the names
    alone. What is no JSON, or was cut, is odd and kept as it came; `modelarts` took the project's own secrets out."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return body
    left = _left(told, allowed)
    return body if left == told else json.dumps(left, ensure_ascii=False)


def _left(told: Any, allowed: frozenset[str], depth: int = 6) -> Any:
    if not isinstance(told, dict | list):
        return told
    if not depth:
        return LEFT_OUT
    if isinstance(told, list):
        return [_left(item, allowed, depth - 1) for item in told]
    return {
        name: _left(item, allowed, depth - 1) if name in allowed else LEFT_OUT for name, item in told.items()
    }


def sent_facts(exchange: Exchange | None) -> dict[str, Any] | None:
    """What the ledger keeps of a request: everything that the cloud saw but the signature and the keys."""
    if exchange is None:
        return None
    return {
        "method": exchange.request.method,
        "url": exchange.endpoint + exchange.request.path,
        "query": dict(exchange.request.query),
        "body": _kept(exchange.request.body.decode(), SENT),
        "signed_at": exchange.signed_at.isoformat(),
    }


def answer_facts(exchange: Exchange | None, error: ModelArtsError | None = None) -> dict[str, Any] | None:
    """What the ledger keeps of an answer, or of its absence."""
    if exchange is None and error is None:
        return None
    facts: dict[str, Any] = {}
    if exchange is not None:
        facts |= {
            "status": exchange.status,
            "body": _kept(exchange.body, ANSWERED),
            "seconds": round(exchange.elapsed, 3),
        }
    if error is not None:
        facts |= {
            "cause": error.cause,
            "code": error.code,
            "message": error.message,
            "proves": str(error.proves),
        }
    return facts


def request_id_of(exchange: Exchange | None, error: ModelArtsError | None) -> str:
    """The cloud's ID of what was learned; empty if it gave none."""
    return (error.request_id if error else "") or (exchange.request_id if exchange else "")


def error_fields(error: ModelArtsError | None, *, cause: str = "") -> dict[str, str]:
    """What a row keeps of an error, so that pages can put it in words."""
    return {
        "cause": cause or (error.cause if error else ""),
        "code": (error.code if error else "")[:64],
        "message": error.message if error else "",
    }
