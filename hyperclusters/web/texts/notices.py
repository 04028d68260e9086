"""What happened lately that a person should know: read from the rows and the ledger, stored nowhere else.

Only the time up to which somebody has read them is stored, with the person. The list is bounded in days and rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, DateTimeField, JSONField, Q, QuerySet, Value
from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from hyperclusters.access.layers import is_outlasted
from hyperclusters.access.models import AccessRequest, AccessReview, Grant, RequestState, User
from hyperclusters.access.models.access_review import AccessReviewQuerySet
from hyperclusters.access.permissions import Permission, active_grants, in_scope, scope
from hyperclusters.access.review_reminders import REMINDERS
from hyperclusters.access.team_admins import SOON
from hyperclusters.audit import clock
from hyperclusters.audit.models import Event, EventQuerySet
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.models import Approval, Creation, FollowUpEntry, State
from hyperclusters.clusters.models.creation import CreationQuerySet
from hyperclusters.statements import Slot, count
from hyperclusters.web.texts.approvals import declined_text
from hyperclusters.web.texts.follow_ups import entry_notice
from hyperclusters.web.texts.grants import last_day
from hyperclusters.web.texts.states import KINDS

SPAN = timedelta(days=14)
NEWS_SPAN = timedelta(days=1)  # for which a page may have slept
MOST = 50  # of each kind
Teams = tuple[int, ...] | None  # by their keys; None: every team
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


def inbox(person: User) -> list[Notice]:
    """The notices of the last two weeks, newest first; unread are those that came after the person last marked them as
    read."""
    start, read_at = clock.now() - SPAN, person.inbox_read_at
    sources = (
        *(settled_creations, _approvals, _decided_requests, _new_owners),
        *(_ending_access, _follow_ups, _reviews),
    )
    notices = [notice for source in sources for notice in source(person, start)]
    notices.sort(key=lambda notice: notice.at, reverse=True)
    return [replace(each, is_unread=read_at is None or each.at > read_at) for each in notices[:MOST]]


def unread(person: User) -> int:
    """How many this person has not read yet, for the number on every page. One query."""
    start = clock.now() - SPAN
    since = max(start, person.inbox_read_at or start)
    number = count(
        _unread,
        scope(person, Permission.VIEW),
        scope(person, Permission.DECIDE),
        scope(person, Permission.GRANT),
        scope(person, Permission.AUDIT),
        person=person.pk,
        username=person.username,
        since=since,
    )
    access = sum(_warned_at(grant) > since for grant in ending(person))
    return min(number + access, MOST)


def _unread(teams: Teams, to_decide: Teams, to_grant: Teams, audited: Teams) -> QuerySet[Any]:
    person, since = Slot("person", BigIntegerField()), Slot("since", DateTimeField())
    sources: tuple[QuerySet[Any], ...]
    sources = (
        _settled(teams, person, since),
        _decided(person, since),
        _ownership_events(person, Slot("username", JSONField()), since),
        FollowUpEntry.objects.for_person(person, teams, audited).filter(at__gt=since),
        _approved(teams, person, since),
        _to_approve(to_decide, person, since),
        *(_open_reviews(to_grant).reminded(each.field, since) for each in REMINDERS),
    )
    rows, *others = (source.order_by().values_list(Value(1)) for source in sources)
    return rows.union(*others, all=True)[:MOST]


def mark_read(person: User) -> None:
    """Everything up to now is read."""
    User.objects.filter(pk=person.pk).update(inbox_read_at=clock.now())


def settled_creations(person: User, since: datetime) -> Iterator[Notice]:
    """What became of this person's creations, as far as they may still see them."""
    creations = _settled(scope(person, Permission.VIEW), person.pk, since)
    creations = creations.select_related("project", "approval_by")
    for creation in creations.order_by("-settled_at", "pk")[:MOST]:
        if creation.settled_at is None:
            continue
        detail = " · ".join(filter(None, (creation.project.name, creation.code, declined_text(creation))))
        url = creation.get_absolute_url()
        yield Notice(creation.settled_at, KINDS[creation.state], _settled_text(creation), detail, url)


def _settled(teams: Teams, person: int | Slot, since: datetime | Slot) -> CreationQuerySet:
    visible = Creation.objects.filter(in_scope(teams, team="project__team"))
    return visible.filter(requested_by=person, settled_at__gt=since).exclude(state=State.CANCELLED)


def _settled_text(creation: Creation) -> str:
    texts = {
        State.CREATED: _("%(name)s was created"),
        State.FAILED: _("%(name)s was not created: the cloud refused it"),
        State.NOT_CREATED: _("%(name)s was not created"),
        State.REFUSED: _("%(name)s was not sent to the cloud"),
    }
    return texts[State(creation.state)] % {"name": creation.name}


def _approvals(person: User, since: datetime) -> Iterator[Notice]:
    """Creations that this person can approve, and their own that somebody approved. A declined one is settled."""
    sources = [
        (
            _to_approve(scope(person, Permission.DECIDE), person.pk, since),
            _("%(person)s asks for approval of %(name)s"),
            "warn",
        ),
        (
            _approved(scope(person, Permission.VIEW), person.pk, since),
            _("%(person)s approved %(name)s"),
            "good",
        ),
    ]
    for rows, text, kind in sources:
        for each in rows.select_related("project", "requested_by", "approval_by").order_by("-approval_at")[
            :MOST
        ]:
            who, why = (each.approval_by or each.requested_by), (each.approval_reason or each.reason)
            if each.approval_at:
                values = {"person": who.username, "name": each.name}
                yield Notice(each.approval_at, kind, text % values, why, each.get_absolute_url())


def _to_approve(teams: Teams, person: int | Slot, since: datetime | Slot) -> CreationQuerySet:
    return Creation.objects.to_approve(person, teams).filter(approval_at__gt=since)


def _approved(teams: Teams, person: int | Slot, since: datetime | Slot) -> CreationQuerySet:
    mine = Creation.objects.filter(in_scope(teams, team="project__team"), requested_by=person)
    return mine.filter(approval=Approval.APPROVED, approval_at__gt=since)


def _decided_requests(person: User, since: datetime) -> Iterator[Notice]:
    decided = _decided(person.pk, since).select_related("team", "decided_by")
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


def _decided(person: int | Slot, since: datetime | Slot) -> QuerySet[AccessRequest]:
    decided = AccessRequest.objects.filter(person=person, decided_at__gt=since)
    return decided.exclude(state=RequestState.WITHDRAWN)


def _new_owners(person: User, since: datetime) -> Iterator[Notice]:
    """Clusters that somebody else made this person the owner of. The ledger alone says when."""
    events = _ownership_events(person.pk, person.username, since)
    for event in events.only("at", "person_name", "object_id", "object_name", "reason").order_by("-at")[
        :MOST
    ]:
        text = _("%(person)s made you the owner of %(name)s") % {
            "person": event.person_name,
            "name": event.object_name,
        }
        url = reverse("clusters:cluster", args=[event.object_id])
        yield Notice(event.at, "info", text, event.reason, url)


def _ownership_events(person: int | Slot, username: str | Slot, since: datetime | Slot) -> EventQuerySet:
    events = Event.objects.filter(action__in=NEW_OWNER, at__gt=since, after__owner=username)
    return events.exclude(Q(person_id=person) | Q(before__owner=username))


def _follow_ups(person: User, since: datetime) -> Iterator[Notice]:
    """What others said and changed in follow-ups that this person must answer, or has opened."""
    teams, audited = scope(person, Permission.VIEW), scope(person, Permission.AUDIT)
    entries = FollowUpEntry.objects.for_person(person.pk, teams, audited)
    entries = entries.filter(at__gt=since).with_related()
    for entry in entries.order_by("-at", "-pk")[:MOST]:
        follow_up = entry.follow_up
        is_theirs = person.pk in {follow_up.assignee_id, follow_up.opened_by_id}
        page = follow_up if is_theirs else follow_up.creation
        is_asked = follow_up.is_open and entry.recipient_id == follow_up.assignee_id == person.pk
        kind = "warn" if is_asked else "info"
        words = Truncator(entry.text).chars(200)
        yield Notice(entry.at, kind, entry_notice(entry, person), words, page.get_absolute_url())


def _reviews(person: User, since: datetime) -> Iterator[Notice]:
    """Open access reviews of this admin's teams, each time that the admins were reminded."""
    texts = {
        "opening_mail_at": ("info", _("Review the access to %(team)s")),
        "due_mail_at": ("warn", _("The access review of %(team)s is due soon")),
        "overdue_mail_at": ("warn", _("The access review of %(team)s is overdue")),
    }
    for review in _open_reviews(scope(person, Permission.GRANT)).select_related("team")[:MOST]:
        detail = _("Due %(day)s") % {"day": last_day(review.due_at)}
        url = reverse("teams:review", args=[review.team.slug])
        for field, (kind, text) in texts.items():
            at = getattr(review, field)
            if at is not None and since < at != review.opened_at:
                yield Notice(at, kind, text % {"team": review.team.name}, detail, url)


def _open_reviews(teams: Teams) -> AccessReviewQuerySet:
    return AccessReview.objects.open().filter(in_scope(teams, team="team"))


def _ending_access(person: User, since: datetime) -> Iterator[Notice]:
    """Access that ends within a week."""
    for grant in ending(person):
        if (at := _warned_at(grant)) > since:
            yield Notice(at, "warn", _ending_text(grant), grant.reason, reverse("access:mine"))


def _warned_at(grant: Grant) -> datetime:
    """A week before its end, or when it was given if that is later."""
    return max(grant.until - SOON, grant.since) if grant.until else grant.since


def ending(person: User) -> list[Grant]:
    """This person's access that ends within a week, the nearest end first, unless a higher role there lasts as long."""
    soon, grants = clock.now() + SOON, active_grants(person)
    near = [
        grant for grant in grants if grant.until and grant.until <= soon and not is_outlasted(grant, grants)
    ]
    return sorted(near, key=lambda grant: grant.until or soon)


def _ending_text(grant: Grant) -> str:
    values = {"role": grant.get_role_display(), "team": grant.team.name if grant.team else _("every team")}
    return _("Your access as %(role)s in %(team)s ends soon") % values
