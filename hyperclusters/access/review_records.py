"""What an access review leaves behind: how each grant was used when it was decided, and the evidence of the whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models import Count

from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome

from .models import AccessReview, Decision, Grant, GrantReview, ReviewState, User
from .permissions import Permission, require

LAST_USE = ("until", "last_active_at", "last_sign_in_at")


def note_last_use(item: GrantReview) -> None:
    """Keep how the grant is used now in the item, which is to be saved. It comes from `with_last_use`."""
    item.until = item.grant.until
    item.last_active_at = item.last_use  # type: ignore[attr-defined]
    item.last_sign_in_at = item.grant.person.last_login


def close_review(review: AccessReview, state: ReviewState, *, by: User, reason: str = "") -> None:
    """End a review. What is not decided stays so, beside the grants that were given meanwhile."""
    grants = review.items.values("grant")
    late = Grant.objects.active().filter(team=review.team).exclude(pk__in=grants).order_by("pk")
    GrantReview.objects.bulk_create(GrantReview(review=review, grant=grant, is_late=True) for grant in late)
    open_items = review.items.filter(decision=Decision.NONE)
    active = set(review.items.undecided().values_list("pk", flat=True))
    items = list(open_items.with_last_use(review.team).select_related("grant__person"))
    for item in items:
        note_last_use(item)
        item.decision = Decision.NONE if item.pk in active else Decision.ENDED
    GrantReview.objects.bulk_update(items, ["decision", *LAST_USE])
    review.state, review.closed_at, review.closed_by, review.close_reason = state, clock.now(), by, reason
    review.save(update_fields=["state", "closed_at", "closed_by", "close_reason"])
    event_type = EventType.REVIEW_COMPLETED if state == ReviewState.COMPLETED else EventType.REVIEW_CANCELLED
    counts = dict(
        review.items.filter(is_late=False).order_by().values_list("decision").annotate(n=Count("pk"))
    )
    facts = {each.value or "undecided": counts.get(each, 0) for each in Decision}
    facts["given_during_review"] = review.items.filter(is_late=True).count()
    record(
        event_type, Outcome.DONE, on=review.team, by=by, reason=reason, after=review.as_audit_json() | facts
    )


def items_of(review: AccessReview) -> list[GrantReview]:
    """Every grant of a review with who gave it and who decided, in the order of its evidence."""
    people = ("review", "grant__person", "grant__team", "grant__granted_by", "grant__ended_by", "decided_by")
    return list(review.items.select_related(*people))


def evidence(review: AccessReview) -> dict[str, Any]:
    """The review as a file: who decided what and when, how each grant was used then, and what was not reviewed."""
    return {
        "team": review.team.slug,
        "team_name": review.team.name,
        "review": review.pk,
        "state": review.state,
        "due_on": review.due_on.isoformat(),
        "opened_at": _iso(review.opened_at),
        "opened_by": review.opened_by.username,
        "closed_at": _iso(review.closed_at),
        "closed_by": review.closed_by.username if review.closed_by else None,
        "close_reason": review.close_reason,
        "grants": [_facts(each) for each in items_of(review)],
    }


def note_export(review: AccessReview, *, by: User) -> None:
    """Record that the evidence was downloaded. Raises NotPermitted."""
    require(by, Permission.AUDIT, review.team)
    facts = review.as_audit_json() | {"rows": review.items.count()}
    record(EventType.ACCESS_EXPORTED, Outcome.DONE, on=review.team, by=by, after=facts)


def _facts(item: GrantReview) -> dict[str, Any]:
    grant = item.grant
    return {
        "person": grant.person.username,
        "role": grant.role,
        "given_at": _iso(grant.since),
        "given_by": grant.granted_by.username if grant.granted_by else None,
        "given_for": grant.reason,
        "given_during_review": item.is_late,
        "decision": item.decision or None,
        "decided_at": _iso(item.decided_at),
        "decided_by": item.decided_by.username if item.decided_by else None,
        "until": _iso(item.until),
        "last_active_at": _iso(item.last_active_at),
        "last_sign_in_at": _iso(item.last_sign_in_at),
    }


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds") if at else None
