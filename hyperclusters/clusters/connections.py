"""Tests a project's connection to the cloud: requested on a page, made by a worker that reads each list once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, require
from hyperclusters.audit import clock, request_context
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.modelarts import (
    Answer,
    ClockSkew,
    ClusterType,
    CredentialsRefused,
    Denied,
    HyperCluster,
    Misconfigured,
    ModelArtsError,
    NotFound,
    OccupantKind,
    Throttled,
)

from . import breaker
from .credentials import UnusableKey
from .models import ConnectionTest, Diagnosis, Project
from .operations.facts import answer_facts
from .operations.kind import MayBegin
from .operations.transitions import wake_workers
from .upstream import client_for

TESTS_TO_KEEP = 20  # tests a project
MESSAGE_LIMIT = 500  # characters of the cloud's words about one list
SKEW = timedelta(seconds=60)  # report clocks that differ by more than this
ListAnswer = Answer[tuple[HyperCluster, ...]]
# What happened on the way, by the client's slugs.
BY_CAUSE = {
    "dns_error": Diagnosis.LOOKUP,
    "dns_timeout": Diagnosis.LOOKUP,
    "connect_error": Diagnosis.NETWORK,
    "connect_timeout": Diagnosis.NETWORK,
    "tls_error": Diagnosis.TLS,
    "tls_timeout": Diagnosis.TLS,
    "deadline": Diagnosis.SILENT,
    "read_error": Diagnosis.SILENT,
    "protocol_error": Diagnosis.SILENT,
}
BY_MEANING: dict[type[ModelArtsError], Diagnosis] = {
    ClockSkew: Diagnosis.CLOCK,
    CredentialsRefused: Diagnosis.KEY,
    Denied: Diagnosis.DENIED,
    Misconfigured: Diagnosis.ENDPOINT,
    NotFound: Diagnosis.ENDPOINT,
    Throttled: Diagnosis.THROTTLED,
}


def ask_test(*, by: User, project: Project) -> ConnectionTest:
    """Have a worker test the connection now. Returns a running test as it is. Raises NotPermitted."""
    require(by, Permission.CONNECT)
    with transaction.atomic():
        test, is_new = ConnectionTest.objects.get_or_create(
            project=project,
            done_at=None,
            defaults={"asked_by": by, "request_id": request_context.current().request_id},
        )
        if is_new:
            record(EventType.PROJECT_TEST_ASKED, Outcome.ACCEPTED, on=project, by=by)
            wake_workers()
    return test


def run_test(test: ConnectionTest, *, may_begin: MayBegin = lambda: True) -> None:
    """Read each list and record what that shows. A stopped project is not called: that would harm its key.

    The first list judges clock, key and network; the others follow if it was answered, or refused for lack of a right.
    No other call is begun once `may_begin` says no.
    """
    project = test.project
    try:
        if (later := breaker.next_call_at(project)) is not None:
            if project.is_blocked():
                _end(test, Diagnosis.STOPPED, cause=project.blocked_cause, code=project.blocked_code)
            else:
                ConnectionTest.objects.filter(pk=test.pk).update(run_after=later, lease_expires_at=None)
            return
        answer, refusal, skew = _first_list(project, may_begin)
        lists = [_list_row(ClusterType.HPS, refusal or answer), *_other_lists(project, may_begin)]
    except UnusableKey as error:
        breaker.release_probe(project)
        _end(test, Diagnosis.NO_KEY, cause=error.cause)
    except ModelArtsError as error:
        _end(test, _diagnosis(error), error=error)
    else:
        if refusal:
            diagnosis = Diagnosis.DENIED
        elif any(row["diagnosis"] != Diagnosis.WELL for row in lists):
            diagnosis = Diagnosis.PARTLY
        else:
            diagnosis = Diagnosis.CLOCK if skew else Diagnosis.WELL
        _end(test, diagnosis, error=refusal, answer=answer, skew=skew, lists=lists)


def _first_list(
    project: Project, may_begin: MayBegin
) -> tuple[ListAnswer | None, Denied | None, timedelta | None]:
    """The answer, or the refusal for lack of a right; and how far the cloud's clock is off ours if that matters.

    Raises ModelArtsError where the other lists would fail in the same way, UnusableKey.
    """
    try:
        answer, skew = _list(project, may_begin)
    except Denied as refusal:
        if isinstance(refusal, CredentialsRefused | ClockSkew):
            raise
        return None, refusal, None
    breaker.record_success(project)
    return answer, None, skew


def _other_lists(project: Project, may_begin: MayBegin) -> list[dict[str, Any]]:
    """One row for each other list. A list that may not be called any more has the cause `not_read`."""
    client = client_for(project)
    calls: dict[str, Callable[[], Answer[tuple[Any, ...]]]] = {
        ClusterType.ECS: partial(client.list, type=ClusterType.ECS),
        "supernodes": partial(client.list_occupants, OccupantKind.SUPERNODE),
        "groups": partial(client.list_occupants, OccupantKind.GROUP),
    }
    rows = []
    for name, call in calls.items():
        result: Answer[tuple[Any, ...]] | ModelArtsError | None = None
        if may_begin() and breaker.next_call_at(project) is None:
            try:
                result = call()
            except ModelArtsError as error:
                result = error
                breaker.record_failure(project, error)
            else:
                breaker.record_success(project)
        rows.append(_list_row(name, result))
    return rows


def _list_row(name: str, result: Answer[tuple[Any, ...]] | ModelArtsError | None) -> dict[str, Any]:
    """What a test stores of one list. None: it was not read."""
    if isinstance(result, Answer):
        return {"list": str(name), "diagnosis": str(Diagnosis.WELL), "count": len(result.value)}
    if result is None:
        return {
            "list": str(name),
            "diagnosis": str(Diagnosis.STOPPED),
            "cause": "not_read",
            "code": "",
            "message": "",
        }
    return {
        "list": str(name),
        "diagnosis": str(_diagnosis(result)),
        "cause": result.cause,
        "code": result.code[:64],
        "message": result.message[:MESSAGE_LIMIT],
    }


def _list(project: Project, may_begin: MayBegin) -> tuple[ListAnswer, timedelta | None]:
    """The answer, and how far the cloud's clock is off ours if that matters. One more try by its clock."""
    for attempt in (1, 2):
        try:
            answer = client_for(project).list(type=ClusterType.HPS)
        except ModelArtsError as error:
            breaker.record_failure(project, error)
            is_news = isinstance(error, ClockSkew) and error.offset is not None
            if attempt == 2 or not is_news or not may_begin():
                raise
        else:
            break
    offset = _offset(answer.exchange.server_date)
    return answer, offset if offset is not None and abs(offset) > SKEW else None


def _offset(server_date: datetime | None) -> timedelta | None:
    return server_date - clock.now().replace(microsecond=0) if server_date else None


def _diagnosis(error: ModelArtsError) -> Diagnosis:
    for error_type, diagnosis in BY_MEANING.items():
        if isinstance(error, error_type):
            return diagnosis
    return BY_CAUSE.get(error.cause, Diagnosis.OTHER)


def _end(
    test: ConnectionTest,
    diagnosis: Diagnosis,
    *,
    cause: str = "",
    code: str = "",
    error: ModelArtsError | None = None,
    answer: ListAnswer | None = None,
    skew: timedelta | None = None,
    lists: list[dict[str, Any]] | None = None,
) -> None:
    exchange = answer.exchange if answer else error.exchange if error else None
    facts: dict[str, Any] = {
        "diagnosis": diagnosis,
        "cause": cause or (error.cause if error else ""),
        "code": (code or (error.code if error else ""))[:64],
        "message": error.message if error else "",
        "upstream_request_id": (exchange.request_id if exchange else "")[:128],
        "seconds": round(exchange.elapsed, 3) if exchange else None,
        "clusters": len(answer.value) if answer else None,
        "lists": lists or [],
        "clock_offset": skew or (error.offset if isinstance(error, ClockSkew) else None),
    }
    with transaction.atomic():
        open_ = ConnectionTest.objects.filter(pk=test.pk, done_at__isnull=True)
        if not open_.update(done_at=clock.now(), **facts):
            return  # our lease lapsed, and another worker made the test
        tests = ConnectionTest.objects.filter(project=test.project_id)
        tests.exclude(pk__in=list(tests.values_list("pk", flat=True)[:TESTS_TO_KEEP])).delete()
        record(
            EventType.PROJECT_TESTED,
            Outcome.DONE if diagnosis in {Diagnosis.WELL, Diagnosis.CLOCK} and answer else Outcome.FAILED,
            on=test.project,
            by=test.asked_by,
            after={"lists": {row["list"]: row["diagnosis"] for row in lists}} if lists else None,
            evidence=str(diagnosis),
            response=answer_facts(exchange, error),
            upstream_request_id=str(facts["upstream_request_id"]),
        )
