"""A creation that states no type: none is sent, and both of the cloud's lists are looked into."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hyperclusters.access.models import Team
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.errors import AgainstRules
from hyperclusters.clusters.models import Cluster, ClusterListing, Creation, Deletion, Evidence, State
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.modelarts import Client, ClusterType, Unavailable
from tests.clusters.moments import around_the_create, horizon_passes, send_what_waits
from tests.conftest import Cloud, People, Projects, events, run_worker, run_worker_again, submit_creation

NAME = "test-hps--1107"
TYPES = [str(kind) for kind in ClusterType]


def lists_again() -> None:
    """Have a worker read both lists, as it does from time to time."""
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()


def lost(people: People, projects: Projects, cloud: Cloud) -> Creation:
    """One whose request never arrived, and whose answer never came."""
    cloud.simulator.fault("lost_request", "create", times=1)
    creation = submit_creation(people.ada, projects.vision, type="")
    send_what_waits()
    creation.refresh_from_db()
    assert creation.state == State.UNKNOWN
    return creation


def test_the_vendor_s_own_example_is_what_goes_out(people: People, projects: Projects, cloud: Cloud) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME, type="")
    run_worker()
    (event,) = events(action="cluster:create:succeeded")
    assert json.loads((event.request or {})["body"]) == {"name": NAME}
    creation.refresh_from_db()
    assert (creation.state, creation.evidence) == (State.CREATED, Evidence.REPLY)


def test_its_cluster_has_no_type_until_a_list_shows_it(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision, type="")
    send_what_waits()
    cluster = Cluster.objects.get()
    assert (cluster.type, cluster.types, cluster.reports_inside) == ("", [], True)
    lists_again()
    cluster.refresh_from_db()
    assert (cluster.type, cluster.also_type, cluster.types) == ("HPS", "", ["HPS"])
    (event,) = events(action="cluster:seen:changed")
    assert (event.before, event.after) == ({"types": []}, {"types": ["HPS"]})


@pytest.mark.parametrize("kind", TYPES)
def test_a_name_under_either_type_is_in_the_baseline(
    people: People, projects: Projects, cloud: Cloud, kind: str
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, NAME, type=kind)
    creation = submit_creation(people.ada, projects.vision, NAME, type="")
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.cause) == (State.REFUSED, "name_appeared")
    assert cloud.posts == []


@pytest.mark.parametrize("kind", TYPES)
def test_nothing_is_sent_unless_both_lists_are_whole(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    fail_list(monkeypatch, kind)
    creation = submit_creation(people.ada, projects.vision, NAME, type="")
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.attempts, creation.delays) == (State.QUEUED, 0, 1)
    assert cloud.posts == []


def test_a_process_that_stops_between_the_two_lists_sends_nothing(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME, type="")
    waiting = CREATIONS.claim("sender", State.QUEUED)
    assert waiting is not None
    CREATIONS.send(waiting, may_begin=lambda: False)
    creation.refresh_from_db()
    assert (creation.state, cloud.posts) == (State.QUEUED, [])
    assert [entry.call for entry in cloud.simulator.journal()] == ["list"]


@pytest.mark.parametrize("kind", TYPES)
def test_a_lost_one_is_found_in_either_list(
    people: People, projects: Projects, cloud: Cloud, kind: str
) -> None:
    creation = lost(people, projects, cloud)
    made = cloud.simulator.add_cluster(projects.vision.project_id, NAME, type=kind)
    creation = run_worker_again(creation)
    assert (creation.state, creation.evidence) == (State.CREATED, Evidence.LISTED)
    assert creation.cluster.cluster_id == made.id
    lists_again()
    creation.cluster.refresh_from_db()
    assert creation.cluster.types == [kind]
    assert len(cloud.posts) == 1


def test_one_that_both_lists_name_is_one_candidate(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation = lost(people, projects, cloud)
    made = cloud.simulator.add_cluster(projects.vision.project_id, NAME, type="ECS")
    listing = Client.list
    monkeypatch.setattr(Client, "list", lambda self, **_: listing(self, type=ClusterType.ECS))
    creation = run_worker_again(creation)
    assert creation.state == State.CREATED
    assert creation.cluster.cluster_id == made.id


def test_one_in_each_list_is_for_a_person_to_decide(people: People, projects: Projects, cloud: Cloud) -> None:
    creation = lost(people, projects, cloud)
    ids = {cloud.simulator.add_cluster(projects.vision.project_id, NAME, type=kind).id for kind in TYPES}
    creation = run_worker_again(creation)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "several_candidates")
    assert {candidate["id"] for candidate in creation.candidates} == ids


@pytest.mark.parametrize("kind", TYPES)
def test_a_list_that_fails_proves_no_absence(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    creation = lost(people, projects, cloud)
    horizon_passes(creation)
    with monkeypatch.context() as patch:
        fail_list(patch, kind)
        creation = run_worker_again(creation)
        assert (creation.state, creation.polls) == (State.UNKNOWN, 0)
    projects.vision.refresh_from_db()
    creation = run_worker_again(creation, times=2)
    assert (creation.state, creation.evidence) == (State.NOT_CREATED, Evidence.ABSENT)


def test_a_refusal_is_contradicted_by_either_list(people: People, projects: Projects, cloud: Cloud) -> None:
    cloud.simulator.fault("error", "create", status=400, error_code="ModelArts.0106", times=1)
    creation = submit_creation(people.ada, projects.vision, NAME, type="")
    send_what_waits()
    creation.refresh_from_db()
    assert creation.state == State.FAILED
    cloud.simulator.add_cluster(projects.vision.project_id, NAME, type="ECS")
    lists_again()
    creation.refresh_from_db()
    assert creation.conflict_at is not None


def test_it_is_deleted_before_any_list_showed_its_type(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision, type="")
    send_what_waits()
    cluster = Cluster.objects.get()
    assert cluster.type == ""
    cloud.simulator.add_hyperinstance(projects.vision.project_id, "sn-01", cluster.cluster_id)
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name=cluster.name)
    ClusterListing.objects.update(run_after=timezone.now() + timedelta(hours=1))
    run_worker()
    deletion.refresh_from_db()
    assert (deletion.state, deletion.cause) == ("refused", "not_empty")  # it may be HPS, so this is asked
    request_deletion(
        person=people.tom, cluster=cluster, typed_name=cluster.name, reason="Over", override_inside=True
    )
    run_worker()
    assert Deletion.objects.first().state == "deleted"  # type: ignore[union-attr]
    assert cloud.simulator.clusters() == []


def test_one_that_neither_list_ever_has_is_gone_once_both_should_have_it(
    people: People, projects: Projects, cloud: Cloud, settings: Any
) -> None:
    submit_creation(people.ada, projects.vision, type="")
    send_what_waits()
    cluster = Cluster.objects.get()
    cloud.simulator.remove_cluster(cluster.cluster_id)
    lists_again()
    cluster.refresh_from_db()
    assert cluster.gone_at is None  # it may not have reached the lists yet
    long_ago = timezone.now() - timedelta(hours=1)
    Cluster.objects.update(found_at=long_ago, seen_at=long_ago)
    lists_again()
    lists_again()
    cluster.refresh_from_db()
    assert cluster.gone_at is not None


@pytest.mark.parametrize(
    ("allowed", "is_allowed"), [([], True), (["HPS", "ECS"], True), (["HPS"], False), (["ECS"], False)]
)
def test_a_team_that_allows_one_type_needs_one_stated(
    people: People, projects: Projects, cloud: Cloud, allowed: list[str], is_allowed: bool
) -> None:
    Team.objects.filter(pk=projects.vision.team_id).update(allowed_types=allowed)
    if is_allowed:
        assert submit_creation(people.ada, projects.vision, type="").type == ""
        return
    with pytest.raises(AgainstRules):
        submit_creation(people.ada, projects.vision, type="")


def test_an_answer_that_comes_after_the_sweep_still_settles_it(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME, type="")

    def swept() -> None:
        Creation.objects.filter(pk=creation.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        run_worker()

    around_the_create(monkeypatch, after=swept)
    send_what_waits()
    creation.refresh_from_db()
    assert creation.state == State.CREATED
    assert Cluster.objects.get().creation_id == creation.pk


def fail_list(patch: pytest.MonkeyPatch, kind: str) -> None:
    """The list of this type cannot be read."""
    listing = Client.list

    def failing(self: Client, *, type: ClusterType) -> Any:  # noqa: A002 -- the vendor's name
        if type == kind:
            raise Unavailable("no list", cause="unavailable")
        return listing(self, type=type)

    patch.setattr(Client, "list", failing)
