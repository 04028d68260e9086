"""What a cluster's page shows of what was asked of the cloud about it."""

from __future__ import annotations

from typing import Any

from hyperclusters.clusters.models import Cluster, InquiryKind
from hyperclusters.web.texts.causes import cause_of


def inquiry_context(cluster: Cluster, kind: InquiryKind) -> dict[str, Any]:
    """The last answer with its age, whether one is under way, and why the last one failed."""
    inquiries = cluster.inquiries.filter(kind=kind).select_related("asked_by")
    last = inquiries.first()
    is_failed = last is not None and last.done_at is not None and last.rows is None
    return {
        "answer": inquiries.answered().first(),
        "is_open": last is not None and last.done_at is None,
        "failed_at": last.done_at if last and is_failed else None,
        "failure": cause_of(last.cause, last.code, last.message) if last and is_failed else "",
    }
