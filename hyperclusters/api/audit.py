"""The audit: read, exported, verified."""

from django.http import HttpResponseBase
from ninja import Query, Schema
from ninja.errors import ValidationError
from pydantic import Field

from hyperclusters.access.permissions import AuditScope, Permission, audit_scope
from hyperclusters.accounts.models import Scope
from hyperclusters.audit.export import Format
from hyperclusters.audit.filters import EventFilter
from hyperclusters.audit.integrity import integrity_status
from hyperclusters.audit.models import Event
from hyperclusters.audit.paging import Span, page, written_after
from hyperclusters.audit.readable import events
from hyperclusters.audit.visits import note_read
from hyperclusters.web.audit.query import AuditQuery, parse_query
from hyperclusters.web.audit.views.export import start_export
from hyperclusters.web.shared.decorators import access, anywhere
from hyperclusters.web.shared.http import PageRequest
from hyperclusters.web.shared.ratelimit import rate_limit, searches

from .app import api
from .paging import decode_number, encode
from .schemas import EventOut, IntegrityOut, ObjectOut, Page, PageParameters, Search

Several = list[Search]
READERS = anywhere(Permission.AUDIT).with_scope(Scope.AUDIT_READ)


class EventFilters(Schema):
    """The filters of the audit's page."""

    q: Search = Field("", description="Part of a name, an ID, a request ID, a reason or an error code")
    range: Search = Field(
        "", description="1h, 24h, today, yesterday, 7d, last-week, 30d or this-month; days and weeks in UTC"
    )
    since: Search = Field("", description="UTC: 2026-11-25 or 2026-11-25T22:30")
    until: Search = Field("", description="UTC; a date includes that day")
    person: Several = Field([], description="User names; repeat it for any of several")
    team: Several = Field([], description="Slugs of teams")
    project: Several = []
    action: Several = Field([], description="Such as cluster:create:requested; repeat it for any of several")
    outcome: Several = Field(
        [],
        description="done, accepted, refused, denied, failed, unknown or noted; repeat it for any of several",
    )
    cluster: Search = Field("", description="Whole name or ID of an object, such as a cluster")
    request: Search = Field("", description="Whole request ID, ours or the cloud's")
    code: Search = Field("", description="Part of an error code of the cloud")
    reason: Search = Field("", description="Part of a reason")
    ip: Search = ""
    reads: Search = Field(
        "", description="0: without reads of the audit and what the system noticed by itself, as on the page"
    )


class EventPage(EventFilters, PageParameters):
    after: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="Only events written after the one of this number, in the order of the ledger instead of by time. "
        "To follow the audit, ask again with the last `seq`",
    )


@api.get("/audit/events", response=Page[EventOut], tags=["audit"], url_name="events")
@access(get=READERS)
@rate_limit("search", "SEARCHES_PER_MINUTE", when=searches)
def list_events(request: PageRequest, filters: Query[EventPage]) -> Page[EventOut]:
    """Events that you may read, newest first. That they were read is an event too, once in ten minutes."""
    scope, query, event_filter = _scope_and_filters(request)
    next_cursor = None
    if filters.after is not None and filters.cursor:
        raise ValidationError([{"loc": ("query", "cursor"), "msg": "Not together with after"}])
    if filters.after is not None:
        numbers = written_after(event_filter.alternatives(scope.parts()), filters.after, filters.limit)
    else:
        event_page = page(
            event_filter.alternatives(scope.parts(), at_any_time=True),
            before=decode_number(filters.cursor),
            span=Span(event_filter.since, event_filter.until),
            size=filters.limit,
        )
        numbers = [row.seq for row in event_page.events]
        next_cursor = encode(str(event_page.older)) if event_page.older is not None else None
    note_read(person=request.user, page="api", filters=query.filters, team=query.team)
    return Page[EventOut](items=_items(numbers), next=next_cursor)


@api.get("/audit/export", tags=["audit"], url_name="export")
@access(get=READERS)
@rate_limit("export", "EXPORTS_PER_MINUTE")
def export_events(request: PageRequest, filters: Query[EventFilters]) -> HttpResponseBase:
    """All events that you may read, as JSON Lines with a sealed manifest as the last line, in the order of the chain."""
    _scope, query, _filter = _scope_and_filters(request)
    return start_export(request, query, Format.JSONL)


@api.get("/audit/integrity", response=IntegrityOut, tags=["audit"], url_name="integrity")
@access(get=READERS)
def read_integrity(request: PageRequest) -> IntegrityOut:
    """Whether the audit is as it was written, by the last verifications."""
    status = integrity_status()
    return IntegrityOut(
        state=status.state,
        verified_at=status.at,
        whole_verified_at=status.whole_at,
        through_seq=status.seq,
        open_findings=len(status.findings),
    )


def _scope_and_filters(request: PageRequest) -> tuple[AuditScope, AuditQuery, EventFilter]:
    """What the address asks for, by the page's own rules. Raises ValidationError."""
    scope = audit_scope(request.user)
    query = parse_query(request.user, scope, request.GET)
    if query.filter is None:
        errors = [
            {"loc": ("query", name), "msg": " ".join(map(str, texts))}
            for name, texts in query.form.errors.items()
        ]
        raise ValidationError(errors)
    return scope, query, query.filter


def _items(numbers: list[int]) -> list[EventOut]:
    """The events of these numbers, in their order."""
    rows = dict(events(Event.objects.filter(seq__in=numbers)))
    return [_event_out(seq, rows.get(seq)) for seq in numbers]


def _event_out(seq: int, event: Event | None) -> EventOut:
    if event is None:
        return EventOut(seq=seq, is_readable=False)
    about = ObjectOut(kind=event.object_kind, id=event.object_id, name=event.object_name)
    return EventOut(
        seq=seq,
        at=event.at,
        action=event.action,
        outcome=event.outcome,
        person=event.person_name,
        team=event.team_name,
        project=event.project_name,
        object=about if event.object_kind else None,
        reason=event.reason,
        before=event.before,
        after=event.after,
        request=event.request,
        response=event.response,
        evidence=event.evidence,
        source=event.source,
        ip=event.ip,
        request_id=event.request_id,
        cloud_request_id=event.upstream_request_id,
        digest=event.digest,
    )
