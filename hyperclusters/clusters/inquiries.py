"""Asks the cloud about one cluster: requested on a page, made by a worker, never by itself.

An inquiry changes nothing in the cloud. A failed one leaves older answers as they are.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db import transaction

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, may, require
from hyperclusters.audit import clock, request_context
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.modelarts import Exchange, ModelArtsError

from . import breaker
from .credentials import UnusableKey
from .errors import AlreadyGone, NotReported
from .models import Cluster, Inquiry, InquiryKind
from .operations.facts import answer_facts, error_fields
from .operations.transitions import wake_workers
from .upstream import client_for

KEPT = 5  # inquiries of one kind about a cluster


def ask_capacity(*, by: User, cluster: Cluster) -> Inquiry:
    """Have a worker ask for the capacity now. Returns an open inquiry as it is.

    Raises NotPermitted; AlreadyGone; NotReported for a cluster that is not HPS.
    """
    require(by, Permission.VIEW, cluster.project.team)
    if cluster.gone_at is not None:
        raise AlreadyGone(cluster.cluster_id)
    if not cluster.reports_inside:
        raise NotReported(cluster.cluster_id)
    with transaction.atomic():
        inquiry, is_new = Inquiry.objects.get_or_create(
            cluster=cluster,
            kind=InquiryKind.CAPACITY,
            done_at=None,
            defaults={"asked_by": by, "request_id": request_context.current().request_id},
        )
        if is_new:
            record(EventType.CAPACITY_ASKED, Outcome.ACCEPTED, on=cluster, by=by)
            wake_workers()
    return inquiry


def claim_inquiry(holder: str) -> Inquiry | None:
    """Lease the oldest open inquiry."""
    return Inquiry.objects.filter(done_at__isnull=True).claim(holder)


def run_inquiry(inquiry: Inquiry) -> None:
    """Make the call and store its answer. Nothing is sent while calls to the project are stopped or its key is not
    proved, or if who asked may not ask any more."""
    project = inquiry.cluster.project
    if not may(inquiry.asked_by, Permission.VIEW, project.team):
        _end(inquiry, cause="right_lost")
        return
    project.refresh_from_db(fields=["blocked_until", "trusted", "clock_offset"])
    if project.is_blocked() or not project.trusted:
        _end(inquiry, cause="calls_stopped")
        return
    try:
        answer = client_for(project).evaluate_capacity(cluster_id=inquiry.cluster.cluster_id)
    except UnusableKey as error:
        _end(inquiry, cause=error.cause)
    except ModelArtsError as error:
        breaker.record_failure(project, error)
        _end(inquiry, error=error)
    else:
        _end(inquiry, rows=[asdict(row) for row in answer.value], exchange=answer.exchange)


def _end(
    inquiry: Inquiry,
    *,
    rows: list[dict[str, Any]] | None = None,
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
            EventType.CAPACITY_ANSWERED,
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
    recent = [*same.values_list("pk", flat=True)[:KEPT], *same.answered().values_list("pk", flat=True)[:1]]
    same.exclude(pk__in=recent).delete()
