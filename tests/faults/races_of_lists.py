"""Races of the inventory and of the breaker."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from django.utils import timezone

from hyperclusters.clusters import breaker, inventory
from hyperclusters.clusters.models import ClusterListing, Project
from hyperclusters.clusters.worker import run_due
from hyperclusters.modelarts import CredentialsRefused, Throttled
from tests.faults.concurrency import Beside, Pause, run_concurrently
from tests.faults.races import RaceSetup, race, wrong


@race
def sync_and_bind(stage: RaceSetup) -> list[str]:
    """The inventory lists a new cluster at the moment in which its creation is settled: it is never made outside."""
    stage.ask()
    cluster_listing = ClusterListing.objects.select_related("project__team").get(
        project=stage.scene["project"], type="HPS"
    )
    ClusterListing.objects.filter(project=stage.scene["project"]).update(
        run_after=timezone.now() + timedelta(minutes=4)
    )
    stage.slow_create(after=0.02)
    _, *synced = run_concurrently(run_due, *[partial(inventory.sync, cluster_listing)] * 3)
    return wrong(
        G11_not_outside=stage.events("cluster:seen:outside") == 0,
        sync_ends_well=all(done is True for done in synced),
    )


@race
def sync_between_two_reads(stage: RaceSetup) -> list[str]:
    """The same, at the one moment that hurts: between the two reads with which a list is applied."""
    stage.ask()
    cluster_listing = ClusterListing.objects.select_related("project__team").get(
        project=stage.scene["project"], type="HPS"
    )
    ClusterListing.objects.filter(project=stage.scene["project"]).update(
        run_after=timezone.now() + timedelta(minutes=4)
    )
    with Pause("call_answered") as answered:
        sender = Beside(run_due)
        answered.wait()
        with Pause("sync_known") as known:
            syncer = Beside(partial(inventory.sync, cluster_listing))
            known.wait()
            answered.let_go()
            sender.join(
                0.1
            )  # where the database lets it: the row of the project may hold it until the list is applied
            known.let_go()
            error = syncer.join()
    sender.join()
    return wrong(
        G11_not_outside=stage.events("cluster:seen:outside") == 0,
        G11_bound=hasattr(stage.creation(), "cluster"),
        sync_ends_well=error is None,
    )


@race
def refreshes(stage: RaceSetup) -> list[str]:
    """Two people ask, four workers answer: each list is fetched by one of them."""
    run_concurrently(*[partial(inventory.ask_refresh, person=stage.ada)] * 2)
    got = run_concurrently(*(partial(inventory.claim_source, f"holder-{n}") for n in range(4)))
    numbers = [source.pk for source in got if isinstance(source, ClusterListing)]
    return wrong(
        each_once=len(numbers) == len(set(numbers)), no_error=not any(isinstance(s, Exception) for s in got)
    )


@race
def breaker_opened_by_many(stage: RaceSetup) -> list[str]:
    error = CredentialsRefused("no", code="APIGW.0301", cause="status_401")
    run_concurrently(*(partial(breaker.record_failure, stage.project, error) for _ in range(5)))
    return wrong(
        G17_one_event=stage.events("project:breaker:opened") == 1, G17_open=stage.project.is_blocked()
    )


@race
def late_throttling(stage: RaceSetup) -> list[str]:
    """A 429 that comes after a 401 does not cut short the pause that keeps the key from being locked."""
    slow = Throttled("slow down", code="APIGW.0308", cause="status_429")
    slow.retry_after = 1.0
    refused = CredentialsRefused("no", code="APIGW.0301", cause="status_401")
    first, second = stage.project, stage.project
    breaker.record_failure(first, refused)
    breaker.record_failure(second, slow)
    until = stage.project.blocked_until
    Project.objects.filter(pk=stage.scene["project"]).update(blocked_until=None, blocked_cause="")
    return wrong(
        G17_the_longer_pause_stands=until is not None and until > timezone.now() + timedelta(minutes=4)
    )


@race
def late_answer_and_refused_key(stage: RaceSetup) -> list[str]:
    """An answer to a call begun before a 401 does not reopen the way for a key that is refused."""
    Project.objects.filter(pk=stage.scene["project"]).update(failures=1)
    early = stage.project
    breaker.record_failure(stage.project, CredentialsRefused("no", code="APIGW.0301", cause="status_401"))
    breaker.record_success(early)
    blocked = stage.project.is_blocked()
    Project.objects.filter(pk=stage.scene["project"]).update(blocked_until=None, blocked_cause="")
    return wrong(G17_still_open=blocked)
