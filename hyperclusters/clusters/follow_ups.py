"""Follow-ups of creations: an auditor asks a person, who answers until an auditor closes it.

Each change holds the team's lock and the follow-up's row, so the entries have one order, and nobody is asked who loses
their access to the team meanwhile. A form that was drawn before the last entry changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from hyperclusters.access import rules
from hyperclusters.access.models import Grant, Team, User
from hyperclusters.access.permissions import Permission, may, require, who_can
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .errors import FollowUpCause as Cause
from .errors import FollowUpRefused, record_refusal
from .models import Creation, EntryKind, FollowUp, FollowUpEntry, Judgement, Review
from .models.follow_up import TEXT_LENGTH

LONGEST = timedelta(days=366)  # until the due date
EVENTS = {
    EntryKind.OPENED: EventType.FOLLOW_UP_OPENED,
    EntryKind.ANSWER: EventType.FOLLOW_UP_ANSWERED,
    EntryKind.QUESTION: EventType.FOLLOW_UP_ANSWERED,
    EntryKind.REASSIGNED: EventType.FOLLOW_UP_REASSIGNED,
    EntryKind.RESCHEDULED: EventType.FOLLOW_UP_RESCHEDULED,
    EntryKind.CLOSED: EventType.FOLLOW_UP_CLOSED,
}
REFUSAL = EventType.FOLLOW_UP_REFUSED
_record_refusal = partial(record_refusal, denial_event=REFUSAL, refusal_event=REFUSAL)


def people_to_ask(team: Team) -> QuerySet[Grant]:
    """The grants of the people who may see the team's creations: whom a follow-up can be assigned to."""
    grants = who_can(Permission.VIEW, team).filter(person__service_team__isnull=True)
    return grants.order_by("person__username", "pk")


def closers(follow_up: FollowUp, assignee: User) -> QuerySet[Grant]:
    """The grants of the auditors who may close it while this person is asked: nobody closes their own answer."""
    authors = FollowUpEntry.objects.filter(follow_up=follow_up.pk, kind=EntryKind.ANSWER).values("author")
    reviewers = who_can(Permission.REVIEW, follow_up.team)
    return reviewers.exclude(person=assignee).exclude(person__in=authors)


def may_close(person: User, follow_up: FollowUp) -> bool:
    """Whether this auditor may close it: nobody closes their own answer."""
    if not follow_up.is_open or not may(person, Permission.REVIEW, follow_up.team):
        return False
    return not _is_party(person, follow_up)


def open_follow_up(
    *, by: User, creation: Creation, to: str, due_on: date, text: str, token: UUID
) -> FollowUp:
    """Ask the person with this user name about a creation, to be answered by the end of a day (UTC).

    The same token gives the same follow-up. A settled creation counts as reviewed once all of its follow-ups are
    closed. Raises NotPermitted; FollowUpRefused.
    """
    request = {"act": "open", "to": to, "due_on": due_on.isoformat(), "creation": str(creation.pk)}
    # Not the creation itself: its events are for viewers.
    subject = replace(creation.audit_subject(), kind="follow_up", id="")
    with _record_refusal(on=subject, by=by, reason=text, request=request), transaction.atomic():
        rules.lock(creation.project.team)
        require(by, Permission.REVIEW, creation.project.team)
        rows = Creation.objects.select_for_update(of=("self",), no_key=True).select_related("project__team")
        row = rows.get(pk=creation.pk)
        if earlier := FollowUpEntry.objects.filter(token=token).first():
            return _same(earlier, by, EntryKind.OPENED, row).follow_up
        _check_text(text)
        _check_day(due_on)
        assignee = _assignee(row.project.team, to)
        follow_up = FollowUp(creation=row, assignee=assignee, due_on=due_on, opened_by=by)
        _require_closer(follow_up, assignee)
        follow_up.save(force_insert=True)
        _flag(row, by, text)
        after = {"creation": str(row.pk), "assignee": assignee.username, "due_on": due_on.isoformat()}
        _write(follow_up, EntryKind.OPENED, by, assignee, text, after=after, token=token, due_on=due_on)
    return follow_up


def answer(*, by: User, follow_up: FollowUp, text: str, token: UUID) -> FollowUpEntry:
    """Add to the conversation: the person who is asked answers, an auditor asks on. The same token gives the same entry.

    Raises NotPermitted; FollowUpRefused.
    """
    with _change(follow_up, by, "answer", text) as row:
        if by.pk == row.assignee_id:
            require(by, Permission.VIEW, row.team)
        elif (
            not may(by, Permission.REVIEW, row.team)
            and FollowUp.objects.asked_before(by).filter(pk=row.pk).exists()
        ):
            raise FollowUpRefused(Cause.NOT_YOURS)
        else:
            require(by, Permission.REVIEW, row.team)
        is_answer = by.pk == row.assignee_id
        kind = EntryKind.ANSWER if is_answer else EntryKind.QUESTION
        if earlier := FollowUpEntry.objects.filter(token=token).first():
            return _same(earlier, by, kind, row.creation, row)
        _require_open(row)
        _check_text(text)
        row.answered_at = clock.now() if is_answer else None
        recipient = row.opened_by if is_answer else row.assignee
        return _write(row, kind, by, recipient, text, token=token, after={"kind": kind.value})


def reassign(*, by: User, follow_up: FollowUp, to: str, version: int) -> FollowUp:
    """Ask another person instead. `version`: of the follow-up that `by` has read. Raises NotPermitted; FollowUpRefused."""
    with _change(follow_up, by, "reassign", request={"to": to}) as row:
        require(by, Permission.REVIEW, row.team)
        assignee, former = _assignee(row.team, to), row.assignee
        if _is_repeated(row, by, version, kind=EntryKind.REASSIGNED, recipient=assignee):
            return row
        _require_current(row, version)
        if assignee == former:
            raise FollowUpRefused(Cause.SAME)
        _require_closer(row, assignee)
        row.assignee, row.answered_at = assignee, None
        _write(
            row,
            EntryKind.REASSIGNED,
            by,
            assignee,
            former_assignee=former,
            before={"assignee": former.username},
            after={"assignee": assignee.username},
        )
    return row


def reschedule(*, by: User, follow_up: FollowUp, due_on: date, version: int) -> FollowUp:
    """Change the last day for the answer. Raises NotPermitted; FollowUpRefused."""
    with _change(follow_up, by, "reschedule", request={"due_on": due_on.isoformat()}) as row:
        require(by, Permission.REVIEW, row.team)
        if _is_repeated(row, by, version, kind=EntryKind.RESCHEDULED, due_on=due_on):
            return row
        _require_current(row, version)
        if due_on == row.due_on:
            raise FollowUpRefused(Cause.SAME)
        _check_day(due_on)
        before, row.due_on = row.due_on, due_on
        _write(
            row,
            EntryKind.RESCHEDULED,
            by,
            row.assignee,
            due_on=due_on,
            before={"due_on": before.isoformat()},
            after={"due_on": due_on.isoformat()},
        )
    return row


def close(*, by: User, follow_up: FollowUp, note: str, version: int) -> FollowUp:
    """End it. The last one of a creation makes it reviewed. One that somebody closed meanwhile stays as it is.

    Raises NotPermitted; FollowUpRefused.
    """
    with _change(follow_up, by, "close", note) as row:
        require(by, Permission.REVIEW, row.team)
        if not row.is_open:
            return row
        if _is_party(by, row):
            raise FollowUpRefused(Cause.OWN_ANSWER)
        _require_current(row, version)
        _check_length(note)
        row.closed_at, row.closed_by = clock.now(), by
        after = {"review": Judgement.REVIEWED.value} if _unflag(row, by, note) else None
        _write(row, EntryKind.CLOSED, by, row.assignee, note, after=after)
    return row


@contextmanager
def _change(
    follow_up: FollowUp, by: User, act: str, text: str = "", *, request: dict[str, Any] | None = None
) -> Iterator[FollowUp]:
    """The follow-up as it is now, locked after its team; what is refused inside is recorded."""
    facts: dict[str, Any] = {"by": by, "reason": text, "request": {"act": act} | (request or {})}
    with _record_refusal(on=follow_up, **facts), transaction.atomic():
        rules.lock(follow_up.team)
        rows = FollowUp.objects.select_for_update(of=("self",)).with_related()
        yield rows.get(pk=follow_up.pk)


def _write(
    row: FollowUp,
    kind: EntryKind,
    by: User,
    recipient: User,
    text: str = "",
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    **fields: Any,
) -> FollowUpEntry:
    """Save the follow-up with its next version, its entry, and the event."""
    if kind != EntryKind.OPENED:
        row.version += 1
        row.save()
    entry = FollowUpEntry.objects.create(
        follow_up=row, kind=kind, author=by, recipient=recipient, text=text, **fields
    )
    record(EVENTS[kind], Outcome.DONE, on=row, by=by, reason=text, before=before, after=after)
    return entry


def _flag(creation: Creation, by: User, text: str) -> None:
    """Take a settled creation out of those without a review, until its follow-ups are closed."""
    if creation.settled_at:
        values = {"judgement": Judgement.FOLLOW_UP, "note": text[:500], "by": by, "at": clock.now()}
        Review.objects.update_or_create(creation=creation, defaults=values)


def _unflag(row: FollowUp, by: User, note: str) -> bool:
    """With the last open follow-up of a creation it is reviewed. Whether it was this one."""
    if row.creation.follow_ups.open().exclude(pk=row.pk).exists():
        return False
    flags = Review.objects.filter(creation=row.creation, judgement=Judgement.FOLLOW_UP)
    return bool(flags.update(judgement=Judgement.REVIEWED, note=note[:500], by=by, at=clock.now()))


def _same(
    earlier: FollowUpEntry, by: User, kind: EntryKind, creation: Creation, row: FollowUp | None = None
) -> FollowUpEntry:
    """The entry that this form recorded before."""
    is_same = (earlier.author_id, earlier.kind) == (by.pk, kind)
    if not is_same or earlier.follow_up.creation_id != creation.pk or row not in {None, earlier.follow_up}:
        raise FollowUpRefused(Cause.USED)
    return earlier


def _assignee(team: Team, username: str) -> User:
    people = User.objects.by_username(username)
    grant: Grant | None = people_to_ask(team).filter(person__in=people).first() if username else None
    if grant is None:
        raise FollowUpRefused(Cause.NO_ACCESS)
    return grant.person


def _is_repeated(row: FollowUp, by: User, version: int, **act: Any) -> bool:
    """Whether the last entry is of the same form: of a double click."""
    last = row.entries.last()
    if last is None or version + 1 != row.version:
        return False
    return row.entries.filter(pk=last.pk, author=by, **act).exists()


def _is_party(person: User, row: FollowUp) -> bool:
    """Whether this person must answer, or has answered."""
    return row.assignee_id == person.pk or row.entries.filter(author=person, kind=EntryKind.ANSWER).exists()


def _require_closer(row: FollowUp, assignee: User) -> None:
    """Somebody else than those who answer must be able to close it."""
    if not closers(row, assignee).exists():
        raise FollowUpRefused(Cause.NOBODY_CLOSES)


def _require_open(row: FollowUp) -> None:
    if not row.is_open:
        raise FollowUpRefused(Cause.CLOSED)


def _require_current(row: FollowUp, version: int) -> None:
    """It is open, and nothing was added since the form was drawn."""
    _require_open(row)
    if version != row.version:
        raise FollowUpRefused(Cause.CHANGED)


def _check_text(text: str) -> None:
    if not text.strip():
        raise FollowUpRefused(Cause.NO_TEXT)
    _check_length(text)


def _check_length(text: str) -> None:
    if len(text) > TEXT_LENGTH:
        raise FollowUpRefused(Cause.TOO_LONG)


def _check_day(due_on: date) -> None:
    if due_on < clock.today():
        raise FollowUpRefused(Cause.PAST)
    if due_on > clock.today() + LONGEST:
        raise FollowUpRefused(Cause.TOO_LATE)
