"""Access reviews: one at a time in a team, nobody reviews themselves, and what was decided stays as it was then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core import mail as outbox
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction

from hyperclusters.access import mail
from hyperclusters.access.access_reviews import cancel, complete, decidable, decide, open_review
from hyperclusters.access.errors import Cause, ChangeRefused
from hyperclusters.access.models import AccessReview, Decision, Grant, GrantReview, OutgoingMail, Role, User
from hyperclusters.access.permissions import NotPermitted, Permission, may
from hyperclusters.access.review_records import evidence
from hyperclusters.access.services import end_grant, extend_grant, grant
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.vocabulary import EventType, Outcome
from tests.conftest import People, events
from tests.faults.concurrency import run_concurrently

WEEK = timedelta(days=7)


def refused(cause: Cause) -> Any:
    return pytest.raises(ChangeRefused, match=f"refused: {cause}( |$)")


def opened(people: People, *, by: User | None = None, days: int = 14) -> AccessReview:
    due_on = clock.today() + timedelta(days=days)
    return open_review(people.vision, due_on=due_on, by=by or people.tom)


def made_due(review: AccessReview, days: int) -> None:
    """The due date is so many days ahead."""
    AccessReview.objects.filter(pk=review.pk).update(due_on=clock.today() + timedelta(days=days))


def held(person: User) -> Grant:
    return Grant.objects.active().get(person=person, team__slug="vision")


def marks(review: AccessReview) -> dict[int, str]:
    """As a form that is shown now has them."""
    return {each.grant_id: each.mark for each in review.items.undecided().select_related("grant")}


def decisions(review: AccessReview) -> dict[str, str]:
    return {each.grant.person.username: each.decision for each in review.items.all()}


def save(review: AccessReview, by: User, **choices: Any) -> Any:
    return decide(review, by=by, marks=marks(review), **choices)


def second_admin(people: People) -> Grant:
    return grant(person=people.nina, role=Role.ADMIN, team=people.vision, reason="leads too", by=people.tom)


@pytest.mark.parametrize(
    ("who", "may_ask"),
    [("tom", True), ("olga", True), ("root", True), ("ada", False), ("vera", False), ("mallory", False)],
)
def test_g27_admins_auditors_and_platform_admins_ask_for_a_review_and_nobody_else(
    who: str, may_ask: bool, people: People
) -> None:
    if may_ask:
        review = opened(people, by=getattr(people, who))
        assert set(decisions(review)) == {"ada", "tom", "vera"}
        (event,) = events(action=EventType.REVIEW_OPENED)
        assert (event.person_name, event.team_name, event.after["grants"]) == (who, "Vision", 3)  # type: ignore[index]
        return
    with pytest.raises(NotPermitted):
        opened(people, by=getattr(people, who))
    assert (events()[-1].action, events()[-1].outcome) == (EventType.GRANT_REFUSED, "denied")
    assert not AccessReview.objects.exists()


@pytest.mark.parametrize("who", ["olga", "ada", "vera", "mallory", "nina"])
def test_g27_whoever_asks_for_a_review_does_not_carry_it_out_by_that(who: str, people: People) -> None:
    review, by = opened(people, by=people.olga), getattr(people, who)
    for act in (
        lambda: save(review, by, end=[held(people.vera).pk]),
        lambda: save(review, by, keep_rest=True),
        lambda: complete(review, by=by),
    ):
        with pytest.raises(NotPermitted):
            act()
    assert set(decisions(review).values()) == {""}
    assert may(people.vera, Permission.VIEW, people.vision)


def test_a_platform_admin_decides_about_admins_and_nobody_else(people: People) -> None:
    review = opened(people)
    with pytest.raises(NotPermitted):
        save(review, people.root, keep=[held(people.tom).pk, held(people.ada).pk])
    assert save(review, people.root, keep_rest=True).kept_count == 1
    assert decisions(review) == {"tom": "kept", "ada": "", "vera": ""}


def test_a_review_lies_in_the_future_and_a_team_has_one_at_a_time(people: People) -> None:
    with refused(Cause.PAST):
        opened(people, days=-1)
    first = opened(people, days=0)
    with refused(Cause.REVIEW_OPEN):
        opened(people)
    assert (events()[-1].action, events()[-1].outcome) == (EventType.GRANT_REFUSED, "refused")
    with pytest.raises(IntegrityError), transaction.atomic():
        AccessReview.objects.create(team=people.vision, due_on=clock.today(), opened_by=people.tom)
    cancel(first, by=people.tom, reason="too early")
    opened(people)
    assert AccessReview.objects.filter(team=people.vision).count() == 2


def test_a_review_is_all_or_nothing_and_each_act_one_record(people: People) -> None:
    ada, vera, tom = held(people.ada), held(people.vera), held(people.tom)
    review, foreign = opened(people), Grant.objects.active().get(person=people.mallory)
    with refused(Cause.ONESELF):
        save(review, people.tom, end=[vera.pk], keep=[tom.pk])
    with refused(Cause.ONESELF):
        save(review, people.tom, end=[tom.pk])
    assert held(people.vera) == vera
    done = save(review, people.tom, keep=[ada.pk], end=[vera.pk, foreign.pk])
    assert (done.kept_count, done.revoked_count, done.open_count, done.is_complete) == (1, 1, 1, False)
    assert may(people.mallory, Permission.CREATE, people.speech)
    assert not may(people.vera, Permission.VIEW, people.vision)
    vera.refresh_from_db()
    assert (vera.end_reason, vera.ended_by) == ("access review", people.tom)
    ada.refresh_from_db()
    assert ada.reviewed_by == people.tom
    (event,) = events(action="access:team:reviewed")
    assert {row["person"]: row["decision"] for row in event.before["grants"]} == {  # type: ignore[index]
        "ada": "kept", "vera": "revoked",
    }  # fmt: skip


def test_the_last_decision_completes_the_review_and_keeps_what_was_true_then(people: People) -> None:
    second_admin(people)
    review = opened(people)
    record(EventType.AUDIT_READ, Outcome.DONE, on=people.vision, by=people.ada)
    used_at = events(person_name="ada")[-1].at
    User.objects.filter(pk=people.ada.pk).update(last_login=used_at - WEEK)
    end_grant(held(people.vera), reason="left", by=people.nina)
    save(review, people.nina, keep=[held(people.tom).pk])
    late = grant(person=people.mallory, role=Role.VIEWER, team=people.vision, reason="new", by=people.tom)
    assert save(review, people.tom, keep_rest=True).is_complete
    review.refresh_from_db()
    assert (review.state, review.closed_by) == ("completed", people.tom)
    record(EventType.AUDIT_READ, Outcome.DONE, on=people.vision, by=people.ada)  # afterwards
    User.objects.update(last_login=clock.now())
    extend_grant(late, until=WEEK, reason="a trial", by=people.tom)
    rows = {each["person"]: each for each in evidence(review)["grants"]}
    assert {name: row["decision"] for name, row in rows.items()} == {
        "ada": "kept", "nina": "kept", "tom": "kept", "vera": "ended", "mallory": None,
    }  # fmt: skip
    assert rows["ada"]["last_active_at"] == used_at.isoformat(timespec="seconds")
    assert rows["ada"]["last_sign_in_at"] == (used_at - WEEK).isoformat(timespec="seconds")
    assert rows["tom"]["decided_by"] == "nina"
    assert (rows["mallory"]["given_during_review"], rows["mallory"]["until"]) == (True, None)
    after: Any = events(action=EventType.REVIEW_COMPLETED)[0].after
    assert (after["kept"], after["ended"], after["undecided"], after["given_during_review"]) == (3, 1, 0, 1)


def test_the_only_admin_s_own_access_waits_for_somebody_else_and_does_not_block_the_review(
    people: People,
) -> None:
    review = opened(people)
    with refused(Cause.REVIEW_UNDECIDED):
        complete(review, by=people.tom)
    assert not save(review, people.tom, keep_rest=True).is_complete
    assert decisions(review) == {"ada": "kept", "vera": "kept", "tom": ""}
    complete(review, by=people.tom)
    complete(review, by=people.tom)  # a double click
    assert len(events(action=EventType.REVIEW_COMPLETED)) == 1
    assert decisions(review)["tom"] == ""
    noted = {row["person"]: row["last_active_at"] for row in evidence(review)["grants"]}
    assert noted["tom"] == events(action="access:team:reviewed")[0].at.isoformat(timespec="seconds")
    assert may(people.tom, Permission.GRANT, people.vision)


def test_with_another_admin_each_decides_about_the_other_before_the_review_ends(people: People) -> None:
    second_admin(people)
    review = opened(people)
    save(review, people.tom, keep_rest=True)
    with refused(Cause.REVIEW_UNDECIDED):
        complete(review, by=people.tom)
    assert [each.grant.person for each in decidable(review)] == [people.tom]
    assert save(review, people.nina, keep_rest=True).is_complete


def extended(people: People) -> None:
    extend_grant(held(people.vera), until=WEEK, reason="shorter", by=people.tom)


def ended(people: People) -> None:
    end_grant(held(people.vera), reason="left", by=people.tom)


def decided(people: People) -> None:
    save(AccessReview.objects.get(), people.nina, keep=[held(people.vera).pk])


@pytest.mark.parametrize("change", [extended, ended, decided])
def test_a_form_that_shows_what_is_no_longer_so_is_refused_as_a_whole(
    change: Callable[[People], None], people: People
) -> None:
    second_admin(people)
    review = opened(people)
    vera, form = held(people.vera), marks(review)
    change(people)
    with refused(Cause.REVIEW_CHANGED):
        decide(review, by=people.tom, keep=[held(people.ada).pk], end=[vera.pk], marks=form)
    assert decisions(review)["ada"] == ""
    if change is extended:
        with refused(Cause.REVIEW_CHANGED):
            decide(review, by=people.tom, marks=form, keep_rest=True)
    else:  # the rest is what is left
        assert decide(review, by=people.tom, marks=form, keep_rest=True).kept_count == 2


def test_a_form_without_marks_is_refused(people: People) -> None:
    review = opened(people)
    with refused(Cause.REVIEW_CHANGED):
        decide(review, by=people.tom, keep=[held(people.ada).pk], marks={})


def test_a_double_click_decides_once(people: People) -> None:
    review = opened(people)
    form, ada = marks(review), held(people.ada).pk
    assert decide(review, by=people.tom, keep=[ada], marks=form).kept_count == 1
    assert decide(review, by=people.tom, keep=[ada], marks=form).kept_count == 0
    assert len(events(action="access:team:reviewed")) == 1
    cancel(review, by=people.tom, reason="mistake")
    with refused(Cause.REVIEW_CLOSED):
        decide(review, by=people.tom, end=[held(people.vera).pk], marks=form)


def test_an_admin_cannot_cancel_what_an_auditor_asked_for(people: People) -> None:
    review = opened(people, by=people.olga)
    with pytest.raises(NotPermitted):
        cancel(review, by=people.tom, reason="no time")
    with refused(Cause.NO_REASON):
        cancel(review, by=people.olga, reason=" ")
    cancel(review, by=people.olga, reason="wrong team")
    (event,) = events(action=EventType.REVIEW_CANCELLED)
    assert (event.reason, event.after["undecided"]) == ("wrong team", 3)  # type: ignore[index]
    with refused(Cause.REVIEW_CLOSED):
        cancel(review, by=people.olga, reason="again")


def test_admins_are_reminded_at_the_opening_before_the_due_date_and_after_it_once_each(
    people: People,
) -> None:
    second_admin(people)
    review = opened(people, by=people.olga)
    for days, subject in (
        (14, "Review the access to Vision"),
        (4, ""),
        (3, "The access review of Vision is due on"),
        (0, ""),
        (-1, "The access review of Vision is overdue"),
        (-9, ""),
    ):
        made_due(review, days)
        outbox.outbox.clear()
        assert [mail.send_due(), mail.send_due()] == ([2, 0] if subject else [0, 0]), days
        assert all(each.subject.startswith(subject) for each in outbox.outbox)
        assert [each.to for each in outbox.outbox] == (
            [["nina@example.com"], ["tom@example.com"]] * bool(subject)
        )
        assert all("/teams/vision/review/" in str(each.body) for each in outbox.outbox)
    reminded = [event.after["reminder"] for event in events(action=EventType.REVIEW_REMINDED)]  # type: ignore[index]
    assert reminded == ["opening", "due", "overdue"]
    assert may(people.vera, Permission.VIEW, people.vision)  # being late ends nobody's access


@pytest.mark.parametrize("days", [0, 3])
def test_a_review_that_opens_in_its_last_days_is_one_reminder(days: int, people: People) -> None:
    opened(people, days=days)
    assert [mail.send_due(), mail.send_due()] == [1, 0]


def test_a_reminder_that_is_late_itself_says_what_is_true_by_then(people: People) -> None:
    review = opened(people)
    mail.send_due()
    made_due(review, 2)
    with pytest.MonkeyPatch.context() as away:
        away.setattr(EmailMessage, "send", lambda *_: (_ for _ in ()).throw(OSError("away")))
        mail.send_due()
    made_due(review, -1)
    OutgoingMail.objects.update(run_after=clock.now() - WEEK)
    outbox.outbox.clear()
    mail.send_due()
    assert [each.subject for each in outbox.outbox] == ["The access review of Vision is overdue"]


def test_a_team_without_an_admin_is_reminded_once_it_has_one(people: People) -> None:
    opened(people, by=people.olga)
    Grant.objects.filter(pk=held(people.tom).pk).update(until=clock.now())
    assert mail.send_due() == 1, "that nobody decides there, to a platform admin"
    assert events(action=EventType.REVIEW_REMINDED) == []
    grant(person=people.nina, role=Role.ADMIN, team=people.vision, reason="leads", by=people.root)
    outbox.outbox.clear()
    mail.send_due()
    assert [(each.to, each.subject[:17]) for each in outbox.outbox] == [
        (["nina@example.com"], "Review the access")
    ]
    assert len(events(action=EventType.REVIEW_REMINDED)) == 1


def test_nobody_is_reminded_of_a_review_that_has_ended(people: People) -> None:
    review = opened(people)
    cancel(review, by=people.tom, reason="later")
    AccessReview.objects.update(due_on=clock.today() - WEEK)
    assert mail.send_due() == 0
    assert events(action=EventType.REVIEW_REMINDED) == []


def test_several_workers_remind_once(people: People) -> None:
    people.vision.name = "100 %(url)s %"
    people.vision.save()
    made_due(opened(people), -1)
    run_concurrently(*[mail.send_due] * 3)
    mail.send_due()
    assert sorted(each.subject[:17] for each in outbox.outbox) == ["Review the access", "The access review"]
    reminded = [event.after["reminder"] for event in events(action=EventType.REVIEW_REMINDED)]  # type: ignore[index]
    assert sorted(reminded) == ["opening", "overdue"]


def test_two_who_open_a_review_at_once_open_one(people: People) -> None:
    got = run_concurrently(*(partial(opened, people, by=by) for by in (people.tom, people.olga, people.root)))
    assert sum(isinstance(each, AccessReview) for each in got) == 1
    assert [each.cause for each in got if isinstance(each, ChangeRefused)] == [Cause.REVIEW_OPEN] * 2
    assert len(events(action=EventType.REVIEW_OPENED)) == 1


def test_two_admins_who_decide_at_once_decide_each_grant_once(people: People) -> None:
    second_admin(people)
    review = opened(people)
    form, vera = marks(review), held(people.vera).pk
    got = run_concurrently(
        partial(decide, review, by=people.tom, keep=[vera], marks=form),
        partial(decide, review, by=people.nina, end=[vera], marks=form),
    )
    causes = [each.cause for each in got if isinstance(each, ChangeRefused)]
    assert causes == [Cause.REVIEW_CHANGED], got
    is_kept = decisions(review)["vera"] == Decision.KEPT
    assert may(people.vera, Permission.VIEW, people.vision) == is_kept
    assert len(events(action="access:team:reviewed")) == 1


def test_two_admins_who_keep_all_the_rest_at_once_complete_the_review_once(people: People) -> None:
    second_admin(people)
    review = opened(people)
    form = marks(review)
    got = run_concurrently(
        *(partial(decide, review, by=by, keep_rest=True, marks=form) for by in (people.tom, people.nina))
    )
    assert sorted(each.is_complete for each in got) == [False, True]
    assert set(decisions(review).values()) == {"kept"}
    assert len(events(action=EventType.REVIEW_COMPLETED)) == 1


def test_a_grant_that_ends_while_it_is_decided_is_ended_once(people: People) -> None:
    second_admin(people)
    review = opened(people)
    form, vera = marks(review), held(people.vera)
    run_concurrently(
        partial(decide, review, by=people.tom, end=[vera.pk], marks=form),
        partial(end_grant, vera, reason="left", by=people.nina),
    )
    assert len(events(action=EventType.GRANT_ENDED)) == 1
    assert GrantReview.objects.get(grant=vera).decision in {"", "revoked"}
