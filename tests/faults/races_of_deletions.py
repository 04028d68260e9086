"""Races of deletions: a lock or a supernode that comes while a cluster is about to be deleted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from hyperclusters.access.models import User
from hyperclusters.audit.models import Event
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.errors import CreationRefused
from hyperclusters.clusters.models import Cluster, Deletion
from hyperclusters.clusters.ownership import lock
from hyperclusters.clusters.worker import run_due
from tests.faults.concurrency import Beside, Pause, run_concurrently
from tests.faults.jobs import rest
from tests.faults.races import RaceSetup, race, wrong


def waiting_deletion(stage: RaceSetup) -> Cluster:
    """A cluster of Ada's whose deletion waits for a worker."""
    stage.ask()
    rest(stage.scene["project"])
    cluster = Cluster.objects.get(project=stage.scene["project"])
    request_deletion(person=stage.ada, cluster=cluster, typed_name=cluster.name)
    return cluster


def deletes(stage: RaceSetup) -> int:
    """Deletions that reached the cloud."""
    mine = stage.scene["project_id"]
    return sum(entry.call == "delete" and entry.project_id == mine for entry in stage.cloud.journal())


def locker(person: User, cluster: Cluster) -> Callable[[], None]:
    """Lock it, unless it is gone by then."""

    def act() -> None:
        with suppress(CreationRefused):
            lock(by=person, cluster=cluster, reason="in use")

    return act


def act_while_sender_waits(point: str, act: Callable[[], object]) -> Exception | None:
    """Stop a sender at this point, act, and let it go on to its end; what it raised."""
    with Pause(point) as pause:
        sender = Beside(run_due)
        pause.wait()
        act()
        pause.let_go()
    return sender.join()


def supernode_adder(stage: RaceSetup, cluster: Cluster) -> Callable[[], object]:
    """Put a supernode into the cluster."""
    return lambda: stage.cloud.add_hyperinstance(stage.scene["project_id"], "node", cluster.cluster_id)


@race
def lock_and_deletion(stage: RaceSetup) -> list[str]:
    """Whichever commits first counts: after a lock nothing is sent."""
    cluster = waiting_deletion(stage)
    errors = run_concurrently(locker(stage.ada, cluster), run_due, run_due)
    rest(stage.scene["project"])
    numbers = dict(
        Event.objects.filter(
            team_id=stage.scene["team"], action__in=["cluster:lock:set", "cluster:delete:sending"]
        ).values_list("action", "seq")
    )
    locked, sent = numbers.get("cluster:lock:set"), numbers.get("cluster:delete:sending")
    row = Deletion.objects.get(cluster=cluster)
    return wrong(
        no_error=not any(isinstance(error, Exception) for error in errors),
        G50_nothing_is_sent_after_a_lock=not (locked and sent) or sent < locked,
        G50_sent_only_with_an_intent=deletes(stage) == (1 if sent else 0),
        it_ends_as_it_was_sent=row.state == ("deleted" if sent else "refused"),
    )


@race
def lock_between_check_and_intent(stage: RaceSetup) -> list[str]:
    """A lock that comes after everything was checked still stops the call."""
    cluster = waiting_deletion(stage)
    error = act_while_sender_waits("intent_begun", locker(stage.ada, cluster))
    row = Deletion.objects.get(cluster=cluster)
    return wrong(
        sender_ends_well=error is None,
        G50_nothing_is_sent=deletes(stage) == 0,
        refused_for_the_lock=(row.state, row.cause) == ("refused", "locked"),
    )


@race
def supernode_before_the_check_ends(stage: RaceSetup) -> list[str]:
    """A supernode that comes after the claim stops it, whatever the page said at the click."""
    cluster = waiting_deletion(stage)
    error = act_while_sender_waits("send_permitted", supernode_adder(stage, cluster))
    row = Deletion.objects.get(cluster=cluster)
    return wrong(
        sender_ends_well=error is None,
        G50_nothing_is_sent=deletes(stage) == 0,
        refused_and_named=row.state == "refused"
        and [each["name"] for each in row.blockers or ()] == ["node"],
        it_lives=Cluster.objects.get(pk=cluster.pk).gone_at is None,
    )


@race
def supernode_between_check_and_call(stage: RaceSetup) -> list[str]:
    """No check can see what comes after it: the cloud refuses, and its refusal is the verdict."""
    cluster = waiting_deletion(stage)
    only = {"project": stage.scene["project_id"], "times": 1}
    stage.cloud.fault("error", "delete", status=409, **only)
    error = act_while_sender_waits("call_begun", supernode_adder(stage, cluster))
    row = Deletion.objects.get(cluster=cluster)
    return wrong(
        sender_ends_well=error is None,
        one_call=deletes(stage) == 1,
        the_cloud_s_refusal_is_the_verdict=row.state == "failed",
        it_lives=Cluster.objects.get(pk=cluster.pk).gone_at is None,
    )
