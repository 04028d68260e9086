"""A database that fails, an answer that comes late, a backup put back: nothing is lost, doubled, or judged wrongly for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connections
from django.utils import timezone

from hyperclusters.clusters import breaker, inventory, quotas
from hyperclusters.clusters import worker as workers
from hyperclusters.clusters.creations import decide
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.errors import NameTaken
from hyperclusters.clusters.models import (
    Cluster,
    ClusterListing,
    Creation,
    Deletion,
    DeletionState,
    Evidence,
    Project,
    State,
)
from hyperclusters.clusters.operations import retries
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.operations.deletion import DELETIONS
from hyperclusters.clusters.operations.evidence import horizon
from hyperclusters.modelarts import Client
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

AWAY = OperationalError("the database is away")


def told(item: Creation | Deletion) -> list[str]:
    """What the ledger says of it, oldest first."""
    return [event.action.rpartition(":")[2] for event in events(object_id=str(item.pk))]


def made(people: People, projects: Projects, name: str = "doomed") -> Cluster:
    """A cluster made here, whose lists are not due for a long time."""
    creation = submit_creation(people.ada, projects.vision, name)
    run_worker()
    ClusterListing.objects.update(run_after=timezone.now() + timedelta(minutes=4))
    return Cluster.objects.get(creation=creation)


def failing_once(function: Callable[..., Any], *, afterwards: bool = False) -> Callable[..., Any]:
    """The function, of which the first call fails: before it, or after it was done and committed."""
    calls = []

    def failing(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            return function(*args, **kwargs)
        if afterwards:
            function(*args, **kwargs)
        raise AWAY

    return failing


# Answers to creates.


def test_g04_a_verdict_whose_commit_was_answered_by_nobody_does_not_stop_the_send_that_followed_it(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sender A is told to wait and commits that; the answer to the COMMIT is lost. B sends. Then A reads what became of it."""
    creation = submit_creation(people.ada, projects.vision)
    cloud.simulator.fault("error", "create", status=429, times=1)
    monkeypatch.setattr(CREATIONS, "apply_result", failing_once(CREATIONS.apply_result, afterwards=True))
    is_out, may_answer = threading.Event(), threading.Event()
    create = Client.create

    def slow_for_b(self: Client, **request: Any) -> Any:
        answer = create(self, **request)
        if threading.current_thread().name == "B":
            is_out.set()
            assert may_answer.wait(20)
        return answer

    def send_as_b() -> None:
        try:
            CREATIONS.send(claimed(CREATIONS.claim("B", State.QUEUED)))
        finally:
            connections.close_all()

    sender = threading.Thread(target=send_as_b, name="B")

    def pause(_: float) -> None:
        make_due(creation)
        sender.start()
        assert is_out.wait(20)

    monkeypatch.setattr(Client, "create", slow_for_b)
    monkeypatch.setattr(retries, "time", SimpleNamespace(sleep=pause))
    CREATIONS.send(claimed(CREATIONS.claim("A", State.QUEUED)))
    assert Creation.objects.get(pk=creation.pk).state == State.SENDING
    make_due(creation)
    assert CREATIONS.claim("C", State.QUEUED) is None
    may_answer.set()
    sender.join(20)
    creation.refresh_from_db()
    assert (creation.state, creation.attempts, creation.conflict_at) == (State.CREATED, 2, None)
    assert len(cloud.simulator.clusters()) == 1
    assert told(creation) == ["requested", "sending", "not-sent", "sending", "succeeded"]


def claimed(work: Creation | None) -> Creation:
    assert work is not None
    return work


def test_g16_what_the_cloud_said_is_kept_though_the_breaker_cannot_be_told(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    cloud.simulator.fault("error", "create", status=400, error_code="ModelArts.0106", times=1)
    monkeypatch.setattr(breaker, "release_probe", failing_once(breaker.release_probe))
    CREATIONS.send(claimed(CREATIONS.claim("A", State.QUEUED)))
    creation.refresh_from_db()
    assert (creation.state, creation.code) == (State.FAILED, "ModelArts.0106")


def test_g06_a_name_that_the_cloud_has_already_is_not_given_again_though_our_list_does_not_know(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "taken")
    creation = submit_creation(people.ada, projects.vision, "taken")
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.cause) == (State.REFUSED, "name_appeared")
    assert cloud.posts == []
    assert (events(object_id=str(creation.pk))[-1].after or {})["found_ids"] == [
        cloud.simulator.clusters()[0].id
    ]


def test_g34_a_creation_that_waited_in_a_backup_is_not_sent_again_once_the_backup_is_back(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    run_worker()
    creation = submit_creation(people.ada, projects.vision, "once")
    waiting = Creation.objects.values().get(pk=creation.pk)
    run_worker()
    Cluster.objects.all().delete()  # the backup is back: it knows of no cluster, and the creation waits
    Creation.objects.filter(pk=creation.pk).update(**waiting)
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    inventory.sync(
        ClusterListing.objects.select_related("project__team").get(project=projects.vision, type="HPS")
    )
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.cause) == (State.REFUSED, "name_appeared")
    assert len(cloud.posts) == 1


def test_g18_the_cloud_s_clock_is_tried_even_after_a_list_that_failed(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    cloud.simulator.fault("error", "list", status=503, times=1)
    CREATIONS.send(claimed(CREATIONS.claim("A", State.QUEUED)))
    cloud.simulator.set(clock_offset=3600)
    make_due(creation)
    CREATIONS.send(claimed(CREATIONS.claim("A", State.QUEUED)))
    assert Creation.objects.get(pk=creation.pk).state == State.QUEUED
    assert run_worker_again(creation).state == State.CREATED


def test_g12_none_of_them_is_not_contradicted_by_the_very_clusters_that_were_ruled_out(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.fault("lost_request", "create", times=1)
    creation = submit_creation(people.ada, projects.vision, "two")
    CREATIONS.send(claimed(CREATIONS.claim("A", State.QUEUED)))
    for _ in range(2):
        cloud.simulator.add_cluster(projects.vision.project_id, "two")
    creation = run_worker_again(creation)
    assert creation.state == State.NEEDS_ATTENTION
    decide(creation, by=people.tom, cluster_id="", reason="both are of Speech")
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()
    creation.refresh_from_db()
    assert (creation.evidence, creation.conflict_at) == (Evidence.HUMAN, None)
    assert Cluster.objects.filter(name="two", creation=None).count() == 2


# Answers to deletes.


def test_g12_a_deletion_s_late_answer_is_its_verdict_if_there_is_none_yet(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    deletion = request_deletion(person=people.ada, cluster=made(people, projects), typed_name="doomed")
    cloud.simulator.fault("error", "delete", status=409, error_code="ModelArts.9999", times=1)
    meanwhile(monkeypatch, lambda: Deletion.objects.update(lease_expires_at=timezone.now()), DELETIONS.sweep)
    DELETIONS.send(waiting())
    deletion.refresh_from_db()
    assert (deletion.state, deletion.code) == (DeletionState.FAILED, "ModelArts.9999")
    assert told(deletion) == ["requested", "sending", "unknown", "failed"]


def test_g19_a_deletion_s_answer_after_its_verdict_is_one_event_more(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    deletion = request_deletion(person=people.ada, cluster=made(people, projects), typed_name="doomed")

    def look() -> None:
        Deletion.objects.update(lease_expires_at=timezone.now())
        DELETIONS.sweep()
        for _ in range(2):  # one look alone proves nothing after an unclear answer
            Deletion.objects.update(run_after=timezone.now() - timedelta(seconds=1))
            found = DELETIONS.claim("B", DeletionState.UNKNOWN)
            assert found
            DELETIONS.poll(found)

    meanwhile(monkeypatch, look)
    DELETIONS.send(waiting())
    deletion.refresh_from_db()
    assert deletion.state == DeletionState.DELETED
    assert told(deletion) == ["requested", "sending", "unknown", "succeeded", "succeeded"]


def test_g16_a_deletion_s_answer_is_kept_though_the_database_was_away_when_it_came(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    deletion = request_deletion(person=people.ada, cluster=made(people, projects), typed_name="doomed")
    monkeypatch.setattr(retries, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(DELETIONS, "resolve", failing_once(DELETIONS.resolve, afterwards=True))
    DELETIONS.send(waiting())
    deletion.refresh_from_db()
    assert deletion.state == DeletionState.DELETED
    assert told(deletion) == ["requested", "sending", "succeeded"]


def test_t13_an_unexpected_error_of_a_deletion_is_kept_though_the_database_was_away_at_that_moment(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    deletion = request_deletion(person=people.ada, cluster=made(people, projects), typed_name="doomed")
    monkeypatch.setattr(retries, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(DELETIONS, "resolve", failing_once(DELETIONS.resolve))
    delete = Client.delete

    def broken(self: Client, **request: Any) -> None:
        delete(self, **request)
        raise RuntimeError("a bug")

    monkeypatch.setattr(Client, "delete", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        DELETIONS.send(waiting())
    deletion.refresh_from_db()
    assert (deletion.state, deletion.cause) == (DeletionState.UNKNOWN, "sender_crashed")
    assert told(deletion) == ["requested", "sending", "unknown"]


def test_g18_a_deletion_refused_for_its_time_is_sent_once_more_by_the_cloud_s_clock(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    deletion = request_deletion(person=people.ada, cluster=made(people, projects), typed_name="doomed")
    cloud.simulator.fault("error", "delete", status=401, error_code="APIGW.0303", times=1)
    DELETIONS.send(waiting())
    deletion.refresh_from_db()
    assert (deletion.state, deletion.attempts) == (DeletionState.QUEUED, 1)
    DELETIONS.send(waiting())
    deletion.refresh_from_db()
    assert (deletion.state, deletion.attempts) == (DeletionState.DELETED, 2)
    assert told(deletion) == ["requested", "sending", "not-sent", "sending", "succeeded"]


def test_g18_the_lists_before_a_deletion_are_read_once_more_by_the_cloud_s_clock(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    deletion = request_deletion(person=people.ada, cluster=made(people, projects), typed_name="doomed")
    cloud.simulator.set(clock_offset=3600)
    for _ in range(2):
        DELETIONS.send(waiting())
    deletion.refresh_from_db()
    assert (deletion.state, deletion.attempts) == (DeletionState.DELETED, 1)
    assert told(deletion) == ["requested", "delayed", "sending", "succeeded"]


def test_g08_what_was_seen_before_an_attempt_of_a_deletion_does_not_count_for_it(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    deletion = request_deletion(person=people.ada, cluster=made(people, projects), typed_name="doomed")
    Deletion.objects.update(polls=5)
    cloud.simulator.fault("lost_request", "delete", times=1)
    DELETIONS.send(waiting())
    deletion.refresh_from_db()
    assert (deletion.state, deletion.polls) == (DeletionState.UNKNOWN, 0)


def test_a_deletion_that_a_stopping_worker_does_not_send_leaves_the_one_probe_to_others(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    request_deletion(person=people.ada, cluster=made(people, projects), typed_name="doomed")
    Project.objects.update(trusted=False, probe_until=None)
    DELETIONS.send(waiting(), may_begin=lambda: False)
    assert Project.objects.get(pk=projects.vision.pk).probe_until is None
    assert Deletion.objects.get().state == DeletionState.QUEUED


def test_a_probe_that_another_worker_has_out_stays_its_own(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    request_deletion(person=people.ada, cluster=made(people, projects), typed_name="doomed")
    soon = timezone.now() + timedelta(seconds=settings.UPSTREAM_DEADLINE)
    deletion = waiting()
    Project.objects.update(trusted=False, probe_until=soon)
    DELETIONS.send(deletion)
    assert Project.objects.get(pk=projects.vision.pk).probe_until == soon


def waiting() -> Deletion:
    deletion = DELETIONS.claim("A", DeletionState.QUEUED)
    assert deletion is not None
    return deletion


def meanwhile(monkeypatch: pytest.MonkeyPatch, *happens: Callable[[], object]) -> None:
    """This happens while the answer to a delete is on its way."""
    delete = Client.delete

    def late(self: Client, **request: Any) -> Any:
        try:
            return delete(self, **request)
        finally:
            for each in happens:
                each()

    monkeypatch.setattr(Client, "delete", late)


def test_that_a_cluster_is_not_there_proves_the_key_like_any_other_answer(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cluster = made(people, projects)
    cloud.simulator.remove_cluster(cluster.cluster_id)
    Project.objects.update(trusted=False, probe_until=None)  # as after its key was replaced
    request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    run_worker()
    assert Deletion.objects.get().state == DeletionState.DELETED
    assert Project.objects.get(pk=projects.vision.pk).trusted


def test_a_deletion_that_waits_for_the_cloud_spends_nothing_of_the_write_budget(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    request_deletion(person=people.ada, cluster=made(people, projects), typed_name="doomed")
    soon = timezone.now() + timedelta(seconds=settings.UPSTREAM_DEADLINE)
    Project.objects.update(trusted=False, probe_until=soon, writes_until=None)
    for _ in range(3):
        Deletion.objects.update(run_after=timezone.now() - timedelta(seconds=1))
        run_worker()
    assert Deletion.objects.get().state == DeletionState.QUEUED
    assert Project.objects.get(pk=projects.vision.pk).writes_until is None


# Alerts, lists, quotas, the worker.


@pytest.mark.parametrize("state", [State.UNKNOWN, State.NEEDS_ATTENTION])
def test_g09_an_outcome_open_for_half_an_hour_is_an_alert_whatever_it_waits_for(
    state: State, people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.fault("lost_request", "create", times=1)
    creation = submit_creation(people.ada, projects.vision)
    CREATIONS.send(claimed(CREATIONS.claim("A", State.QUEUED)))
    later = timezone.now() + timedelta(minutes=4)
    Creation.objects.update(
        state=state, not_created_after=horizon(timezone.now() - timedelta(minutes=31)), run_after=later
    )
    run_worker()
    run_worker()
    assert told(creation).count("overdue") == 1


def test_g09_a_deletion_open_for_half_an_hour_is_an_alert_too(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    deletion = request_deletion(person=people.ada, cluster=made(people, projects), typed_name="doomed")
    cloud.simulator.fault("lost_request", "delete", times=1)
    DELETIONS.send(waiting())
    later = timezone.now() + timedelta(minutes=4)
    Deletion.objects.update(
        not_created_after=horizon(timezone.now() - timedelta(minutes=31)), run_after=later
    )
    run_worker()
    run_worker()
    assert told(deletion) == ["requested", "sending", "unknown", "overdue"]


def test_g06_a_cluster_that_one_list_left_out_is_back_with_the_next_and_its_name_with_it(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        cloud.simulator.add_cluster(projects.vision.project_id, name)
    run_worker()
    long_ago, just_now = timezone.now() - timedelta(days=9), timezone.now() - timedelta(minutes=1)
    Cluster.objects.update(found_at=long_ago, seen_at=just_now)
    listing = Client.list

    def without_one(self: Client, **request: Any) -> Any:
        answer = listing(self, **request)
        return type(answer)(tuple(item for item in answer.value if item.name != "one"), answer.exchange)

    sources = ClusterListing.objects.select_related("project__team")
    with monkeypatch.context() as patched:
        patched.setattr(Client, "list", without_one)
        assert inventory.sync(sources.get(project=projects.vision, type="HPS"))
    assert Cluster.objects.get(name="one").gone_at
    assert inventory.sync(sources.get(project=projects.vision, type="HPS"))
    assert Cluster.objects.get(name="one").gone_at is None
    with pytest.raises(NameTaken):
        submit_creation(people.ada, projects.vision, "one")


def test_g28_a_creation_that_becomes_a_cluster_while_a_team_s_are_counted_is_not_missed(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_creation(people.ada, projects.vision)
    counted = []

    def beside_a_worker(rows: Callable[[], Any]) -> Callable[[], Any]:
        def asked() -> Any:
            counted.append(rows)
            if len(counted) == 2:  # between the two counts
                run_worker()
            return rows()

        return asked

    for manager, rows in ((Cluster.objects, "present"), (Creation.objects, "unresolved")):
        monkeypatch.setattr(manager, rows, beside_a_worker(getattr(manager, rows)))
    assert quotas.used_by(people.vision) >= 1
    assert Creation.objects.get().state == State.CREATED


def test_work_that_ends_in_an_unexpected_error_is_not_taken_up_again_at_once(
    people: People, projects: Projects, monkeypatch: pytest.MonkeyPatch
) -> None:
    Project.objects.update(trusted=True)
    creation = submit_creation(people.ada, projects.vision)

    def broken(_: Client, **__: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Client, "list", broken)
    with pytest.raises(RuntimeError):
        CREATIONS.send(claimed(CREATIONS.claim("A", State.QUEUED)))
    assert CREATIONS.claim("B", State.QUEUED) is None
    make_due(creation)
    assert CREATIONS.claim("B", State.QUEUED) is not None


def test_a_worker_waits_for_a_database_that_is_away_wherever_it_notices(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = workers.Worker(concurrency=1)
    tries = []

    def away() -> None:
        tries.append(1)
        if len(tries) == 3:
            worker.stop()
        raise AWAY

    monkeypatch.setattr(worker, "step", lambda: False)
    monkeypatch.setattr(worker, "_rest", away)
    monkeypatch.setattr(workers, "IDLE_LISTENING", 0.01)
    worker.run()
    assert len(tries) == 3
