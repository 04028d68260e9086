"""Reviews access by a due date."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import QuerySet

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .errors import Cause, ChangeRefused
from .models import (
    AccessReview,
    Decision,
    Grant,
    GrantReview,
    ReviewState,
    Role,
    Team,
    User,
)
from .models.access_review import REMIND_DAYS
from .permissions import NotPermitted, Permission, may, require, require_any, who_can
from .review_records import LAST_USE, close_review, note_last_use
from .rules import audited_change, lock, require_may_take
from .services import revoke

REASON = "access review"  # of the grants that a review revokes


@dataclass(frozen=True, slots=True)
class ReviewCounts:
    """How many grants an act kept and revoked, how many still wait, and whether that completed the review."""

    kept_count: int
    revoked_count: int
    open_count: int
    is_complete: bool


def open_review(team: Team, *, due_on: date, by: User) -> AccessReview:
    """Open a review of every active grant of a team. Asked for by its admins, auditors and platform admins.

    Raises NotPermitted; ChangeRefused: a day that is over, one is open already.
    """
    with audited_change(by=by, on=team, due_on=due_on):
        _require_may_ask(by, team)
        lock(team)
        if due_on < clock.today():
            raise ChangeRefused(Cause.PAST)
        if AccessReview.objects.open().filter(team=team).exists():
            raise ChangeRefused(Cause.REVIEW_OPEN, team.name)
        review = AccessReview(team=team, due_on=due_on, opened_by=by)
        if due_on <= clock.today() + timedelta(days=REMIND_DAYS):
            review.due_mail_at = review.opened_at  # the mail about the opening says the same
        review.save()
        grants = Grant.objects.active().filter(team=team).order_by("pk")
        items = GrantReview.objects.bulk_create(GrantReview(review=review, grant=grant) for grant in grants)
        facts = review.as_audit_json() | {"grants": len(items)}
        record(EventType.REVIEW_OPENED, Outcome.DONE, on=team, by=by, after=facts)
    return review


def decide(
    review: AccessReview,
    *,
    by: User,
    keep: Collection[int] = (),
    end: Collection[int] = (),
    marks: Mapping[int, str],
    keep_rest: bool = False,
) -> ReviewCounts:
    """Keep or revoke grants of a review, all or nothing, with one event that lists each. The last decision completes it.

    `marks`: the `GrantReview.mark` of each grant as the form showed it; `keep_rest` keeps all of those that this person
    may decide about and that nobody has. Who repeats their own decision changes nothing. Nobody decides about their own.

    Raises NotPermitted; ChangeRefused: one's own, changed meanwhile, the review is closed, the last admin.
    """
    with audited_change(by=by, on=review.team, review=review.pk, keep=sorted(keep), end=sorted(end)):
        team, review = _lock(review)
        require_any(by, (Permission.GRANT, team), (Permission.APPOINT, None))
        decisions = dict.fromkeys(keep, Decision.KEPT) | dict.fromkeys(end, Decision.REVOKED)
        rows = review.items.filter(grant__in={*decisions, *(marks if keep_rest else ())}, is_late=False)
        items = list(rows.with_last_use(team).select_related("grant__person", "grant__team"))
        undecided_items = set(review.items.undecided().values_list("pk", flat=True))
        if keep_rest:
            rest = [
                each.grant for each in items if each.pk in undecided_items and each.grant_id not in decisions
            ]
            decisions |= {grant.pk: Decision.KEPT for grant in rest if may_decide(by, grant)}
        changes = [
            each for each in items
            if (decision := decisions.get(each.grant_id)) and (each.decision, each.decided_by) != (decision, by)
        ]  # fmt: skip
        if changes and not review.is_open:
            raise ChangeRefused(Cause.REVIEW_CLOSED)
        for item in changes:
            _require_may_decide(by, item.grant)
            if item.pk not in undecided_items or marks.get(item.grant_id) != item.mark:
                raise ChangeRefused(Cause.REVIEW_CHANGED, item.grant.person.username)
        return _apply(review, changes, decisions, by=by, undecided_count=len(undecided_items) - len(changes))


def _apply(
    review: AccessReview,
    items: list[GrantReview],
    choices: Mapping[int, Decision],
    *,
    by: User,
    undecided_count: int,
) -> ReviewCounts:
    now = clock.now()
    facts = [
        each.grant.as_audit_json() | {"grant": str(each.grant_id), "decision": str(choices[each.grant_id])}
        for each in items
    ]
    for item in items:
        item.decision, item.decided_at, item.decided_by = choices[item.grant_id], now, by
        note_last_use(item)
        if item.decision == Decision.REVOKED:
            revoke(item.grant, reason=REASON, by=by)
    GrantReview.objects.bulk_update(items, ["decision", "decided_at", "decided_by", *LAST_USE])
    kept_ids = [each.grant_id for each in items if each.decision == Decision.KEPT]
    Grant.objects.filter(pk__in=kept_ids).update(reviewed_at=now, reviewed_by=by)
    is_complete = bool(items) and not undecided_count
    counts = ReviewCounts(len(kept_ids), len(items) - len(kept_ids), undecided_count, is_complete=is_complete)
    if items:
        after = {"review": str(review.pk), "kept": counts.kept_count, "revoked": counts.revoked_count}
        after["undecided"] = undecided_count
        record(
            EventType.ACCESS_REVIEWED,
            Outcome.DONE,
            on=review.team,
            by=by,
            reason=REASON,
            before={"grants": facts},
            after=after,
        )
    if counts.is_complete:
        close_review(review, ReviewState.COMPLETED, by=by)
    return counts


def complete(review: AccessReview, *, by: User) -> None:
    """Complete a review in which no admin of the team can decide anything more. Completing it twice changes nothing.

    Raises NotPermitted; ChangeRefused: it was cancelled, or an admin can still decide about a grant.
    """
    with audited_change(by=by, on=review.team, review=review.pk):
        team, review = _lock(review)
        require(by, Permission.GRANT, team)
        if review.state == ReviewState.COMPLETED:
            return
        if not review.is_open:
            raise ChangeRefused(Cause.REVIEW_CLOSED)
        if decidable(review).exists():
            raise ChangeRefused(Cause.REVIEW_UNDECIDED)
        close_review(review, ReviewState.COMPLETED, by=by)


def cancel(review: AccessReview, *, by: User, reason: str) -> None:
    """Cancel an open review; its decisions stay. For those who opened it, auditors and platform admins.

    Raises NotPermitted; ChangeRefused: without a reason, closed meanwhile.
    """
    with audited_change(by=by, on=review.team, review=review.pk, reason=reason):
        team, review = _lock(review)
        _require_may_ask(by, team)
        if not may_cancel(by, review):
            raise NotPermitted(Permission.REVIEW, team)
        if not reason.strip():
            raise ChangeRefused(Cause.NO_REASON)
        if not review.is_open:
            raise ChangeRefused(Cause.REVIEW_CLOSED)
        close_review(review, ReviewState.CANCELLED, by=by, reason=reason)


def decidable(review: AccessReview) -> QuerySet[GrantReview]:
    """What an admin of the team can still decide about: the only admin's own grants wait for somebody else."""
    admins = set(who_can(Permission.GRANT, review.team).values_list("person", flat=True))
    items = review.items.undecided()
    return items.exclude(grant__person__in=admins) if len(admins) == 1 else items


def may_cancel(by: User, review: AccessReview) -> bool:
    """Whether this person, who may ask for reviews of the team, may cancel this one: an auditor's stays for its admins."""
    return by.pk == review.opened_by_id or may(by, Permission.REVIEW) or may(by, Permission.APPOINT)


def may_decide(by: User, grant: Grant) -> bool:
    """Whether this person may keep or revoke this grant in a review of its team: never their own."""
    is_admin_s = grant.role == Role.ADMIN and may(by, Permission.APPOINT)
    return grant.person != by and (is_admin_s or may(by, Permission.GRANT, grant.team))


def _lock(review: AccessReview) -> tuple[Team, AccessReview]:
    """The team, locked, and the review as it is now."""
    lock(review.team)
    review = AccessReview.objects.select_related("team").get(pk=review.pk)
    return review.team, review


def _require_may_ask(by: User, team: Team) -> None:
    require_any(by, (Permission.AUDIT, team), (Permission.APPOINT, None))


def _require_may_decide(by: User, grant: Grant) -> None:
    if grant.person == by:
        raise ChangeRefused(Cause.ONESELF)
    require_may_take(by, grant)
