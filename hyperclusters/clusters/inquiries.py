"""Asks the cloud about one cluster: requested on a page, made by a worker, never by itself.

An inquiry changes nothing in the cloud. A failed one leaves older answers as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, may, require
from hyperclusters.audit import clock, request_context
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.modelarts import Answer, Capacity, Exchange, ModelArtsError, Trace

from . import breaker
from .credentials import UnusableKey
from .errors import AlreadyGone, NotReported, TracesOff, TracesTooOld
from .models import Cluster, Inquiry, InquiryKind, Project
from .operations.facts import answer_facts, error_fields
from .operations.transitions import wake_workers
from .upstream import NoTraceService, client_for, trace_client_for

INQUIRIES_TO_KEEP = 5  # inquiries of one kind about a cluster
TRACES_KEPT = timedelta(days=7)  # by CTS
AFTER_FIRST_SIGHT = timedelta(hours=1)  # clocks differ, and CTS may record late

Rows = list[dict[str, Any]]
Ask = Callable[[Cluster], tuple[Rows, Exchange]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What one kind needs and does, and its events."""

    permission: Permission
    ask: Ask
    request_event: EventType
    answer_event: EventType


def ask_capacity(*, by: User, cluster: Cluster) -> Inquiry:
    """Have a worker ask ModelArts for the capacity now. Returns an open inquiry as it is.

    Raises NotPermitted; AlreadyGone; NotReported for a cluster that is not HPS.
    """
    require(by, Permission.VIEW, cluster.project.team)
    if cluster.gone_at is not None:
        raise AlreadyGone(cluster.cluster_id)
    if not cluster.reports_inside:
        raise NotReported(cluster.cluster_id)
    return _request(by, cluster, InquiryKind.CAPACITY)


def ask_traces(*, by: User, cluster: Cluster) -> Inquiry:
    """Have a worker ask CTS now for traces of a cluster created elsewhere. Returns an open inquiry as it is.

    Raises NotPermitted; TracesOff unless the project's settings allow it and the cluster was created elsewhere;
    TracesTooOld if the cluster was first seen before everything that CTS keeps.
    """
    require(by, Permission.AUDIT, cluster.project.team)
    if cluster.creation_id or not _reads_traces(cluster):
        raise TracesOff(cluster.cluster_id)
    if trace_window(cluster) is None:
        raise TracesTooOld(cluster.cluster_id)
    return _request(by, cluster, InquiryKind.TRACES)


def trace_window(cluster: Cluster) -> tuple[datetime, datetime] | None:
    """The time in which to look for traces: the days before the cluster was first seen, and an hour after, as far as
    CTS keeps them. None if it keeps nothing of that time."""
    now = clock.now()
    since = max(cluster.found_at - TRACES_KEPT, now - TRACES_KEPT)
    until = min(cluster.found_at + AFTER_FIRST_SIGHT, now)
    return (since, until) if since < until else None


def run_inquiry(inquiry: Inquiry) -> None:
    """Ask the cloud and store its answer. Nothing is sent if who asked may not ask any more, if the project's settings
    do not allow it any more, or while calls to the project are stopped or its key is not proved."""
    cluster, kind = inquiry.cluster, KINDS[InquiryKind(inquiry.kind)]
    if cause := _obstacle(inquiry, kind):
        _end(inquiry, kind, cause=cause)
        return
    try:
        rows, exchange = kind.ask(cluster)
    except UnusableKey as error:
        _end(inquiry, kind, cause=error.cause)
    except NoTraceService:
        _end(inquiry, kind, cause="no_trace_service")
    except ModelArtsError as error:
        breaker.record_failure(cluster.project, error)
        _end(inquiry, kind, error=error)
    else:
        _end(inquiry, kind, rows=rows, exchange=exchange)


def _request(by: User, cluster: Cluster, kind: InquiryKind) -> Inquiry:
    with transaction.atomic():
        inquiry, is_new = Inquiry.objects.get_or_create(
            cluster=cluster,
            kind=kind,
            done_at=None,
            defaults={"asked_by": by, "request_id": request_context.current().request_id},
        )
        if is_new:
            record(KINDS[kind].request_event, Outcome.ACCEPTED, on=cluster, by=by)
            wake_workers()
    return inquiry


def _reads_traces(cluster: Cluster) -> bool:
    return Project.objects.filter(pk=cluster.project_id, reads_traces=True).exists()


def _obstacle(inquiry: Inquiry, kind: _Kind) -> str:
    project = inquiry.cluster.project
    if not may(inquiry.asked_by, kind.permission, project.team):
        return "right_lost"
    if inquiry.kind == InquiryKind.TRACES and not _reads_traces(inquiry.cluster):
        return "traces_off"
    project.refresh_from_db(fields=["blocked_until", "trusted", "clock_offset"])
    return "calls_stopped" if project.is_blocked() or not project.trusted else ""


def _read_capacity(cluster: Cluster) -> tuple[Rows, Exchange]:
    answer: Answer[tuple[Capacity, ...]]
    answer = client_for(cluster.project).evaluate_capacity(cluster_id=cluster.cluster_id)
    return [asdict(row) for row in answer.value], answer.exchange


def _read_traces(cluster: Cluster) -> tuple[Rows, Exchange]:
    """One call by the cluster's ID; if that names nothing, one by its name. CTS has no call for both."""
    client = trace_client_for(cluster.project)
    since, until = trace_window(cluster) or (cluster.found_at - TRACES_KEPT, cluster.found_at)
    answer = client.list_traces(since=since, until=until, resource_id=cluster.cluster_id)
    if not answer.value:
        answer = client.list_traces(since=since, until=until, resource_name=cluster.name)
    mine = [trace for trace in answer.value if _may_be_about(trace, cluster)]
    return [asdict(trace) | {"at": trace.at and trace.at.isoformat()} for trace in mine], answer.exchange


def _may_be_about(trace: Trace, cluster: Cluster) -> bool:
    """Whether a trace names no other resource: names are not unique."""
    return trace.resource_id.lower() in {"", cluster.cluster_id.lower()}


KINDS = {
    InquiryKind.CAPACITY: _Kind(
        Permission.VIEW, _read_capacity, EventType.CAPACITY_ASKED, EventType.CAPACITY_ANSWERED
    ),
    InquiryKind.TRACES: _Kind(
        Permission.AUDIT, _read_traces, EventType.TRACES_ASKED, EventType.TRACES_ANSWERED
    ),
}


def _end(
    inquiry: Inquiry,
    kind: _Kind,
    *,
    rows: Rows | None = None,
    exchange: Exchange | None = None,
    cause: str = "",
    error: ModelArtsError | None = None,
) -> None:
    exchange = error.exchange if error else exchange
    upstream_request_id = exchange.request_id[:128] if exchange else ""
    facts = error_fields(error, cause=cause)
    with transaction.atomic():
        row = Inquiry.objects.filter(pk=inquiry.pk, done_at__isnull=True)
        if not row.update(done_at=clock.now(), rows=rows, upstream_request_id=upstream_request_id, **facts):
            return  # our lease lapsed, and another worker asked
        _remove_old(inquiry)
        record(
            kind.answer_event,
            Outcome.FAILED if rows is None else Outcome.DONE,
            on=inquiry.cluster,
            by=inquiry.asked_by,
            evidence=facts["code"] or facts["cause"],
            after=None if rows is None else {"rows": len(rows)},
            response=answer_facts(exchange, error) or ({"cause": cause} if cause else None),
            upstream_request_id=upstream_request_id,
        )


def _remove_old(inquiry: Inquiry) -> None:
    """Remove all but the last inquiries and the last answer."""
    same = Inquiry.objects.filter(cluster=inquiry.cluster_id, kind=inquiry.kind)
    recent = [
        *same.values_list("pk", flat=True)[:INQUIRIES_TO_KEEP],
        *same.with_answer().values_list("pk", flat=True)[:1],
    ]
    same.exclude(pk__in=recent).delete()
