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
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from hyperclusters.access.models import Team
from hyperclusters.access.permissions import Action, AuditScope, audit_scope, visible_events
from hyperclusters.audit.filters import Filter, Unindexed
from hyperclusters.audit.models import Event
from hyperclusters.audit.paging import Page, Span, beside, page, page_at
from hyperclusters.audit.readable import events
from hyperclusters.audit.reading import note_read
from hyperclusters.audit.segments import archive_of, archives_since
from hyperclusters.audit.verification import standing
from hyperclusters.clusters.models import Cluster, Creation
from hyperclusters.web.audit_chart import chart, count
from hyperclusters.web.audit_filters import Asked, asked
from hyperclusters.web.audit_rows import rows
from hyperclusters.web.decorators import access, anywhere
from hyperclusters.web.limits import limited, searches
from hyperclusters.web.listing import address
from hyperclusters.web.request import PageRequest, wants_fragment


@access(get=anywhere(Action.AUDIT))
@limited("search", "SEARCHES_PER_MINUTE", when=searches)
def listing(request: PageRequest) -> HttpResponse:
    """Newest first, page by page from a sequence number, so that every page costs the same however deep."""
    scope = audit_scope(request.user)
    wanted = asked(request.user, scope, request.GET)
    shown = _page(wanted, scope)
    if request.method == "GET":
        note_read(person=request.user, page="list", filters=wanted.told, team=wanted.team)
    context = {
        "form": wanted.form,
        "menus": wanted.menus,
        "typed": wanted.fields,
        "kept": wanted.kept,
        "is_mistyped": wanted.is_mistyped,
        "has_typed": any(value for _, _, value, _, _ in wanted.fields),
        "is_filtered": bool(wanted.told),
        "events": rows(shown.events),
        "steps": _steps(request.GET, shown),
        "here": address(request.GET),
        "to_count": address(request.GET, upto=_newest(request.GET, shown)),
        "chain": standing(),
        "archives": archives_since()[-1:] if shown.older is None else [],
    }
    return render(request, "audit/list.html", context)


@access(get=anywhere(Action.AUDIT))
def summary(request: PageRequest) -> HttpResponse:
    """How many events fit, up to a bound, and how creations ended day by day. The list asks for it once it is shown."""
    wanted = asked(request.user, audit_scope(request.user), request.GET)
    events = visible_events(request.user)
    if wanted.filter and (upto := wanted.form.cleaned_data["upto"]) is not None:
        events = events.filter(LessThanOrEqual(Unindexed(F("seq")), upto))
    found = wanted.filter or Filter()
    context = {
        "chart": chart(found, events) if wanted.filter else None,
        "count": count(found, events) if wanted.filter else None,
        "here": address(request.GET),
    }
    name = "audit/_summary.html" if wants_fragment(request) else "audit/summary.html"
    response = render(request, name, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@access(get=anywhere(Action.AUDIT, on="event"))
def event(request: PageRequest, seq: int) -> HttpResponse:
    """One event: all fields, request and answer side by side, its place in the chain."""
    visible = visible_events(request.user)
    found = next(events(visible.filter(seq=seq)), None)
    if found is None:
        return _archived(request, seq)
    shown = found[1]
    if request.method == "GET":
        note_read(person=request.user, page="event", filters={"seq": str(seq)}, team=_team_of(shown))
    if shown is None:
        return render(request, "audit/unreadable.html", {"seq": seq})
    older, newer = beside(visible, shown)
    context = {
        "event": shown,
        "row": rows([shown])[0],
        "bodies": [(label, _pretty(value)) for label, value in _bodies(shown)],
        "changes": [(label, _pretty(value)) for label, value in _changes(shown) if value],
        "previous": shown.canonical[13:77],
        "object_url": _object_url(request, shown),
        "older": older,
        "newer": newer,
    }
    return render(request, "audit/event.html", context)


def _archived(request: PageRequest, seq: int) -> HttpResponse:
    """410: the event was moved to an archive. The same for all numbers in it, whatever team an event belongs to."""
    found = archive_of(seq)
    if found is None:
        raise Http404
    return render(request, "audit/archived.html", {"seq": seq, "archives": [found]}, status=410)


def _page(wanted: Asked, scope: AuditScope) -> Page:
    if wanted.filter is None:
        return Page([], None, None, 0)
    given, span = wanted.form.cleaned_data, Span(wanted.filter.since, wanted.filter.until)
    alternatives = wanted.filter.alternatives(scope.parts(), at_any_time=True)
    if wanted.jump:
        return page_at(alternatives, wanted.jump, span=span)
    return page(alternatives, before=given["before"], after=given["after"], span=span)


def _team_of(shown: Event | None) -> Team | None:
    return Team(pk=shown.team_id, name=shown.team_name) if shown and shown.team_id else None


def _newest(query: QueryDict, shown: Page) -> int | None:
    """The newest event there was, which bounds what is counted: the note that this list was read comes later.

    None where the list was asked for from another place on.
    """
    if any(query.get(name) for name in ("before", "after", "jump")):
        return None
    return shown.through_seq


def _steps(query: QueryDict, shown: Page) -> list[tuple[str, str, str]]:
    """The pager: address (empty at the end), words, and what it is to browsers."""
    newer, older = shown.newer is not None, shown.older is not None
    return [
        (address(query) if newer else "", _("Newest"), ""),
        (address(query, after=shown.newer) if newer else "", _("Newer"), "prev"),
        (address(query, before=shown.older) if older else "", _("Older"), "next"),
        (address(query, after=0) if older else "", _("Oldest"), ""),
    ]


def _bodies(shown: Event) -> list[tuple[str, Any]]:
    return [(_("What was sent"), shown.request), (_("What came back"), shown.response)]


def _changes(shown: Event) -> list[tuple[str, Any]]:
    return [(_("Before"), shown.before), (_("After"), shown.after)]


def _object_url(request: PageRequest, shown: Event) -> str:
    """The page of what the event is about, if it has one that this person may see."""
    found: Creation | Cluster | None = None
    with suppress(ValidationError):  # a forged ID: verification names it
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
