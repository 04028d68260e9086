"""kill -9 around a claim and an approval: what nobody approved is never sent, and what somebody did is sent once."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.faults.forks import Died
from tests.faults.world import Environment

WHILE_IT_WAITS = ("claim_found", "claimed", "send_permitted", "commit_done")
WHILE_APPROVED = ("move_updated", "move_recorded", "commit_begun", "commit_done")
WHILE_SENT = ("claim_found", "claimed", "send_permitted", "intent_begun", "intent_committed", "call_begun")


def run(world: Environment, job: str, /, *, point: str = "", **arguments: Any) -> bool:
    """Run a job, and again if it dies at this point. Whether it died."""
    try:
        world.forks.run(job, failpoint=f"{point}:1" if point else "", **arguments)
    except Died:
        world.forks.run(job, **arguments)
        return True
    return False


@pytest.mark.parametrize("point", WHILE_IT_WAITS)
def test_g51_a_worker_killed_around_a_claim_sends_nothing_that_nobody_approved(
    broken_world: Environment, point: str
) -> None:
    scene = broken_world.scene()
    request: dict[str, Any] = {"project": scene.project, "person": scene.person}
    run(broken_world, "submit", **request, name="free", token=str(uuid.uuid4()))
    broken_world.forks.run("ask_for_approval", team=scene.team)
    run(broken_world, "submit", **request, name="waits", token=str(uuid.uuid4()))
    assert run(broken_world, "work", point=point), f"no worker gets to {point}"
    broken_world.forks.run("rest", project=scene.project)
    records = broken_world.records(scene)
    states = {row["name"]: row["state"] for row in records.creations}
    assert states["waits"] == "queued"
    assert states["free"] != "queued"
    assert not records.posts("waits")


@pytest.mark.parametrize(
    ("job", "point"),
    [*(("approve_it", point) for point in WHILE_APPROVED), *(("work", point) for point in WHILE_SENT)],
)
def test_g51_a_process_killed_while_it_is_approved_or_sent_leaves_one_approval_and_one_verdict(
    broken_world: Environment, job: str, point: str
) -> None:
    scene = broken_world.scene()
    tom = broken_world.forks.run("ask_for_approval", team=scene.team)
    who: dict[str, Any] = {"project": scene.project, "person": scene.person}
    broken_world.forks.run("submit", **who, name="alpha", token=str(uuid.uuid4()))
    points = {job: point}
    died = run(
        broken_world, "approve_it", point=points.get("approve_it", ""), project=scene.project, person=tom
    )
    died |= run(broken_world, "work", point=points.get("work", ""))
    assert died, f"nobody gets to {point}"
    broken_world.forks.run("rest", project=scene.project)
    records = broken_world.records(scene)
    assert broken_world.breaches(scene) == []
    assert sum(event["action"] == "cluster:create:approved" for event in records.events) == 1
    assert len(records.posts("alpha")) <= 1
