"""kill -9 during a deletion: it comes to rest, its verdict is true, and no second call deletes anything.

FAULTS=full plays every point with every outcome; without it every fourth of these.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.world import IS_FULL, LATE, Environment

POINTS = (
    "claim_found",
    "claimed",
    "send_permitted",
    "inside_listed",
    "intent_begun",
    "move_updated",
    "move_recorded",
    "intent_committed",
    "call_begun",
    "sign_done",
    "write_begun",
    "write_done",
    "read_done",
    "append_done",
    "commit_begun",
    "commit_done",
    "settle_read",
    "verdict_moved",
    "verdict_bound",
    "lease_ending",
)
TRUTHS: dict[str, tuple[str, dict[str, Any]] | None] = {
    "deleted": None,
    "deleted, the answer is lost": ("lost_answer", {}),
    "deleted late": ("late_deed", {"seconds": LATE}),
    "not deleted": ("lost_request", {}),
    "refused for now": ("error", {"status": 429, "retry_after": "1"}),
}


EVERY = [(point, truth) for point in POINTS for truth in TRUTHS]


@pytest.mark.parametrize(("point", "truth"), EVERY if IS_FULL else EVERY[::4])
def test_g03_a_deletion_killed_here_ends_as_the_cloud_has_it(
    broken_world: Environment, point: str, truth: str
) -> None:
    scene = broken_world.scene()
    broken_world.live(scene)
    if rule := TRUTHS[truth]:
        broken_world.cloud.fault(rule[0], "delete", times=1, project=scene.project_id, **rule[1])
    assert broken_world.delete(scene, f"{point}:1") == 1
    records = broken_world.records(scene)
    broken_world.forks.run("retire", project=scene.project)
    deletes = [entry for entry in records.journal if entry.call == "delete"]
    assert records.witnessed == []
    rows = broken_world.forks.run("collect_deletions", project=scene.project)
    assert len(rows) == 1
    lives = rows[0]["cluster"] in records.living
    assert (rows[0]["state"], rows[0]["is_gone"], lives) in {
        ("deleted", True, False),
        ("failed", False, True),
    }
    assert rows[0]["events"].count("cluster:delete:sending") == rows[0]["attempts"] >= len(deletes)
    moves = [event for event in rows[0]["events"] if event != "cluster:delete:overdue"]
    assert len(moves) == rows[0]["version"] + 1
    for earlier in deletes[:-1]:
        assert (earlier.effect, earlier.answer) == ("none", "429")
