"""A project's writes are spread over time, over all workers, so that the cloud does not have to refuse them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from hyperclusters.audit import clock
from hyperclusters.clusters import breaker
from hyperclusters.clusters.models import Creation, Project, State
from hyperclusters.clusters.operations.creation import CREATIONS
from tests.clusters.moments import after_the_list, once
from tests.conftest import Cloud, People, Projects, make_due, run_worker, submit_creation

STEP = timedelta(minutes=1)  # longer than any of these tests takes


def asked(people: People, projects: Projects, settings: Settings, count: int) -> list[Creation]:
    settings.WRITES_PER_MINUTE = 1
    return [submit_creation(people.ada, projects.vision, f"many-{number}") for number in range(count)]


def states() -> list[str]:
    return list(Creation.objects.order_by("name").values_list("state", flat=True))


def lists(cloud: Cloud, project: Project) -> int:
    """How often the project's clusters were listed."""
    calls = [entry.call for entry in cloud.simulator.journal() if entry.project_id == project.project_id]
    return calls.count("list")


def claimed(holder: str) -> Creation:
    creation = CREATIONS.claim(holder, State.QUEUED)
    assert creation is not None
    return creation


def test_no_more_go_out_at_once_than_the_budget_allows_and_the_rest_waits_for_its_turn(
    people: People, projects: Projects, cloud: Cloud, settings: Settings
) -> None:
    asked(people, projects, settings, 3)
    run_worker()
    run_worker()
    assert len(cloud.posts) == 1
    assert states() == [State.CREATED, State.QUEUED, State.QUEUED]
    assert CREATIONS.claim("another", State.QUEUED) is None


def test_a_tenth_of_a_minute_s_writes_may_go_out_at_once(projects: Projects, settings: Settings) -> None:
    settings.WRITES_PER_MINUTE = 20
    Project.objects.update(trusted=True)
    answers = [breaker.begin_write(projects.vision) for _ in range(3)]
    assert answers[:2] == [None, None]
    assert answers[2] is not None
    assert timedelta() < answers[2] - clock.now() <= timedelta(seconds=3)


def test_what_waits_for_its_turn_costs_the_cloud_no_list(
    people: People, projects: Projects, cloud: Cloud, settings: Settings
) -> None:
    waiting = asked(people, projects, settings, 2)[-1]
    run_worker()
    before = lists(cloud, projects.vision)
    make_due(waiting)
    run_worker()
    assert lists(cloud, projects.vision) == before


def test_a_minute_later_the_budget_is_whole_again(
    people: People, projects: Projects, cloud: Cloud, settings: Settings
) -> None:
    asked(people, projects, settings, 2)
    run_worker()
    assert states() == [State.CREATED, State.QUEUED]
    Project.objects.update(writes_until=timezone.now() - STEP)
    run_worker()
    assert states() == [State.CREATED] * 2


def test_what_waits_for_its_turn_keeps_its_place_in_the_queue(
    people: People, projects: Projects, cloud: Cloud, settings: Settings
) -> None:
    waiting = asked(people, projects, settings, 3)
    run_worker()
    Project.objects.update(writes_until=timezone.now())
    assert claimed("A").pk == waiting[1].pk


def test_while_the_one_call_with_an_unproved_key_is_out_nothing_else_of_that_project_is_claimed(
    people: People, projects: Projects, cloud: Cloud, settings: Settings
) -> None:
    asked(people, projects, settings, 2)
    Project.objects.update(trusted=False, probe_until=timezone.now() + timedelta(seconds=5))
    assert CREATIONS.claim("A", State.QUEUED) is None
    Project.objects.update(trusted=True)
    assert claimed("A").name == "many-0"


def test_of_two_workers_that_begin_at_once_only_the_one_with_the_last_write_lists(
    people: People, projects: Projects, cloud: Cloud, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(people, projects, settings, 2)
    first, second = claimed("A"), claimed("B")
    after_the_list(monkeypatch, once(lambda: CREATIONS.send(second)))
    CREATIONS.send(first)
    assert states() == [State.CREATED, State.QUEUED]
    assert lists(cloud, projects.vision) == 1
    second.refresh_from_db()
    assert timezone.now() < second.run_after <= timezone.now() + STEP


def test_a_write_that_is_not_sent_after_all_delays_the_next_by_one_step(
    people: People, projects: Projects, cloud: Cloud, settings: Settings
) -> None:
    asked(people, projects, settings, 2)
    cloud.simulator.fault("error", "list", status=400, times=1)
    CREATIONS.send(claimed("A"))
    until = Project.objects.get(pk=projects.vision.pk).writes_until
    assert until is not None
    assert until - timezone.now() <= STEP
    Project.objects.update(writes_until=until - STEP)
    CREATIONS.send(claimed("A"))
    assert states() == [State.REFUSED, State.CREATED]


def test_a_creation_without_a_write_leaves_the_one_probe_of_an_unproved_key_to_others(
    people: People, projects: Projects, cloud: Cloud, settings: Settings
) -> None:
    asked(people, projects, settings, 1)
    spent = timezone.now() + STEP
    waiting = claimed("A")
    Project.objects.update(trusted=False, probe_until=None, writes_until=spent)
    CREATIONS.send(waiting)
    assert states() == [State.QUEUED]
    assert Project.objects.get(pk=projects.vision.pk).probe_until is None
    assert lists(cloud, projects.vision) == 0
