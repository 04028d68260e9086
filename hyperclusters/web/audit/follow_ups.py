"""Follow-ups, as the review lists them: open, overdue, one's own, closed."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext as _

from hyperclusters.clusters.models import FollowUp, FollowUpEntry
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.listing import PAGE_SIZE

OPEN = "open"


def part_context(request: PageRequest, creations: QuerySet[Any]) -> tuple[dict[str, Any], QuerySet[FollowUp]]:
    """What the page shows beside the follow-ups that the address asks for, and these. `creations`: creations that are
    marked, and about which nobody is asked."""
    rows = FollowUp.objects.visible_to(request.user).with_related().with_access()
    parts = {
        OPEN: (_("Open"), rows.open()),
        "overdue": (_("Overdue"), rows.overdue()),
        "mine": (_("Mine"), rows.open().of(request.user)),
        "closed": (_("Closed"), rows.closed()),
    }
    state = request.GET.get("state", OPEN)
    state = state if state in parts else OPEN
    views = [
        (word, f"?show=follow-up&state={name}", name == state, part.order_by().count())
        for name, (word, part) in parts.items()
    ]
    context = {"views": views, "flagged": creations[:PAGE_SIZE] if state == OPEN else []}
    entries = FollowUpEntry.objects.filter(follow_up=OuterRef("pk")).exclude(text="").order_by("-pk")
    last = {"last_text": entries.values("text")[:1], "last_author": entries.values("author__username")[:1]}
    return context, parts[state][1].annotate(**{name: Subquery(row) for name, row in last.items()})
