"""A creation whose answer is missing is found by reading, or proved absent, and never sent again."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hyperclusters.clusters.creations import look_now, withdraw
from hyperclusters.clusters.models import Cluster, ClusterListing, Creation, Evidence, Project, State
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.operations.evidence import horizon
from hyperclusters.clusters.operations.transitions import StaleState
from hyperclusters.modelarts import (
    Answer,
    Client,
    ClockSkew,
    ClusterType,
    CredentialsRefused,
    Denied,
    HyperCluster,
    ModelArtsError,
    Throttled,
    Unavailable,
)
from tests.clusters.moments import (
    Killed,
    after_the_list,
    around_the_create,
    declared_absent,
    horizon_passes,
    kill,
    lease_lapses,
    once,
    send_what_waits,
    taken_for_lost,
)
from tests.conftest import Cloud, People, Projects, events, run_worker, run_worker_again, submit_creation

NAME = "test-hps--1107"
SUBNET = "3f1f6e1c-1d2c-4a5b-8c9d-0123456789ab"


def lost(people: People, projects: Projects, cloud: Cloud, *, deed: bool, **request: Any) -> Creation:
    """A creation whose POST went out and whose answer never came."""
    cloud.simulator.fault("lost_answer" if deed else "lost_request", "create", times=1)
    creation = submit_creation(people.ada, projects.vision, NAME, **request)
    send_what_waits()
    creation.refresh_from_db()
    assert creation.state == State.UNKNOWN
    return creation


def actions(creation: Creation) -> list[str]:
    return [event.action.rpartition(":")[2] for event in events(object_id=str(creation.pk))]


def test_g10_a_lost_creation_is_found_in_the_list_by_reading_alone(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=True)
    count = len(cloud.simulator.journal())
    creation = run_worker_again(creation)
    assert (creation.state, creation.evidence) == (State.CREATED, Evidence.LISTED)
    assert creation.cluster.cluster_id == cloud.simulator.clusters()[0].id
    assert {entry.method for entry in cloud.simulator.journal()[count:]} == {"GET"}
    assert len(cloud.posts) == 1


def test_g11_a_lost_creation_s_cluster_is_never_listed_as_made_outside(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=True)
    Creation.objects.filter(pk=creation.pk).update(run_after=timezone.now() + timedelta(minutes=1))
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()  # the inventory's list comes before the search
    assert not Cluster.objects.exists()
    run_worker_again(creation)
    assert Cluster.objects.get().creation_id == creation.pk
    assert events(action="cluster:seen:outside") == []


def test_g09_looks_come_quickly_at_first_and_then_every_minute(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=False)
    waits = []
    for _ in range(7):
        waits.append((creation.run_after - timezone.now()).total_seconds())
        creation = run_worker_again(creation)
    for wait, planned in zip(waits, (2, 5, 15, 30, 60, 60, 60), strict=True):
        assert planned - 2 < wait <= planned


def test_g08_absence_before_the_horizon_proves_nothing(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = run_worker_again(lost(people, projects, cloud, deed=False), times=6)
    assert (creation.state, creation.polls) == (State.UNKNOWN, 6)


def test_g08_the_horizon_lies_behind_the_signature_s_life_and_all_margins(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=False)
    assert creation.not_created_after is not None
    assert creation.signed_at is not None
    span = creation.not_created_after - creation.signed_at
    assert timedelta(minutes=21) <= span < timedelta(minutes=21, seconds=3)  # 15 + 1 + 5


def test_g08_one_list_behind_the_horizon_is_not_enough(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=False)
    horizon_passes(creation)
    assert run_worker_again(creation).state == State.UNKNOWN
    creation = run_worker_again(creation)
    assert (creation.state, creation.evidence) == (State.NOT_CREATED, Evidence.ABSENT)
    assert creation.settled_at is not None
    assert actions(creation) == ["requested", "sending", "unknown", "absent"]
    assert len(cloud.posts) == 1


def test_g08_many_lists_before_the_horizon_still_need_one_behind_it(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = run_worker_again(lost(people, projects, cloud, deed=False), times=3)
    horizon_passes(creation)
    assert run_worker_again(creation).state == State.NOT_CREATED


def test_g08_a_list_begun_before_the_horizon_does_not_count_as_behind_it(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation = run_worker_again(lost(people, projects, cloud, deed=False), times=3)
    Creation.objects.filter(pk=creation.pk).update(not_created_after=timezone.now() + timedelta(minutes=1))
    after_the_list(monkeypatch, lambda: horizon_passes(creation))
    assert run_worker_again(creation).state == State.UNKNOWN


def test_a_cluster_that_comes_up_late_is_found_before_the_horizon(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = run_worker_again(lost(people, projects, cloud, deed=False), times=3)
    late = cloud.simulator.add_cluster(projects.vision.project_id, NAME)
    creation = run_worker_again(creation)
    assert (creation.state, creation.evidence) == (State.CREATED, Evidence.LISTED)
    assert creation.cluster.cluster_id == late.id


def test_a_cluster_that_comes_up_after_the_verdict_contradicts_it_aloud(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=False)
    horizon_passes(creation)
    run_worker_again(creation, times=2)
    late = cloud.simulator.add_cluster(projects.vision.project_id, NAME)
    for _ in range(2):
        ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
        run_worker()
    creation.refresh_from_db()
    assert creation.conflict_at is not None
    (contradicted,) = events(action="cluster:create:contradicted")
    assert contradicted.object_id == str(creation.pk)
    assert contradicted.after is not None
    assert contradicted.after["found"] == late.id


FAILING_LISTS: list[dict[str, Any]] = [
    {"fault": "error", "status": 500},
    {"fault": "error", "status": 404, "error_code": "Proxy.NotFound"},
    {"fault": "lost_answer"},
    {"fault": "oversized"},
    {"fault": "garbage", "kind": "html"},
    {"fault": "garbage", "kind": "cut_json"},
    {"fault": "garbage", "kind": "empty"},
    {"fault": "garbage", "kind": "custom", "body": b'{"hyper_clusters": null, "count": 1}'},
    {"fault": "garbage", "kind": "custom", "body": b"[]"},
    {"fault": "garbage", "kind": "custom", "body": b'{"hyper_clusters": [{"name": "no-id"}]}'},
    {"fault": "garbage", "kind": "error_code_200"},
]


def test_a_list_that_failed_proves_nothing_even_behind_the_horizon(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=False)
    horizon_passes(creation)
    for fault in FAILING_LISTS:
        cloud.simulator.reset()
        cloud.simulator.fault(call="list", **fault)
        creation = run_worker_again(creation, times=2)
        assert (creation.state, creation.polls) == (State.UNKNOWN, 0), fault


def test_a_key_that_stopped_working_leaves_the_outcome_open(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=False)
    horizon_passes(creation)
    cloud.simulator.add_key("TESTKEY", "another-secret")
    creation = run_worker_again(creation, times=2)
    assert (creation.state, creation.polls) == (State.UNKNOWN, 0)


def test_an_error_that_means_no_clusters_is_a_list_like_any_other(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.set(error_on_empty_list=True)
    creation = lost(people, projects, cloud, deed=False)
    horizon_passes(creation)
    assert run_worker_again(creation, times=2).state == State.NOT_CREATED


def test_a_cluster_that_had_the_name_before_is_never_taken_for_the_new_one(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, NAME)
    run_worker()
    Cluster.objects.update(gone_at=timezone.now())  # and our list has lost sight of it
    creation = lost(people, projects, cloud, deed=False)
    assert len(creation.baseline) == 1
    horizon_passes(creation)
    assert run_worker_again(creation, times=2).state == State.NOT_CREATED


OTHER_SUBNET = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        (SUBNET, SUBNET),
        ("", SUBNET),
        (SUBNET, SUBNET.upper()),
        (SUBNET, "param-plane-net-1"),  # the vendor documents the ID in an answer as a name
    ],
)
def test_a_candidate_has_the_subnet_that_was_asked_for_or_one_that_cannot_be_compared(
    wanted: str, has: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=False, subnet_id=wanted)
    cloud.simulator.add_cluster(projects.vision.project_id, NAME, subnet_ids=[has])
    assert run_worker_again(creation).state == State.CREATED


def test_g07_a_new_cluster_of_the_name_in_another_subnet_is_for_a_person(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=False, subnet_id=SUBNET)
    cloud.simulator.add_cluster(projects.vision.project_id, NAME, subnet_ids=[OTHER_SUBNET])
    creation = run_worker_again(creation)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "other_network")
    assert [each["name"] for each in creation.candidates] == [NAME]


def test_g07_a_new_cluster_of_the_name_under_the_other_type_is_for_a_person(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=False)
    cloud.simulator.add_cluster(projects.vision.project_id, NAME, "ECS")
    assert run_worker_again(creation).state == State.UNKNOWN
    horizon_passes(creation)
    creation = run_worker_again(creation, times=2)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "other_type")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Denied("not for this key", cause="status_403"), State.NOT_CREATED),
        (Throttled(cause="status_429"), State.UNKNOWN),
        (Unavailable(cause="status_502"), State.UNKNOWN),
        (CredentialsRefused(cause="status_401"), State.UNKNOWN),
        (ClockSkew(cause="status_403"), State.UNKNOWN),
    ],
)
def test_g07_a_refused_list_of_the_other_type_is_no_obstacle_and_a_missing_one_is(
    error: ModelArtsError,
    expected: State,
    people: People,
    projects: Projects,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    creation = lost(people, projects, cloud, deed=False)
    horizon_passes(creation)
    read = Client.list

    def only_supernodes(self: Client, **query: ClusterType) -> Answer[tuple[HyperCluster, ...]]:
        if query["type"] == ClusterType.ECS:
            raise error
        return read(self, **query)

    with monkeypatch.context() as patch:
        patch.setattr(Client, "list", only_supernodes)
        assert run_worker_again(creation, times=2).state == expected
    Project.objects.update(blocked_until=None, blocked_cause="")
    assert run_worker_again(creation).state == State.NOT_CREATED


@pytest.mark.parametrize("network_info", ["absent", "null", "empty"])
def test_a_candidate_listed_without_its_networks_is_still_one(
    network_info: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=True, subnet_id=SUBNET)
    cloud.simulator.set(network_info=network_info)
    assert run_worker_again(creation).state == State.CREATED


@pytest.mark.parametrize(
    ("project", "name", "kind"),
    [("speech", NAME, "HPS"), ("vision", NAME, "ECS"), ("vision", NAME.upper(), "HPS")],
)
def test_a_cluster_elsewhere_of_another_type_or_name_is_no_candidate(
    project: str, name: str, kind: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=False)
    cloud.simulator.add_cluster(getattr(projects, project).project_id, name, kind)
    assert run_worker_again(creation).state == State.UNKNOWN


def test_two_candidates_are_left_to_a_person(people: People, projects: Projects, cloud: Cloud) -> None:
    creation = lost(people, projects, cloud, deed=True)
    cloud.simulator.add_cluster(projects.vision.project_id, NAME)
    creation = run_worker_again(creation)
    assert (creation.state, creation.evidence) == (State.NEEDS_ATTENTION, "")
    candidates = sorted(facts["id"] for facts in creation.candidates)
    assert candidates == sorted(cluster.id for cluster in cloud.simulator.clusters())
    (event,) = events(action="cluster:create:needs-attention")
    assert event.after is not None
    assert sorted(event.after["candidates"]) == candidates
    run_worker_again(creation)
    assert len(cloud.posts) == 1


def test_g07_a_cluster_of_its_name_that_another_creation_made_is_left_to_a_person(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=False)
    cluster = cloud.simulator.add_cluster(projects.vision.project_id, NAME)
    Creation.objects.filter(pk=creation.pk).update(run_after=timezone.now() + timedelta(minutes=1))
    other = submit_creation(people.ada, projects.vision, "other")
    run_worker()
    Cluster.objects.filter(creation=other).update(cluster_id=cluster.id)
    creation = run_worker_again(creation)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "known_id")


def test_g09_an_outcome_open_for_half_an_hour_is_told_once(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = lost(people, projects, cloud, deed=False)
    run_worker_again(creation)
    assert events(action="cluster:create:overdue") == []
    Creation.objects.filter(pk=creation.pk).update(
        not_created_after=horizon(timezone.now() - timedelta(minutes=31))
    )
    run_worker_again(creation, times=2)
    assert len(events(action="cluster:create:overdue", object_id=str(creation.pk))) == 1


def test_a_person_can_have_it_looked_at_at_once(people: People, projects: Projects, cloud: Cloud) -> None:
    creation = lost(people, projects, cloud, deed=True)
    Creation.objects.filter(pk=creation.pk).update(run_after=timezone.now() + timedelta(minutes=1))
    run_worker()
    creation.refresh_from_db()
    assert creation.state == State.UNKNOWN  # not due yet
    look_now(creation, by=people.vera)
    (event,) = events(action="cluster:create:look-asked")
    assert (event.person_name, event.object_id) == ("vera", str(creation.pk))
    run_worker()
    creation.refresh_from_db()
    assert creation.state == State.CREATED
    look_now(creation, by=people.vera)  # it has been settled meanwhile: there is nothing to look for
    assert len(events(action="cluster:create:look-asked")) == 1


# A worker that dies or comes late.


def test_g03_a_sender_that_died_before_sending_leaves_unknown_and_then_absent(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    around_the_create(monkeypatch, before=kill)
    creation = submit_creation(people.ada, projects.vision, NAME)
    with pytest.raises(Killed):
        run_worker()
    creation.refresh_from_db()
    assert creation.state == State.SENDING
    run_worker()  # its lease still runs: nobody takes it away
    creation.refresh_from_db()
    assert creation.state == State.SENDING
    swept = taken_for_lost(creation)
    assert (swept.state, swept.cause) == (State.UNKNOWN, "sender_lost")
    horizon_passes(creation)
    assert run_worker_again(creation, times=2).state == State.NOT_CREATED
    assert cloud.posts == []
    assert "failed" not in actions(creation)


def test_g03_a_sender_that_died_after_sending_has_its_cluster_found(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    around_the_create(monkeypatch, after=kill)
    creation = submit_creation(people.ada, projects.vision, NAME)
    with pytest.raises(Killed):
        run_worker()
    found = taken_for_lost(creation)
    assert (found.state, found.evidence) == (State.CREATED, Evidence.LISTED)
    assert actions(creation) == ["requested", "sending", "unknown", "succeeded"]
    assert len(cloud.posts) == 1


def test_a_sender_that_died_before_its_intent_leaves_the_creation_due_again(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME)
    assert CREATIONS.claim("died", State.QUEUED) is not None
    run_worker()
    creation.refresh_from_db()
    assert creation.state == State.QUEUED
    lease_lapses(creation)
    run_worker()
    creation.refresh_from_db()
    assert creation.state == State.CREATED
    assert len(cloud.posts) == 1


def test_g12_of_two_claims_one_gets_the_creation(people: People, projects: Projects, cloud: Cloud) -> None:
    submit_creation(people.ada, projects.vision, NAME)
    assert CREATIONS.claim("first", State.QUEUED) is not None
    assert CREATIONS.claim("second", State.QUEUED) is None


@pytest.mark.parametrize("order", ["stale first", "stale last"])
def test_g12_a_worker_whose_lease_lapsed_and_its_successor_send_once(
    order: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME)
    stale = CREATIONS.claim("stale", State.QUEUED)
    lease_lapses(creation)
    successor = CREATIONS.claim("successor", State.QUEUED)
    assert stale is not None
    assert successor is not None
    for claimed in (stale, successor) if order == "stale first" else (successor, stale):
        CREATIONS.send(claimed)
    creation.refresh_from_db()
    assert creation.state == State.CREATED
    assert len(cloud.posts) == 1
    assert actions(creation) == ["requested", "sending", "succeeded"]


def test_g12_a_late_reply_confirms_what_was_found_in_the_list(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME)
    around_the_create(monkeypatch, after=lambda: taken_for_lost(creation))
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.evidence) == (State.CREATED, Evidence.REPLY)
    assert creation.conflict_at is None
    assert actions(creation) == ["requested", "sending", "unknown", "succeeded", "confirmed"]
    assert Cluster.objects.get().creation_id == creation.pk
    assert len(cloud.posts) == 1


def test_g12_a_late_reply_contradicts_a_verdict_of_absence_aloud(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.simulator.set(list_lag=86400.0)
    creation = submit_creation(people.ada, projects.vision, NAME)
    around_the_create(monkeypatch, after=once(lambda: declared_absent(creation)))
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.evidence) == (State.CREATED, Evidence.REPLY)
    assert creation.conflict_at is not None
    assert actions(creation)[-2:] == ["absent", "contradicted"]
    assert creation.cluster.cluster_id == cloud.simulator.clusters()[0].id
    assert len(cloud.posts) == 1


def test_g12_a_late_reply_corrects_a_cluster_that_was_adopted_wrongly(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME)
    outside = []

    def mistaken() -> None:
        # Ours is not listed yet, and somebody outside makes one of the same name in that very window.
        outside.append(cloud.simulator.add_cluster(projects.vision.project_id, NAME))
        assert taken_for_lost(creation).cluster.cluster_id == outside[0].id

    cloud.simulator.set(list_lag=86400.0)
    around_the_create(monkeypatch, after=once(mistaken))
    run_worker()
    creation.refresh_from_db()
    assert creation.conflict_at is not None
    assert actions(creation)[-1] == "contradicted"
    ours = next(cluster.id for cluster in cloud.simulator.clusters() if cluster.id != outside[0].id)
    assert Creation.objects.get(pk=creation.pk).cluster.cluster_id == ours
    assert Cluster.objects.get(cluster_id=outside[0].id).creation_id is None


def test_g12_a_late_refusal_beside_a_cluster_in_the_list_is_a_conflict(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.simulator.fault("error", "create", status=400, deed=True, times=1)
    creation = submit_creation(people.ada, projects.vision, NAME)
    around_the_create(monkeypatch, after=lambda: taken_for_lost(creation))
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.evidence) == (State.FAILED, Evidence.REFUSED)
    assert creation.conflict_at is not None
    assert actions(creation)[-2:] == ["succeeded", "contradicted"]
    found = Cluster.objects.get()
    assert (found.creation_id, found.owner_id) == (None, None)  # by the refusal it is somebody else's
    after = events(object_id=str(creation.pk))[-1].after
    assert after is not None
    assert after["cluster"] == {"id": found.cluster_id}  # which the page names


@pytest.mark.parametrize("named", ["another", "the same"])
def test_g12_a_late_unclear_answer_that_names_another_cluster_than_the_list_is_a_conflict(
    named: str, people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = "3f1f6e1c-1d2c-4a5b-8c9d-0123456789ab"
    ours = "4a1f6e1c-1d2c-4a5b-8c9d-0123456789ab" if named == "another" else outside
    body = json.dumps({"id": ours, "name": f"{NAME}-x"}).encode()
    cloud.simulator.fault("garbage", "create", kind="custom", deed=False, body=body, times=1)
    creation = submit_creation(people.ada, projects.vision, NAME)

    def adopted() -> None:
        cloud.simulator.add_cluster(projects.vision.project_id, NAME, cluster_id=outside)
        assert taken_for_lost(creation).state == State.CREATED

    around_the_create(monkeypatch, after=once(adopted))
    run_worker()
    creation.refresh_from_db()
    assert (creation.evidence, creation.reported_ids) == (Evidence.LISTED, [ours])
    assert (creation.conflict_at is not None) == (named == "another")


def test_g12_a_late_answer_without_meaning_changes_no_verdict(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.simulator.fault("lost_answer", "create", times=1)
    creation = submit_creation(people.ada, projects.vision, NAME)
    around_the_create(monkeypatch, after=lambda: taken_for_lost(creation))
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.evidence, creation.conflict_at) == ("created", "listed", None)


def test_g12_a_search_that_was_overtaken_by_the_reply_changes_nothing(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation = lost(people, projects, cloud, deed=True)
    Creation.objects.filter(pk=creation.pk).update(run_after=timezone.now() - timedelta(seconds=1))
    slow = CREATIONS.claim("slow", State.UNKNOWN)
    assert slow is not None
    lease_lapses(creation)
    run_worker_again(creation)
    CREATIONS.poll(slow)
    assert Cluster.objects.get().creation_id == creation.pk
    assert events(action="cluster:create:contradicted") == []


# Withdrawing.


def test_a_withdrawn_creation_is_never_sent(people: People, projects: Projects, cloud: Cloud) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME)
    withdraw(creation, by=people.ada)
    assert run_worker_again(creation).state == State.CANCELLED
    assert cloud.posts == []
    assert actions(creation) == ["requested", "withdrawn"]


def test_a_creation_withdrawn_while_its_worker_was_listing_is_not_sent(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME)
    after_the_list(monkeypatch, once(lambda: withdraw(Creation.objects.get(pk=creation.pk), by=people.ada)))
    run_worker()
    creation.refresh_from_db()
    assert creation.state == State.CANCELLED
    assert cloud.posts == []
    assert actions(creation) == ["requested", "withdrawn"]


def test_a_withdrawal_that_comes_too_late_changes_nothing_and_says_so(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME)
    as_it_was_shown = Creation.objects.get(pk=creation.pk)
    run_worker()
    with pytest.raises(StaleState):
        withdraw(as_it_was_shown, by=people.ada)
    creation.refresh_from_db()
    assert creation.state == State.CREATED
    assert "withdrawn" not in actions(creation)
