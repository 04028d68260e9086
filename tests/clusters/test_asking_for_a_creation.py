"""What may be asked for, by whom, how often: the rules hold in the service, whoever calls it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from hyperclusters.access.models import Grant, User
from hyperclusters.access.permissions import NotPermitted
from hyperclusters.access.services import end_grant
from hyperclusters.clusters.creations import CreateRequest, decide, request_creation, withdraw
from hyperclusters.clusters.errors import (
    Blocked,
    InvalidValues,
    NameTaken,
    NameUnresolved,
    NotACandidate,
    QuotaReached,
    TokenUsed,
)
from hyperclusters.clusters.models import Cluster, Creation, Evidence, Project, State
from hyperclusters.clusters.operations.transitions import StaleState
from hyperclusters.clusters.quotas import count_used
from tests.conftest import Cloud, People, Projects, events, run_worker, run_worker_again, submit_creation

OPEN = [State.QUEUED, State.SENDING, State.UNKNOWN, State.NEEDS_ATTENTION]
SETTLED = [State.CREATED, State.FAILED, State.NOT_CREATED, State.CANCELLED, State.REFUSED]


def in_state(creation: Creation, state: State) -> Creation:
    """Put it there by hand, out of every worker's reach."""
    later = timezone.now() + timedelta(days=1)
    Creation.objects.filter(pk=creation.pk).update(state=state, run_after=later, lease_expires_at=later)
    return creation


def test_a_request_is_a_row_and_an_event_committed_together(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision, reason="Baseline")
    assert creation.state == State.QUEUED
    (event,) = events(object_id=str(creation.pk))
    assert (event.action, event.outcome) == ("cluster:create:requested", "accepted")
    assert (event.person_name, event.team_name, event.reason) == ("ada", "Vision", "Baseline")
    assert event.request == {
        "name": "test-hps--1107",
        "type": "HPS",
        "hyper_cluster_subnet_id": "",
        "project": "vision-cn-southwest-2",
    }


def test_a_person_without_the_right_is_denied_with_an_event_and_nothing_else(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    for name in ("vera", "mallory", "olga", "root", "nina"):
        with pytest.raises(NotPermitted):
            submit_creation(getattr(people, name), projects.vision)
        (event,) = events(outcome="denied", person_name=name)
        assert (event.action, event.team_name) == ("cluster:create:denied", "Vision")
    assert not Creation.objects.exists()


BAD_WISHES: list[dict[str, Any]] = [
    {"name": "a" * 65},
    {"name": ""},
    {"name": "a\n"},
    {"name": "集群"},
    {"type": "GPU"},
    {"type": "hps"},
    {"subnet_id": "not-a-uuid"},
    {"subnet_id": "3F1F6E1C-1D2C-4A5B-8C9D-0123456789AB"},
]


def test_g32_a_value_outside_the_grammar_is_refused_by_the_service_itself(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    for request in BAD_WISHES:
        with pytest.raises(InvalidValues):
            submit_creation(people.ada, projects.vision, **request)
    assert not Creation.objects.exists()
    assert [event.evidence for event in events(outcome="refused")] == ["invalid"] * len(BAD_WISHES)


def test_g06_a_name_is_held_while_its_creation_is_open(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    first = submit_creation(people.ada, projects.vision)
    for state in OPEN:
        in_state(first, state)
        with pytest.raises(NameUnresolved) as refusal:
            submit_creation(people.tom, projects.vision)
        assert refusal.value.creation == first
    submit_creation(people.mallory, projects.speech)  # another project's names are its own


def test_g06_a_name_is_free_again_once_its_creation_is_settled_and_no_cluster_has_it(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    for state in SETTLED:
        in_state(submit_creation(people.ada, projects.vision), state)
    assert Creation.objects.count() == len(SETTLED)


def test_g06_the_database_itself_lets_one_open_creation_a_name_in(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    first = submit_creation(people.ada, projects.vision)
    twin = {"project": projects.vision, "name": first.name, "type": "ECS", "requested_by": people.ada}
    for state in OPEN:
        with pytest.raises(IntegrityError):
            Creation.objects.create(**twin, state=state, token=uuid.uuid4())
    Creation.objects.create(**twin, state=State.FAILED, token=uuid.uuid4())


def test_g06_a_name_that_a_live_cluster_has_is_taken_and_a_gone_one_s_is_free(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "taken")
    run_worker()
    with pytest.raises(NameTaken):
        submit_creation(people.ada, projects.vision, "taken", type="ECS")
    Cluster.objects.update(gone_at=timezone.now())
    assert submit_creation(people.ada, projects.vision, "taken")


def test_g06_a_taken_name_may_be_used_again_by_who_decides_and_that_is_audited(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    there = cloud.simulator.add_cluster(projects.vision.project_id, "taken")
    run_worker()
    request = CreateRequest(name="taken", type="HPS")
    with pytest.raises(NameTaken):
        request_creation(
            person=people.ada, project=projects.vision, wish=request, token=uuid.uuid4(), despite_cluster=True
        )
    creation = request_creation(
        person=people.tom, project=projects.vision, wish=request, token=uuid.uuid4(), despite_cluster=True
    )
    (event,) = events(object_id=str(creation.pk))
    assert event.after is not None
    assert event.after["despite"] == there.id
    assert run_worker_again(creation).cluster.cluster_id != there.id


def test_g05_a_token_makes_one_creation_however_often_it_comes(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    token, request = uuid.uuid4(), CreateRequest(name="once", type="HPS")
    rows = {
        request_creation(person=people.ada, project=projects.vision, wish=request, token=token).pk
        for _ in range(3)
    }
    assert len(rows) == 1
    run_worker()
    # Settled since, the name taken, the quota used up, calls stopped: the same form still leads to its own row.
    Project.objects.update(
        quota=1, blocked_until=timezone.now() + timedelta(hours=1), blocked_cause="deadline"
    )
    again = request_creation(person=people.ada, project=projects.vision, wish=request, token=token)
    assert again.pk in rows
    assert len(events(action="cluster:create:requested")) == 1
    assert len(cloud.posts) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"name": "two"},
        {"type": "ECS"},
        {"subnet_id": "3f1f6e1c-1d2c-4a5b-8c9d-0123456789ab"},
        {"reason": "else"},
    ],
    ids=str,
)
def test_g05_a_token_with_other_values_is_refused(
    other: dict[str, str], people: People, projects: Projects, cloud: Cloud
) -> None:
    token, values = uuid.uuid4(), {"name": "one", "type": "HPS"}
    first = request_creation(
        person=people.ada, project=projects.vision, wish=CreateRequest(**values), token=token
    )
    with pytest.raises(TokenUsed) as refusal:
        request_creation(
            person=people.ada, project=projects.vision, wish=CreateRequest(**values | other), token=token
        )
    assert refusal.value.creation == first


def test_g05_a_token_of_another_person_is_refused_without_a_word_about_their_creation(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    token, request = uuid.uuid4(), CreateRequest(name="one", type="HPS")
    hers = request_creation(person=people.ada, project=projects.vision, wish=request, token=token)
    for person, project in ((people.tom, projects.vision), (people.mallory, projects.speech)):
        with pytest.raises(TokenUsed) as refusal:
            request_creation(person=person, project=project, wish=request, token=token)
        assert refusal.value.creation is None
        assert str(hers.pk) not in repr([event.response for event in events(person_name=person.username)])


def test_g28_clusters_and_open_creations_fill_the_quota(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    project = projects.vision
    Project.objects.filter(pk=project.pk).update(quota=3)
    cloud.simulator.add_cluster(project.project_id, "outside")
    run_worker()
    submit_creation(people.ada, project, "made")
    run_worker()
    in_state(submit_creation(people.ada, project, "open"), State.UNKNOWN)
    assert count_used(project) == 3
    with pytest.raises(QuotaReached):
        submit_creation(people.ada, project, "one-too-many")
    Cluster.objects.filter(name="outside").update(gone_at=timezone.now())
    assert submit_creation(people.ada, project, "fits-again")


def test_a_quota_of_none_is_no_limit_and_of_zero_lets_nothing_in(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision, "fits")
    Project.objects.filter(pk=projects.vision.pk).update(quota=0)
    with pytest.raises(QuotaReached):
        submit_creation(people.ada, projects.vision, "does-not")


def test_g17_a_stopped_project_refuses_at_once_and_an_elapsed_stop_does_not(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    stopped = Project.objects.filter(pk=projects.vision.pk)
    stopped.update(blocked_until=timezone.now() + timedelta(seconds=30), blocked_cause="deadline")
    with pytest.raises(Blocked):
        submit_creation(people.ada, projects.vision)
    stopped.update(blocked_until=timezone.now() - timedelta(seconds=1))
    assert submit_creation(people.ada, projects.vision)
    assert cloud.simulator.journal() == []


def end(people: People) -> None:
    end_grant(Grant.objects.get(person=people.ada), reason="left")


def run_out(people: People) -> None:
    Grant.objects.filter(person=people.ada).update(until=timezone.now() - timedelta(seconds=1))


def deactivate(people: People) -> None:
    User.objects.filter(pk=people.ada.pk).update(is_active=False)


def demote(people: People) -> None:
    Grant.objects.filter(person=people.ada).update(role="viewer")


@pytest.mark.parametrize("loses_it", [end, run_out, deactivate, demote])
def test_g25_a_right_lost_while_waiting_means_nothing_is_sent(
    loses_it: Any, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    loses_it(people)
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.evidence, creation.cause) == ("refused", "not_sent", "right_lost")
    (event,) = events(action="cluster:create:denied")
    assert (event.person_name, event.source) == ("ada", "worker")
    assert cloud.posts == []


@pytest.mark.parametrize(("name", "may"), [("ada", True), ("tom", True), ("vera", False), ("mallory", False)])
def test_withdrawing_is_for_who_asked_and_for_who_decides(
    name: str, may: bool, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    if may:
        withdraw(creation, by=getattr(people, name))
        (event,) = events(action="cluster:create:withdrawn")
        assert event.person_name == name
    else:
        with pytest.raises(NotPermitted):
            withdraw(creation, by=getattr(people, name))
    creation.refresh_from_db()
    assert creation.state == (State.CANCELLED if may else State.QUEUED)


def test_a_withdrawn_creation_cannot_be_withdrawn_again(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    withdraw(creation, by=people.ada)
    with pytest.raises(StaleState):
        withdraw(Creation.objects.get(pk=creation.pk), by=people.ada)
    assert len(events(action="cluster:create:withdrawn")) == 1


# Deciding among several candidates.


@pytest.fixture
def undecided(people: People, projects: Projects, cloud: Cloud) -> Creation:
    """A lost creation with two clusters that may be its own."""
    cloud.simulator.fault("lost_answer", "create", times=1)
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    cloud.simulator.add_cluster(projects.vision.project_id, creation.name)
    creation = run_worker_again(creation)
    assert creation.state == State.NEEDS_ATTENTION
    return creation


def test_g07_the_cluster_that_an_admin_chose_is_the_creation_s_on_a_person_s_word(
    undecided: Creation, people: People, cloud: Cloud
) -> None:
    chosen = undecided.candidates[1]["id"]
    decide(undecided, by=people.tom, cluster_id=chosen, reason="I saw it in the console")
    creation = Creation.objects.get(pk=undecided.pk)
    assert (creation.state, creation.evidence) == (State.CREATED, Evidence.HUMAN)
    assert creation.cluster.cluster_id == chosen
    (event,) = events(action="cluster:create:decided")
    assert (event.person_name, event.reason) == ("tom", "I saw it in the console")


def test_g07_none_of_the_candidates_means_not_created_on_a_person_s_word(
    undecided: Creation, people: People, cloud: Cloud
) -> None:
    decide(undecided, by=people.tom, cluster_id="")
    creation = Creation.objects.get(pk=undecided.pk)
    assert (creation.state, creation.evidence) == (State.NOT_CREATED, Evidence.HUMAN)
    assert not Cluster.objects.filter(creation=creation).exists()


def test_deciding_is_for_the_team_s_admins_alone(undecided: Creation, people: People) -> None:
    for name in ("ada", "vera", "mallory", "olga", "root"):
        with pytest.raises(NotPermitted):
            decide(undecided, by=getattr(people, name), cluster_id=undecided.candidates[0]["id"])
    assert Creation.objects.get(pk=undecided.pk).state == State.NEEDS_ATTENTION


def test_what_is_no_candidate_cannot_be_chosen(undecided: Creation, people: People) -> None:
    with pytest.raises(NotACandidate):
        decide(undecided, by=people.tom, cluster_id="3f1f6e1c-1d2c-4a5b-8c9d-0123456789ab")


def test_what_another_creation_turned_out_to_have_made_cannot_be_chosen(
    undecided: Creation, people: People, projects: Projects
) -> None:
    other = submit_creation(people.ada, projects.vision, "other")
    run_worker()
    chosen = undecided.candidates[0]["id"]
    Cluster.objects.filter(cluster_id=chosen).delete()
    Cluster.objects.filter(creation=other).update(cluster_id=chosen)
    with pytest.raises(NotACandidate):
        decide(Creation.objects.get(pk=undecided.pk), by=people.tom, cluster_id=chosen)
    assert Creation.objects.get(pk=undecided.pk).state == State.NEEDS_ATTENTION
    assert events(action="cluster:create:decided") == []


def test_a_decision_is_made_once(undecided: Creation, people: People) -> None:
    as_it_was_shown = Creation.objects.get(pk=undecided.pk)
    decide(undecided, by=people.tom, cluster_id="")
    with pytest.raises(StaleState):
        decide(as_it_was_shown, by=people.tom, cluster_id=as_it_was_shown.candidates[0]["id"])
    assert len(events(action="cluster:create:decided")) == 1
