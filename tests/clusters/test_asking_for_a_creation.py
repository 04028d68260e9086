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
from hyperclusters.clusters.creations import Wish, decide, request_creation, withdraw
from hyperclusters.clusters.limits import used
from hyperclusters.clusters.models import Cluster, Creation, Evidence, Project, State
from hyperclusters.clusters.operations.transitions import Stale
from hyperclusters.clusters.refusals import (
    Blocked,
    InvalidValues,
    NameTaken,
    NameUnresolved,
    NotACandidate,
    QuotaReached,
    TokenUsed,
)
from tests.conftest import Cast, Cloud, Projects, ask, events, work, work_again

OPEN = [State.QUEUED, State.SENDING, State.UNKNOWN, State.NEEDS_ATTENTION]
SETTLED = [State.CREATED, State.FAILED, State.NOT_CREATED, State.CANCELLED, State.REFUSED]


def in_state(creation: Creation, state: State) -> Creation:
    """Put it there by hand, out of every worker's reach."""
    later = timezone.now() + timedelta(days=1)
    Creation.objects.filter(pk=creation.pk).update(state=state, run_after=later, lease_expires_at=later)
    return creation


def test_a_request_is_a_row_and_an_event_committed_together(
    cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    creation = ask(cast.ada, projects.vision, reason="Baseline")
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
    cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    for name in ("vera", "mallory", "olga", "root", "nina"):
        with pytest.raises(NotPermitted):
            ask(getattr(cast, name), projects.vision)
        (event,) = events(outcome="denied", person_name=name)
        assert (event.action, event.team_name) == ("cluster:create:denied", "Vision")
    assert not Creation.objects.exists()


BAD_WISHES: list[dict[str, Any]] = [
    {"name": "a" * 65},
    {"name": ""},
    {"name": "a\n"},
    {"name": "集群"},
    {"type": "GPU"},
    {"type": ""},
    {"subnet_id": "not-a-uuid"},
    {"subnet_id": "3F1F6E1C-1D2C-4A5B-8C9D-0123456789AB"},
]


def test_g32_a_value_outside_the_grammar_is_refused_by_the_service_itself(
    cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    for wish in BAD_WISHES:
        with pytest.raises(InvalidValues):
            ask(cast.ada, projects.vision, **wish)
    assert not Creation.objects.exists()
    assert [event.evidence for event in events(outcome="refused")] == ["invalid"] * len(BAD_WISHES)


def test_g06_a_name_is_held_while_its_creation_is_open(cast: Cast, projects: Projects, cloud: Cloud) -> None:
    first = ask(cast.ada, projects.vision)
    for state in OPEN:
        in_state(first, state)
        with pytest.raises(NameUnresolved) as refusal:
            ask(cast.tom, projects.vision)
        assert refusal.value.creation == first
    ask(cast.mallory, projects.speech)  # another project's names are its own


def test_g06_a_name_is_free_again_once_its_creation_is_settled_and_no_cluster_has_it(
    cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    for state in SETTLED:
        in_state(ask(cast.ada, projects.vision), state)
    assert Creation.objects.count() == len(SETTLED)


def test_g06_the_database_itself_lets_one_open_creation_a_name_in(
    cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    first = ask(cast.ada, projects.vision)
    twin = {"project": projects.vision, "name": first.name, "type": "ECS", "requested_by": cast.ada}
    for state in OPEN:
        with pytest.raises(IntegrityError):
            Creation.objects.create(**twin, state=state, token=uuid.uuid4())
    Creation.objects.create(**twin, state=State.FAILED, token=uuid.uuid4())


def test_g06_a_name_that_a_live_cluster_has_is_taken_and_a_gone_one_s_is_free(
    cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "taken")
    work()
    with pytest.raises(NameTaken):
        ask(cast.ada, projects.vision, "taken", type="ECS")
    Cluster.objects.update(gone_at=timezone.now())
    assert ask(cast.ada, projects.vision, "taken")


def test_g06_a_taken_name_may_be_used_again_by_who_decides_and_that_is_audited(
    cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    there = cloud.simulator.add_cluster(projects.vision.project_id, "taken")
    work()
    wish = Wish(name="taken", type="HPS")
    with pytest.raises(NameTaken):
        request_creation(
            person=cast.ada, project=projects.vision, wish=wish, token=uuid.uuid4(), despite_cluster=True
        )
    made = request_creation(
        person=cast.tom, project=projects.vision, wish=wish, token=uuid.uuid4(), despite_cluster=True
    )
    (event,) = events(object_id=str(made.pk))
    assert event.after is not None
    assert event.after["despite"] == there.id
    assert work_again(made).cluster.cluster_id != there.id


def test_g05_a_token_makes_one_creation_however_often_it_comes(
    cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    token, wish = uuid.uuid4(), Wish(name="once", type="HPS")
    rows = {
        request_creation(person=cast.ada, project=projects.vision, wish=wish, token=token).pk
        for _ in range(3)
    }
    assert len(rows) == 1
    work()
    # Settled since, the name taken, the quota used up, calls stopped: the same form still leads to its own row.
    Project.objects.update(
        quota=1, blocked_until=timezone.now() + timedelta(hours=1), blocked_cause="deadline"
    )
    again = request_creation(person=cast.ada, project=projects.vision, wish=wish, token=token)
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
    other: dict[str, str], cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    token, values = uuid.uuid4(), {"name": "one", "type": "HPS"}
    first = request_creation(person=cast.ada, project=projects.vision, wish=Wish(**values), token=token)
    with pytest.raises(TokenUsed) as refusal:
        request_creation(person=cast.ada, project=projects.vision, wish=Wish(**values | other), token=token)
    assert refusal.value.creation == first


def test_g05_a_token_of_another_person_is_refused_without_a_word_about_their_creation(
    cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    token, wish = uuid.uuid4(), Wish(name="one", type="HPS")
    hers = request_creation(person=cast.ada, project=projects.vision, wish=wish, token=token)
    for person, project in ((cast.tom, projects.vision), (cast.mallory, projects.speech)):
        with pytest.raises(TokenUsed) as refusal:
            request_creation(person=person, project=project, wish=wish, token=token)
        assert refusal.value.creation is None
        assert str(hers.pk) not in repr([event.response for event in events(person_name=person.username)])


def test_g28_clusters_and_open_creations_fill_the_quota(cast: Cast, projects: Projects, cloud: Cloud) -> None:
    project = projects.vision
    Project.objects.filter(pk=project.pk).update(quota=3)
    cloud.simulator.add_cluster(project.project_id, "outside")
    work()
    ask(cast.ada, project, "made")
    work()
    in_state(ask(cast.ada, project, "open"), State.UNKNOWN)
    assert used(project) == 3
    with pytest.raises(QuotaReached):
        ask(cast.ada, project, "one-too-many")
    Cluster.objects.filter(name="outside").update(gone_at=timezone.now())
    assert ask(cast.ada, project, "fits-again")


def test_a_quota_of_none_is_no_limit_and_of_zero_lets_nothing_in(
    cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    ask(cast.ada, projects.vision, "fits")
    Project.objects.filter(pk=projects.vision.pk).update(quota=0)
    with pytest.raises(QuotaReached):
        ask(cast.ada, projects.vision, "does-not")


def test_g17_a_stopped_project_refuses_at_once_and_an_elapsed_stop_does_not(
    cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    stopped = Project.objects.filter(pk=projects.vision.pk)
    stopped.update(blocked_until=timezone.now() + timedelta(seconds=30), blocked_cause="deadline")
    with pytest.raises(Blocked):
        ask(cast.ada, projects.vision)
    stopped.update(blocked_until=timezone.now() - timedelta(seconds=1))
    assert ask(cast.ada, projects.vision)
    assert cloud.simulator.journal() == []


def end(cast: Cast) -> None:
    end_grant(Grant.objects.get(person=cast.ada), reason="left")


def run_out(cast: Cast) -> None:
    Grant.objects.filter(person=cast.ada).update(until=timezone.now() - timedelta(seconds=1))


def deactivate(cast: Cast) -> None:
    User.objects.filter(pk=cast.ada.pk).update(is_active=False)


def demote(cast: Cast) -> None:
    Grant.objects.filter(person=cast.ada).update(role="viewer")


@pytest.mark.parametrize("loses_it", [end, run_out, deactivate, demote])
def test_g25_a_right_lost_while_waiting_means_nothing_is_sent(
    loses_it: Any, cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    creation = ask(cast.ada, projects.vision)
    loses_it(cast)
    work()
    creation.refresh_from_db()
    assert (creation.state, creation.evidence, creation.cause) == ("refused", "not_sent", "right_lost")
    (event,) = events(action="cluster:create:denied")
    assert (event.person_name, event.source) == ("ada", "worker")
    assert cloud.posts == []


@pytest.mark.parametrize(("name", "may"), [("ada", True), ("tom", True), ("vera", False), ("mallory", False)])
def test_withdrawing_is_for_who_asked_and_for_who_decides(
    name: str, may: bool, cast: Cast, projects: Projects, cloud: Cloud
) -> None:
    creation = ask(cast.ada, projects.vision)
    if may:
        withdraw(creation, by=getattr(cast, name))
        (event,) = events(action="cluster:create:withdrawn")
        assert event.person_name == name
    else:
        with pytest.raises(NotPermitted):
            withdraw(creation, by=getattr(cast, name))
    creation.refresh_from_db()
    assert creation.state == (State.CANCELLED if may else State.QUEUED)


def test_a_withdrawn_creation_cannot_be_withdrawn_again(cast: Cast, projects: Projects, cloud: Cloud) -> None:
    creation = ask(cast.ada, projects.vision)
    withdraw(creation, by=cast.ada)
    with pytest.raises(Stale):
        withdraw(Creation.objects.get(pk=creation.pk), by=cast.ada)
    assert len(events(action="cluster:create:withdrawn")) == 1


# Deciding among several candidates.


@pytest.fixture
def undecided(cast: Cast, projects: Projects, cloud: Cloud) -> Creation:
    """A lost creation with two clusters that may be its own."""
    cloud.simulator.fault("lost_answer", "create", times=1)
    creation = ask(cast.ada, projects.vision)
    work()
    cloud.simulator.add_cluster(projects.vision.project_id, creation.name)
    creation = work_again(creation)
    assert creation.state == State.NEEDS_ATTENTION
    return creation


def test_g07_the_cluster_that_an_admin_chose_is_the_creation_s_on_a_person_s_word(
    undecided: Creation, cast: Cast, cloud: Cloud
) -> None:
    chosen = undecided.candidates[1]["id"]
    decide(undecided, by=cast.tom, cluster_id=chosen, reason="I saw it in the console")
    creation = Creation.objects.get(pk=undecided.pk)
    assert (creation.state, creation.evidence) == (State.CREATED, Evidence.HUMAN)
    assert creation.cluster.cluster_id == chosen
    (event,) = events(action="cluster:create:decided")
    assert (event.person_name, event.reason) == ("tom", "I saw it in the console")


def test_g07_none_of_the_candidates_means_not_created_on_a_person_s_word(
    undecided: Creation, cast: Cast, cloud: Cloud
) -> None:
    decide(undecided, by=cast.tom, cluster_id="")
    creation = Creation.objects.get(pk=undecided.pk)
    assert (creation.state, creation.evidence) == (State.NOT_CREATED, Evidence.HUMAN)
    assert not Cluster.objects.filter(creation=creation).exists()


def test_deciding_is_for_the_team_s_admins_alone(undecided: Creation, cast: Cast) -> None:
    for name in ("ada", "vera", "mallory", "olga", "root"):
        with pytest.raises(NotPermitted):
            decide(undecided, by=getattr(cast, name), cluster_id=undecided.candidates[0]["id"])
    assert Creation.objects.get(pk=undecided.pk).state == State.NEEDS_ATTENTION


def test_what_is_no_candidate_cannot_be_chosen(undecided: Creation, cast: Cast) -> None:
    with pytest.raises(NotACandidate):
        decide(undecided, by=cast.tom, cluster_id="3f1f6e1c-1d2c-4a5b-8c9d-0123456789ab")


def test_what_another_creation_turned_out_to_have_made_cannot_be_chosen(
    undecided: Creation, cast: Cast, projects: Projects
) -> None:
    other = ask(cast.ada, projects.vision, "other")
    work()
    chosen = undecided.candidates[0]["id"]
    Cluster.objects.filter(cluster_id=chosen).delete()
    Cluster.objects.filter(creation=other).update(cluster_id=chosen)
    with pytest.raises(NotACandidate):
        decide(Creation.objects.get(pk=undecided.pk), by=cast.tom, cluster_id=chosen)
    assert Creation.objects.get(pk=undecided.pk).state == State.NEEDS_ATTENTION
    assert events(action="cluster:create:decided") == []


def test_a_decision_is_made_once(undecided: Creation, cast: Cast) -> None:
    as_it_was_shown = Creation.objects.get(pk=undecided.pk)
    decide(undecided, by=cast.tom, cluster_id="")
    with pytest.raises(Stale):
        decide(as_it_was_shown, by=cast.tom, cluster_id=as_it_was_shown.candidates[0]["id"])
    assert len(events(action="cluster:create:decided")) == 1
