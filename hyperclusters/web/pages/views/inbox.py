"""A person's notices, and the word that a creation of theirs has settled meanwhile."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime

from hyperclusters.audit import clock
from hyperclusters.clusters.models import Creation
from hyperclusters.web.pages.latest import not_in_lists
from hyperclusters.web.pages.views.home import audit_status, needs
from hyperclusters.web.shared.decorators import SIGNED_IN, access
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.polls import nothing_new
from hyperclusters.web.texts import notices


@access(get=SIGNED_IN)
def inbox(request: PageRequest) -> HttpResponse:
    """What waits for this person, and what happened in the last two weeks that they should know."""
    rows, lists = notices.inbox(request.user), needs(request.user, audit_status(request.user))
    context = {"rows": not_in_lists(rows, lists), "unread": sum(row.is_unread for row in rows)}
    return render(request, "pages/inbox.html", lists | context)


@access(post=SIGNED_IN, page="web:inbox")
def read(request: PageRequest) -> HttpResponse:
    """Mark everything up to now as read."""
    notices.mark_read(request.user)
    return redirect("web:inbox")


@access(get=SIGNED_IN)
def news(request: PageRequest) -> HttpResponse:
    """For pages that wait: each creation of this person that settled since they asked last, as a toast. A page asks
    only while such a creation is under way."""
    now, person = clock.now(), request.user
    since = _since(request.GET.get("since", ""), now)
    here = request.htmx.current_url_abs_path or ""
    toasts = [each for each in notices.settled_creations(person, since) if each.url != here]
    is_waiting = Creation.objects.unresolved().filter(requested_by=person).exists()
    if is_waiting and not toasts and since < now:
        return nothing_new()  # it asks from the same time on
    context = {"settled": toasts, "since": now.isoformat(), "is_waiting": is_waiting}
    return render(request, "pages/_news.html", context)


def _since(text: str, now: datetime) -> datetime:
    """The time that the page named, at most a day ago; now if it is none."""
    try:
        since = parse_datetime(text)
    except ValueError:
        since = None
    if since is None or since.tzinfo is None:
        return now
    return since if clock.is_within(since, notices.NEWS_SPAN) else now
