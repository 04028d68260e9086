"""The harness is useful only if it finds a broken product: the oracle must find each breakage here."""

from __future__ import annotations

import time
import uuid

import pytest

from tests.faults.cloud_outcomes import arm
from tests.faults.points import FIRST_DEATH
from tests.faults.world import LATE, Environment, ProjectSetup, world


def assert_caught(names: list[str], promise: str) -> None:
    assert any(line.startswith(promise) for line in names), (
        f"{promise} was broken, and the oracle found {names}"
    )


def ask(world: Environment, scene: ProjectSetup) -> None:
    """A creation that is asked for and sent."""
    token = str(uuid.uuid4())
    world.forks.run("submit", project=scene.project, person=scene.person, name="alpha", token=token)
    world.forks.run("work")


def test_g01_an_intent_written_after_the_post_is_caught(broken_world: Environment) -> None:
    scene = broken_world.scene()
    broken_world.live(scene, breakage="intent_after_the_post")
    assert_caught(broken_world.breaches(scene), "G1 ")


def test_g01_an_intent_written_after_the_post_and_a_kill_is_caught(broken_world: Environment) -> None:
    scene = broken_world.scene()
    broken_world.live(scene, "read_done:2", breakage="intent_after_the_post")
    # Its name is taken now, which keeps it from being made twice; but it is said not to be made.
    assert_caught(broken_world.breaches(scene), "G7 ")


def test_g04_a_second_create_after_a_lost_answer_is_caught(broken_world: Environment) -> None:
    scene = broken_world.scene()
    # In the list it would take the name, so it comes long after the second create, however slow this machine is.
    broken_world.cloud.fault("late_deed", "create", seconds=30, times=1, project=scene.project_id)
    broken_world.live(scene, breakage="sent_again_after_a_read_timeout")
    assert_caught(broken_world.breaches(scene), "G4 ")


def test_g03_a_lapsed_lease_taken_for_a_failure_is_caught(broken_world: Environment) -> None:
    scene = broken_world.scene()
    broken_world.live(scene, FIRST_DEATH, breakage="lapsed_lease_is_failed")
    assert_caught(broken_world.breaches(scene), "G7 ")


@pytest.mark.parametrize("breakage", ["", "one_of_two_candidates_is_adopted"])
def test_g07_one_of_two_candidates_adopted_is_caught(broken_world: Environment, breakage: str) -> None:
    scene = broken_world.scene()
    arm(broken_world, scene, "created late")
    ask(broken_world, scene)
    broken_world.cloud.add_cluster(scene.project_id, "alpha")
    time.sleep(LATE + 0.1)
    broken_world.forks.run("rest", project=scene.project, breakage=breakage)
    names = broken_world.breaches(scene)
    if breakage:
        assert_caught(names, "G7 ")
    else:
        assert names == []
        assert broken_world.records(scene).creations[0]["state"] == "needs_attention"


@pytest.mark.parametrize("breakage", ["", "failed_list_is_empty"])
def test_g08_a_failed_list_taken_for_an_empty_one_is_caught(broken_world: Environment, breakage: str) -> None:
    scene = broken_world.scene()
    arm(broken_world, scene, "created, the answer is lost")
    # Before the worker's first list: what a list has shown once stays known.
    broken_world.cloud.fault("error", "list", status=503, project=scene.project_id)
    ask(broken_world, scene)
    broken_world.forks.run("rest", project=scene.project, breakage=breakage)
    broken_world.cloud.reset()
    broken_world.forks.run("rest", project=scene.project, breakage=breakage)
    names = broken_world.breaches(scene)
    if breakage:
        assert_caught(names, "G7 ")
    else:
        assert names == []


def test_g08_a_verdict_before_the_horizon_is_caught(broken_world: Environment) -> None:
    scene = broken_world.scene()
    broken_world.cloud.fault("late_deed", "create", seconds=15, times=1, project=scene.project_id)
    broken_world.live(scene, patience=0, breakage="no_horizon")
    deadline = time.monotonic() + 30
    while not broken_world.cloud.clusters(scene.project_id) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert_caught(broken_world.breaches(scene), "G7 ")


def test_g19_a_transition_without_an_event_is_caught(broken_world: Environment) -> None:
    scene = broken_world.scene()
    broken_world.live(scene, breakage="transition_without_an_event")
    assert_caught(broken_world.breaches(scene), "G19 ")


def test_g21_events_that_no_key_of_ours_has_sealed_are_caught() -> None:
    with world() as own:  # its chain stays broken
        scene = own.scene()
        own.live(scene, breakage="sealed_with_another_key")
        assert_caught(own.breaches(scene), "G3 the audit's chain")


def test_g11_a_verdict_that_leaves_its_cluster_to_nobody_is_caught(broken_world: Environment) -> None:
    scene = broken_world.scene()
    broken_world.live(scene, breakage="cluster_owned_by_nobody")
    assert_caught(broken_world.breaches(scene), "G11 ")
