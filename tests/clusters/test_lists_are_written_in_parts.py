"""A list of thousands is written in short transactions: whatever happens between two of them, nothing is doubled, lost
or undone."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from hyperclusters.clusters import inside, updates
from hyperclusters.clusters.models import Cluster, ClusterListing
from hyperclusters.modelarts import HyperCluster, Network, Occupant, OccupantKind
from tests.clusters.moments import Killed, kill
from tests.conftest import Projects, events

pytestmark = pytest.mark.usefixtures("projects")
COUNT, PART = 100, 20
IDS = [str(uuid.UUID(int=number, version=4)) for number in range(COUNT)]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a fifth of what there is."""
    monkeypatch.setattr(updates, "BATCH", PART)
    monkeypatch.setattr(updates, "SEEN_AT_ONCE", PART)
    monkeypatch.setattr(updates, "PAUSE", 0.0)


@pytest.fixture
def listing(projects: Projects) -> ClusterListing:
    """Vision's list of HPS clusters."""
    return ClusterListing.objects.select_related("project__team").get(project=projects.vision, type="HPS")


def items(count: int = COUNT, suffix: str = "") -> list[HyperCluster]:
    return [HyperCluster(each, f"c-{each}{suffix}", (Network("s" + each, True),)) for each in IDS[:count]]


def occupants(name: str) -> list[Occupant]:
    return [Occupant(OccupantKind.SUPERNODE, f"{name}-{each}", name, "ACTIVE", each) for each in IDS]


def at(
    monkeypatch: pytest.MonkeyPatch, module: object, place: str, number: int, act: Callable[[], object]
) -> None:
    """Do this in the transaction of the part of this number, before it ends."""
    visits: list[str] = []

    def visited(name: str) -> None:
        visits.append(name)
        if name == place and visits.count(place) == number:
            act()

    monkeypatch.setattr(module, "failpoint", visited)


def after_turn(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], object]) -> None:
    """Do this right after the part of this number is committed."""
    turn, ended = updates.turn, []

    class Turn:
        def __init__(self, *args: object) -> None:
            self.turn = turn(*args)  # type: ignore[arg-type]

        def __enter__(self) -> None:
            self.turn.__enter__()

        def __exit__(self, *error: object) -> None:
            self.turn.__exit__(*error)  # type: ignore[arg-type]
            ended.append(error)
            if len(ended) == number:
                act()

    monkeypatch.setattr(updates, "turn", Turn)


def older(span: timedelta = timedelta(hours=1)) -> None:
    """Everything known was learned so much earlier."""
    Cluster.objects.update(found_at=F("found_at") - span, seen_at=F("seen_at") - span)


def names() -> set[str]:
    """Of the supernodes that our rows have inside."""
    rows = Cluster.objects.values_list("inside", flat=True)
    return {each["name"] for row in rows for each in row or ()}


def test_clusters_that_are_gone_are_marked_once_however_often_the_worker_is_killed(
    listing: ClusterListing, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates.apply(listing, items(), timezone.now())
    older()
    for number in (1, 2):
        with monkeypatch.context() as patch:
            at(patch, updates, "sync_gone", 2, kill)
            with pytest.raises(Killed):
                updates.apply(listing, items(1), timezone.now())
        assert Cluster.objects.filter(gone_at__isnull=False).count() == PART * number
    updates.apply(listing, items(1), timezone.now())
    assert [cluster.cluster_id for cluster in Cluster.objects.present()] == IDS[:1]
    gone = events(action="cluster:seen:gone")
    assert len({event.object_id for event in gone}) == len(gone) == COUNT - 1


def test_a_cluster_that_is_seen_while_others_are_marked_as_gone_stays(
    listing: ClusterListing, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates.apply(listing, items(), timezone.now())
    older()

    def see() -> None:
        left = Cluster.objects.present().exclude(cluster_id__in=IDS[:1])
        Cluster.objects.filter(pk__in=list(left.values_list("pk", flat=True))).update(seen_at=timezone.now())

    after_turn(monkeypatch, 1, see)
    updates.apply(listing, items(1), timezone.now())
    assert Cluster.objects.present().count() == COUNT - PART
    assert len(events(action="cluster:seen:gone")) == PART


def test_a_change_between_two_parts_is_not_undone_by_a_list_that_began_before_it(
    listing: ClusterListing, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates.apply(listing, items(), timezone.now())
    older()

    def rename() -> None:
        Cluster.objects.filter(cluster_id=IDS[-1]).update(name="later", seen_at=timezone.now())

    after_turn(monkeypatch, 1, rename)
    updates.apply(listing, items(suffix="-renamed"), timezone.now())
    others = Cluster.objects.exclude(cluster_id=IDS[-1]).values_list("name", flat=True)
    assert Cluster.objects.get(cluster_id=IDS[-1]).name == "later"
    assert all(name.endswith("-renamed") for name in others)
    assert len(events(action="cluster:seen:changed")) == COUNT - 1


def test_two_lists_at_once_add_each_cluster_once(
    listing: ClusterListing, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = timezone.now(), timezone.now() + timedelta(seconds=1)

    def list_again() -> None:
        monkeypatch.undo()
        updates.apply(listing, items(), second)

    after_turn(monkeypatch, 2, list_again)
    updates.apply(listing, items(), first)
    assert Cluster.objects.count() == len(events(action="cluster:seen:outside")) == COUNT
    assert not events(action="cluster:seen:changed")
    assert set(Cluster.objects.values_list("seen_at", flat=True)) == {second}


def test_what_an_unchanged_list_shows_is_seen_in_every_part(listing: ClusterListing) -> None:
    updates.apply(listing, items(), timezone.now())
    now = timezone.now()
    updates.apply(listing, items(), now)
    assert set(Cluster.objects.values_list("seen_at", flat=True)) == {now}


def test_what_is_inside_counts_as_listed_once_all_of_it_is_written(
    listing: ClusterListing, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates.apply(listing, items(), timezone.now())
    with monkeypatch.context() as patch:
        at(patch, inside, "inside_batch", 3, kill)
        with pytest.raises(Killed):
            inside._apply(listing, occupants("node"), timezone.now())
    assert Cluster.objects.exclude(inside=None).count() == PART * 2
    listing.refresh_from_db()
    assert listing.inside_listed_at is None
    now = timezone.now()
    inside._apply(listing, occupants("node"), now)
    assert Cluster.objects.exclude(inside=None).count() == COUNT
    assert ClusterListing.objects.get(pk=listing.pk).inside_listed_at == now


def later_list(listing: ClusterListing, applied: list[Occupant] | None) -> datetime:
    """A later list is complete; what is inside by then may be written as well."""
    now = timezone.now()
    ClusterListing.objects.filter(pk=listing.pk).update(listed_at=now)
    if applied is not None:
        inside._apply(ClusterListing.objects.get(pk=listing.pk), applied, now)
    return now


@pytest.mark.parametrize("is_applied", [True, False])
def test_what_was_inside_before_is_not_written_between_what_is_inside_since(
    listing: ClusterListing, monkeypatch: pytest.MonkeyPatch, *, is_applied: bool
) -> None:
    updates.apply(listing, items(), timezone.now())
    listing.listed_at = timezone.now()
    listing.save(update_fields=["listed_at"])

    def overtake() -> None:
        monkeypatch.undo()
        later_list(listing, occupants("new") if is_applied else None)

    after_turn(monkeypatch, 2, overtake)
    inside._apply(listing, occupants("old"), timezone.now())
    listing.refresh_from_db()
    if is_applied:
        assert names() == {"new"}
        assert listing.inside_listed_at == listing.listed_at
    else:  # the rest is left to what follows that list, and nothing claims to be complete
        assert Cluster.objects.exclude(inside=None).count() == PART * 2
        assert listing.inside_listed_at is None


def test_a_cluster_that_changes_its_type_between_two_parts_gets_nothing_inside(
    listing: ClusterListing, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates.apply(listing, items(), timezone.now())
    listing.refresh_from_db()
    after_turn(monkeypatch, 1, lambda: Cluster.objects.update(type="ECS"))
    inside._apply(listing, occupants("node"), timezone.now())
    assert names() == set()


def test_others_write_between_two_parts_on_sqlite(
    listing: ClusterListing, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[bool] = []
    monkeypatch.setattr(
        "hyperclusters.clusters.updates.time.sleep", lambda _: pauses.append(connection.in_atomic_block)
    )
    updates.apply(listing, items(), timezone.now())
    parts = COUNT * 2 // PART  # each cluster has a network
    assert pauses == ([False] * parts if connection.vendor == "sqlite" else [])
