"""What the page of one event says beside its fields: the request behind it, what was edited, and its verification."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from hyperclusters.access.models import User
from hyperclusters.access.permissions import visible_events
from hyperclusters.audit.acknowledgements import Acknowledgement, latest_of
from hyperclusters.audit.archive_events import needle, past
from hyperclusters.audit.chain import COLUMNS, timestamp
from hyperclusters.audit.findings import IntegrityIssue, IssueKind
from hyperclusters.audit.integrity import IntegrityStatus
from hyperclusters.audit.ledger import sanitize
from hyperclusters.audit.matching import Fields
from hyperclusters.audit.models import Event
from hyperclusters.audit.readable import events, values
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.web.audit.event_rows import OPERATIONS, REQUESTS
from hyperclusters.web.texts.events import ORIGINS, SIGN_IN_STEPS
from hyperclusters.web.texts.integrity import COLUMN_WORDS

VALUE_LENGTH = 1000  # characters of a value that the page shows
NOT_COMPARED = {"seq", "canonical", "digest"}  # a readable event comes from these


class Change(NamedTuple):
    """A column that was edited: its name in words, what was sealed, and what is stored now."""

    label: str
    original: str
    present: str


def source_text(event: Event) -> str:
    """What made the event, in words; of a worker also for whom."""
    if event.source == "worker" and event.person_name:
        return _("Worker, for %(person)s") % {"person": event.person_name}
    return str(ORIGINS.get(event.source, event.source))


def request_of(person: User, event: Event) -> Event | None:
    """The request that a worker's event belongs to, if this person may read it: it has the reason and the source."""
    if event.source != "worker" or event.object_kind not in OPERATIONS or not event.object_id:
        return None
    requests = visible_events(person).for_object(event.object_kind, event.object_id)
    for _seq, request in events(requests.filter(action__in=REQUESTS).order_by("seq")[:1]):
        is_own = request and request.action in REQUESTS and request.object_id == event.object_id
        return request if is_own else None  # edited or unreadable: no archive has it

    def matches(fields: Fields) -> bool:
        same = all(fields[name] == getattr(event, name) for name in ("object_kind", "object_id", "team_id"))
        return same and fields["action"] in REQUESTS

    archived_requests = past(None, matches, needles=[needle(object_id=event.object_id)], size=1).events
    return archived_requests[0] if archived_requests else None


def sign_in_steps(event: Event) -> list[str]:
    """How somebody signed in, in words; empty for other events."""
    if event.action != EventType.SIGNED_IN or not event.after or event.after.keys() != {"by"}:
        return []
    steps = event.after["by"]
    return [str(SIGN_IN_STEPS.get(str(each), each)) for each in steps] if isinstance(steps, list) else []


def in_order(request: dict[str, Any] | None) -> dict[str, Any]:
    """A request as one reads it: what was asked of which address comes first."""
    values = request or {}
    return {name: values[name] for name in ("method", "url", "query", "body") if name in values} | values


def state_after(event: Event) -> dict[str, Any]:
    """The state after, without texts that are empty and have no value before: nobody filled them in."""
    before, after = event.before or {}, event.after or {}
    return {name: value for name, value in after.items() if value != "" or name in before}


def changes(event: Event, findings: Iterable[IntegrityIssue]) -> list[Change]:
    """Each column of which verification found that it was edited. One statement a column: a value that cannot be read
    hides no other."""
    details = [each.detail.split(", ") for each in findings if each.kind == IssueKind.EDITED]
    names = {name for names in details if set(names) <= {*COLUMNS} for name in names} - NOT_COMPARED
    rows, edits = Event.objects.filter(seq=event.seq), []
    for name in (each for each in COLUMNS if each in names):
        original, present = getattr(event, name), dict(values(rows, name)).get(event.seq)
        if original != present:
            label = capfirst(str(COLUMN_WORDS.get(name, name)))
            edits.append(Change(label, _text(original), _text(present)))
    return edits


def acknowledgement_of(status: IntegrityStatus, findings: Iterable[IntegrityIssue]) -> Acknowledgement | None:
    """The latest acknowledgement of these findings; None while one of them has none."""
    acks = [
        latest_of(each, status.acknowledgements) if each in status.acknowledged else None for each in findings
    ]
    return max(filter(None, acks), key=lambda each: each.seq, default=None) if all(acks) else None


def _text(value: Any) -> str:
    if value is None:
        return _("(empty or unreadable)")
    if value == "":
        return _("(empty)")
    if isinstance(value, datetime):
        return timestamp(value)
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return str(sanitize(text if len(text) <= VALUE_LENGTH else f"{text[:VALUE_LENGTH]}…"))
