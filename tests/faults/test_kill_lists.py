"""kill -9 while a worker writes what the cloud lists: the next list completes it, and each change is one event.

FAULTS=full kills each time that a process reaches a point, until a run ends without a kill.
"""

from __future__ import annotations

from collections import Counter
from itertools import count

import pytest

from tests.faults.points import IN_LISTS
from tests.faults.world import IS_FULL, Environment


@pytest.mark.parametrize("point", IN_LISTS)
def test_g12_a_list_killed_here_is_completed_by_the_next(broken_world: Environment, point: str) -> None:
    for nth in count(1):
        was_reached = killed_at(broken_world, point, nth)
        assert was_reached or nth > 1, f"no process ever gets to {point}"
        if not was_reached or not IS_FULL:
            break


def killed_at(world: Environment, point: str, nth: int) -> bool:
    """One cluster goes and another comes in the cloud, and the list that says so is killed. False if it was not."""
    scene, cloud = world.scene(), world.cloud
    old, kept = (cloud.add_cluster(scene.project_id, name) for name in ("old", "kept"))
    world.update(scene)
    cloud.remove_cluster(old.id)
    new = cloud.add_cluster(scene.project_id, "new")
    died = world.update(scene, f"{point}:{nth}")
    records = world.records(scene)
    changes = Counter(tuple(change) for change in world.forks.run("changes", project=scene.project))
    world.forks.run("retire", project=scene.project)
    assert (
        {row["id"] for row in records.clusters if not row["is_gone"]} == records.living == {kept.id, new.id}
    )
    seen = {("cluster:seen:outside", name): 1 for name in ("old", "kept", "new")}
    assert changes == seen | {("cluster:seen:gone", "old"): 1}
    assert records.chain == []
    return bool(died)
