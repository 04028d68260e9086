"""What the cloud does with a create, whether we hear of it or not."""

from __future__ import annotations

from typing import Any

from tests.faults.world import LATE, Environment, ProjectSetup

TRUTHS: dict[str, tuple[str, dict[str, Any]] | None] = {
    "created": None,
    "created, the answer is lost": ("lost_answer", {}),
    "created late": ("late_deed", {"seconds": LATE}),
    "not created": ("lost_request", {}),
    "refused for now": ("error", {"status": 429, "retry_after": "1"}),
}
PLAIN_TRUTHS = ("created", "created late", "not created")


def arm(world: Environment, scene: ProjectSetup, truth: str) -> None:
    """Make the cloud do this with the next create of the scene."""
    rule = TRUTHS[truth]
    if rule:
        fault, parameters = rule
        world.cloud.fault(fault, "create", times=1, project=scene.project_id, **parameters)
