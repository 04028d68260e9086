"""A creation's page in each of its states: accessible, never scrolling sideways, wide or narrow, light or dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from hyperclusters.clusters.creations import withdraw
from hyperclusters.clusters.models import Creation, State
from tests.browser.conftest import Window
from tests.browser.doings import SUBNET, expect_state
from tests.browser.inspection import Inspector
from tests.clusters.moments import horizon_passes
from tests.conftest import Cloud, People, Projects, make_due, run_worker, run_worker_again, submit_creation

pytestmark = pytest.mark.browser
Stage = Callable[[State], Creation]
LONG = "a-name-as-long-as-the-cloud-allows-it-to-be-with-64-characters-x"


@pytest.fixture
def stage(people: People, projects: Projects, cloud: Cloud) -> Stage:
    """Brings a creation to a state, on the way that really leads there."""

    def asked() -> Creation:
        return submit_creation(
            people.ada, projects.vision, LONG, subnet_id=SUBNET, reason="Baseline run " * 20
        )

    def worked(*faults: tuple[str, str], **parameters: int | str) -> Creation:
        for fault, call in faults:
            cloud.simulator.fault(fault, call, times=1, **parameters)
        creation = asked()
        make_due(creation)
        run_worker()
        return creation

    def sending() -> Creation:
        creation = asked()
        Creation.objects.filter(pk=creation.pk).update(state=State.SENDING)  # it lasts only as long as a call
        return creation

    def undecided() -> Creation:
        creation = worked(("lost_answer", "create"))
        cloud.simulator.add_cluster(projects.vision.project_id, LONG, subnet_ids=[SUBNET])
        return run_worker_again(creation)

    def absent() -> Creation:
        creation = worked(("lost_request", "create"))
        horizon_passes(creation)
        return run_worker_again(creation, times=2)

    def cancelled() -> Creation:
        creation = asked()
        withdraw(creation, by=people.ada)
        return creation

    ways: dict[State, Callable[[], Creation]] = {
        State.QUEUED: asked,
        State.SENDING: sending,
        State.UNKNOWN: lambda: worked(("lost_request", "create")),
        State.NEEDS_ATTENTION: undecided,
        State.CREATED: worked,
        State.FAILED: lambda: worked(("error", "create"), status=400, error_msg="No " * 60),
        State.REFUSED: lambda: worked(("error", "list"), status=400, error_code="Odd.0001", error_msg="No"),
        State.NOT_CREATED: absent,
        State.CANCELLED: cancelled,
    }
    return lambda state: ways[state]()


@pytest.mark.parametrize("state", list(State), ids=[str(state.value) for state in State])
def test_a_creation_s_page_is_for_everybody_in_state(state: State, stage: Stage, window: Window) -> None:
    inspector, page = Inspector(), window("tom")
    page.goto(stage(state).get_absolute_url())
    expect_state(page, state)
    inspector.look(page, state)
    inspector.judge()


def test_what_waits_for_a_person_is_shown_to_everybody_who_may_look(stage: Stage, window: Window) -> None:
    creation = stage(State.NEEDS_ATTENTION)
    inspector, page = Inspector(), window("vera")
    page.goto("/")
    expect(page.get_by_text("Needs a decision")).to_be_visible()
    expect(page.get_by_role("heading", name="Needs you")).to_have_count(0)  # it waits for who may decide
    inspector.look(page, "home of a viewer")
    page.goto(creation.get_absolute_url())
    expect(page.get_by_label("None of them")).to_have_count(0)
    inspector.look(page, "the choice, for who may not choose")
    inspector.judge()
