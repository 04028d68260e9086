"""The page of an event that cannot be read: what was found of it, and its place among those that can."""

from __future__ import annotations

from typing import Any

from hyperclusters.access.models import User
from hyperclusters.access.permissions import visible_events
from hyperclusters.audit.integrity import integrity_status
from hyperclusters.audit.models import Event
from hyperclusters.audit.raw_rows import MOST
from hyperclusters.audit.readable import events, values
from hyperclusters.web.texts.integrity import detail_text


def unreadable_context(person: User, seq: int) -> dict[str, Any]:
    """Neighbours by number, what verification says, and the digests by which a copy of the event is known. Time and
    digest of the row itself are as they are stored, and nothing vouches for them."""
    numbers = visible_events(person).values_list("seq", flat=True)
    around = dict(events(Event.objects.filter(seq__range=(seq - 1, min(seq + 1, MOST)))))
    before, after = around.get(seq - 1), around.get(seq + 1)
    rows = Event.objects.filter(seq=seq)
    at, digest = (dict(values(rows, name)).get(seq) for name in ("at", "digest"))
    return {
        "older": numbers.filter(seq__lt=seq).order_by("-seq").first(),
        "newer": numbers.filter(seq__gt=seq).order_by("seq").first(),
        "details": [detail_text(each) for each in integrity_status().findings_of(seq)],
        "previous_digest": before.digest if before else "",
        "original_digest": after.canonical[13:77] if after else "",
        "stored_at": at,
        "stored_digest": digest,
    }
