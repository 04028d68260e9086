"""The slots of a worker are shared out between projects: however much one has to do, another's work begins at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.models import Cluster, Creation, Deletion, DeletionState, Project, State
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.operations.deletion import DELETIONS
from hyperclusters.clusters.slots import Slots
from hyperclusters.clusters.worker import Worker
from hyperclusters.modelarts import Client
from tests.conftest import Cloud, People, Projects, submit_creation
from tests.workers import worker_thread

PATIENCE = 30.0  # seconds


def work(project: int) -> Any:
    """An item of work of this project."""
    return SimpleNamespace(project=SimpleNamespace(pk=project))


def fill(slots: Slots, projects: range) -> dict[int, int]:
    """Begin work of these projects until none may begin more. How many slots each has then."""
    counts = dict.fromkeys(projects, 0)
    while slots.are_free() and (turns := slots.in_turn(projects)):
        slots.take(Future(), work(turns[0]))
        counts[turns[0]] += 1
    return counts


def claimed(holder: str, **how: Any) -> Creation:
    creation = CREATIONS.claim(holder, State.QUEUED, **how)
    assert creation is not None
    return creation


@pytest.mark.parametrize("number", [2, 4, 16, 64])
def test_busy_projects_have_the_same_and_always_leave_a_slot_for_one_that_has_none(number: int) -> None:
    for busy in range(1, number):
        slots = Slots(number)
        counts = fill(slots, range(busy)).values()
        assert max(counts) - min(counts) <= 1
        assert slots.are_free()
        assert slots.in_turn([*range(busy), busy]) == [busy]


def test_one_busy_project_may_have_two_thirds_of_the_slots() -> None:
    assert fill(Slots(64), range(1)) == {0: 42}
    assert sum(fill(Slots(64), range(4)).values()) == 56


def test_what_has_ended_makes_room() -> None:
    slots, done = Slots(1), Future[None]()
    slots.take(done, work(1))
    assert not slots.are_free()
    done.set_result(None)
    assert slots.are_free()
    assert slots.in_turn([1, 2]) == [2, 1]


def test_work_of_no_project_takes_a_slot_too() -> None:
    slots = Slots(1)
    slots.take(Future(), SimpleNamespace())
    assert not slots.are_free()


def test_a_project_with_nothing_in_flight_comes_before_the_long_queue_of_another(
    people: People, projects: Projects
) -> None:
    for number in range(5):
        submit_creation(people.ada, projects.vision, f"many-{number}")
    submit_creation(people.mallory, projects.speech, "quiet")
    slots, names = Slots(16), []
    for _ in range(3):
        creation = claimed("A", turns=slots.in_turn)
        slots.take(Future(), creation)
        names.append(creation.name)
    assert names == ["many-0", "quiet", "many-1"]


def test_with_one_slot_projects_take_turns(people: People, projects: Projects) -> None:
    for number in range(3):
        submit_creation(people.ada, projects.vision, f"many-{number}")
    for number in range(2):
        submit_creation(people.mallory, projects.speech, f"few-{number}")
    slots, names = Slots(1), []
    for _ in range(5):
        assert slots.are_free()
        creation, done = claimed("A", turns=slots.in_turn), Future[None]()
        slots.take(done, creation)
        done.set_result(None)
        names.append(creation.name)
    assert names == ["many-0", "few-0", "many-1", "few-1", "many-2"]


def test_deletions_count_for_the_project_of_their_cluster(people: People, projects: Projects) -> None:
    for project, person in ((projects.vision, people.ada), (projects.speech, people.mallory)):
        for name in ("one", "two"):
            now = timezone.now()
            cluster = Cluster.objects.create(
                project=project, cluster_id=f"{project.pk}-{name}", name=name, type="ECS",
                found_at=now, seen_at=now, owner=person,
            )  # fmt: skip
            request_deletion(person=person, cluster=cluster, typed_name=name)
    slots, of_projects = Slots(16), []
    for _ in range(4):
        deletion = DELETIONS.claim("A", DeletionState.QUEUED, slots.in_turn)
        assert deletion is not None
        slots.take(Future(), deletion)
        of_projects.append(deletion.project.pk)
    assert of_projects == [projects.vision.pk, projects.speech.pk] * 2
    assert Deletion.objects.filter(lease_holder="A").count() == 4


def test_a_project_whose_cloud_hangs_leaves_the_worker_to_others(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    Project.objects.update(trusted=True)
    for number in range(8):
        submit_creation(people.ada, projects.vision, f"hangs-{number}")
    create, may_answer = Client.create, threading.Event()

    def slow_for_vision(self: Client, **request: Any) -> Any:
        if request["name"].startswith("hangs"):
            may_answer.wait(PATIENCE)
        return create(self, **request)

    monkeypatch.setattr(Client, "create", slow_for_vision)
    with worker_thread(Worker(concurrency=4)) as thread:
        thread.start()
        try:
            wait_until(lambda: Creation.objects.filter(state=State.SENDING).count() >= 2)
            quiet = submit_creation(people.mallory, projects.speech, "quiet")
            wait_until(lambda: Creation.objects.filter(pk=quiet.pk, state=State.CREATED).exists())
            assert not Creation.objects.filter(project=projects.vision, state=State.CREATED).exists()
        finally:
            may_answer.set()


def wait_until(condition: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
