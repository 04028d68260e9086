"""Deleting a cluster: recorded first, sent once, and where the answer does not say, settled by looking."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from hyperclusters.access.permissions import NotPermitted
from hyperclusters.access.services import end_grant
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.errors import AlreadyGone, Blocked, DeletionOpen, NameUnresolved, WrongName
from hyperclusters.clusters.models import Cluster, ClusterListing, Deletion, DeletionState, Project, State
from hyperclusters.clusters.operations.deletion import DELETIONS
from hyperclusters.modelarts import Client
from hyperclusters.simulator import JournalEntry
from tests.clusters.moments import Killed, kill
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation


@pytest.fixture
def cluster(people: People, projects: Projects, cloud: Cloud) -> Cluster:
    """A cluster that Ada made."""
    creation = submit_creation(people.ada, projects.vision, "doomed")
    run_worker()
    ClusterListing.objects.update(
        run_after=timezone.now() + timedelta(minutes=4)
    )  # from here each call is about the deletion
    return Cluster.objects.get(creation=creation)


def deletes(cloud: Cloud) -> list[JournalEntry]:
    return [entry for entry in cloud.simulator.journal() if entry.method == "DELETE" and entry.accepted]


def again(deletion: Deletion, times: int = 1) -> Deletion:
    """Let the worker take it up so many times more."""
    for _ in range(times):
        Deletion.objects.filter(pk=deletion.pk).update(run_after=timezone.now() - timedelta(seconds=1))
        Project.objects.update(blocked_until=None)
        run_worker()
    return Deletion.objects.get(pk=deletion.pk)


def told(deletion: Deletion) -> list[str]:
    return [event.action.rpartition(":")[2] for event in events(object_id=str(deletion.pk))]


def test_a_deletion_is_recorded_sent_once_and_ends_with_the_cluster_gone(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed", reason="done")
    assert deletes(cloud) == []
    run_worker()
    deletion.refresh_from_db()
    cluster.refresh_from_db()
    assert deletion.state == DeletionState.DELETED
    assert cluster.gone_at is not None
    assert cloud.simulator.clusters() == []
    assert told(deletion) == ["requested", "sending", "succeeded"]
    assert len(deletes(cloud)) == 1


def test_deleting_is_for_creators_of_the_team_and_a_denial_is_told(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    for name in ("vera", "olga", "root", "mallory"):
        with pytest.raises(NotPermitted):
            request_deletion(person=getattr(people, name), cluster=cluster, typed_name="doomed")
        assert len(events(action="cluster:delete:denied", person_name=name)) == 1
    assert not Deletion.objects.exists()


def test_a_wrong_name_is_refused(people: People, cluster: Cluster) -> None:
    for typed in ("", "Doomed", "doomed ", "other"):
        with pytest.raises(WrongName):
            request_deletion(person=people.ada, cluster=cluster, typed_name=typed)
    assert [event.evidence for event in events(action="cluster:delete:refused")] == ["wrong_name_typed"] * 4


def test_what_stands_in_the_way_is_refused_before_anything_is_sent(
    people: People, cluster: Cluster, projects: Projects, cloud: Cloud
) -> None:
    def delete() -> Deletion:
        return request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")

    Project.objects.update(blocked_until=timezone.now() + timedelta(minutes=1), blocked_cause="deadline")
    with pytest.raises(Blocked):
        delete()
    Project.objects.update(blocked_until=None)
    Cluster.objects.update(gone_at=timezone.now())
    with pytest.raises(AlreadyGone):
        delete()
    twin = submit_creation(people.tom, projects.vision, "doomed")
    Cluster.objects.update(gone_at=None)
    with pytest.raises(NameUnresolved):
        delete()
    type(twin).objects.filter(pk=twin.pk).delete()
    first = delete()
    with pytest.raises(DeletionOpen) as refusal:
        delete()
    assert refusal.value.deletion == first
    with pytest.raises(IntegrityError):
        Deletion.objects.create(cluster=cluster, requested_by=people.tom)
    assert deletes(cloud) == []


def test_g25_a_right_lost_while_waiting_means_nothing_is_deleted(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    end_grant(people.ada.grants.get(), reason="left")
    run_worker()
    deletion.refresh_from_db()
    assert (deletion.state, deletion.cause) == (DeletionState.REFUSED, "right_lost")
    assert deletes(cloud) == []
    assert told(deletion) == ["requested", "denied"]


@pytest.mark.parametrize("status", [400, 403, 409])
def test_a_refusal_of_the_cloud_fails_and_the_cluster_stays(
    status: int, people: People, cluster: Cluster, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "delete", status=status, error_code="ModelArts.6407")
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    deletion = again(deletion, times=2)
    assert deletion.state == DeletionState.FAILED
    assert Cluster.objects.get(pk=cluster.pk).gone_at is None
    assert len(deletes(cloud)) == 1


@pytest.mark.parametrize(
    ("fault", "deed"),
    [
        ({"fault": "lost_answer"}, True),
        ({"fault": "lost_request"}, False),
        ({"fault": "error", "status": 500, "deed": True}, True),
        ({"fault": "error", "status": 502, "deed": False}, False),
        ({"fault": "garbage", "kind": "html", "deed": True}, True),
    ],
    ids=str,
)
def test_an_unclear_answer_is_never_sent_again_and_settled_by_looking(
    fault: dict[str, Any], deed: bool, people: People, cluster: Cluster, cloud: Cloud
) -> None:
    cloud.simulator.fault(call="delete", times=1, **fault)
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    claimed = DELETIONS.claim("sender", DeletionState.QUEUED)
    assert claimed is not None
    DELETIONS.send(claimed)
    deletion.refresh_from_db()
    assert deletion.state == DeletionState.UNKNOWN
    deletion = again(deletion, times=2)
    assert deletion.state == (DeletionState.DELETED if deed else DeletionState.UNKNOWN)
    if not deed:  # past the moment at which the cloud could still act on it, it was not deleted
        past = timezone.now() - timedelta(seconds=1)
        Deletion.objects.update(not_created_after=past, signed_at=past - timedelta(minutes=30))
        deletion = again(deletion)
        assert (deletion.state, deletion.cause) == (DeletionState.FAILED, "still_there")
    assert len(deletes(cloud)) == 1


@pytest.mark.parametrize(
    "failure", [{"fault": "error", "status": 500}, {"fault": "garbage", "kind": "html"}], ids=str
)
def test_g17_a_cluster_that_cannot_be_shown_stops_no_other_call(
    failure: dict[str, Any], people: People, projects: Projects, cluster: Cluster, cloud: Cloud
) -> None:
    cloud.simulator.fault("lost_request", "delete", times=1)
    cloud.simulator.fault(call="show", **failure)
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    for _ in range(5):
        Deletion.objects.update(run_after=timezone.now() - timedelta(seconds=1))
        run_worker()
    deletion.refresh_from_db()
    projects.vision.refresh_from_db()
    assert deletion.state == DeletionState.UNKNOWN
    assert len([entry for entry in cloud.simulator.journal() if entry.call == "show"]) >= 4
    assert not projects.vision.is_blocked()
    creation = submit_creation(people.ada, projects.vision, "goes-on")
    run_worker()
    creation.refresh_from_db()
    assert creation.state == State.CREATED


@pytest.mark.parametrize("call", ["delete", "show"])
def test_g07_a_404_that_is_not_the_vendor_s_own_does_not_prove_that_a_cluster_is_gone(
    call: str, people: People, cluster: Cluster, cloud: Cloud
) -> None:
    if call == "show":
        cloud.simulator.fault("lost_request", "delete", times=1)
    cloud.simulator.fault("garbage", call, kind="html", status=404, deed=False)
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    deletion = again(deletion, times=3)
    assert deletion.state != DeletionState.DELETED
    assert Cluster.objects.get(pk=cluster.pk).gone_at is None
    assert len(cloud.simulator.clusters()) == 1


def test_a_cluster_that_the_cloud_does_not_have_is_gone_as_was_wanted(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    cloud.simulator.remove_cluster(cluster.cluster_id)
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    run_worker()
    deletion.refresh_from_db()
    assert deletion.state == DeletionState.DELETED


def test_too_many_requests_are_sent_again_at_most_three_times(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "delete", status=429)
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    deletion = again(deletion, times=6)
    assert (deletion.state, deletion.code) == (DeletionState.FAILED, "APIGW.0308")
    assert len(deletes(cloud)) == 4


@pytest.mark.parametrize("sent", [True, False])
def test_g03_a_sender_that_died_leaves_unknown_and_the_cloud_is_looked_at(
    sent: bool, people: People, cluster: Cluster, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = Client.delete

    def dying(self: Client, **request: Any) -> None:
        if sent:
            really(self, **request)
        kill()

    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    with monkeypatch.context() as patch:
        patch.setattr(Client, "delete", dying)
        with pytest.raises(Killed):
            run_worker()
    deletion.refresh_from_db()
    assert deletion.state == DeletionState.SENDING
    Deletion.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    run_worker()
    deletion = again(deletion)
    assert deletion.state == (DeletionState.DELETED if sent else DeletionState.UNKNOWN)
    assert "failed" not in told(deletion)
    assert len(deletes(cloud)) == int(sent)
