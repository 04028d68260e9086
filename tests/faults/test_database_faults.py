"""A database that fails at a chosen place: no create without a record (G2), no wrong verdict (G16)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.faults.cloud_outcomes import TRUTHS, arm
from tests.faults.disturbances import ON_POSTGRES, ON_SQLITE
from tests.faults.oracle import breaches
from tests.faults.world import IS_FULL, LATE, Environment, ProjectSetup, is_postgres

OTHERS_GO_ON = "reply_of_commit_lost_while_others_go_on"  # has tests of its own
KINDS = [kind for kind in (ON_POSTGRES if is_postgres() else ON_SQLITE) if kind != OTHERS_GO_ON]
AT_THE_REQUEST = ("request_checked", "request_saved", "request_recorded")
BEFORE_THE_POST = (
    "claim_found",
    "claimed",
    "baseline_listed",
    "intent_begun",
    "move_updated",
    "move_recorded",
)
AFTER_THE_POST = (
    "call_answered",
    "settle_read",
    "verdict_moved",
    "verdict_bound",
    "sync_listed",
    "sync_seen",
)
IN_RECOVERY = ("look_begun", "look_weighed", "look_in_vain")


def pairs(moments: tuple[str, ...]) -> list[tuple[str, str]]:
    """Every kind of fault at every moment; without FAULTS=full every eighth, so that each kind and moment has its turn."""
    every = [(kind, moment) for moment in moments for kind in KINDS]
    return every if IS_FULL else every[::8]


def wish(scene: ProjectSetup) -> dict[str, Any]:
    return {"project": scene.project, "person": scene.person, "name": "alpha", "token": str(uuid.uuid4())}


def assert_rests_true(world: Environment, scene: ProjectSetup, *states: str) -> None:
    world.forks.run("rest", project=scene.project)
    records = world.records(scene)
    assert breaches(records) == []
    assert all(row["state"] in states for row in records.creations)


@pytest.mark.parametrize(("kind", "moment"), pairs(AT_THE_REQUEST))
def test_g02_what_could_not_be_recorded_is_not_sent(
    broken_world: Environment, kind: str, moment: str
) -> None:
    scene = broken_world.scene()
    seen = broken_world.forks.run("disturbed", act="submit", arguments=wish(scene), moment=moment, kind=kind)
    assert seen["struck"]
    recorded = broken_world.forks.run("rows", project=scene.project)
    if kind != "reply_of_commit_lost":
        assert recorded == (0 if seen["error"] else 1)
    broken_world.forks.run("work")
    assert len(broken_world.records(scene).posts("alpha")) == recorded
    assert_rests_true(broken_world, scene, "created")


@pytest.mark.parametrize(("kind", "moment"), pairs(BEFORE_THE_POST))
def test_g02_an_intent_that_is_not_committed_sends_nothing(
    broken_world: Environment, kind: str, moment: str
) -> None:
    scene = broken_world.scene()
    broken_world.forks.run("submit", **wish(scene))
    seen = broken_world.forks.run("disturbed", act="work", arguments={}, moment=moment, kind=kind)
    assert seen["struck"]
    records = broken_world.records(scene)
    if records.creations[0]["attempts"] == 0:
        assert records.posts("alpha") == []
    assert_rests_true(broken_world, scene, "created", "not_created")


@pytest.mark.parametrize(("kind", "moment"), pairs(AFTER_THE_POST))
def test_g16_an_outcome_that_is_not_written_is_found_again(
    broken_world: Environment, kind: str, moment: str
) -> None:
    scene = broken_world.scene()
    broken_world.forks.run("submit", **wish(scene))
    seen = broken_world.forks.run("disturbed", act="work", arguments={}, moment=moment, kind=kind)
    assert seen["struck"]
    assert_rests_true(broken_world, scene, "created")


@pytest.mark.parametrize(("kind", "moment"), pairs(IN_RECOVERY))
def test_g16_a_search_that_is_cut_short_ends_true(broken_world: Environment, kind: str, moment: str) -> None:
    scene = broken_world.scene()
    arm(broken_world, scene, "not created")
    broken_world.forks.run("submit", **wish(scene))
    broken_world.forks.run("work")
    arguments = {"project": scene.project}
    seen = broken_world.forks.run("disturbed", act="rest", arguments=arguments, moment=moment, kind=kind)
    assert seen["struck"]
    assert_rests_true(broken_world, scene, "not_created")


@pytest.mark.parametrize(("kind", "moment"), pairs(AT_THE_REQUEST))
def test_g02_the_person_reads_whether_anything_was_recorded(
    broken_world: Environment, kind: str, moment: str
) -> None:
    """`Nothing was sent` is true of what was not recorded, and of nothing else (G16: a lost commit is read back)."""
    scene = broken_world.scene()
    page = broken_world.forks.run("submit_page", moment=moment, kind=kind, **wish(scene))
    assert page["struck"]
    recorded = broken_world.forks.run("rows", project=scene.project)
    if recorded:
        assert "othing was sent" not in page["text"] or page["status"] == 500, page["status"]
    else:
        assert page["status"] == 503
        assert "othing was sent" in page["text"]
    assert_rests_true(broken_world, scene, "created")


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("truth", TRUTHS)
def test_g16_a_transition_is_recorded_once_though_its_commit_went_unanswered_and_others_went_on(
    broken_world: Environment, truth: str, nth: int
) -> None:
    scene = broken_world.scene()
    arm(broken_world, scene, truth)
    broken_world.forks.run("submit", **wish(scene))
    seen = broken_world.forks.run(
        "disturbed",
        act="rest",
        arguments={"project": scene.project, "patience": LATE},
        moment="move_recorded",
        kind=OTHERS_GO_ON,
        nth=nth,
    )
    assert seen["struck"] or nth == 3
    assert_rests_true(broken_world, scene, "created", "not_created")


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("fault", ["", "lost_answer", "lost_request", "error"])
def test_g16_a_deletion_s_transition_is_recorded_once_though_its_commit_went_unanswered(
    broken_world: Environment, fault: str, nth: int
) -> None:
    scene = broken_world.scene()
    broken_world.live(scene)
    if fault:
        more: dict[str, Any] = {"status": 429, "retry_after": "1"} if fault == "error" else {}
        broken_world.cloud.fault(fault, "delete", times=1, project=scene.project_id, **more)
    form: dict[str, Any] = {"project": scene.project, "person": scene.person, "name": "alpha"}
    broken_world.forks.run("submit_deletion", **form)
    arguments = {"project": scene.project}
    seen = broken_world.forks.run(
        "disturbed", act="rest", arguments=arguments, moment="move_recorded", kind=OTHERS_GO_ON, nth=nth
    )
    assert seen["struck"]
    broken_world.forks.run("rest", project=scene.project)
    (row,) = broken_world.forks.run("collect_deletions", project=scene.project)
    lives = row["cluster"] in broken_world.records(scene).living
    assert (row["state"], row["is_gone"], lives) in {("deleted", True, False), ("failed", False, True)}
    moves = [event for event in row["events"] if event != "cluster:delete:overdue"]
    assert len(moves) == row["version"] + 1
    assert moves.count("cluster:delete:sending") == row["attempts"]
    assert len(moves) == len(set(moves)) + row["attempts"] - 1


def said(page: dict[str, Any]) -> str:
    """What the page itself says, without the words that scripts need."""
    text: str = page["text"]
    return text.partition("<main")[2].partition("</main>")[0]


HOLDS = pytest.mark.skipif(not is_postgres(), reason="nothing stands between SQLite and its file")


@HOLDS
def test_g53_an_open_commit_is_waited_for_before_the_page_says_that_nothing_was_recorded(
    broken_world: Environment,
) -> None:
    scene = broken_world.scene()
    page = broken_world.forks.run("submit_page_held", hold=2.0, patience=5, **wish(scene))
    assert page["held"]
    assert page["status"] == 302
    assert page["later"].startswith("/creations/")
    assert_rests_true(broken_world, scene, "created")


@HOLDS
def test_g53_a_commit_that_stays_open_is_not_known_yet_and_a_link_finds_it(broken_world: Environment) -> None:
    scene = broken_world.scene()
    page = broken_world.forks.run("submit_page_held", hold=4.0, patience=1, **wish(scene))
    assert page["held"]
    assert page["status"] == 503
    assert "We don't know yet whether this was recorded" in said(page)
    assert "othing was sent" not in said(page)
    assert page["later"].startswith("/creations/")
    assert page["later"] != "/creations/"
    assert_rests_true(broken_world, scene, "created")


@HOLDS
@pytest.mark.parametrize(("hold", "patience", "status"), [(2.0, 5, 302), (4.0, 1, 503)])
def test_g53_a_deletion_s_open_commit_is_waited_for_too(
    broken_world: Environment, hold: float, patience: int, status: int
) -> None:
    scene = broken_world.scene()
    broken_world.live(scene)
    form: dict[str, Any] = {"project": scene.project, "person": scene.person, "name": "alpha"}
    page = broken_world.forks.run("delete_page_held", hold=hold, patience=patience, **form)
    assert (page["held"], page["status"]) == (True, status)
    assert "othing was sent" not in said(page)
    broken_world.forks.run("rest", project=scene.project)
    (row,) = broken_world.forks.run("collect_deletions", project=scene.project)
    assert row["state"] == "deleted"
