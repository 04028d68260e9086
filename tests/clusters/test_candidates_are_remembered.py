"""What any list or answer since the click showed is explained or left to a person, whatever later ones lack (G41, G42)."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from hyperclusters.clusters.creations import decide
from hyperclusters.clusters.inventory import sync
from hyperclusters.clusters.models import Cluster, ClusterListing, Creation, Evidence, State
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.operations.transitions import StaleState
from hyperclusters.clusters.quotas import count_used
from tests.clusters.moments import (
    after_the_list,
    around_the_create,
    horizon_passes,
    once,
    send_what_waits,
)
from tests.conftest import (
    Cloud,
    People,
    Projects,
    events,
    make_due,
    run_worker,
    run_worker_again,
    submit_creation,
)

pytestmark = pytest.mark.any_database

NAME = "Ring-East"
OLD, NEW, OTHER = (f"{digit * 8}-{digit * 4}-4{digit * 3}-8{digit * 3}-{digit * 12}" for digit in "123")


@pytest.fixture(autouse=True)
def no_list_is_due(projects: Projects) -> None:
    """Until a test says so."""
    postpone_lists()


def postpone_lists() -> None:
    ClusterListing.objects.update(run_after=timezone.now() + timedelta(minutes=1), suspect_since=None)


def lists_are_due(creation: Creation) -> None:
    """Our copy is brought up to date, and the creation is not looked for meanwhile."""
    Creation.objects.filter(pk=creation.pk).update(run_after=timezone.now() + timedelta(minutes=2))
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()
    postpone_lists()


def appears(
    projects: Projects, cloud: Cloud, cluster_id: str = NEW, name: str = NAME, kind: str = "HPS"
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, name, kind, cluster_id=cluster_id)


def vanishes(cloud: Cloud, cluster_id: str = NEW) -> None:
    cloud.simulator.remove_cluster(cluster_id)


def seen_and_gone(projects: Projects, cloud: Cloud, creation: Creation, **cluster: Any) -> None:
    appears(projects, cloud, **cluster)
    lists_are_due(creation)
    vanishes(cloud)


def lost(people: People, projects: Projects, cloud: Cloud, *, deed: bool = False, **request: Any) -> Creation:
    cloud.simulator.fault("lost_answer" if deed else "lost_request", "create", times=1)
    creation = submit_creation(people.ada, projects.vision, NAME, **request)
    send_what_waits()
    return Creation.objects.get(pk=creation.pk)


def answered(people: People, projects: Projects, cloud: Cloud, status: int = 200, **said: Any) -> Creation:
    text = json.dumps({"network_info": []} | said).encode()
    cloud.simulator.fault("garbage", "create", kind="custom", deed=False, body=text, times=1, status=status)
    creation = submit_creation(people.ada, projects.vision, NAME)
    send_what_waits()
    return Creation.objects.get(pk=creation.pk)


def settled(creation: Creation) -> Creation:
    horizon_passes(creation)
    return run_worker_again(creation, times=3)


def ids(creation: Creation) -> set[str]:
    creation.refresh_from_db()
    return {facts["id"] for facts in creation.candidates}


def stated(step: str, fact: str) -> list[Any]:
    return [(event.after or {}).get(fact) for event in events(action=f"cluster:create:{step}")]


# The answer names an older cluster, and a new one of the asked name is there.


@pytest.mark.parametrize("moment", ["while the create was out", "afterwards"])
@pytest.mark.parametrize("kind", ["HPS", "ECS"])
def test_g42_a_new_cluster_beside_a_known_one_that_the_answer_names_is_a_candidate_and_in_the_list(
    kind: str,
    moment: str,
    people: People,
    projects: Projects,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    appears(projects, cloud, OLD, "older")
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()
    postpone_lists()

    def another() -> None:
        appears(projects, cloud, kind=kind)
        lists_are_due(Creation.objects.get())

    if moment != "afterwards":
        around_the_create(monkeypatch, after=once(another))
    creation = answered(people, projects, cloud, id=OLD, name=NAME)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "known_id")
    if moment == "afterwards":
        another()
    assert (ids(creation), stated("sighted", "found")) == ({OLD, NEW}, [NEW])
    lists_are_due(creation)
    cluster = Cluster.objects.get(cluster_id=NEW)
    assert (cluster.creation, cluster.gone_at) == (None, None)
    creation.refresh_from_db()
    decide(creation, by=people.tom, cluster_id=NEW, reason="it is ours")
    cluster.refresh_from_db()
    assert (cluster.creation, cluster.owner) == (creation, people.ada)


def test_g42_a_candidate_that_comes_while_a_person_decides_is_not_ruled_out_unseen(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    appears(projects, cloud, OLD, "older")
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()
    creation = answered(people, projects, cloud, id=OLD, name=NAME)
    appears(projects, cloud)
    lists_are_due(Creation.objects.get())
    with pytest.raises(StaleState):
        decide(creation, by=people.tom, cluster_id="", reason="none")  # as it was read
    later = Creation.objects.get()
    with pytest.raises(StaleState):
        decide(later, by=people.tom, cluster_id="", reason="none", seen_version=creation.version)
    decide(later, by=people.tom, cluster_id="", reason="none", seen_version=later.version)
    assert (later.state, later.conflict_at) == (State.NOT_CREATED, None)


# Seen in a list, and gone again before the horizon.


@pytest.mark.parametrize("kind", ["HPS", "ECS"])
@pytest.mark.parametrize("stated", ["HPS", ""])
def test_g41_a_cluster_of_the_name_that_was_there_for_a_while_is_never_said_not_to_have_been(
    stated: str, kind: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, type=stated)
    seen_and_gone(projects, cloud, creation, kind=kind)
    assert (run_worker_again(creation).state, ids(creation)) == (State.UNKNOWN, {NEW})
    creation = settled(creation)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "vanished")
    assert ids(creation) == {NEW}
    assert events(action="cluster:create:absent") == []


def test_g41_a_cluster_that_vanished_and_had_the_named_id_under_another_name_is_left_to_a_person(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was listed before the answer named it, so that our copy took it over."""

    def listed() -> None:
        appears(projects, cloud, name="ring-east")
        lists_are_due(Creation.objects.get())

    around_the_create(monkeypatch, after=once(listed))
    creation = answered(people, projects, cloud, status=201, id=NEW, name=NAME)
    assert Cluster.objects.get().cluster_id == NEW
    vanishes(cloud)
    creation = settled(creation)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "vanished")


def test_g41_a_named_cluster_that_our_copy_listed_first_is_created_if_a_list_has_it(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, status=201, id=NEW, name=NAME)
    Creation.objects.update(overdue_at=timezone.now())
    appears(projects, cloud)
    lists_are_due(creation)
    assert Cluster.objects.get().creation is None
    creation = run_worker_again(creation)
    assert (creation.state, creation.evidence) == (State.CREATED, Evidence.LISTED)
    assert Cluster.objects.get().creation == creation


def test_g07_a_cluster_that_vanished_beside_one_that_stays_is_left_to_a_person(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud)
    seen_and_gone(projects, cloud, creation)
    appears(projects, cloud, OTHER)
    creation = run_worker_again(creation)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "several_candidates")
    assert ids(creation) == {NEW, OTHER}


def test_g07_somebody_else_s_cluster_of_the_other_type_leaves_the_search_alone(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=True)
    (made,) = cloud.simulator.clusters()
    appears(projects, cloud, kind="ECS")
    lists_are_due(creation)
    creation = run_worker_again(creation)
    assert (creation.state, creation.cluster.cluster_id, creation.candidates) == (State.CREATED, made.id, [])
    lists_are_due(creation)
    assert Cluster.objects.get(cluster_id=NEW).creation is None


def test_g41_a_cluster_that_a_list_leaves_out_is_asked_for_by_its_id(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud)
    appears(projects, cloud)
    lists_are_due(creation)
    cloud.simulator.fault("garbage", "list", kind="custom", body=b'{"hyper_clusters": []}')
    creation = run_worker_again(creation)
    assert (creation.state, creation.cluster.cluster_id) == (State.CREATED, NEW)


def test_g41_a_poll_without_a_verdict_keeps_what_it_saw(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, status=201, id=OTHER, name="x")
    cloud.simulator.fault("error", "show", status=500, times=1)
    appears(projects, cloud)
    creation = run_worker_again(creation)
    assert (creation.state, ids(creation)) == (State.UNKNOWN, {NEW})
    vanishes(cloud)
    creation = settled(creation)
    assert (creation.state, creation.cause, ids(creation)) == (State.NEEDS_ATTENTION, "vanished", {NEW})


def test_g41_a_poll_that_has_not_seen_what_a_list_shows_meanwhile_reaches_no_verdict(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation = run_worker_again(lost(people, projects, cloud))
    horizon_passes(creation)
    make_due(creation)

    def listed_meanwhile() -> None:
        appears(projects, cloud)
        monkeypatch.undo()
        lists_are_due(creation)
        vanishes(cloud)

    after_the_list(monkeypatch, once(listed_meanwhile))
    claimed = CREATIONS.claim("one", State.UNKNOWN)
    assert claimed is not None
    CREATIONS.poll(claimed)
    assert Creation.objects.get().state == State.UNKNOWN
    creation = run_worker_again(creation, times=2)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "vanished")


# A refusal, and a new cluster of the name.


@pytest.mark.parametrize("stays", [True, False])
@pytest.mark.parametrize("status", [400, 409, 422])
def test_g07_a_refusal_beside_a_cluster_that_was_seen_meanwhile_is_contradicted_at_once(
    status: int,
    stays: bool,
    people: People,
    projects: Projects,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def listed() -> None:
        appears(projects, cloud)
        lists_are_due(Creation.objects.get())
        if not stays:
            vanishes(cloud)

    around_the_create(monkeypatch, after=once(listed))
    creation = answered(people, projects, cloud, status=status, error_code="ModelArts.0104")
    assert (creation.state, creation.evidence) == (State.FAILED, Evidence.REFUSED)
    assert creation.conflict_at is not None
    assert stated("contradicted", "found") == [NEW]
    lists_are_due(creation)
    assert len(events(action="cluster:create:contradicted")) == 1
    assert Cluster.objects.exists() is stays


def test_g42_a_creation_that_stays_open_keeps_no_cluster_out_of_the_list_for_long(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud)
    appears(projects, cloud)
    lists_are_due(creation)
    assert not Cluster.objects.exists()
    Creation.objects.update(overdue_at=timezone.now())
    lists_are_due(creation)
    assert Cluster.objects.get().cluster_id == NEW
    creation = run_worker_again(creation)
    assert (creation.state, creation.cluster.cluster_id) == (State.CREATED, NEW)


def test_g42_a_list_does_not_wait_for_a_creation_that_is_moving_on_and_tells_it_next_time(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    """Whoever moves it may wait for the project's row, which the list has locked."""
    if connection.vendor == "sqlite":
        pytest.skip("one writer at a time")
    creation = lost(people, projects, cloud)
    appears(projects, cloud)
    locked, done = threading.Event(), threading.Event()

    def moves_on() -> None:
        with transaction.atomic():
            Creation.objects.select_for_update().get(pk=creation.pk)
            locked.set()
            done.wait(20)
        connections.close_all()

    mover = threading.Thread(target=moves_on)
    mover.start()
    assert locked.wait(20)
    (source,) = ClusterListing.objects.filter(project=projects.vision, type="HPS").with_related()
    assert sync(source)
    assert (ids(creation), Cluster.objects.exists()) == (set(), False)
    done.set()
    mover.join(20)
    assert sync(source)
    assert (ids(creation), Cluster.objects.exists()) == ({NEW}, False)


def test_g28_candidates_that_are_listed_count_and_their_creation_not_beside_them(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME)
    cloud.simulator.fault("lost_request", "create", times=1)
    run_worker()
    assert count_used(projects.vision) == 1, "what may exist counts"
    appears(projects, cloud)
    appears(projects, cloud, OTHER)
    creation.refresh_from_db()
    Creation.objects.filter(pk=creation.pk).update(state=State.NEEDS_ATTENTION)
    lists_are_due(creation)
    assert projects.vision.clusters.count() == 2
    assert count_used(projects.vision) == 2
    Cluster.objects.update(gone_at=timezone.now())
    assert count_used(projects.vision) == 1, "one that vanished may be its own"


# Lists that are read for another creation.


@pytest.mark.parametrize("later", ["gone", "renamed"])
@pytest.mark.parametrize("reader", ["is sent", "is looked for"])
def test_g41_what_a_list_for_another_creation_showed_is_left_to_a_person(
    reader: str, later: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    if reader == "is looked for":
        cloud.simulator.fault("lost_request", "create", times=1)
        other = submit_creation(people.ada, projects.vision, "another")
        send_what_waits()
    creation = lost(people, projects, cloud)
    if reader == "is sent":
        other = submit_creation(people.ada, projects.vision, "another")
    Creation.objects.filter(pk=creation.pk).update(run_after=timezone.now() + timedelta(minutes=2))
    appears(projects, cloud)
    make_due(other)
    run_worker()
    if later == "gone":
        vanishes(cloud)
    else:
        row = {"id": NEW, "name": "zz-ring-east", "type": "HPS", "network_info": []}
        body = json.dumps({"hyper_clusters": [row]}).encode()
        cloud.simulator.fault("garbage", "list", kind="custom", body=body)
    creation = settled(creation)
    assert creation.state == State.NEEDS_ATTENTION
    assert ids(creation) == {NEW}


def test_g07_an_answer_with_an_older_id_of_another_project_under_another_name_is_left_to_a_person(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    now = timezone.now()
    Cluster.objects.create(
        project=projects.speech, cluster_id=OLD, name="old", type="HPS", found_at=now, seen_at=now
    )
    creation = settled(answered(people, projects, cloud, id=OLD, name="q"))
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "known_id")
