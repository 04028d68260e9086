"""The ledger, one line of it, and what it comes to."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F
from django.db.models.lookups import LessThanOrEqual
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from hyperclusters.access.models import Team
from hyperclusters.access.permissions import AuditScope, Permission, audit_scope, visible_events
from hyperclusters.audit.archive_events import find
from hyperclusters.audit.archive_files import Unavailable
from hyperclusters.audit.filters import WithoutIndex
from hyperclusters.audit.integrity import integrity_status
from hyperclusters.audit.ledger import sanitize
from hyperclusters.audit.models import Event
from hyperclusters.audit.paging import Page, Span, beside, page, page_at
from hyperclusters.audit.readable import events
from hyperclusters.audit.segments import archive_of, archives_since
from hyperclusters.audit.visits import note_read
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.models import Cluster, Creation, FollowUp
from hyperclusters.web.audit.archive import link_context
from hyperclusters.web.audit.chart import chart, count
from hyperclusters.web.audit.event_facts import (
    acknowledgement_of,
    changes,
    in_order,
    request_of,
    sign_in_steps,
    source_text,
    state_after,
)
from hyperclusters.web.audit.event_rows import days, rows, what_was_read, with_edits
from hyperclusters.web.audit.menus import filter_context, views
from hyperclusters.web.audit.periods import exact_moment
from hyperclusters.web.audit.query import SPAN, AuditQuery, joins_times, parse_query
from hyperclusters.web.audit.unreadable import unreadable_context
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.http import PageRequest, render_page, wants_fragment
from hyperclusters.web.shared.listing import address
from hyperclusters.web.shared.ratelimit import rate_limit, searches
from hyperclusters.web.shared.saved_views import saved_views
from hyperclusters.web.texts.events import evidence_text
from hyperclusters.web.texts.integrity import event_notice


@access(get=anywhere(Permission.AUDIT))
@joins_times
@rate_limit("search", "SEARCHES_PER_MINUTE", when=searches)
def listing(request: PageRequest) -> HttpResponse:
    """Newest first, page by page from a sequence number, so that every page costs the same however deep."""
    scope = audit_scope(request.user)
    query = parse_query(request.user, scope, request.GET, people_only=True)
    page = _page(query, scope)
    if request.method == "GET":
        note_read(person=request.user, page="list", filters=query.filters, team=query.team)
    status = integrity_status()
    events = with_edits(rows(page.events), status)
    context = {
        "events": events,
        "days": days(events, folds_sign_ins=query.filters.keys() <= {*SPAN}),
        "steps": _steps(request.GET, page),
        "to_count": address(request.GET, upto=_newest(request.GET, page)),
        "to_export": address(request.GET, reads=request.GET.get("reads") or "0"),
        "chain": status,
        "archives": archives_since()[-1:] if page.older is None else [],
        "views": views(request.GET),
        "saved": saved_views(request, "audit"),
    }
    context |= filter_context(query, scope, request.GET) | link_context(query, scope, request.GET)
    return render(request, "audit/list.html", _no_match(query) | context)


@access(get=anywhere(Permission.AUDIT))
def summary(request: PageRequest) -> HttpResponse:
    """How many events match, up to a bound, and how creations ended over time. The list asks for it once it is shown."""
    scope = audit_scope(request.user)
    query = parse_query(request.user, scope, request.GET, people_only=True)
    events = visible_events(request.user)
    if query.filter and (upto := query.form.cleaned_data["upto"]) is not None:
        events = events.filter(LessThanOrEqual(WithoutIndex(F("seq")), upto))
    context = {
        "chart": chart(query.filter, events, request.GET) if query.filter else None,
        "count": count(query.filter, events) if query.filter else None,
        "here": address(request.GET),
    }
    if not wants_fragment(request):
        context |= link_context(query, scope, request.GET)
    return render_page(request, "audit/summary.html", "audit/_summary.html", context)


@access(get=anywhere(Permission.AUDIT, on="event"))
def event(request: PageRequest, seq: int) -> HttpResponse:
    """One event: all fields, request and answer side by side, its place in the chain."""
    row = next(events(visible_events(request.user).filter(seq=seq)), None)
    if row is None:
        return _archive_page(request, seq)
    return _event_page(request, seq, row[1])


def _event_page(
    request: PageRequest, seq: int, event: Event | None, context: dict[str, Any] | None = None
) -> HttpResponse:
    if request.method == "GET":
        note_read(person=request.user, page="event", filters={"seq": str(seq)}, team=_team(event))
    if event is None:
        return render(
            request,
            "audit/unreadable.html",
            {"seq": seq} | (context or unreadable_context(request.user, seq)),
        )
    return render(request, "audit/event.html", _event_context(request, event))


def _event_context(request: PageRequest, event: Event) -> dict[str, Any]:
    older, newer = _neighbours(request, event)
    status = integrity_status()
    findings, request_event = status.findings_of(event.seq), request_of(request.user, event)
    steps = sign_in_steps(event)
    parts = [
        [(_("Request"), in_order(event.request)), (_("Response"), event.response)],
        [(_("Before"), event.before), (_("After"), {} if steps else state_after(event))],
    ]
    pairs = [[(label, _pretty(value)) for label, value in pair if value] for pair in parts]
    name = event.object_name
    return {
        "event": event,
        "row": rows([event])[0],
        "notice": event_notice(findings),
        "changes": [] if event.is_archived else changes(event, findings),
        "acknowledgement": acknowledgement_of(status, findings),
        "chain": status,
        "when": exact_moment(event.at),
        "source": source_text(event),
        "steps": steps,
        "request_event": request_event,
        "request_source": source_text(request_event) if request_event else "",
        "evidence": evidence_text(event.evidence, get_language() or ""),
        "object_name": what_was_read(name)
        if event.action == EventType.AUDIT_READ
        else name or event.object_id,
        "pairs": [pair for pair in pairs if pair],
        "previous": event.canonical[13:77],
        "object_url": _object_url(request, event),
        "older": older,
        "newer": newer,
    }


def _neighbours(request: PageRequest, event: Event) -> tuple[int | None, int | None]:
    """The numbers of the next older and newer event. Of an archived one: in the chain, for who reads everything."""
    if not event.is_archived:
        older, newer = (max(seq or 0, 0) or None for seq in beside(visible_events(request.user), event))
        return older, newer  # a row that somebody put before the first event has no page
    if audit_scope(request.user).teams is not None:
        return None, None
    return event.seq - 1 or None, event.seq + 1


def _team(event: Event | None) -> Team | None:
    return Team(pk=event.team_id, name=event.team_name) if event and event.team_id else None


def _archive_page(request: PageRequest, seq: int) -> HttpResponse:
    """An event of an archive, or 410 where its file is not here: the same for all its numbers, of whatever team."""
    segment, teams = archive_of(seq), audit_scope(request.user).teams
    if segment is None:
        raise Http404
    try:
        event = find(segment, seq)
    except Unavailable:
        return render(request, "audit/archived.html", {"seq": seq, "archives": [segment]}, status=410)
    if teams is not None and (event is None or event.team_id not in teams):
        raise Http404
    return _event_page(request, seq, event, {"archive": segment})


def _no_match(query: AuditQuery) -> dict[str, str]:
    """What an empty list says: where only people's events were looked for, the others may match."""
    if query.filter and query.filter.people_only and not query.filters:
        return {
            "no_match": _("Nobody has done anything yet that you may see."),
            "no_match_url": "?reads=1",
            "no_match_action": _("Show reads and system events"),
        }
    return {
        "no_match": _("No event that you may see matches this search and these filters."),
        "no_match_url": "?",
        "no_match_action": _("Clear filters"),
    }


def _page(query: AuditQuery, scope: AuditScope) -> Page:
    if query.filter is None:
        return Page([], None, None, 0)
    values, span = query.form.cleaned_data, Span(query.filter.since, query.filter.until)
    alternatives = query.filter.alternatives(scope.parts(), at_any_time=True)
    if query.jump:
        return page_at(alternatives, query.jump, span=span)
    return page(alternatives, before=values["before"], after=values["after"], span=span)


def _newest(query: QueryDict, page: Page) -> int | None:
    """The newest event there was, which bounds what is counted: the note that this list was read comes later.

    None where the list was asked for from another place on.
    """
    if any(query.get(name) for name in ("before", "after", "jump")):
        return None
    return page.through_seq


def _steps(query: QueryDict, page: Page) -> list[tuple[str, str, str]]:
    """The pager: address (empty at the end), words, and what it is to browsers. Nothing if one page shows all."""
    newer, older = page.newer is not None, page.older is not None
    if not (newer or older):
        return []
    return [
        (address(query) if newer else "", _("Newest"), ""),
        (address(query, after=page.newer) if newer else "", _("Newer"), "prev"),
        (address(query, before=page.older) if older else "", _("Older"), "next"),
        (address(query, after=0) if older else "", _("Oldest"), ""),
    ]


def _object_url(request: PageRequest, event: Event) -> str:
    """The page of what the event is about, if it has one that this person may see."""
    models: dict[str, type[Creation | Cluster | FollowUp]]
    models = {"creation": Creation, "cluster": Cluster, "follow_up": FollowUp}
    model = models.get(event.object_kind)
    if model is None or not event.object_id:
        return ""
    with suppress(ValidationError):  # a forged ID: verification names it
        if target := model.objects.visible_to(request.user).filter(pk=event.object_id).first():
            return target.get_absolute_url()
    return ""


def _pretty(value: Any) -> str:
    """Indented JSON, what cannot be printed as escapes. A body that is JSON itself is unfolded for reading, which
    turns its own escapes into the characters; what is stored stays as it was."""
    if isinstance(value, dict) and isinstance(value.get("body"), str):
        with suppress(ValueError, RecursionError):
            value = value | {"body": json.loads(value["body"])}
    text: str = sanitize(json.dumps(value, indent=2, ensure_ascii=False)) if value else ""
    return text
