"""Who owns a cluster, who may delete it, and a lock that stops every deletion that is not sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from hyperclusters.access.deactivation import deactivate
from hyperclusters.access.models import Role
from hyperclusters.access.permissions import NotPermitted
from hyperclusters.access.service_identities import add_service_identity
from hyperclusters.access.services import end_grant, grant
from hyperclusters.clusters.creation_reviews import account_for
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.errors import (
    AlreadyGone,
    ClusterLocked,
    CreationRefused,
    NotInTeam,
    NotLocked,
    OwnerAlready,
    ReasonRequired,
)
from hyperclusters.clusters.inventory import bind
from hyperclusters.clusters.models import Cluster, ClusterListing, Deletion, DeletionState, State
from hyperclusters.clusters.operations.deletion import DELETIONS, DeletionEngine
from hyperclusters.clusters.ownership import hand_over, lock, unlock
from hyperclusters.modelarts import Client, HyperCluster, Network
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation
from tests.faults.concurrency import Beside

PATIENCE = 20.0  # seconds


@pytest.fixture
def cluster(people: People, projects: Projects, cloud: Cloud) -> Cluster:
    """A cluster that Ada created."""
    creation = submit_creation(people.ada, projects.vision, "doomed")
    run_worker()
    ClusterListing.objects.update(run_after="2099-01-01T00:00Z")  # each call from here is about a deletion
    return Cluster.objects.get(creation=creation)


@pytest.fixture
def outside(projects: Projects, cloud: Cloud) -> Cluster:
    """A cluster that was created elsewhere."""
    cloud.simulator.add_cluster(projects.vision.project_id, "outside")
    run_worker()
    return Cluster.objects.get(name="outside")


def sent(cloud: Cloud) -> int:
    """How many deletes the cloud got."""
    return len([entry for entry in cloud.simulator.journal() if entry.method == "DELETE"])


def owner_of(cluster: Cluster) -> str:
    owner = Cluster.objects.get(pk=cluster.pk).owner
    return owner.username if owner else ""


def delete(person: Any, cluster: Cluster) -> Deletion:
    return request_deletion(person=person, cluster=cluster, typed_name=cluster.name)


@contextmanager
def open_transaction(act: Callable[[], Any]) -> Iterator[None]:
    """The act is done, in a thread, by a transaction that commits at the end of the block."""
    done, go = threading.Event(), threading.Event()

    def run() -> None:
        with transaction.atomic():
            act()
            done.set()
            go.wait(PATIENCE)

    beside = Beside(run)
    assert done.wait(PATIENCE), beside.error
    try:
        yield
    finally:
        go.set()
        assert beside.join() is None


# Owners ------------------------------------------------------------------------------------------


def test_who_creates_a_cluster_owns_it_and_one_from_elsewhere_has_no_owner(
    people: People, cluster: Cluster, outside: Cluster
) -> None:
    assert (owner_of(cluster), owner_of(outside)) == ("ada", "")


def test_g53_a_claim_makes_the_owner_and_an_acceptance_ends_it(people: People, outside: Cluster) -> None:
    assert account_for(by=people.olga, cluster=outside, claimed_for=people.ada)
    assert owner_of(outside) == "ada"
    assert (events(action="cluster:outside:claimed")[-1].after or {})["owner"] == "ada"
    assert account_for(by=people.olga, cluster=outside, reason="shared by all")
    assert owner_of(outside) == ""


def test_an_acceptance_takes_nothing_from_whom_the_cluster_was_handed_to(
    people: People, outside: Cluster
) -> None:
    account_for(by=people.olga, cluster=outside, claimed_for=people.ada)
    hand_over(by=people.ada, cluster=outside, to="vera", reason="hers")
    account_for(by=people.olga, cluster=outside, reason="stays")
    assert owner_of(outside) == "vera"


def test_evidence_that_comes_again_does_not_give_a_cluster_back_to_its_creator(
    people: People, cluster: Cluster
) -> None:
    hand_over(by=people.ada, cluster=cluster, to="vera", reason="hers now")
    creation = cluster.creation
    assert creation is not None
    with transaction.atomic():
        bind(creation, HyperCluster(cluster.cluster_id, cluster.name, (Network("net.a", is_default=True),)))
    assert owner_of(cluster) == "vera"


def test_a_cluster_that_turns_out_to_be_another_s_loses_the_creator_as_its_owner(
    people: People, cluster: Cluster, outside: Cluster
) -> None:
    creation = cluster.creation
    assert creation is not None
    with transaction.atomic():
        bind(creation, HyperCluster(outside.cluster_id, outside.name, ()))
    assert (owner_of(cluster), owner_of(outside)) == ("", "ada")
    (event,) = events(action="cluster:owner:changed", object_id=str(cluster.pk))
    assert (event.before, (event.after or {})["owner"], event.person_name) == ({"owner": "ada"}, "", "")


def test_a_claim_and_evidence_take_nothing_from_whom_the_cluster_was_handed_to(
    people: People, cluster: Cluster, outside: Cluster
) -> None:
    account_for(by=people.olga, cluster=outside, claimed_for=people.ada)
    hand_over(by=people.ada, cluster=outside, to="vera", reason="hers")
    account_for(by=people.olga, cluster=outside, claimed_for=people.tom)
    event = events(action="cluster:outside:claimed")[-1]
    assert ((event.before or {})["owner"], (event.after or {})["owner"]) == ("vera", "vera")
    creation = cluster.creation
    assert creation is not None
    hand_over(by=people.ada, cluster=cluster, to="vera", reason="hers too")
    with transaction.atomic():
        bind(creation, HyperCluster(outside.cluster_id, outside.name, ()))
    assert (owner_of(cluster), owner_of(outside)) == ("vera", "vera")


def test_a_refused_hand_over_says_to_whom(people: People, cluster: Cluster) -> None:
    with pytest.raises(NotInTeam):
        hand_over(by=people.ada, cluster=cluster, to="mallory", reason="hers")
    assert events(action="cluster:owner:refused")[-1].request == {"owner": "mallory"}


@pytest.mark.parametrize("by", ["ada", "tom"])
def test_the_owner_or_a_team_admin_hands_over_and_the_audit_has_both_names(
    by: str, people: People, cluster: Cluster
) -> None:
    hand_over(by=getattr(people, by), cluster=cluster, to="VERA", reason="moves on")
    (event,) = events(action="cluster:owner:changed")
    assert (event.person_name, event.outcome, event.reason) == (by, "done", "moves on")
    assert event.before == {"owner": "ada"}
    assert event.after == {"owner": "vera", "cluster_id": cluster.cluster_id}
    assert owner_of(cluster) == "vera"
    with pytest.raises(NotPermitted):
        hand_over(by=people.ada, cluster=cluster, to="ada", reason="back")


def test_a_team_admin_gives_an_owner_to_a_cluster_that_has_none(people: People, outside: Cluster) -> None:
    hand_over(by=people.tom, cluster=outside, to="ada", reason="hers")
    assert owner_of(outside) == "ada"
    assert delete(people.ada, outside).state == DeletionState.QUEUED


def test_nobody_else_hands_a_cluster_over_and_each_denial_is_recorded(
    people: People, cluster: Cluster, outside: Cluster
) -> None:
    for name in ("vera", "olga", "root", "mallory", "nina"):
        with pytest.raises(NotPermitted):
            hand_over(by=getattr(people, name), cluster=cluster, to="vera", reason="mine")
        assert len(events(action="cluster:owner:refused", person_name=name, outcome="denied")) == 1
    with pytest.raises(NotPermitted):  # what nobody owns only an admin gives away
        hand_over(by=people.ada, cluster=outside, to="ada", reason="mine")
    assert (owner_of(cluster), owner_of(outside)) == ("ada", "")


def test_an_owner_who_is_not_in_the_team_any_more_hands_nothing_over(
    people: People, cluster: Cluster
) -> None:
    end_grant(people.ada.grants.get(), reason="left")
    with pytest.raises(NotPermitted):
        hand_over(by=people.ada, cluster=cluster, to="vera", reason="last act")
    assert owner_of(cluster) == "ada"


def test_a_hand_over_is_refused_to_who_is_not_in_the_team(people: People, cluster: Cluster) -> None:
    add_service_identity(team=people.vision, name="robot", role=Role.CREATOR, reason="r", by=people.tom)
    for to in ("mallory", "nina", "olga", "root", "nobody-here", "", "robot", "vision-robot"):
        with pytest.raises(NotInTeam):
            hand_over(by=people.ada, cluster=cluster, to=to, reason="r")
    for to, reason, error in (("ada", "r", OwnerAlready), ("vera", "  ", ReasonRequired)):
        with pytest.raises(error):
            hand_over(by=people.ada, cluster=cluster, to=to, reason=reason)
    Cluster.objects.update(gone_at="2026-01-01T00:00Z")
    with pytest.raises(AlreadyGone):
        hand_over(by=people.ada, cluster=cluster, to="vera", reason="r")
    assert owner_of(cluster) == "ada"
    assert not events(action="cluster:owner:changed")


def test_clusters_whose_owner_left_are_listed_until_they_are_handed_over(
    people: People, cluster: Cluster, outside: Cluster
) -> None:
    assert not Cluster.objects.without_owner().exists()  # one has an owner, the other waits for an auditor
    end_grant(people.ada.grants.get(), reason="left")
    assert list(Cluster.objects.without_owner()) == [cluster]
    grant(person=people.ada, role=Role.VIEWER, team=people.vision, reason="back", by=people.tom)
    assert not Cluster.objects.without_owner().exists()
    deactivate(people.ada, by=people.root, reason="left the company")
    assert list(Cluster.objects.without_owner()) == [cluster]
    hand_over(by=people.tom, cluster=cluster, to="tom", reason="until somebody is found")
    assert not Cluster.objects.without_owner().exists()
    account_for(by=people.olga, cluster=outside, claimed_for=people.nina)  # who is in no team
    assert list(Cluster.objects.without_owner()) == [outside]


def test_g25_a_hand_over_waits_for_a_deactivation_that_is_under_way_and_is_refused(
    people: People, cluster: Cluster
) -> None:
    with open_transaction(lambda: deactivate(people.vera, by=people.root, reason="left")):
        beside = Beside(lambda: hand_over(by=people.ada, cluster=cluster, to="vera", reason="hers"))
        assert beside.join(0.5) is None  # it waits
    assert isinstance(beside.join(), NotInTeam)
    assert owner_of(cluster) == "ada"


def test_a_deactivation_after_a_hand_over_leaves_the_cluster_to_the_team_s_admin(
    people: People, cluster: Cluster
) -> None:
    with open_transaction(lambda: hand_over(by=people.ada, cluster=cluster, to="vera", reason="hers")):
        beside = Beside(lambda: deactivate(people.vera, by=people.root, reason="left"))
        assert beside.join(0.5) is None
    assert beside.join() is None
    assert list(Cluster.objects.without_owner()) == [cluster]


# Deleting ----------------------------------------------------------------------------------------


def test_a_creator_deletes_only_what_they_own_and_a_team_admin_everything(
    people: People, projects: Projects, cluster: Cluster, outside: Cluster
) -> None:
    grant(person=people.nina, role=Role.CREATOR, team=people.vision, reason="new", by=people.tom)
    for person, what in ((people.nina, cluster), (people.nina, outside), (people.ada, outside)):
        with pytest.raises(NotPermitted):
            delete(person, what)
    assert len(events(action="cluster:delete:denied", outcome="denied")) == 3
    assert not Deletion.objects.exists()
    assert delete(people.tom, cluster).state == DeletionState.QUEUED
    assert delete(people.tom, outside).state == DeletionState.QUEUED
    (event,) = events(action="cluster:delete:requested", object_name="doomed")
    assert (event.after or {})["owner"] == "ada"


def test_an_owner_who_is_only_a_viewer_may_not_delete(people: People, cluster: Cluster) -> None:
    hand_over(by=people.ada, cluster=cluster, to="vera", reason="hers")
    with pytest.raises(NotPermitted):
        delete(people.vera, cluster)


def test_g25_a_deletion_is_not_sent_once_the_cluster_belongs_to_somebody_else(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    deletion = delete(people.ada, cluster)
    hand_over(by=people.ada, cluster=cluster, to="vera", reason="hers")
    run_worker()
    deletion.refresh_from_db()
    assert (deletion.state, deletion.cause) == (DeletionState.REFUSED, "owner_changed")
    assert events(object_id=str(deletion.pk))[-1].action == "cluster:delete:denied"
    assert sent(cloud) == 0


def test_an_admin_s_deletion_is_sent_whoever_owns_the_cluster_by_then(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    deletion = delete(people.tom, cluster)
    hand_over(by=people.ada, cluster=cluster, to="vera", reason="hers")
    run_worker()
    deletion.refresh_from_db()
    assert (deletion.state, sent(cloud)) == (DeletionState.DELETED, 1)


# Locks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["ada", "tom"])
def test_nobody_deletes_a_locked_cluster_and_only_an_admin_unlocks_it(
    by: str, people: People, cluster: Cluster, cloud: Cloud
) -> None:
    lock(by=getattr(people, by), cluster=cluster, reason="training until June")
    for person in (people.ada, people.tom):
        with pytest.raises(ClusterLocked):
            delete(person, cluster)
    for event in events(action="cluster:delete:refused"):
        assert event.response == {"cause": "locked", "locked_by": by, "lock_reason": "training until June"}
    for name in ("ada", "vera", "olga", "root", "mallory"):
        with pytest.raises(NotPermitted):
            unlock(by=getattr(people, name), cluster=cluster)
    unlock(by=people.tom, cluster=cluster, reason="done")
    delete(people.ada, cluster)
    run_worker()
    assert sent(cloud) == 1
    (locked,), (unlocked,) = events(action="cluster:lock:set"), events(action="cluster:lock:removed")
    assert (locked.person_name, locked.reason) == (by, "training until June")
    assert (unlocked.person_name, unlocked.reason) == ("tom", "done")
    assert unlocked.before == {"locked_by": by, "lock_reason": "training until June"}


def test_locking_is_for_creators_of_the_team_with_a_reason(people: People, cluster: Cluster) -> None:
    for name in ("vera", "olga", "root", "mallory", "nina"):
        with pytest.raises(NotPermitted):
            lock(by=getattr(people, name), cluster=cluster, reason="r")
    refusals: list[tuple[Callable[[], Any], type[CreationRefused]]] = [
        (lambda: lock(by=people.ada, cluster=cluster, reason=" "), ReasonRequired),
        (lambda: unlock(by=people.tom, cluster=cluster), NotLocked),
    ]
    for act, error in refusals:
        with pytest.raises(error):
            act()
    assert len(events(action="cluster:lock:refused", outcome="denied")) == 5
    assert len(events(action="cluster:lock:refused", outcome="refused")) == 2
    lock(by=people.ada, cluster=cluster, reason="first")
    with pytest.raises(ClusterLocked):
        lock(by=people.tom, cluster=cluster, reason="second")
    cluster.refresh_from_db()
    assert (cluster.lock_reason, cluster.locked_by) == ("first", people.ada)


def test_a_lock_stops_a_deletion_that_waits(people: People, cluster: Cluster, cloud: Cloud) -> None:
    deletion = delete(people.ada, cluster)
    lock(by=people.tom, cluster=cluster, reason="still in use")
    run_worker()
    refused_by_lock(deletion, cloud)
    unlock(by=people.tom, cluster=cluster)
    run_worker()
    refused_by_lock(deletion, cloud)  # it is over, and still says who stopped it


def refused_by_lock(deletion: Deletion, cloud: Cloud) -> None:
    deletion.refresh_from_db()
    assert (deletion.state, deletion.cause) == (DeletionState.REFUSED, "locked")
    assert (str(deletion.locked_by), deletion.lock_reason) == ("tom", "still in use")
    event = events(object_id=str(deletion.pk))[-1]
    assert (event.action, event.outcome) == ("cluster:delete:refused", "refused")
    assert (event.after or {})["locked_by"] == "tom"
    assert sent(cloud) == 0
    assert len(cloud.simulator.clusters()) == 1


def test_a_lock_stops_a_deletion_that_a_worker_has_taken_up_already(
    people: People, cluster: Cluster, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(*_: object) -> None:  # after the permission was checked, before the intent
        lock(by=people.tom, cluster=cluster, reason="still in use")

    monkeypatch.setattr(DeletionEngine, "prepare", prepare)
    deletion = delete(people.ada, cluster)
    run_worker()
    refused_by_lock(deletion, cloud)


def test_the_intent_to_delete_waits_for_a_lock_whose_commit_is_under_way(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    deletion = delete(people.ada, cluster)
    claimed = DELETIONS.claim("worker", DeletionState.QUEUED)
    assert claimed is not None
    with open_transaction(lambda: lock(by=people.tom, cluster=cluster, reason="still in use")):
        sender = Beside(lambda: DELETIONS.send(claimed))
        assert sender.join(0.5) is None
    assert sender.join() is None
    refused_by_lock(deletion, cloud)


def test_a_lock_stops_the_next_attempt_of_a_deletion_that_was_not_carried_out(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "delete", status=429, times=1)
    deletion = delete(people.ada, cluster)
    run_worker()
    deletion.refresh_from_db()
    assert (deletion.state, deletion.attempts) == (DeletionState.QUEUED, 1)
    lock(by=people.tom, cluster=cluster, reason="still in use")
    Deletion.objects.update(run_after="2026-01-01T00:00Z")
    type(cluster.project).objects.update(blocked_until=None)
    run_worker()
    deletion.refresh_from_db()
    assert (deletion.state, deletion.cause) == (DeletionState.REFUSED, "locked")
    assert sent(cloud) == 1


def test_a_lock_after_the_delete_went_out_changes_nothing_about_it(
    people: People, cluster: Cluster, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = Client.delete

    def late(self: Client, **request: Any) -> Any:
        lock(by=people.tom, cluster=cluster, reason="too late")
        return really(self, **request)

    monkeypatch.setattr(Client, "delete", late)
    deletion = delete(people.ada, cluster)
    run_worker()
    deletion.refresh_from_db()
    assert (deletion.state, sent(cloud)) == (DeletionState.DELETED, 1)


def test_a_lock_does_not_stop_a_creation(people: People, projects: Projects, cluster: Cluster) -> None:
    lock(by=people.ada, cluster=cluster, reason="r")
    creation = submit_creation(people.ada, projects.vision, "another")
    run_worker()
    creation.refresh_from_db()
    assert creation.state == State.CREATED
