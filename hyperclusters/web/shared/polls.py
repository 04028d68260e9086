"""Regions that ask for themselves again: most find nothing new, and that is answered before anything is drawn."""

from __future__ import annotations

from hashlib import blake2s

from django.http import HttpResponse

from hyperclusters.audit.models import ChainHead
from hyperclusters.web.shared.http import PageRequest, wants_fragment


def version_of(*facts: object) -> str:
    """Changes with any of these facts, and with each event of the audit: whatever a person or a worker does is one.

    Take it before the rows are read: what changes meanwhile is then news to the next poll.
    """
    newest = ChainHead.objects.values_list("seq", flat=True).first()
    return blake2s(repr((newest, facts)).encode(), digest_size=12).hexdigest()


def is_as_seen(request: PageRequest, version: str) -> bool:
    """Whether the region that asks shows this version: it sends the one it was drawn with as `X-Poll`."""
    return wants_fragment(request) and request.headers.get("X-Poll") == version


def nothing_new() -> HttpResponse:
    """Htmx leaves the region as it is, and with it what is typed, pressed or selected there."""
    return HttpResponse(status=204)
