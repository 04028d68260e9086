"""A team may ask for a second person: nothing is sent before an admin other than its requester approves."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError

from hyperclusters.access.deactivation import deactivate
from hyperclusters.access.models import Grant, Role, Team, User
from hyperclusters.access.permissions import NotPermitted
from hyperclusters.access.service_identities import add_service_identity
from hyperclusters.access.services import add_person, end_grant, grant, set_rules
from hyperclusters.accounts.models import Scope
from hyperclusters.accounts.tokens import create_token
from hyperclusters.audit import clock
from hyperclusters.clusters.approvals import approve, decline
from hyperclusters.clusters.creations import CreateRequest, request_creation, withdraw
from hyperclusters.clusters.errors import ApprovalRefused, NameUnresolved, ReasonRequired
from hyperclusters.clusters.models import Approval, Creation, Project, State
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.operations.transitions import StaleState
from hyperclusters.web.texts.approvals import no_approver_text
from hyperclusters.web.texts.states import creation_status
from tests.conftest import Cloud, People, Projects, events, run_worker, run_worker_again, submit_creation


@pytest.fixture
def una(people: People) -> User:
    """A second admin of Vision."""
    una = add_person(username="una", email="una@example.com")
    grant(person=una, role=Role.ADMIN, team=people.vision, reason="Stands in for tom", by=people.root)
    return una


@pytest.fixture
def needs_approval(people: People) -> None:
    set_rules(people.vision, by=people.tom, approval_types=["HPS"])


def now(creation: Creation) -> Creation:
    return Creation.objects.select_related("approval_by").get(pk=creation.pk)


def by_service(people: People, project: Project, *, maker: User, token_maker: User | None) -> Creation:
    """A creation by a service identity that `maker` added, with a token of `token_maker`."""
    robot = add_service_identity(
        team=people.vision, name="robot", role=Role.CREATOR, reason="pipelines", by=maker
    )
    token_id = None
    if token_maker:
        expires_at = clock.now() + timedelta(days=9)
        token, _text = create_token(
            by=token_maker, owner=robot, name="ci", scopes=list(Scope.values), expires_at=expires_at
        )
        token_id = token.created_by_id
    return request_creation(
        person=robot,
        project=project,
        wish=CreateRequest("by-robot", "HPS"),
        token=uuid.uuid4(),
        token_maker=token_id,
    )


def test_what_needs_approval_waits_and_is_not_sent(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    assert (creation.state, creation.approval, creation.approval_rule) == ("queued", "waiting", "type:HPS")
    (event,) = events(object_id=str(creation.pk))
    assert (event.after or {})["approval"] == {"rule": "type:HPS"}
    assert CREATIONS.claim("worker", State.QUEUED) is None
    assert run_worker_again(creation).state == State.QUEUED
    assert not cloud.posts
    assert now(creation).version == 0  # no worker has touched it


def test_what_needs_none_is_sent_at_once(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None
) -> None:
    ecs = submit_creation(people.ada, projects.vision, type="ECS")
    other = submit_creation(people.mallory, projects.speech)
    run_worker()
    assert {now(each).approval for each in (ecs, other)} == {Approval.NOT_NEEDED}
    assert {now(each).state for each in (ecs, other)} == {State.CREATED}


def test_a_type_that_is_not_stated_may_become_any_so_it_needs_approval(
    people: People, projects: Projects, needs_approval: None
) -> None:
    assert submit_creation(people.ada, projects.vision, type="").approval_rule == "type:"


def test_the_team_s_nth_cluster_needs_approval_and_those_before_it_do_not(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    set_rules(people.vision, by=people.tom, approval_from=3)
    rows = [submit_creation(people.ada, projects.vision, f"c-{n}") for n in range(1, 5)]
    assert [row.approval_rule for row in rows] == ["", "", "count:3", "count:3"]
    run_worker()
    assert len(cloud.posts) == 2


def test_another_admin_approves_and_it_is_sent_once(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None, una: User
) -> None:
    creation = submit_creation(people.tom, projects.vision)
    approve(now(creation), by=una, reason="Agreed")
    approve(now(creation), by=una, reason="again")  # a second click is the same approval
    run_worker()
    assert (now(creation).state, len(cloud.posts)) == (State.CREATED, 1)
    (event,) = events(action="cluster:create:approved")
    assert (event.person_name, event.reason, event.outcome) == ("una", "Agreed", "done")
    assert now(creation).approval_by == una


def test_nobody_approves_their_own_whatever_their_role(
    people: People, projects: Projects, needs_approval: None
) -> None:
    creation = submit_creation(people.tom, projects.vision)
    for act in (approve, decline):
        with pytest.raises(ApprovalRefused) as refusal:
            act(now(creation), by=people.tom, reason="mine")
        assert refusal.value.cause == "own_approval"
    assert now(creation).approval == Approval.WAITING
    assert events(action="cluster:create:approval-refused")[0].evidence == "own_approval"


def test_only_admins_of_the_team_approve(people: People, projects: Projects, needs_approval: None) -> None:
    creation = submit_creation(people.ada, projects.vision)
    for name in ("ada", "vera", "olga", "mallory", "root", "nina"):
        with pytest.raises(NotPermitted):
            approve(now(creation), by=getattr(people, name))
        with pytest.raises(NotPermitted):
            decline(now(creation), by=getattr(people, name), reason="no")
        assert events(action="cluster:create:approval-refused", outcome="denied", person_name=name)
    assert now(creation).approval == Approval.WAITING


def test_a_declined_one_ends_refused_and_says_who_and_why(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    with pytest.raises(ReasonRequired):
        decline(now(creation), by=people.tom, reason="  ")
    decline(now(creation), by=people.tom, reason="Use the one of last week")
    run_worker()
    ended = now(creation)
    assert (ended.state, ended.cause, ended.evidence) == (State.REFUSED, "declined", "not_sent")
    assert "tom declined it: “Use the one of last week”." in creation_status(ended).text
    assert not cloud.posts
    submit_creation(people.ada, projects.vision)  # the name is free again


def test_who_requested_it_can_withdraw_it_while_it_waits(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    with pytest.raises(NameUnresolved):
        submit_creation(people.tom, projects.vision)
    withdraw(now(creation), by=people.ada)
    assert now(creation).state == State.CANCELLED
    for act in (approve, decline):
        with pytest.raises(StaleState):
            act(now(creation), by=people.tom, reason="late")
    run_worker()
    assert not cloud.posts


def test_an_approved_one_can_be_withdrawn_and_not_be_declined(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    approve(now(creation), by=people.tom)
    with pytest.raises(StaleState):
        decline(now(creation), by=people.tom, reason="changed my mind")
    withdraw(now(creation), by=people.ada)
    run_worker()
    assert not cloud.posts


def lose_the_role(people: People, una: User) -> None:
    held = Grant.objects.active().get(person=una, team=people.vision)
    end_grant(held, by=people.tom, reason="back to research")


def lose_the_account(people: People, una: User) -> None:
    deactivate(una, by=people.root, reason="left")


@pytest.mark.parametrize("lose", [lose_the_role, lose_the_account])
def test_an_approver_who_is_no_admin_any_more_has_not_approved_when_it_is_sent(
    lose: Callable[[People, User], None],
    people: People,
    projects: Projects,
    cloud: Cloud,
    needs_approval: None,
    una: User,
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    approve(now(creation), by=una)
    lose(people, una)
    assert run_worker_again(creation).state == State.QUEUED
    waits = now(creation)
    assert (waits.approval, waits.cause, waits.approval_by) == (Approval.WAITING, "approver_lost", None)
    assert "no longer an admin of the team" in creation_status(waits).text
    assert not cloud.posts
    approve(waits, by=people.tom)
    assert run_worker_again(creation).state == State.CREATED


def test_an_approver_lost_while_the_cloud_is_listed_has_not_approved(
    people: People,
    projects: Projects,
    cloud: Cloud,
    needs_approval: None,
    una: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    approve(now(creation), by=una)
    prepare = CREATIONS.prepare

    def lose_meanwhile(*args: Any) -> Any:
        lose_the_role(people, una)
        return prepare(*args)

    monkeypatch.setattr(CREATIONS, "prepare", lose_meanwhile)
    run_worker()
    assert (now(creation).approval, cloud.posts) == (Approval.WAITING, [])


def test_a_waiting_one_that_a_worker_has_all_the_same_is_not_sent(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    Creation.objects.filter(pk=creation.pk).update(lease_holder="w", lease_expires_at=clock.now())
    CREATIONS.send(Creation.objects.with_related().get(pk=creation.pk))
    assert (now(creation).approval, cloud.posts) == (Approval.WAITING, [])


def test_a_stricter_rule_stops_nothing_that_was_accepted_and_a_lifted_one_approves_nothing(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    before = submit_creation(people.ada, projects.vision, "before")
    set_rules(people.vision, by=people.tom, approval_types=["HPS"], approval_from=1)
    during = submit_creation(people.ada, projects.vision, "during")
    set_rules(people.vision, by=people.tom, approval_types=[], approval_from=None)
    run_worker()
    assert (now(before).state, now(during).state) == (State.CREATED, State.QUEUED)
    approve(now(during), by=people.tom)
    assert run_worker_again(during).state == State.CREATED


def test_one_that_the_release_before_accepted_is_judged_when_it_is_sent(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None
) -> None:
    unjudged = {"approval": None, "approval_rule": "", "approval_at": None}
    old = submit_creation(people.ada, projects.vision, "old")
    Creation.objects.filter(pk=old.pk).update(**unjudged)
    free = submit_creation(people.ada, projects.vision, "free", type="ECS")
    Creation.objects.filter(pk=free.pk).update(**unjudged)
    run_worker()
    assert (now(old).approval, now(old).approval_rule) == (Approval.WAITING, "type:HPS")
    assert now(free).state == State.CREATED
    assert [event.object_name for event in events(action="cluster:create:approval-needed")] == ["old"]
    approve(now(old), by=people.tom)
    assert run_worker_again(old).state == State.CREATED


def test_what_else_would_stop_it_still_does_after_the_approval(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    approve(now(creation), by=people.tom)
    end_grant(Grant.objects.active().get(person=people.ada), by=people.tom, reason="left")
    assert run_worker_again(creation).cause == "right_lost"
    assert not cloud.posts


def test_who_stands_behind_a_service_identity_does_not_approve_what_it_requests(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None, una: User
) -> None:
    third = add_person(username="zoe")
    grant(person=third, role=Role.ADMIN, team=people.vision, reason="leads too", by=people.root)
    creation = by_service(people, projects.vision, maker=people.tom, token_maker=una)
    for barred in (people.tom, una):
        with pytest.raises(ApprovalRefused) as refusal:
            approve(now(creation), by=barred)
        assert refusal.value.cause == "own_service"
    assert now(creation).approvers() == [third]
    approve(now(creation), by=third)
    assert run_worker_again(creation).state == State.CREATED


def test_who_can_approve_is_one_query_however_many_admins_there_are(
    people: People, projects: Projects, needs_approval: None, una: User, django_assert_num_queries: Any
) -> None:
    creation = Creation.objects.with_related().get(pk=submit_creation(people.ada, projects.vision).pk)
    with django_assert_num_queries(1):
        assert creation.approvers() == [people.tom, una]


def test_a_service_identity_whose_makers_are_unknown_is_approved_by_nobody(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None, una: User
) -> None:
    creation = by_service(people, projects.vision, maker=people.tom, token_maker=None)
    for admin in (people.tom, una):
        with pytest.raises(ApprovalRefused) as refusal:
            approve(now(creation), by=admin)
        assert refusal.value.cause == "unknown_sponsors"
    with pytest.raises(ApprovalRefused):
        decline(now(creation), by=una, reason="no")
    assert "so nobody can approve this creation" in no_approver_text(now(creation))
    withdraw(now(creation), by=people.tom)  # an admin can still end it


def test_the_admins_who_can_approve_get_a_mail_and_who_requested_it_gets_the_decision(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None, una: User
) -> None:
    first = submit_creation(people.tom, projects.vision, "first", reason="Spring runs")
    run_worker()
    run_worker()
    (asked,) = mail.outbox
    assert (asked.to, asked.subject) == (["una@example.com"], "tom asks for approval of first in Vision")
    assert f"/creations/{first.pk}/" in asked.body
    assert "Spring runs" in asked.body
    approve(now(first), by=una, reason="Agreed")
    second = submit_creation(people.tom, projects.vision, "second")
    decline(now(second), by=una, reason="Too many")
    run_worker()
    run_worker()
    told = {each.subject: each for each in mail.outbox[1:]}
    assert told.keys() == {"una approved the creation of first", "una declined the creation of second"}
    assert all(each.to == ["tom@example.com"] for each in told.values())
    assert "Too many" in told["una declined the creation of second"].body


def test_one_that_waits_again_is_asked_for_again(
    people: People, projects: Projects, cloud: Cloud, needs_approval: None, una: User
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    approve(now(creation), by=una)
    lose_the_role(people, una)
    run_worker()
    run_worker()
    to_tom = [each for each in mail.outbox if each.to == ["tom@example.com"] and "approval" in each.subject]
    assert len(to_tom) == 2


def test_the_rule_is_the_admins_and_a_change_of_it_is_audited(people: People) -> None:
    for name in ("ada", "vera", "root", "olga", "mallory"):
        with pytest.raises(NotPermitted):
            set_rules(people.vision, by=getattr(people, name), approval_from=2)
    set_rules(people.vision, by=people.tom, approval_from=2, approval_types=["ECS"], reason="budget")
    (event,) = events(action="access:team:changed", team_name="Vision")
    assert event.after == {"approval_from": 2, "approval_types": ["ECS"]}
    with pytest.raises(ValidationError):
        set_rules(people.vision, by=people.tom, approval_from=0)
    assert Team.objects.get(slug="vision").approval_from == 2
