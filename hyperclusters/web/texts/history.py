"""The history of a cluster: what people did with it, and what appeared in the cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hyperclusters.audit.models import Event
from hyperclusters.audit.readable import UNREADABLE
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.modelarts import meaning_of
from hyperclusters.web.texts.causes import ABOUT_CREATING, cause_of


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One line: an icon, a sentence, the reason that was given, and when. `detail` stands after the reason."""

    icon: str
    kind: str  # of the icon's colour
    text: str
    at: datetime | None
    reason: str = ""
    detail: str = ""
    request_id: str = ""  # the cloud's
    is_archived: bool = False


def history_items(
    events: Iterable[tuple[int, Event | None]], *, creation_reason: str = ""
) -> list[HistoryItem]:
    """These events, each with its number, as lines. One that cannot be read says so. `creation_reason`: why the cluster
    was created, which the event of its success does not repeat."""
    items = []
    for number, event in events:
        try:
            items.append(_item(event, creation_reason))
        except UNREADABLE:
            text = _("Event %(number)d can't be read") % {"number": number}
            detail = "" if event else _("The stored event has no valid seal.")
            items.append(HistoryItem("triangle-alert", "bad", text, None, detail=detail))
    return items


def _item(event: Event | None, creation_reason: str) -> HistoryItem:
    """Raises one of UNREADABLE."""
    if event is None:
        raise ValueError("the event cannot be read")
    icon, kind, text, detail = LINES[EventType(event.action)]
    after = event.after or {}
    owner, person = str(after.get("owner") or after.get("claimed_for") or ""), event.person_name
    if event.action == EventType.OWNER_CHANGED and not owner:
        # Another cluster turned out to be the creation's.
        text = _("It has no owner any more")
    return HistoryItem(
        icon=icon,
        kind=kind,
        text=str(text).format(person=person, owner=owner),
        at=event.at,
        reason=event.reason or (creation_reason if event.action == EventType.CREATE_SUCCEEDED else ""),
        detail=detail(event) if detail else "",
        request_id=event.upstream_request_id,
        is_archived=event.is_archived,
    )


def _creation(event: Event) -> str:
    """How the creation is proved, and how long the cloud took."""
    if event.evidence == "listed":
        return _("The answer was lost; the cluster was found in the cloud's list")
    seconds = (event.response or {}).get("seconds")
    return _("Answered in %(seconds)s s") % {"seconds": seconds} if seconds is not None else ""


def _change(event: Event) -> str:
    """What the cloud's list says otherwise than before."""
    before, after = event.before or {}, event.after or {}
    parts = []
    if "name" in after:
        parts.append(
            _("Name: %(before)s, now %(after)s") % {"before": before["name"], "after": after["name"]}
        )
    if "types" in after:
        parts.append(_("Listed as %(types)s") % {"types": ", ".join(after["types"])})
    if "networks" in after:
        parts += _network_changes(before["networks"], after["networks"])
    return " · ".join(parts)


def _network_changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """Networks that came, that went, and those of which only something else changed: whether it is the default."""
    old, new = ({row["subnet_id"]: None for row in rows} for rows in (before, after))
    changes = {
        _("Network added"): [each for each in new if each not in old],
        _("Network removed"): [each for each in old if each not in new],
        _("Network changed"): [each for each in new if each in old],
    }
    return [f"{word}: {subnet_id}" for word, subnets in changes.items() for subnet_id in subnets]


def _cause(event: Event) -> str:
    response = event.response or {}
    code = response.get("code", "")
    is_clear = False if meaning_of(code) in ABOUT_CREATING else None
    return cause_of(
        response.get("cause") or event.evidence, code, response.get("message", ""), is_clear=is_clear
    )


Line = tuple[str, str, str | Promise, Callable[[Event], str] | None]
# Icon, colour, sentence ({person} and {owner} stand for names), and what else the event tells.
LINES: dict[EventType, Line] = {
    EventType.CREATE_SUCCEEDED: (
        "circle-check",
        "ok",
        gettext_lazy("{person} created the cluster"),
        _creation,
    ),
    EventType.CREATE_DECIDED: (
        "circle-check",
        "ok",
        gettext_lazy("{person} decided that the creation made this cluster"),
        None,
    ),
    EventType.CLUSTER_SEEN_OUTSIDE: (
        "eye",
        "warn",
        gettext_lazy("Found in the cloud, created elsewhere"),
        None,
    ),
    EventType.CLUSTER_CHANGED: ("server", "mut", gettext_lazy("Changed in the cloud"), _change),
    EventType.CLUSTER_GONE: ("circle-x", "bad", gettext_lazy("Gone from the cloud's list"), None),
    EventType.CLUSTER_BACK: ("server", "ok", gettext_lazy("Back in the cloud's list"), None),
    EventType.CLUSTER_CLAIMED: ("user", "mut", gettext_lazy("{person} recorded {owner} as the owner"), None),
    EventType.CLUSTER_ACCEPTED: (
        "user",
        "mut",
        gettext_lazy("{person} accepted that it was created elsewhere"),
        None,
    ),
    EventType.OWNER_CHANGED: ("user", "mut", gettext_lazy("{person} made {owner} the owner"), None),
    EventType.LOCKED: ("lock", "mut", gettext_lazy("{person} locked the cluster"), None),
    EventType.UNLOCKED: ("lock-open", "mut", gettext_lazy("{person} unlocked the cluster"), None),
    EventType.DELETE_REQUESTED: ("trash-2", "mut", gettext_lazy("{person} requested the deletion"), None),
    EventType.DELETE_REFUSED: ("circle-x", "bad", gettext_lazy("Deletion refused"), _cause),
    EventType.DELETE_FAILED: ("circle-x", "bad", gettext_lazy("Deletion failed"), _cause),
    EventType.DELETE_SUCCEEDED: ("trash-2", "ok", gettext_lazy("Deleted in the cloud"), None),
}
