"""Before a create or a delete the cloud is listed, which can take a while. What changes meanwhile counts (G5, G33)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from hyperclusters.access.deactivation import deactivate
from hyperclusters.access.models import Grant, Team
from hyperclusters.access.services import end_grant
from hyperclusters.audit import clock
from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters import breaker, inside
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.models import Cluster, Creation, DeletionState, Project, State
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.projects import replace_key
from hyperclusters.modelarts import Client, Credentials
from tests.clusters.moments import after_the_list, once, send_what_waits
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation

NEW_KEY = Credentials("NEWACCESSKEY", "new-secret-key")


def ends_her_grant(people: People) -> None:
    end_grant(Grant.objects.active().get(person=people.ada), by=people.tom, reason="left the team")


def deactivates_her(people: People) -> None:
    deactivate(people.ada, by=people.root, reason="left the company")


def asks_for_another_name(people: People) -> None:
    Team.objects.filter(pk=people.vision.pk).update(name_pattern="prod-*")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (ends_her_grant, "right_lost"),
        (deactivates_her, "right_lost"),
        (asks_for_another_name, "rules_tightened"),
    ],
)
def test_g05_nothing_is_sent_for_who_lost_the_permission_while_the_cloud_was_listed(
    change: Callable[[People], None],
    cause: str,
    people: People,
    projects: Projects,
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    after_the_list(monkeypatch, once(lambda: change(people)))
    send_what_waits()
    creation.refresh_from_db()
    assert (creation.state, creation.cause, creation.attempts) == (State.REFUSED, cause, 0)
    assert not cloud.posts


def test_g05_no_cluster_is_deleted_whose_project_moved_to_another_team_meanwhile(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    creation = submit_creation(people.ada, projects.vision)
    run_worker()
    cluster = Cluster.objects.get(creation=creation)
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name=cluster.name)
    read = inside.read_occupants

    def watched(*args: Any) -> Any:
        rows = read(*args)
        Project.objects.update(team=people.speech)
        return rows

    monkeypatch.setattr(inside, "read_occupants", watched)
    run_worker()
    deletion.refresh_from_db()
    assert (deletion.state, deletion.cause, deletion.attempts) == (DeletionState.REFUSED, "right_lost", 0)
    assert not [entry for entry in cloud.simulator.journal() if entry.call == "delete"]
    denied = events(action=EventType.DELETE_DENIED)
    assert [event.team_name for event in denied] == ["Speech"]


def test_g33_a_key_that_is_replaced_while_the_cloud_is_listed_signs_the_create(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.simulator.add_key(NEW_KEY.access_key, NEW_KEY.secret_key)
    creation = submit_creation(people.ada, projects.vision)
    new_key = once(lambda: replace_key(by=people.root, project=projects.vision, credentials=NEW_KEY))
    after_the_list(monkeypatch, new_key)
    send_what_waits()
    creation.refresh_from_db()
    assert (creation.state, creation.attempts) == (State.CREATED, 1)
    assert [entry.access_key for entry in cloud.posts] == [NEW_KEY.access_key]


def test_g33_a_temporary_key_that_ends_while_the_cloud_is_listed_signs_no_create(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    Project.objects.update(key_until=clock.now() + timedelta(hours=1))
    creation = submit_creation(people.ada, projects.vision)
    after_the_list(monkeypatch, once(lambda: monkeypatch.setattr(Project, "has_key_ended", lambda _: True)))
    send_what_waits()
    creation.refresh_from_db()
    assert (creation.state, creation.cause, creation.attempts) == (State.REFUSED, "key_ended", 0)
    assert not cloud.posts


def test_g33_a_replaced_key_that_is_refused_afterwards_stops_no_call_with_the_new_one(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.simulator.add_key(NEW_KEY.access_key, NEW_KEY.secret_key)
    cloud.simulator.fault("error", "list", status=401, error_code="APIGW.0301", times=1)
    creation = submit_creation(people.ada, projects.vision)
    new_key = once(lambda: replace_key(by=people.root, project=projects.vision, credentials=NEW_KEY))
    before_the_list(monkeypatch, new_key)
    CREATIONS.send(claimed())
    assert not Project.objects.get(pk=projects.vision.pk).is_blocked()
    send_what_waits()
    creation.refresh_from_db()
    assert (creation.state, creation.attempts) == (State.CREATED, 1)


def test_g33_an_answer_to_a_call_with_a_replaced_key_proves_nothing_of_the_new_one(
    people: People, projects: Projects
) -> None:
    Project.objects.update(trusted=False)
    project = Project.objects.get(pk=projects.vision.pk)
    replace_key(by=people.root, project=project, credentials=NEW_KEY)
    breaker.record_success(project)
    assert not Project.objects.get(pk=project.pk).trusted


def before_the_list(patch: pytest.MonkeyPatch, happening: Callable[[], None]) -> None:
    """Let something happen while a list is on its way."""
    listing = Client.list

    def watched(self: Client, **request: object) -> object:
        happening()
        return listing(self, **request)  # type: ignore[arg-type]

    patch.setattr(Client, "list", watched)


def claimed() -> Creation:
    creation = CREATIONS.claim("sender", State.QUEUED)
    assert creation is not None
    return creation
