"""The sealed records that archives leave in the database: up to where events were moved, and to which file."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.conf import settings
from django.db.models import Q

from .findings import Findings, Kind
from .models import Segment
from .walk import Place


def covered(findings: Findings) -> Place:
    """The place up to which events were moved to archives. What was done to their records is added to `findings`."""
    keys = dict(settings.AUDIT_KEYS)
    place = Place()
    for segment in Segment.objects.order_by("first"):
        sealed = segment.sealed_with(keys[segment.key_id]) if segment.key_id in keys else ""
        if sealed != segment.seal or segment.first != place.seq + 1 or segment.previous != place.digest:
            content = hashlib.sha256(f"{sealed} {segment.seal}".encode()).hexdigest()
            findings.add(
                Kind.ARCHIVE_EDITED, segment.first, segment.last, "the record of an archive", content
            )
        place = Place(segment.last, segment.digest, segment.end_key_id)
    return place


def archive_of(seq: int) -> Segment | None:
    """The record of the archive that holds this event, if it was moved to one."""
    found = Segment.objects.filter(first__lte=seq, last__gte=seq).first()
    return found if found and _is_sealed(found) else None


def archives_since(at: datetime | None = None) -> list[Segment]:
    """The records of the archives that hold events from this time on, oldest first; of all without a time."""
    later = Q(last_at__gte=at) | Q(last_at__isnull=True, archived_at__gte=at) if at else Q()
    return [each for each in Segment.objects.filter(later).order_by("first") if _is_sealed(each)]


def _is_sealed(segment: Segment) -> bool:
    key = dict(settings.AUDIT_KEYS).get(segment.key_id)
    return key is not None and segment.sealed_with(key) == segment.seal
