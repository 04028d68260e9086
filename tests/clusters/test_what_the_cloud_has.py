"""Our copy of the cloud's lists: brought up to date by complete lists alone, and honest about its age."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db.models import F
from django.utils import timezone
from pytest_django import Settings

from hyperclusters.audit import clock
from hyperclusters.clusters import inventory
from hyperclusters.clusters.inventory import ask_refresh
from hyperclusters.clusters.models import Cluster, ClusterListing, Project
from hyperclusters.simulator import SimulatedCluster
from tests.clusters.moments import after_the_list, once
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation

FAILURES: list[dict[str, Any]] = [
    {"fault": "error", "status": 503},
    {"fault": "error", "status": 404, "error_code": "Proxy.NotFound"},
    {"fault": "lost_answer"},
    {"fault": "oversized"},
    {"fault": "garbage", "kind": "html"},
    {"fault": "garbage", "kind": "cut_json"},
    {"fault": "garbage", "kind": "empty"},
    {"fault": "garbage", "kind": "error_code_200"},
    {"fault": "garbage", "kind": "custom", "body": b'{"hyper_clusters": [{"name": "no-id"}]}'},
    {"fault": "garbage", "kind": "custom", "body": b'{"hyper_clusters": null, "count": 1}'},
    {"fault": "garbage", "kind": "custom", "body": b'{"hyper_clusters": {}}'},
    {"fault": "garbage", "kind": "custom", "body": b"[]"},
]


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def lists_again() -> None:
    """Every list is due, calls are possible, and the worker makes them."""
    Project.objects.update(blocked_until=None)
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()


def time_passes(span: timedelta) -> None:
    """Everything known was learned so much longer ago."""
    Cluster.objects.update(
        found_at=F("found_at") - span, seen_at=F("seen_at") - span, gone_at=F("gone_at") - span
    )


def known(**filters: Any) -> set[str]:
    return set(Cluster.objects.present().filter(**filters).values_list("name", flat=True))


@pytest.mark.parametrize("why", ["the cloud fails", "the key is unreadable", "calls are paused"])
def test_a_list_that_cannot_be_made_is_given_back_for_its_next_turn(
    why: str, projects: Projects, cloud: Cloud, settings: Settings
) -> None:
    begun, pause = clock.now(), clock.now() + minutes(1)
    cluster_listing = inventory.claim_source("one")
    assert cluster_listing is not None
    if why == "the cloud fails":
        cloud.simulator.fault("error", "list", status=503)
    elif why == "the key is unreadable":
        settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    else:
        Project.objects.filter(pk=cluster_listing.project_id).update(blocked_until=pause)
    assert inventory.sync(cluster_listing) is False
    cluster_listing.refresh_from_db()
    assert cluster_listing.lease_expires_at is None
    assert cluster_listing.listed_at is None
    if why == "calls are paused":
        assert (cluster_listing.run_after, cluster_listing.failed_at) == (pause, None)
        assert cloud.simulator.journal() == []
    else:
        next_turn = timedelta(seconds=settings.SYNC_INTERVAL)
        assert cluster_listing.run_after >= begun + next_turn
        assert cluster_listing.failed_at is not None
    assert not ClusterListing.objects.due().filter(pk=cluster_listing.pk).exists()


@pytest.fixture
def outside(projects: Projects, cloud: Cloud) -> SimulatedCluster:
    """A cluster that somebody made past this dashboard, known here."""
    cluster = cloud.simulator.add_cluster(projects.vision.project_id, "outside")
    run_worker()
    return cluster


def test_both_types_of_each_project_are_listed_and_told_apart(projects: Projects, cloud: Cloud) -> None:
    for project in (projects.vision, projects.speech):
        for kind in ("HPS", "ECS"):
            cloud.simulator.add_cluster(project.project_id, f"{project.team.slug}-{kind}", kind)
    run_worker()
    rows = Cluster.objects.values_list("project__team__slug", "type", "name")
    assert set(rows) == {
        (team, kind, f"{team}-{kind}") for team in ("vision", "speech") for kind in ("HPS", "ECS")
    }
    calls = sorted(entry.call for entry in cloud.simulator.journal())
    assert calls == ["groups"] * 2 + ["hyperinstances"] * 2 + ["list"] * 4
    assert {entry.method for entry in cloud.simulator.journal()} == {"GET"}


def test_g11_a_cluster_made_outside_is_marked_so_with_one_event(
    outside: SimulatedCluster, cloud: Cloud
) -> None:
    for _ in range(3):
        lists_again()
    cluster = Cluster.objects.get()
    assert cluster.creation is None
    assert [(net.subnet_id, net.is_default) for net in cluster.networks.all()] == [
        (net.subnet_id, net.is_default) for net in outside.networks
    ]
    (event,) = events(action="cluster:seen:outside")
    assert (event.object_name, event.team_name, event.person_name) == ("outside", "Vision", "")
    assert event.after is not None
    assert event.after["cluster_id"] == outside.id


def test_a_cluster_made_here_is_never_told_as_made_outside(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision)
    run_worker()
    lists_again()
    assert Cluster.objects.get().creation is not None
    assert events(action="cluster:seen:outside") == []


def test_a_list_that_failed_removes_nothing_and_says_so(
    outside: SimulatedCluster, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.remove_cluster(outside.id)
    time_passes(minutes(60))
    for fault in FAILURES:
        cloud.simulator.reset()
        cloud.simulator.fault(call="list", project=projects.vision.project_id, **fault)
        lists_again()
        cluster_listing = projects.vision.sources.get(type="HPS")
        assert known() == {"outside"}, fault
        assert cluster_listing.is_failing, fault
        assert cluster_listing.listed_at is not None  # the age of what is still shown
        assert not cluster_listing.lease_expires_at


def test_a_list_that_goes_on_failing_is_told_once(outside: SimulatedCluster, cloud: Cloud) -> None:
    cloud.simulator.fault("error", "list", status=503)
    for _ in range(3):
        lists_again()
    assert len(events(action="cluster:list:failed", team_name="Vision")) == 2  # once a list, not once a try


def test_a_list_that_works_again_is_told_once(outside: SimulatedCluster, cloud: Cloud) -> None:
    cloud.simulator.fault("error", "list", status=503, times=4)
    for _ in range(3):
        lists_again()
    assert not ClusterListing.objects.filter(failed_at__isnull=False).exists()
    assert len(events(action="cluster:list:recovered")) == 4


def test_one_project_s_failing_list_keeps_no_other_from_being_listed(
    projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "list", status=503, project=projects.speech.project_id)
    cloud.simulator.add_cluster(projects.vision.project_id, "there")
    run_worker()
    assert known() == {"there"}
    assert set(
        ClusterListing.objects.filter(failed_at__isnull=False).values_list("project__name", flat=True)
    ) == {projects.speech.name}


def test_a_cluster_that_vanished_is_kept_as_gone_and_comes_back(
    outside: SimulatedCluster, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "stays")
    lists_again()
    cloud.simulator.remove_cluster(outside.id)
    lists_again()
    assert known() == {"stays"}
    cluster = Cluster.objects.get(name="outside")
    assert cluster.gone_at is not None
    lists_again()
    assert Cluster.objects.get(pk=cluster.pk).gone_at == cluster.gone_at
    assert len(events(action="cluster:seen:gone")) == 1

    # It comes up in the lists again, as after a lag or a mistake of the cloud's.
    time_passes(minutes(60))
    rows = [{"id": outside.id, "name": "outside"}, {"id": cluster.pk.hex, "name": "unrelated"}]
    answer = json.dumps({"hyper_clusters": rows}).encode()
    cloud.simulator.fault(
        "garbage", "list", kind="custom", body=answer, project=projects.vision.project_id, times=2
    )
    ClusterListing.objects.filter(type="ECS").update(run_after=timezone.now() + minutes(4))
    ClusterListing.objects.filter(type="HPS").update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()
    assert "outside" in known()
    assert len(events(action="cluster:seen:back")) == 1


def test_a_list_that_is_suddenly_empty_is_doubted_until_a_second_one_agrees(
    outside: SimulatedCluster, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.remove_cluster(outside.id)
    lists_again()
    assert known() == {"outside"}
    cluster_listing = projects.vision.sources.get(type="HPS")
    assert cluster_listing.suspect_since is not None
    assert cluster_listing.run_after < timezone.now() + timedelta(seconds=11)  # asked for again soon
    assert len(events(action="cluster:list:suspect")) == 1
    lists_again()
    assert known() == set()
    assert len(events(action="cluster:seen:gone")) == 1
    assert projects.vision.sources.get(type="HPS").suspect_since is None


def test_a_suddenly_empty_list_that_was_a_mistake_changes_nothing(
    outside: SimulatedCluster, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.fault("garbage", "list", kind="custom", body=b'{"hyper_clusters": []}', times=4)
    lists_again()
    assert projects.vision.sources.get(type="HPS").suspect_since is not None
    lists_again()
    assert known() == {"outside"}
    assert projects.vision.sources.get(type="HPS").suspect_since is None
    assert events(action="cluster:seen:gone") == []


def test_a_failing_list_between_two_empty_ones_does_not_count_as_the_second(
    outside: SimulatedCluster, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.fault("garbage", "list", kind="custom", body=b'{"hyper_clusters": []}', times=4)
    lists_again()
    cloud.simulator.fault("error", "list", status=503, times=4)
    lists_again()
    assert known() == {"outside"}


def test_a_list_begun_before_a_cluster_was_made_does_not_make_it_gone(
    outside: SimulatedCluster,
    people: People,
    projects: Projects,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ClusterListing.objects.filter(project=projects.vision, type="HPS").update(
        run_after=timezone.now() - timedelta(seconds=1)
    )
    cluster_listing = inventory.claim_source("slow")
    assert cluster_listing is not None

    def made_meanwhile() -> None:
        submit_creation(people.ada, projects.vision, "newer")
        run_worker()

    after_the_list(monkeypatch, once(made_meanwhile))
    inventory.sync(cluster_listing)
    assert known() == {"outside", "newer"}
    assert events(action="cluster:seen:gone") == []
    assert events(action="cluster:seen:outside", object_name="newer") == []


def test_a_new_cluster_that_has_not_reached_the_list_is_not_gone(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "listed")
    cloud.simulator.set(list_lag=86400.0)
    submit_creation(people.ada, projects.vision, "lagging")
    run_worker()
    lists_again()
    assert known() == {"listed", "lagging"}
    time_passes(minutes(10))  # past what the cloud may take to act
    lists_again()
    assert known() == {"listed"}


def test_a_change_of_networks_and_name_is_taken_over(
    outside: SimulatedCluster, projects: Projects, cloud: Cloud
) -> None:
    subnet = "3f1f6e1c-1d2c-4a5b-8c9d-0123456789ab"
    network = {"hyper_cluster_subnet_id": subnet, "is_default": True}
    row = {"id": outside.id, "name": "renamed", "network_info": [network]}
    ClusterListing.objects.filter(type="ECS").update(run_after=timezone.now() + minutes(4))
    cloud.simulator.fault(
        "garbage",
        "list",
        kind="custom",
        body=json.dumps({"hyper_clusters": [row]}).encode(),
        project=projects.vision.project_id,
    )
    ClusterListing.objects.filter(type="HPS").update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()
    cluster = Cluster.objects.get()
    assert cluster.name == "renamed"
    assert [(net.subnet_id, net.is_default) for net in cluster.networks.all()] == [(subnet, True)]


def test_g31_a_cloud_that_lists_one_cluster_under_both_types_stops_nothing(
    outside: SimulatedCluster, projects: Projects, cloud: Cloud
) -> None:
    row = {"id": outside.id, "name": "outside", "network_info": []}
    cloud.simulator.fault(
        "garbage", "list", kind="custom", body=json.dumps({"hyper_clusters": [row]}).encode()
    )
    for _ in range(2):
        lists_again()
    assert Cluster.objects.filter(project=projects.vision, cluster_id=outside.id).count() == 1


def test_two_workers_do_not_list_the_same_thing_at_once(projects: Projects, cloud: Cloud) -> None:
    claimed = [inventory.claim_source(f"worker-{number}") for number in range(5)]
    sources = [cluster_listing.pk for cluster_listing in claimed if cluster_listing]
    assert len(sources) == len(set(sources)) == 4
    assert claimed[4] is None


def test_a_list_whose_worker_died_is_due_again_after_its_lease(projects: Projects, cloud: Cloud) -> None:
    cluster_listing = inventory.claim_source("died")
    assert cluster_listing is not None
    past = timezone.now() - timedelta(seconds=1)
    ClusterListing.objects.filter(pk=cluster_listing.pk).update(lease_expires_at=past, run_after=past)
    run_worker()
    assert ClusterListing.objects.get(pk=cluster_listing.pk).listed_at is not None


def test_a_refresh_is_for_the_teams_that_one_may_look_into_and_is_audited(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    run_worker()
    assert ask_refresh(person=people.vera) == 2
    assert ask_refresh(person=people.olga) == 4
    assert ask_refresh(person=people.nina) == 0
    assert [event.person_name for event in events(action="cluster:list:refresh-asked")] == ["vera", "olga"]
    assert len(cloud.simulator.journal()) == 8  # nothing but the worker calls
    run_worker()
    assert len(cloud.simulator.journal()) == 16


def test_a_refresh_asked_for_while_a_list_is_under_way_is_not_lost(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_worker()
    cluster_listing = projects.vision.sources.get(type="HPS")
    ClusterListing.objects.filter(pk=cluster_listing.pk).update(
        run_after=timezone.now() - timedelta(seconds=1)
    )
    held = inventory.claim_source("slow")
    assert held is not None
    after_the_list(monkeypatch, once(lambda: ask_refresh(person=people.ada)))
    inventory.sync(held)
    assert ClusterListing.objects.get(pk=cluster_listing.pk).run_after <= timezone.now()


def test_10_000_networks_of_one_cluster_are_kept(projects: Projects, cloud: Cloud) -> None:
    networks = [{"hyper_cluster_subnet_id": f"net-{number}"} for number in range(10_000)]
    row = {"id": "wide", "name": "wide", "network_info": networks}
    body = json.dumps({"hyper_clusters": [row]}).encode()
    ClusterListing.objects.filter(type="ECS").update(run_after=timezone.now() + minutes(60))
    cloud.simulator.fault("garbage", "list", kind="custom", body=body, project=projects.vision.project_id)
    run_worker()
    assert Cluster.objects.get().networks.count() == 10_000


def test_a_key_that_cannot_be_decrypted_fails_the_list_and_removes_nothing(
    outside: SimulatedCluster, projects: Projects, cloud: Cloud
) -> None:
    Project.objects.filter(pk=projects.vision.pk).update(sealed_credentials="garbage")
    lists_again()
    assert known() == {"outside"}
    assert projects.vision.sources.get(type="HPS").failure_cause == "unreadable_credentials"
