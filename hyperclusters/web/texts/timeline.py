"""A creation told step by step, from its audit events."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from hyperclusters.audit.models import Event
from hyperclusters.audit.readable import UNREADABLE, events, values
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.models import Creation, State
from hyperclusters.web.texts.causes import cause_of, is_about_request, list_refused_text


@dataclass(frozen=True, slots=True)
class Step:
    """One line: when, what, and what it rests on. `kind` is the colour, as for badges. `unreadable_seq`: the number of
    its event if that cannot be read; the time is then as it is stored."""

    kind: str
    title: str
    text: str
    at: datetime | None
    is_archived: bool = False
    unreadable_seq: int = 0


def timeline(creation: Creation, archived_events: Sequence[Event] = ()) -> list[Step]:
    """What has happened so far, oldest first. `archived_events`: its events that the ledger lacks, newest first."""
    steps: list[Step] = []
    past = [(event.seq, event) for event in reversed(archived_events)]
    for seq, event in [*past, *events(Event.objects.for_object("creation", creation.pk))]:
        try:
            new = _steps(event)
            steps += [replace(step, is_archived=True) for step in new] if event and event.is_archived else new
        except UNREADABLE:  # also of a document that is another than the action's
            name = _("Event %(number)d can't be read") % {"number": seq}
            at = event.at if event else dict(values(Event.objects.filter(seq=seq), "at")).get(seq)
            text = "" if event else _("The stored event has no valid seal.")
            steps.append(Step("bad", name, text, at, unreadable_seq=seq))
    return steps


def _steps(event: Event | None) -> list[Step]:
    """What one event tells. Raises one of UNREADABLE."""
    if event is None:
        raise ValueError("the event cannot be read")
    steps: list[Step] = []
    title, kind, details = STEPS.get(
        EventType(event.action), (capfirst(event.get_action_display()), "idle", None)
    )
    if event.action == EventType.CREATE_SENDING:
        count = len((event.after or {}).get("baseline", []))
        text = _("No cluster with this name existed")
        if count:
            text = ngettext(
                "%(count)d cluster with this name existed before",
                "%(count)d clusters with this name existed before",
                count,
            ) % {"count": count}
        steps.append(Step("good", _("Checked the cloud"), text, event.at))
    if event.action in (EventType.CREATE_REFUSED, EventType.CREATE_DELAYED):
        steps += _failed_check(event)
    steps.append(Step(kind, str(title), details(event) if details else "", event.at))
    return steps


def _failed_check(event: Event) -> list[Step]:
    """The list that is read before a creation is sent, if the cloud refused or failed to give it."""
    status = (event.response or {}).get("status")
    if not status or "proves" not in (event.response or {}):
        return []
    return [Step("bad", _("Checked the cloud"), _("HTTP %(status)s") % {"status": status}, event.at)]


def _request_text(event: Event) -> str:
    if not event.reason:
        return _("by %(person)s") % {"person": event.person_name}
    return _("by %(person)s: “%(reason)s”") % {"person": event.person_name, "reason": event.reason}


def _sending_text(event: Event) -> str:
    return _("Attempt %(number)d, logged before sending") % {"number": (event.after or {}).get("send", 1)}


def _answer_text(event: Event) -> str:
    response = event.response or {}
    cluster = (event.after or {}).get("cluster") or {}
    parts = []
    if cluster:
        parts.append(_("ID %(id)s") % {"id": cluster.get("id", "")})
    if response.get("seconds") is not None and response.get("status"):
        parts.append(
            _("answered %(status)s after %(seconds)s s")
            % {"status": response["status"], "seconds": response["seconds"]}
        )
    if event.evidence == "listed":
        parts.append(_("found in the cloud's list"))
    return " · ".join(parts)


def _cause(event: Event) -> str:
    response = event.response or {}
    return cause_of(
        response.get("cause") or event.evidence,
        response.get("code", ""),
        response.get("message", ""),
        is_clear=response.get("proves") != "nothing",
    )


def _refusal_text(event: Event) -> str:
    if is_about_request((event.response or {}).get("code", "")):
        return list_refused_text()
    return _cause(event)


def _unclear_text(event: Event) -> str:
    """The cause, and the clusters that the answer named: they are looked for."""
    ids = (event.after or {}).get("reported_ids", [])
    return " · ".join(filter(None, [_cause(event), *(_("ID %(id)s") % {"id": each} for each in ids)]))


def _found_text(event: Event) -> str:
    """The cluster that contradicts the verdict, if it is one."""
    after = event.after or {}
    ids = [(after.get("cluster") or {}).get("id"), after.get("found"), *after.get("reported_ids", [])]
    cluster_id = next((each for each in ids if each and each not in State.values), "")
    return _("ID %(id)s") % {"id": cluster_id} if cluster_id else ""


def _person(event: Event) -> str:
    return _("by %(person)s") % {"person": event.person_name}


def _absence_text(_event: Event) -> str:
    return _("No complete list showed it, and the request has expired.")


def _attention_text(event: Event) -> str:
    return cause_of(event.evidence, "")


# Each step: its title, its colour, and what else the event tells.
STEPS: dict[EventType, tuple[str | Promise, str, Callable[[Event], str] | None]] = {
    EventType.CREATE_REQUESTED: (gettext_lazy("Requested"), "good", _request_text),
    EventType.CREATE_APPROVAL_NEEDED: (gettext_lazy("Waits for approval"), "wait", _attention_text),
    EventType.CREATE_APPROVED: (gettext_lazy("Approved"), "good", _request_text),
    EventType.CREATE_DECLINED: (gettext_lazy("Declined"), "warn", _request_text),
    EventType.CREATE_APPROVAL_REFUSED: (gettext_lazy("Approval refused"), "warn", _person),
    EventType.CREATE_SENDING: (gettext_lazy("Sent to the cloud"), "good", _sending_text),
    EventType.CREATE_SUCCEEDED: (gettext_lazy("Created"), "good", _answer_text),
    EventType.CREATE_FAILED: (gettext_lazy("Failed"), "bad", _cause),
    EventType.CREATE_UNKNOWN: (gettext_lazy("Outcome unknown"), "wait", _unclear_text),
    EventType.CREATE_DELAYED: (gettext_lazy("Not sent this time"), "warn", _cause),
    EventType.CREATE_NOT_SENT: (gettext_lazy("Not carried out; will be tried again"), "warn", _cause),
    EventType.CREATE_REFUSED: (gettext_lazy("Refused"), "warn", _refusal_text),
    EventType.CREATE_DENIED: (gettext_lazy("Not permitted"), "warn", _cause),
    EventType.CREATE_LOOK_ASKED: (gettext_lazy("Check requested"), "idle", _person),
    EventType.CREATE_SIGHTED: (gettext_lazy("The cloud lists a possible match"), "warn", _found_text),
    EventType.CREATE_UNDECIDED: (gettext_lazy("Needs a decision"), "warn", _cause),
    EventType.CREATE_WITHDRAWN: (gettext_lazy("Withdrawn"), "idle", _person),
    EventType.CREATE_DECIDED: (gettext_lazy("Decided"), "good", _person),
    EventType.CREATE_ABSENT: (gettext_lazy("Proved absent"), "warn", _absence_text),
    EventType.CREATE_OVERDUE: (gettext_lazy("Open for more than half an hour"), "warn", None),
    EventType.CREATE_CONFIRMED: (gettext_lazy("Confirmed by later evidence"), "good", None),
    EventType.CREATE_CONTRADICTED: (gettext_lazy("Contradicted by later evidence"), "bad", _found_text),
}
