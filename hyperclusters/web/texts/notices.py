"""What happened lately that a person should know: read from the rows and the ledger, stored nowhere else.

Only the time up to which somebody has read them is stored, with the person. The list is bounded in days and rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from hyperclusters.access.models import AccessRequest, Grant, RequestState, User
from hyperclusters.access.permissions import Permission, active_grants, grants_for
from hyperclusters.access.team_admins import SOON
from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.models import Creation, State
from hyperclusters.web.texts.states import KINDS

SPAN = timedelta(days=14)
NEWS_SPAN = timedelta(days=1)  # for which a page may have slept
MOST = 50  # of each kind
NEW_OWNER = (EventType.OWNER_CHANGED, EventType.CLUSTER_CLAIMED)


@dataclass(frozen=True, slots=True)
class Notice:
    """One of them: when, how it looks (as a state's kind), its sentence, what explains it, and where to read more."""

    at: datetime
    kind: str
    text: str
    detail: str
    url: str
    is_unread: bool = False


def notices(person: User, since: datetime | None = None) -> list[Notice]:
    """Those of this person after `since` (None: of the last two weeks), newest first."""
    start = clock.now() - SPAN
    start = max(start, since) if since else start
    sources = (settled_creations, _decided_requests, _new_owners, _ending_access)
    found = [notice for source in sources for notice in source(person, start)]
    return sorted(found, key=lambda notice: notice.at, reverse=True)[:MOST]


def inbox(person: User) -> list[Notice]:
    """The notices of the last two weeks, those marked that came after the person last marked them as read."""
    read_at = person.inbox_read_at
    return [
        Notice(n.at, n.kind, n.text, n.detail, n.url, is_unread=read_at is None or n.at > read_at)
        for n in notices(person)
    ]


def unread(person: User) -> int:
    """How many this person has not read yet."""
    return len(notices(person, person.inbox_read_at))


def mark_read(person: User) -> None:
    """Everything up to now is read."""
    User.objects.filter(pk=person.pk).update(inbox_read_at=clock.now())


def settled_creations(person: User, since: datetime) -> Iterator[Notice]:
    """What became of this person's creations, as far as they may still see them."""
    if not grants_for(person, Permission.VIEW):
        return
    mine = Creation.objects.visible_to(person).filter(requested_by=person, settled_at__gt=since)
    mine = mine.exclude(state=State.CANCELLED).select_related("project")
    for creation in mine.order_by("-settled_at", "pk")[:MOST]:
        if creation.settled_at is None:
            continue
        detail = " · ".join(filter(None, (creation.project.name, creation.code)))
        url = creation.get_absolute_url()
        yield Notice(creation.settled_at, KINDS[creation.state], _settled_text(creation), detail, url)


def _settled_text(creation: Creation) -> str:
    texts = {
        State.CREATED: _("%(name)s was created"),
        State.FAILED: _("%(name)s was not created: the cloud refused it"),
        State.NOT_CREATED: _("%(name)s was not created"),
        State.REFUSED: _("%(name)s was not sent to the cloud"),
    }
    return texts[State(creation.state)] % {"name": creation.name}


def _decided_requests(person: User, since: datetime) -> Iterator[Notice]:
    decided = AccessRequest.objects.filter(person=person, decided_at__gt=since)
    decided = decided.exclude(state=RequestState.WITHDRAWN).select_related("team", "decided_by")
    for each in decided.order_by("-decided_at", "pk")[:MOST]:
        is_approved = each.state == RequestState.APPROVED
        text = (
            _("%(person)s approved your request: %(role)s in %(team)s")
            if is_approved
            else _("%(person)s declined your request: %(role)s in %(team)s")
        )
        by = each.decided_by.username if each.decided_by else "–"
        values = {"person": by, "role": each.get_role_display(), "team": each.team.name}
        if each.decided_at:
            kind = "good" if is_approved else "bad"
            yield Notice(each.decided_at, kind, text % values, each.note, reverse("access:mine"))


def _new_owners(person: User, since: datetime) -> Iterator[Notice]:
    """Clusters that somebody else made this person the owner of. The ledger alone says when."""
    events = Event.objects.filter(action__in=NEW_OWNER, at__gt=since, after__owner=person.username)
    events = events.exclude(Q(person_id=person.pk) | Q(before__owner=person.username))
    for event in events.only("at", "person_name", "object_id", "object_name", "reason").order_by("-at")[
        :MOST
    ]:
        text = _("%(person)s made you the owner of %(name)s") % {
            "person": event.person_name,
            "name": event.object_name,
        }
        url = reverse("clusters:cluster", args=[event.object_id])
        yield Notice(event.at, "info", text, event.reason, url)


def _ending_access(person: User, since: datetime) -> Iterator[Notice]:
    """Access that ends within a week: known since a week before its end, or since it was given."""
    for grant in ending(person):
        at = max(grant.until - SOON, grant.since) if grant.until else grant.since
        if at > since:
            yield Notice(at, "warn", _ending_text(grant), grant.reason, reverse("access:mine"))


def ending(person: User) -> list[Grant]:
    """This person's access that ends within a week, the nearest end first."""
    soon = clock.now() + SOON
    grants = [grant for grant in active_grants(person) if grant.until and grant.until <= soon]
    return sorted(grants, key=lambda grant: grant.until or soon)


def _ending_text(grant: Grant) -> str:
    values = {"role": grant.get_role_display(), "team": grant.team.name if grant.team else _("every team")}
    return _("Your access as %(role)s in %(team)s ends soon") % values
