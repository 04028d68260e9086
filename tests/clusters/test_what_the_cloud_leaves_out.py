"""Not said is not no: what a list leaves out stays as it is known, and what a list changes is an event."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hyperclusters.audit.chain import append
from hyperclusters.audit.models import Event
from hyperclusters.clusters import inventory, updates
from hyperclusters.clusters.models import Cluster, ClusterListing, Project
from hyperclusters.clusters.retirement import retire_project
from hyperclusters.clusters.subnets import known_subnets
from hyperclusters.modelarts import HyperCluster, Network
from tests.clusters.moments import Killed, kill
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation

pytestmark = pytest.mark.any_database

ID = "74437437-6810-43b8-ba20-8f8e5bc034da"
OTHER_ID = "84437437-6810-43b8-ba20-8f8e5bc034da"
A, B = "3f1f6e1c-1d2c-4a5b-8c9d-0123456789aa", "3f1f6e1c-1d2c-4a5b-8c9d-0123456789bb"


def row(cluster_id: str = ID, name: str = "train", **more: Any) -> dict[str, Any]:
    return {"id": cluster_id, "name": name, **more}


def networks(*rows: tuple[str, Any]) -> list[dict[str, Any]]:
    """Rows of network_info; a default of "absent" is left out."""
    return [
        {"hyper_cluster_subnet_id": subnet_id} | ({} if default == "absent" else {"is_default": default})
        for subnet_id, default in rows
    ]


def source_of(project: Project, kind: str = "HPS") -> ClusterListing:
    """A list that a worker has leased, as it is now."""
    later = timezone.now() + timedelta(seconds=30)
    ClusterListing.objects.filter(project=project, type=kind).update(lease_holder="w", lease_expires_at=later)
    return ClusterListing.objects.select_related("project__team").get(project=project, type=kind)


def listed(cloud: Cloud, project: Project, body: Any, kind: str = "HPS") -> bool:
    """Let the cloud answer with this, once, and apply it."""
    if isinstance(body, list):
        body = {"hyper_clusters": body}
    cloud.simulator.fault(
        "garbage", "list", kind="custom", body=json.dumps(body).encode(), project=project.project_id, times=1
    )
    return inventory.sync(source_of(project, kind))


def known() -> dict[str, bool | None]:
    return dict(Cluster.objects.get().networks.values_list("subnet_id", "is_default"))


def changes() -> list[tuple[Any, Any]]:
    return [(event.before, event.after) for event in events(action="cluster:seen:changed")]


@pytest.fixture
def train(projects: Projects, cloud: Cloud) -> Cluster:
    """One cluster with two networks, as a list told it."""
    assert listed(cloud, projects.vision, [row(network_info=networks((A, True), (B, False)))])
    return Cluster.objects.get()


def fact(subnet_id: str, default: bool | None) -> dict[str, Any]:
    return {"subnet_id": subnet_id, "is_default": default}


UNSAID: dict[str, dict[str, Any]] = {
    "absent": row(),
    "null": row(network_info=None),
    "a text": row(network_info="none"),
    "an object": row(network_info={}),
    "rows that cannot be read": row(network_info=[{}, None, {"hyper_cluster_subnet_id": "a b"}]),
    "one of them, the other unreadable": row(network_info=[*networks((A, True)), {}]),
    "defaults absent": row(network_info=networks((A, "absent"), (B, "absent"))),
    "defaults null": row(network_info=networks((A, None), (B, None))),
    "defaults as texts": row(network_info=networks((A, "false"), (B, "true"))),
    "another order": row(network_info=networks((B, False), (A, True))),
    "the ID in capitals": row(ID.upper()),
    "twice the same": row(network_info=networks((A, True), (A, True), (B, False))),
}


@pytest.mark.parametrize("case", UNSAID)
def test_g42_what_a_list_leaves_out_stays_known_and_is_no_event(
    train: Cluster, case: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    assert listed(cloud, projects.vision, [UNSAID[case]])
    assert Cluster.objects.present().get() == train
    assert known() == {A: True, B: False}
    assert changes() == []
    assert {subnet.subnet_id for subnet in known_subnets(projects.vision)} == {A, B}


SAID: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, bool | None]]] = {
    "no networks": (
        row(network_info=[]),
        {"networks": [fact(A, True), fact(B, False)]},
        {"networks": []},
        {},
    ),
    "one network less": (
        row(network_info=networks((A, True))),
        {"networks": [fact(B, False)]},
        {"networks": []},
        {A: True},
    ),
    "one network more, without its default": (
        row(network_info=networks((A, True), (B, False), ("by.name", "absent"))),
        {"networks": []},
        {"networks": [fact("by.name", None)]},
        {A: True, B: False, "by.name": None},
    ),
    "another default": (
        row(network_info=networks((A, False), (B, True))),
        {"networks": [fact(A, True), fact(B, False)]},
        {"networks": [fact(A, False), fact(B, True)]},
        {A: False, B: True},
    ),
    "another network in a list that cannot be read whole": (
        row(network_info=[*networks(("by.name", True)), None]),
        {"networks": []},
        {"networks": [fact("by.name", True)]},
        {A: True, B: False, "by.name": True},
    ),
    "another name": (row(name="renamed"), {"name": "train"}, {"name": "renamed"}, {A: True, B: False}),
}


@pytest.mark.parametrize("case", SAID)
def test_g42_what_a_list_changes_is_one_event_with_before_and_after(
    train: Cluster, case: str, projects: Projects, cloud: Cloud
) -> None:
    item, before, after, networks_then = SAID[case]
    for _ in range(2):
        assert listed(cloud, projects.vision, [item])
    assert known() == networks_then
    assert changes() == [(before, after)]
    (event,) = events(action="cluster:seen:changed")
    assert (event.object_id, event.team_name) == (str(train.pk), "Vision")


UNUSABLE: dict[str, Any] = {
    "a row without a name": [row(), {"id": OTHER_ID}],
    "a row with its name null": [row(), row(OTHER_ID, None)],  # type: ignore[arg-type]  # hostile
    "a row without an ID": [row(), {"name": "other"}],
    "one ID with two names": [row(), row(name="other")],
    "one ID with two networks": [row(network_info=[]), row(network_info=networks((A, True)))],
    "fewer rows than counted": {"count": 2, "hyper_clusters": [row(OTHER_ID)]},
    "null, but counted": {"count": 1, "hyper_clusters": None},
    "no rows at all": {},
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_g42_a_list_that_cannot_be_used_changes_nothing(
    train: Cluster, case: str, projects: Projects, cloud: Cloud
) -> None:
    assert not listed(cloud, projects.vision, UNUSABLE[case])
    assert Cluster.objects.present().get() == train
    assert known() == {A: True, B: False}
    assert ClusterListing.objects.get(project=projects.vision, type="HPS").is_failing


@pytest.mark.parametrize("body", [{"hyper_clusters": None}, {"count": 0, "hyper_clusters": None}])
def test_g42_a_project_whose_list_is_null_is_empty_and_can_be_used(
    body: Any, people: People, projects: Projects, cloud: Cloud
) -> None:
    sent = json.dumps(body).encode()
    cloud.simulator.fault("garbage", "list", kind="custom", body=sent)
    run_worker()
    assert not ClusterListing.objects.filter(failed_at__isnull=False).exists()
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    creation.refresh_from_db()
    assert creation.state == "created"


def test_g42_a_cluster_in_both_lists_has_both_types_until_one_is_proved(
    train: Cluster, projects: Projects, cloud: Cloud
) -> None:
    for _ in range(3):
        for kind in ("HPS", "ECS"):
            assert listed(cloud, projects.vision, [row(), row(OTHER_ID, "other")], kind)
    train.refresh_from_db()
    assert (train.types, train.gone_at) == (["HPS", "ECS"], None)
    both = ({"types": ["HPS"]}, {"types": ["HPS", "ECS"]})
    assert changes() == [both, both]

    for _ in range(2):  # one list drops it: no flapping, and the other type is proved
        for kind, rows in (("HPS", [row(OTHER_ID, "other")]), ("ECS", [row(), row(OTHER_ID, "other")])):
            assert listed(cloud, projects.vision, rows, kind)
    train.refresh_from_db()
    assert (train.types, train.gone_at) == (["ECS"], None)
    assert changes() == [both, both, ({"types": ["HPS", "ECS"]}, {"types": ["ECS"]})]
    assert not events(action="cluster:seen:gone")
    assert not events(action="cluster:seen:back")
    assert train.networks.count() == 2

    for kind in ("HPS", "ECS"):
        assert listed(cloud, projects.vision, [row(OTHER_ID, "other")], kind)
    train.refresh_from_db()
    assert train.gone_at is not None
    assert len(events(action="cluster:seen:gone")) == 1


def test_g42_a_creation_proves_the_type_of_a_cluster_in_both_lists(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    submit_creation(people.ada, projects.vision, "made-here", type="ECS")
    run_worker()
    cluster = Cluster.objects.get()
    for kind in ("HPS", "ECS", "HPS"):
        assert listed(cloud, projects.vision, [row(cluster.cluster_id, "made-here")], kind)
    cluster.refresh_from_db()
    assert cluster.types == ["ECS"]
    assert set(cluster.listed_as) == {"HPS", "ECS"}


def many(count: int, **more: Any) -> list[dict[str, Any]]:
    return [row(str(uuid.UUID(int=n, version=4)), f"c-{n}", **more) for n in range(count)]


def largest_commit(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each commit carries from now on."""
    sizes: list[int] = []

    def counted(connection: Any, entries: Any) -> None:
        sizes.append(len(entries))
        append(connection, entries)

    monkeypatch.setattr("hyperclusters.audit.engines.append", counted)
    return sizes


def test_a_first_list_of_hundreds_is_written_in_batches_with_few_queries(
    projects: Projects,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: Any,
) -> None:
    monkeypatch.setattr(updates, "PAUSE", 0.0)
    sizes = largest_commit(monkeypatch)
    with django_assert_max_num_queries(250):  # 10 batches
        assert listed(cloud, projects.vision, many(1000, network_info=networks((A, True))))
    assert Cluster.objects.count() == len(events(action="cluster:seen:outside")) == 1000
    assert 0 < max(sizes) <= updates.BATCH
    with django_assert_max_num_queries(40):  # nothing is new
        assert listed(cloud, projects.vision, many(1000))
    assert len(events(action="cluster:seen:outside")) == 1000
    assert changes() == []
    assert listed(cloud, projects.vision, many(1))
    assert Cluster.objects.present().count() == 1
    assert len(events(action="cluster:seen:gone")) == 999
    assert max(sizes) <= updates.BATCH


def test_a_worker_killed_between_two_batches_leaves_the_rest_to_the_next_list(
    projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "PAUSE", 0.0)
    rows = many(1000)
    with monkeypatch.context() as patched:
        reached: list[str] = []

        def die(name: str) -> None:
            reached.append(name)
            if reached.count("sync_batch") == 3:
                kill()

        patched.setattr(updates, "failpoint", die)
        with pytest.raises(Killed):
            listed(cloud, projects.vision, rows)
    assert 0 < Cluster.objects.count() < 1000
    cluster_listing = ClusterListing.objects.get(project=projects.vision, type="HPS")
    assert cluster_listing.listed_at is None  # no complete list is claimed
    assert cluster_listing.lease_expires_at is not None
    assert listed(cloud, projects.vision, rows)
    assert Cluster.objects.present().count() == 1000
    assert Event.objects.filter(action="cluster:seen:outside").count() == 1000


def item(cluster_id: str, name: str, *, subnet_id: str = A) -> HyperCluster:
    return HyperCluster(cluster_id, name, (Network(subnet_id, is_default=True),))


def test_g12_a_list_that_began_earlier_undoes_nothing_that_a_later_one_said(
    train: Cluster, projects: Projects, cloud: Cloud
) -> None:
    early, late = timezone.now(), timezone.now() + timedelta(seconds=1)
    cluster_listing = source_of(projects.vision)
    assert updates.apply(cluster_listing, [item(OTHER_ID, "new")], late)
    train.refresh_from_db()
    assert train.gone_at == late
    assert updates.apply(cluster_listing, [item(ID, "stale"), item(OTHER_ID, "stale", subnet_id=B)], early)
    train.refresh_from_db()
    assert (train.name, train.gone_at) == ("train", late)
    other = Cluster.objects.get(cluster_id=OTHER_ID)
    assert (other.name, [network.subnet_id for network in other.networks.all()]) == ("new", [A])
    ClusterListing.objects.filter(pk=cluster_listing.pk).update(listed_at=late)
    with pytest.raises(updates.Superseded):
        updates.apply(cluster_listing, [item(ID, "stale")], early)


def test_a_list_that_began_before_its_project_was_retired_changes_nothing(
    people: People, projects: Projects
) -> None:
    cluster_listing = source_of(projects.vision)
    retire_project(by=people.root, project=projects.vision, reason="Not needed")
    with pytest.raises(updates.Superseded):
        updates.apply(cluster_listing, [item(ID, "too-late")], timezone.now())
    assert not Cluster.objects.exists()


def test_g42_a_name_that_a_creation_has_in_doubt_is_left_to_its_search_in_a_long_list_too(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "PAUSE", 0.0)
    cloud.simulator.fault("error", "create", status=502, deed=True)
    creation = submit_creation(people.ada, projects.vision, "c-500")
    inventory_later = timezone.now() + timedelta(hours=1)
    ClusterListing.objects.update(run_after=inventory_later)
    run_worker()
    creation.refresh_from_db()
    assert creation.state == "unknown"
    assert listed(cloud, projects.vision, many(600))
    assert not Cluster.objects.filter(name="c-500").exists()
    assert Cluster.objects.count() == 599
