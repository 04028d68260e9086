"""What a cluster's page shows of what was asked of the cloud about it."""

from __future__ import annotations

from typing import Any

from hyperclusters.access.models import User
from hyperclusters.access.permissions import Permission, may
from hyperclusters.clusters.inquiries import trace_window
from hyperclusters.clusters.models import Cluster, InquiryKind
from hyperclusters.web.texts.causes import cause_of
from hyperclusters.web.texts.traces import trace_texts


def capacity_context(cluster: Cluster) -> dict[str, Any] | None:
    """The capacity; None where ModelArts doesn't report it."""
    return _context(cluster, InquiryKind.CAPACITY) if cluster.reports_inside else None


def traces_context(person: User, cluster: Cluster) -> dict[str, Any] | None:
    """What CTS named for a cluster created elsewhere; None for others, and for people who may not read the audit."""
    if cluster.creation or not may(person, Permission.AUDIT, cluster.project.team):
        return None
    context = _context(cluster, InquiryKind.TRACES)
    answer = context["answer"]
    return context | {
        "sentences": trace_texts(answer.rows) if answer else [],
        "is_too_old": trace_window(cluster) is None,
    }


def _context(cluster: Cluster, kind: InquiryKind) -> dict[str, Any]:
    """The last answer with its age, whether one is under way, and why the last one failed."""
    inquiries = cluster.inquiries.filter(kind=kind).select_related("asked_by")
    last = inquiries.first()
    is_failed = last is not None and last.done_at is not None and last.rows is None
    return {
        "answer": inquiries.with_answer().first(),
        "is_open": last is not None and last.done_at is None,
        "failed_at": last.done_at if last and is_failed else None,
        "failure": cause_of(last.cause, last.code, last.message) if last and is_failed else "",
    }
