"""A project's writes are spread over time, over all workers, so that the cloud does not have to refuse them."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from pytest_django import Settings

from hyperclusters.clusters.models import Creation, Project, State
from tests.conftest import Cloud, People, Projects, make_due, run_worker, submit_creation

PER_MINUTE, AT_ONCE = 20, 2  # a tenth of a minute's writes may go out at once


def asked(people: People, projects: Projects, settings: Settings, count: int) -> list[Creation]:
    settings.WRITES_PER_MINUTE = PER_MINUTE
    return [submit_creation(people.ada, projects.vision, f"many-{number}") for number in range(count)]


def states() -> list[str]:
    return list(Creation.objects.order_by("name").values_list("state", flat=True))


def test_no_more_go_out_at_once_than_the_budget_allows_and_the_rest_waits_for_its_turn(
    people: People, projects: Projects, cloud: Cloud, settings: Settings
) -> None:
    asked(people, projects, settings, 4)
    run_worker()
    run_worker()
    assert len(cloud.posts) == AT_ONCE
    assert sorted(states()) == [State.CREATED] * 2 + [State.QUEUED] * 2
    waiting = Creation.objects.filter(state=State.QUEUED)
    assert all(
        timezone.now() < creation.run_after <= timezone.now() + timedelta(minutes=1) for creation in waiting
    )


def test_what_waits_for_its_turn_costs_the_cloud_no_list(
    people: People, projects: Projects, cloud: Cloud, settings: Settings
) -> None:
    waiting = asked(people, projects, settings, 4)[-1]
    run_worker()
    lists = sum(
        entry.call == "list" and entry.project_id == projects.vision.project_id
        for entry in cloud.simulator.journal()
    )
    make_due(waiting)
    run_worker()
    after = sum(
        entry.call == "list" and entry.project_id == projects.vision.project_id
        for entry in cloud.simulator.journal()
    )
    assert after == lists


def test_a_minute_later_the_budget_is_whole_again(
    people: People, projects: Projects, cloud: Cloud, settings: Settings
) -> None:
    asked(people, projects, settings, 4)
    run_worker()
    Project.objects.update(writes_until=timezone.now() - timedelta(minutes=1))
    Creation.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()
    assert states() == [State.CREATED] * 4
