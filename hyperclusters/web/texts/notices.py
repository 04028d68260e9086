"""What happened lately that a person should know: read from the rows and the ledger, stored nowhere else.

Only the time up to which somebody has read them is stored, with the person. The list is bounded in days and rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.lookups import Exact
from django.urls import NoReverseMatch, reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from hyperclusters.access.models import AccessRequest, AccessReview, Grant, RequestState, User
from hyperclusters.access.models.access_review import AccessReviewQuerySet
from hyperclusters.access.permissions import Anyone, Permission, anyone_like, within
from hyperclusters.access.review_reminders import REMINDERS
from hyperclusters.audit import clock
from hyperclusters.audit.models import Event
from hyperclusters.audit.models.event import TextIn
from hyperclusters.audit.readable import events
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.models import Approval, Creation, FollowUpEntry, State
from hyperclusters.clusters.models.creation import CreationQuerySet
from hyperclusters.statements import SINCE, Build, Slot, non_empty, rows
from hyperclusters.web.texts.approvals import declined_text
from hyperclusters.web.texts.follow_ups import entry_notice
from hyperclusters.web.texts.grants import ending_grants, last_day, warned_at
from hyperclusters.web.texts.states import KINDS, creation_status

Row = TypeVar("Row")
SPAN = timedelta(days=14)
NEWS_SPAN = timedelta(days=1)  # for which a page may have slept
MOST = 50  # of each kind
USERNAME = Slot("username", TextField())
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


def inbox(person: User, most: int = MOST) -> list[Notice]:
    """The notices of the last two weeks, newest first; unread are those that came after the person last marked them as
    read."""
    start, read_at = clock.now() - SPAN, person.inbox_read_at
    sources: dict[Callable[[User, datetime], Iterable[Notice]], tuple[Build[Any], ...]] = {
        partial(settled_creations, most=most): (_outcomes,),
        _approvals: (_to_approve, _approved_creations),
        _decided_requests: (_decisions,),
        _new_owners: (_ownership_numbers,),
        _follow_ups: (_entries,),
        _reviews: (open_reviews,),
        _alarms: (_alarm_numbers,),
    }
    builds = non_empty(chain(*sources.values()), anyone_like(person), **_values(person, start))
    notices = list(_ending_access(person, start))
    for source, needs in sources.items():
        if not builds.isdisjoint(needs):
            notices += source(person, start)
    notices.sort(key=lambda notice: notice.at, reverse=True)
    return [replace(each, is_unread=read_at is None or each.at > read_at) for each in notices[:most]]


def unread_since(person: User) -> datetime:
    """The time from which on this person has not read their notices."""
    start = clock.now() - SPAN
    return max(start, person.inbox_read_at or start)


def unread_endings(person: User) -> int:
    """How many unread notices there are of access that ends."""
    since = unread_since(person)
    return sum(warned_at(grant) > since for grant in ending_grants(person))


def unread(person: Anyone) -> QuerySet[Any]:
    """A row for each other notice that came after `since` (`unread_since`), for the number on every page."""
    sources: tuple[QuerySet[Any], ...]
    sources = (
        *(_outcomes(person), _decisions(person), _ownership_numbers(person), _entries(person)),
        *(_approved_creations(person), _to_approve(person), _alarm_numbers(person)),
        *(open_reviews(person).reminded(each.field, SINCE) for each in REMINDERS),
    )
    first, *others = (source.order_by().values_list(Value(1)) for source in sources)
    return first.union(*others, all=True)[:MOST]


def _rows(build: Build[Row], person: User, since: datetime, most: int = MOST) -> list[Row]:
    return rows(build, anyone_like(person), most=most, **_values(person, since))


def _values(person: User, since: datetime) -> dict[str, Any]:
    return {"person": person.pk, "username": person.username, "since": since}


def mark_read(person: User) -> None:
    """Everything up to now is read."""
    User.objects.filter(pk=person.pk).update(inbox_read_at=clock.now())


def settled_creations(person: User, since: datetime, most: int = MOST) -> Iterator[Notice]:
    """What became of this person's creations, as far as they may still see them."""
    for creation in _rows(_outcomes, person, since, most):
        if creation.settled_at is None:
            continue
        detail = " · ".join(filter(None, (creation.project.name, creation.code, declined_text(creation))))
        url = creation.get_absolute_url()
        kind = "warn" if creation.conflict_at else KINDS[creation.state]
        yield Notice(creation.settled_at, kind, _settled_text(creation), detail, url)


def _outcomes(person: Anyone) -> CreationQuerySet:
    own = Creation.objects.visible_to(person).filter(requested_by=person.pk)
    outcomes = own.filter(settled_at__gt=SINCE).exclude(state=State.CANCELLED)
    return outcomes.select_related("project", "approval_by").order_by("-settled_at", "pk")


def _settled_text(creation: Creation) -> str:
    if creation.state == State.CREATED:
        doubt = _("%(name)s was created, but later evidence contradicts it")
        return (doubt if creation.conflict_at else _("%(name)s was created")) % {"name": creation.name}
    return f"{creation.name} · {creation_status(creation).title}"


def _approvals(person: User, since: datetime) -> Iterator[Notice]:
    """Creations that this person can approve, and their own that somebody approved. A declined one is settled."""
    sources = (
        (_to_approve, "warn", _("%(person)s asks for approval of %(name)s")),
        (_approved_creations, "good", _("%(person)s approved %(name)s")),
    )
    for build, kind, text in sources:
        for each in _rows(build, person, since):
            who, why = (each.approval_by or each.requested_by), (each.approval_reason or each.reason)
            if each.approval_at:
                values = {"person": who.username, "name": each.name}
                yield Notice(each.approval_at, kind, text % values, _quote(why), each.get_absolute_url())


def _to_approve(person: Anyone) -> CreationQuerySet:
    return _of_approval(Creation.objects.to_approve(person))


def _approved_creations(person: Anyone) -> CreationQuerySet:
    own = Creation.objects.visible_to(person).filter(requested_by=person.pk)
    return _of_approval(own.filter(approval=Approval.APPROVED))


def _of_approval(creations: CreationQuerySet) -> CreationQuerySet:
    with_people = creations.select_related("project", "requested_by", "approval_by")
    return with_people.filter(approval_at__gt=SINCE).order_by("-approval_at")


def _decided_requests(person: User, since: datetime) -> Iterator[Notice]:
    for each in _rows(_decisions, person, since):
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
            yield Notice(each.decided_at, kind, text % values, _quote(each.note), reverse("access:mine"))


def _decisions(person: Anyone) -> QuerySet[AccessRequest]:
    requests = AccessRequest.objects.filter(person=person.pk, decided_at__gt=SINCE)
    requests = requests.exclude(state=RequestState.WITHDRAWN).select_related("team", "decided_by")
    return requests.order_by("-decided_at", "pk")


def _new_owners(person: User, since: datetime) -> Iterator[Notice]:
    """Clusters that somebody else made this person the owner of. The ledger alone says when."""
    changes = Event.objects.filter(seq__in=_rows(_ownership_numbers, person, since))
    for event in filter(None, dict(events(changes)).values()):
        try:
            url = reverse("clusters:cluster", args=[event.object_id])
        except NoReverseMatch:  # no ID of a cluster, so nothing that the product wrote
            continue
        text = _("%(person)s made you the owner of %(name)s") % {
            "person": event.person_name,
            "name": event.object_name,
        }
        yield Notice(event.at, "info", text, _quote(event.reason), url)


def _ownership_numbers(person: Anyone) -> QuerySet[Event, int]:
    changes = Event.objects.filter(
        Exact(TextIn("after", "owner"), USERNAME), action__in=NEW_OWNER, at__gt=SINCE
    )
    changes = changes.exclude(Q(person_id=person.pk) | Exact(TextIn("before", "owner"), USERNAME))
    return changes.order_by("-at").values_list("seq", flat=True)


def _alarms(person: User, since: datetime) -> Iterator[Notice]:
    """What verification found in the audit, for auditors."""
    alarms = Event.objects.filter(seq__in=_rows(_alarm_numbers, person, since))
    for event in filter(None, dict(events(alarms)).values()):
        text = _("Somebody changed the audit outside this dashboard")
        yield Notice(event.at, "bad", text, "", reverse("audit:chain"))


def _alarm_numbers(person: Anyone) -> QuerySet[Event, int]:
    alarms = Event.objects.filter(action=EventType.AUDIT_BROKEN, at__gt=SINCE)
    alarms = alarms.filter(within(person, Permission.REVIEW, team="team_id"))
    return alarms.order_by("-at").values_list("seq", flat=True)


def _follow_ups(person: User, since: datetime) -> Iterator[Notice]:
    """What others said and changed in follow-ups that this person must answer, or has opened."""
    for entry in _rows(_entries, person, since):
        follow_up = entry.follow_up
        is_theirs = person.pk in {follow_up.assignee_id, follow_up.opened_by_id}
        page = follow_up if is_theirs else follow_up.creation
        is_asked = follow_up.is_open and entry.recipient_id == follow_up.assignee_id == person.pk
        kind = "warn" if is_asked and not follow_up.answered_at else "info"
        words = _quote(Truncator(entry.text).chars(200))
        if is_asked and follow_up.answered_at:
            words = _("Waiting for an auditor to close it")
        yield Notice(entry.at, kind, entry_notice(entry, person), words, page.get_absolute_url())


def _entries(person: Anyone) -> QuerySet[FollowUpEntry]:
    entries = FollowUpEntry.objects.for_person(person).filter(at__gt=SINCE)
    return entries.with_related().order_by("-at", "-pk")


def _reviews(person: User, since: datetime) -> Iterator[Notice]:
    """Open access reviews of this admin's teams, each time that the admins were reminded."""
    texts = {
        "opening_mail_at": ("info", _("Review the access to %(team)s")),
        "due_mail_at": ("warn", _("The access review of %(team)s is due soon")),
        "overdue_mail_at": ("warn", _("The access review of %(team)s is overdue")),
    }
    for review in _rows(open_reviews, person, since):
        detail = _("Due %(day)s") % {"day": last_day(review.due_at)}
        url = reverse("teams:review", args=[review.team.slug])
        for field, (kind, text) in texts.items():
            at = getattr(review, field)
            if at is not None and since < at != review.opened_at:
                yield Notice(at, kind, text % {"team": review.team.name}, detail, url)


def open_reviews(person: Anyone) -> AccessReviewQuerySet:
    """The open access reviews of this admin's teams."""
    reviews = AccessReview.objects.open().filter(within(person, Permission.GRANT, team="team"))
    return reviews.select_related("team")


def _ending_access(person: User, since: datetime) -> Iterator[Notice]:
    """Access that ends soon."""
    for grant in ending_grants(person):
        if (at := warned_at(grant)) > since:
            yield Notice(at, "warn", _ending_text(grant), _quote(grant.reason), reverse("access:mine"))


def _quote(words: str) -> str:
    """What a person wrote, in quotation marks; empty stays empty."""
    return _("“%(reason)s”") % {"reason": words} if words else ""


def _ending_text(grant: Grant) -> str:
    day = last_day(grant.until) if grant.until else ""
    team = grant.team.name if grant.team else _("every team")
    values = {"role": grant.get_role_display(), "team": team, "day": day}
    return _("Your access as %(role)s in %(team)s ends on %(day)s") % values
