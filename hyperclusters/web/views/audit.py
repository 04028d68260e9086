"""The ledger, and one line of it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from hyperclusters.access.permissions import Action, require, visible_events
from hyperclusters.audit.models import Event, EventQuerySet
from hyperclusters.audit.vocabulary import Action as Did
from hyperclusters.audit.vocabulary import Outcome
from hyperclusters.clusters.models import Cluster, Creation
from hyperclusters.web.limits import limited, searches
from hyperclusters.web.listing import address, chosen, searched
from hyperclusters.web.request import PageRequest

PAGE = 50


@require_safe
@limited("search", "SEARCHES_PER_MINUTE", when=searches)
def listing(request: PageRequest) -> HttpResponse:
    """Newest first, page by page from a sequence number, so that every page costs the same however deep."""
    require(request.user, Action.AUDIT)
    query = request.GET
    visible = visible_events(request.user)
    outcomes = [(str(value), str(label)) for value, label in Outcome.choices]
    actions = [(str(value), str(label)) for value, label in Did.choices]
    rows = _filtered(visible, query, outcomes, actions)
    events, newer, older = _page(rows, query)
    context = {
        "events": events,
        "newer": address(query, after=newer) if newer else "",
        "older": address(query, before=older) if older else "",
        "outcomes": outcomes,
        "actions": actions,
        "is_filtered": any(query.get(name) for name in ("q", "person", "outcome", "action")),
    }
    return render(request, "audit/list.html", context)


@require_safe
def event(request: PageRequest, seq: int) -> HttpResponse:
    """One event: all fields, request and answer side by side."""
    require(request.user, Action.AUDIT)
    shown = get_object_or_404(visible_events(request.user), seq=seq)
    blocks = [(label, _pretty(value)) for label, value in _blocks(shown) if value]
    context = {"event": shown, "blocks": blocks, "object_url": _object_url(request, shown)}
    return render(request, "audit/event.html", context)


def _filtered(
    rows: Any, query: Any, outcomes: list[tuple[str, str]], actions: list[tuple[str, str]]
) -> EventQuerySet:
    found: EventQuerySet = rows
    if text := searched(query):
        found = found.search(text)
    if person := searched(query, "person"):
        found = found.filter(person_name=person)
    if outcome := chosen(query, "outcome", outcomes):
        found = found.filter(outcome=outcome)
    if action := chosen(query, "action", actions):
        found = found.filter(action=action)
    return found


def _page(rows: EventQuerySet, query: Any) -> tuple[list[Event], int | None, int | None]:
    """The events of this page, and the numbers from which the newer and the older page begin, if there is one."""
    before, after = _number(query.get("before")), _number(query.get("after"))
    if after is not None:
        found = list(rows.filter(seq__gt=after).order_by("seq")[: PAGE + 1])
        more_newer, more_older = len(found) > PAGE, True
        events = found[:PAGE][::-1]
    else:
        older_than = rows.filter(seq__lt=before) if before is not None else rows
        found = list(older_than.order_by("-seq")[: PAGE + 1])
        more_newer, more_older = before is not None, len(found) > PAGE
        events = found[:PAGE]
    if not events:
        return [], None, None
    return events, events[0].seq if more_newer else None, events[-1].seq if more_older else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _blocks(shown: Event) -> list[tuple[str, Any]]:
    return [
        (_("What was sent"), shown.request),
        (_("What came back"), shown.response),
        (_("Before"), shown.before),
        (_("After"), shown.after),
    ]


def _object_url(request: PageRequest, shown: Event) -> str:
    """The page of what the event is about, if it has one that this person may see."""
    found: Creation | Cluster | None = None
    if shown.object_id and shown.object_kind == "creation":
        found = Creation.objects.visible_to(request.user).filter(pk=shown.object_id).first()
    elif shown.object_id and shown.object_kind == "cluster":
        found = Cluster.objects.visible_to(request.user).filter(pk=shown.object_id).first()
    return found.get_absolute_url() if found else ""


def _pretty(value: Any) -> str:
    """Indented JSON. A body that is JSON itself is unfolded for reading; what is stored stays as it was."""
    if isinstance(value, dict) and isinstance(value.get("body"), str):
        with suppress(ValueError, RecursionError):
            value = value | {"body": json.loads(value["body"])}
    return json.dumps(value, indent=2, ensure_ascii=False) if value else ""
