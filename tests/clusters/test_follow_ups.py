"""An auditor asks about a creation; who is asked answers; an auditor closes it, and every act is an event."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest

from hyperclusters.access.deactivation import deactivate
from hyperclusters.access.models import Grant, Role, User
from hyperclusters.access.permissions import NotPermitted
from hyperclusters.access.service_identities import add_service_identity
from hyperclusters.access.services import add_person, end_grant, grant
from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.creation_reviews import review
from hyperclusters.clusters.errors import FollowUpCause as Cause
from hyperclusters.clusters.errors import FollowUpRefused
from hyperclusters.clusters.follow_ups import (
    answer,
    close,
    may_close,
    open_follow_up,
    people_to_ask,
    reassign,
    reschedule,
)
from hyperclusters.clusters.models import Creation, EntryKind, FollowUp, FollowUpEntry, Judgement, Review
from hyperclusters.clusters.models.follow_up import TEXT_LENGTH
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation
from tests.faults.concurrency import run_concurrently

DAY = timedelta(days=1)
CODE = "creation:follow-up:"
REFUSED = EventType.FOLLOW_UP_REFUSED


@pytest.fixture
def creation(people: People, projects: Projects, cloud: Cloud) -> Creation:
    """A settled creation of Ada's."""
    creation = submit_creation(people.ada, projects.vision, "train-1")
    run_worker()
    return Creation.objects.select_related("project__team").get(pk=creation.pk)


@pytest.fixture
def follow_up(people: People, creation: Creation) -> FollowUp:
    return ask(people.olga, creation)


@pytest.fixture
def second(people: People) -> User:
    """Another auditor."""
    return auditor("otto")


def auditor(name: str) -> User:
    person = add_person(username=name, email=f"{name}@example.com")
    grant(person=person, role=Role.AUDITOR, team=None, reason="audits too")
    return person


def ask(by: User, creation: Creation, to: str = "ada", **values: Any) -> FollowUp:
    asked: dict[str, Any] = {
        "due_on": clock.today() + 7 * DAY,
        "text": "Why no test run?",
        "token": uuid.uuid4(),
    }
    return open_follow_up(by=by, creation=creation, to=to, **asked | values)


def say(by: User, follow_up: FollowUp, text: str = "There was one.", token: uuid.UUID | None = None) -> Any:
    return answer(by=by, follow_up=follow_up, text=text, token=token or uuid.uuid4())


def fresh(follow_up: FollowUp) -> FollowUp:
    return FollowUp.objects.with_related().get(pk=follow_up.pk)


def close_now(by: User, follow_up: FollowUp, note: str = "") -> FollowUp:
    return close(by=by, follow_up=follow_up, note=note, version=fresh(follow_up).version)


def refusal(act: Any) -> Cause:
    """Why it is refused. The refusal is the last event."""
    with pytest.raises(FollowUpRefused) as refused:
        act()
    event = events(action=REFUSED)[-1]
    assert (event.outcome, event.evidence) == ("refused", str(refused.value.cause))
    return Cause(refused.value.cause)


def test_a_conversation_from_the_question_to_its_end_is_kept_in_order_and_each_act_is_an_event(
    people: People, creation: Creation
) -> None:
    follow_up = ask(people.olga, creation)
    say(people.ada, follow_up, "There was one.")
    say(people.ada, follow_up, "On Monday.")
    say(people.olga, follow_up, "Where is its log?")
    reschedule(by=people.olga, follow_up=follow_up, due_on=clock.today() + 9 * DAY, version=4)
    reassign(by=people.olga, follow_up=follow_up, to="TOM", version=5)
    say(people.tom, follow_up, "In the wiki.")
    close(by=people.olga, follow_up=follow_up, note="Seen.", version=7)
    entries = list(follow_up.entries.values_list("kind", "author__username", "text"))
    assert entries == [
        ("opened", "olga", "Why no test run?"),
        ("answer", "ada", "There was one."),
        ("answer", "ada", "On Monday."),
        ("question", "olga", "Where is its log?"),
        ("rescheduled", "olga", ""),
        ("reassigned", "olga", ""),
        ("answer", "tom", "In the wiki."),
        ("closed", "olga", "Seen."),
    ]
    acts = [event for event in events() if event.action.startswith(CODE)]
    assert [(event.action.removeprefix(CODE), event.person_name, event.reason) for event in acts] == [
        ("opened", "olga", "Why no test run?"),
        ("answered", "ada", "There was one."),
        ("answered", "ada", "On Monday."),
        ("answered", "olga", "Where is its log?"),
        ("rescheduled", "olga", ""),
        ("reassigned", "olga", ""),
        ("answered", "tom", "In the wiki."),
        ("closed", "olga", "Seen."),
    ]
    about = {(event.object_kind, event.object_id, event.object_name, event.team_name) for event in acts}
    assert about == {("follow_up", str(follow_up.pk), "train-1", "Vision")}
    assert (acts[5].before, acts[5].after) == ({"assignee": "ada"}, {"assignee": "tom"})
    assert (acts[0].after or {})["creation"] == str(creation.pk)


def test_a_follow_up_takes_a_creation_out_of_the_queue_and_its_end_makes_it_reviewed(
    people: People, creation: Creation
) -> None:
    first, other = ask(people.olga, creation), ask(people.olga, creation, "tom")
    assert not Creation.objects.reviewed_as("").exists()
    close_now(people.olga, first)
    assert Review.objects.get().judgement == Judgement.FOLLOW_UP, "another one is open"
    close_now(people.olga, other, "All is well")
    assert (Review.objects.get().judgement, Review.objects.get().note) == (Judgement.REVIEWED, "All is well")
    assert (events(action=f"{CODE}closed")[-1].after or {})["review"] == "reviewed"


def test_a_creation_without_an_outcome_can_have_one_and_waits_for_its_review_all_the_same(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision, "waits")
    follow_up = ask(people.olga, creation)
    run_worker()
    assert Creation.objects.reviewed_as("").count() == 1
    close_now(people.olga, follow_up)
    assert Creation.objects.reviewed_as("").count() == 1


def test_who_can_be_asked_is_who_may_see_the_team(people: People, creation: Creation) -> None:
    robot = add_service_identity(
        team=people.vision, name="robot", role=Role.CREATOR, reason="runs", by=people.tom
    )
    names = {each.person.username for each in people_to_ask(people.vision)}
    assert names == {"ada", "tom", "vera", "olga"}
    for name in ("mallory", "nina", "root", robot.username, "nobody", "", "' OR 1=1"):
        assert refusal(partial(ask, people.olga, creation, name)) == Cause.NO_ACCESS
    assert not FollowUp.objects.exists()


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"text": " \n "}, Cause.NO_TEXT),
        ({"text": "x" * (TEXT_LENGTH + 1)}, Cause.TOO_LONG),
        ({"due_on": date(2001, 1, 1)}, Cause.PAST),
        ({"due_on": date(9999, 12, 31)}, Cause.TOO_LATE),
    ],
)
def test_what_cannot_be_asked_is_refused_and_recorded(
    values: dict[str, Any], cause: Cause, people: People, creation: Creation
) -> None:
    assert refusal(partial(ask, people.olga, creation, **values)) == cause
    assert not FollowUp.objects.exists()
    assert not Review.objects.exists()
    assert not events(object_kind="creation", action=REFUSED), "the creation's steps are for viewers"


def test_today_is_a_day_to_answer_until_and_yesterday_is_overdue(
    people: People, creation: Creation, follow_up: FollowUp
) -> None:
    FollowUp.objects.update(due_on=clock.today())
    assert (fresh(follow_up).is_overdue, FollowUp.objects.overdue().count()) == (False, 0)
    FollowUp.objects.update(due_on=clock.today() - DAY)
    assert (fresh(follow_up).is_overdue, FollowUp.objects.overdue().count()) == (True, 1)
    close_now(people.olga, follow_up)
    assert (fresh(follow_up).is_overdue, FollowUp.objects.overdue().count()) == (False, 0)
    assert ask(people.olga, creation, due_on=clock.today()).due_on == clock.today()


ACTS: dict[str, Any] = {
    "answer": say,
    "reassign": lambda person, row: reassign(by=person, follow_up=row, to="tom", version=1),
    "reschedule": lambda person, row: reschedule(
        by=person, follow_up=row, due_on=clock.today() + DAY, version=1
    ),
    "close": lambda person, row: close(by=person, follow_up=row, note="", version=1),
}


@pytest.mark.parametrize(
    ("name", "acts"),
    [
        ("ada", {"answer"}),
        ("olga", {"answer", "reassign", "reschedule", "close"}),
        ("tom", set()),
        ("vera", set()),
        ("root", set()),
        ("nina", set()),
        ("mallory", set()),
    ],
)
def test_who_may_do_what_with_it(name: str, acts: set[str], people: People, follow_up: FollowUp) -> None:
    person = getattr(people, name)
    if name != "olga":
        with pytest.raises(NotPermitted):
            ask(person, follow_up.creation)
    for act in set(ACTS) - acts:
        with pytest.raises(NotPermitted):
            ACTS[act](person, fresh(follow_up))
    denied = [event for event in events(action=REFUSED, person_name=name) if event.outcome == "denied"]
    assert bool(denied) == (name != "olga")
    assert fresh(follow_up).version == 1
    if "answer" in acts:
        say(person, follow_up)
        assert fresh(follow_up).version == 2


@pytest.mark.parametrize(
    ("name", "sees"),
    [("ada", True), ("olga", True), ("tom", True), ("vera", False), ("root", False), ("nina", False), ("mallory", False)],
)  # fmt: skip
def test_who_sees_it(name: str, sees: bool, people: People, follow_up: FollowUp) -> None:
    assert FollowUp.objects.visible_to(getattr(people, name)).exists() == sees


def test_a_creator_sees_none_of_those_of_others_on_their_own_creation(
    people: People, creation: Creation
) -> None:
    ask(people.olga, creation, "vera")
    assert not FollowUp.objects.visible_to(people.ada).exists()
    assert FollowUp.objects.visible_to(people.vera).count() == 1


def test_nobody_closes_their_own_answer(people: People, second: User, creation: Creation) -> None:
    follow_up = ask(people.olga, creation, "otto")
    say(second, follow_up)
    assert refusal(lambda: close_now(second, follow_up)) == Cause.OWN_ANSWER
    reassign(by=people.olga, follow_up=follow_up, to="ada", version=2)
    assert not may_close(second, fresh(follow_up))
    assert refusal(lambda: close_now(second, follow_up)) == Cause.OWN_ANSWER, "their answer is in it"
    assert close_now(people.olga, follow_up).closed_by == people.olga


def test_the_only_auditor_cannot_be_asked_because_nobody_could_close_it(
    people: People, creation: Creation, follow_up: FollowUp
) -> None:
    assert refusal(partial(ask, people.olga, creation, "olga")) == Cause.NOBODY_CLOSES
    act = partial(reassign, by=people.olga, follow_up=follow_up, to="olga", version=1)
    assert refusal(act) == Cause.NOBODY_CLOSES
    auditor("otto")
    assert act().assignee == people.olga


def test_a_form_that_was_drawn_before_the_last_entry_changes_nothing(
    people: People, follow_up: FollowUp
) -> None:
    say(people.ada, follow_up)
    for name in ("reassign", "reschedule", "close"):
        assert refusal(partial(ACTS[name], people.olga, follow_up)) == Cause.CHANGED
    assert fresh(follow_up).version == 2


def test_what_is_so_already_is_refused(people: People, follow_up: FollowUp) -> None:
    act = partial(reassign, by=people.olga, follow_up=follow_up, to="ada", version=1)
    assert refusal(act) == Cause.SAME
    day = partial(reschedule, by=people.olga, follow_up=follow_up, due_on=follow_up.due_on, version=1)
    assert refusal(day) == Cause.SAME


def test_nothing_is_added_to_a_closed_one(people: People, follow_up: FollowUp) -> None:
    close_now(people.olga, follow_up)
    assert refusal(partial(say, people.ada, follow_up)) == Cause.CLOSED
    assert refusal(partial(say, people.olga, follow_up)) == Cause.CLOSED
    for name in ("reassign", "reschedule"):
        assert refusal(partial(ACTS[name], people.olga, follow_up)) == Cause.CLOSED
    assert follow_up.entries.count() == 2


def test_an_answer_of_who_is_not_asked_any_more_is_refused_and_its_text_recorded(
    people: People, follow_up: FollowUp
) -> None:
    reassign(by=people.olga, follow_up=follow_up, to="vera", version=1)
    assert refusal(partial(say, people.ada, follow_up, "My long answer")) == Cause.NOT_YOURS
    assert events(action=REFUSED)[-1].reason == "My long answer"
    assert not FollowUp.objects.visible_to(people.ada).exists()


@pytest.mark.parametrize("how", ["access", "account"])
def test_it_stays_when_who_is_asked_leaves_and_can_be_assigned_to_somebody_else(
    how: str, people: People, follow_up: FollowUp
) -> None:
    assert FollowUp.objects.with_access().get().has_access  # type: ignore[attr-defined]
    if how == "access":
        end_grant(Grant.objects.get(person=people.ada), reason="left")
    else:
        deactivate(people.ada, by=people.root, reason="left")
    row = FollowUp.objects.with_access().get()
    assert not row.has_access  # type: ignore[attr-defined]
    with pytest.raises(NotPermitted):
        say(people.ada, follow_up)
    assert not FollowUp.objects.visible_to(people.ada).exists()
    assert not FollowUp.objects.to_answer(people.ada, clock.today()).exists()
    assert reassign(by=people.olga, follow_up=follow_up, to="vera", version=1).assignee == people.vera
    assert FollowUp.objects.with_access().get().has_access  # type: ignore[attr-defined]


def test_the_same_form_twice_is_one_row(people: People, creation: Creation) -> None:
    token, other = uuid.uuid4(), uuid.uuid4()
    follow_up = ask(people.olga, creation, token=token)
    assert ask(people.olga, creation, token=token) == follow_up
    assert say(people.ada, follow_up, token=other) == say(people.ada, follow_up, "changed", token=other)
    assert (FollowUp.objects.count(), FollowUpEntry.objects.count()) == (1, 2)
    assert len(events(action=f"{CODE}opened")) == len(events(action=f"{CODE}answered")) == 1
    assert refusal(partial(say, people.olga, follow_up, token=other)) == Cause.USED
    assert refusal(partial(ask, people.olga, creation, token=other)) == Cause.USED


def test_the_same_change_of_a_double_click_is_one_entry(people: People, follow_up: FollowUp) -> None:
    for _ in range(2):
        assert reassign(by=people.olga, follow_up=follow_up, to="tom", version=1).version == 2
    for _ in range(2):
        due_on = clock.today() + DAY
        assert reschedule(by=people.olga, follow_up=follow_up, due_on=due_on, version=2).version == 3
    assert (follow_up.entries.count(), len(events(action=REFUSED))) == (3, 0)


def test_closing_again_what_another_has_closed_changes_nothing(
    people: People, second: User, follow_up: FollowUp
) -> None:
    close(by=people.olga, follow_up=follow_up, note="first", version=1)
    assert close(by=second, follow_up=follow_up, note="late", version=1).closed_by == people.olga
    assert follow_up.entries.filter(kind=EntryKind.CLOSED).count() == 1
    assert len(events(action=f"{CODE}closed")) == 1


def test_a_mark_and_a_follow_up_of_one_creation_do_not_lose_each_other(
    people: People, creation: Creation
) -> None:
    review(by=people.olga, creations=[creation.pk], judgement=Judgement.REVIEWED)
    follow_up = ask(people.olga, creation)
    assert Review.objects.get().judgement == Judgement.FOLLOW_UP
    review(by=people.olga, creations=[creation.pk], judgement=Judgement.REVIEWED, note="ok")
    close_now(people.olga, follow_up)
    assert Review.objects.get().note == "ok"


def test_what_waits_for_whom(people: People, second: User, creation: Creation, follow_up: FollowUp) -> None:
    rows = FollowUp.objects

    def waits() -> tuple[bool, bool, bool]:
        """For who is asked, for who asked, and for another auditor."""
        return (
            rows.to_answer(people.ada, clock.today()).exists(),
            rows.to_close(people.olga).exists(),
            rows.to_close(second).exists(),
        )

    assert waits() == (True, False, False)
    say(people.ada, follow_up)
    assert waits() == (False, True, False)
    rows.update(due_on=clock.today() - DAY)
    assert waits() == (True, True, False), "overdue ones are marked for both"
    end_grant(Grant.objects.get(person=people.olga), reason="left")
    assert waits() == (True, False, True), "all auditors, once who asked has left"
    close_now(second, follow_up)
    assert waits() == (False, False, False)


def test_once_who_asked_has_answered_it_waits_for_the_auditors_who_may_close_it(
    people: People, second: User, follow_up: FollowUp
) -> None:
    reassign(by=second, follow_up=follow_up, to="olga", version=1)
    say(people.olga, follow_up)
    assert not FollowUp.objects.to_close(people.olga).exists()
    assert FollowUp.objects.to_close(second).exists()
    reassign(by=second, follow_up=follow_up, to="ada", version=3)
    say(people.ada, follow_up)
    assert not FollowUp.objects.to_close(people.olga).exists(), "she has answered"
    assert FollowUp.objects.to_close(second).exists()


@pytest.mark.django_db(transaction=True)
def test_two_auditors_who_close_at_once_are_one_event(
    people: People, second: User, creation: Creation
) -> None:
    for _ in range(3):
        follow_up = ask(people.olga, creation)
        before = len(events(action=f"{CODE}closed"))
        got = run_concurrently(
            *(
                partial(close, by=each, follow_up=follow_up, note="", version=1)
                for each in (people.olga, second, people.olga, second)
            )
        )
        assert len({row.closed_by_id for row in got}) == 1
        assert len(events(action=f"{CODE}closed")) == before + 1
        assert follow_up.entries.filter(kind=EntryKind.CLOSED).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_double_click_at_the_same_moment_is_one_row(people: People, creation: Creation) -> None:
    token, other = uuid.uuid4(), uuid.uuid4()
    opened = run_concurrently(*[partial(ask, people.olga, creation, token=token)] * 4)
    assert len({getattr(row, "pk", row) for row in opened}) == FollowUp.objects.count() == 1
    run_concurrently(*[partial(say, people.ada, opened[0], token=other)] * 4)
    assert FollowUpEntry.objects.count() == 2
    assert len(events(action=f"{CODE}answered")) == 1


@pytest.mark.django_db(transaction=True)
def test_of_changes_at_the_same_moment_one_is_made_and_the_others_are_refused_as_old(
    people: People, second: User, follow_up: FollowUp
) -> None:
    got = run_concurrently(
        partial(reassign, by=people.olga, follow_up=follow_up, to="tom", version=1),
        partial(reassign, by=second, follow_up=follow_up, to="vera", version=1),
        partial(reschedule, by=second, follow_up=follow_up, due_on=clock.today() + DAY, version=1),
        partial(close, by=people.olga, follow_up=follow_up, note="", version=1),
    )
    done = [row for row in got if isinstance(row, FollowUp)]
    causes = {row.cause for row in got if isinstance(row, FollowUpRefused)}
    assert len(done) == 1
    assert causes <= {Cause.CHANGED, Cause.CLOSED}
    assert follow_up.entries.count() == fresh(follow_up).version == 2


@pytest.mark.django_db(transaction=True)
def test_an_answer_and_another_assignment_at_the_same_moment_have_one_order(
    people: People, follow_up: FollowUp
) -> None:
    said, assigned = run_concurrently(
        partial(say, people.ada, follow_up),
        partial(reassign, by=people.olga, follow_up=follow_up, to="vera", version=1),
    )
    if isinstance(said, FollowUpEntry):
        assert isinstance(assigned, FollowUpRefused), "an answer that nobody has read is in the way"
        assert fresh(follow_up).assignee == people.ada
    else:
        assert (said.cause, fresh(follow_up).assignee) == (Cause.NOT_YOURS, people.vera)
    assert follow_up.entries.count() == 2
