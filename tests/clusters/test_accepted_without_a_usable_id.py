"""Answers that accept a create and name no cluster that can be used, and verdicts that two answers share (G7, G12, G41)."""

from __future__ import annotations

import json

import pytest

from hyperclusters.clusters.models import Creation, Evidence, State
from tests.audit.tampering import sql, unguarded
from tests.clusters.moments import around_the_create, declared_absent, once, send_what_waits
from tests.clusters.test_clouds_that_contradict_themselves import (
    ID,
    NAME,
    OTHER_ID,
    answered,
    body,
    last,
    lists_are_due,
    settled,
)
from tests.conftest import Cloud, People, Projects, run_worker, submit_creation

pytestmark = pytest.mark.any_database

OTHER_IDS = b" ".join(b"99999999-9999-4999-8999-%012d" % number for number in range(200))
UNUSABLE = {
    "202, nothing said": (b"{}", 202),
    "200, nothing said": (b"", 200),
    "an ID in a word that no rule knows": (b'{"id": "hc/7"}', 201),
    "200 other IDs before its own": (OTHER_IDS + b" " + ID.encode(), 200),
    "an ID in another alphabet": ('{"id": "３f1f6e1c"}'.encode(), 200),
}


@pytest.mark.parametrize("answer", UNUSABLE)
def test_g41_after_an_answer_that_accepts_a_new_cluster_of_any_name_is_left_to_a_person(
    answer: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    text, status = UNUSABLE[answer]
    creation = answered(people, projects, cloud, text, status=status)
    cloud.simulator.add_cluster(projects.vision.project_id, "renamed-by-the-cloud", cluster_id=ID)
    creation = settled(creation)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "unread_answer")
    assert [each["id"] for each in creation.candidates] == [ID]


@pytest.mark.parametrize("response", ["[]", '{"status": 502}', "null"])
def test_g41_that_an_answer_accepted_is_read_from_its_sealed_text(
    response: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, b"{}", status=202)
    unguarded(
        lambda: sql("UPDATE audit_event SET response = %s WHERE action = 'cluster:create:unknown'", response)
    )
    cloud.simulator.add_cluster(projects.vision.project_id, "renamed-by-the-cloud", cluster_id=ID)
    assert settled(creation).cause == "unread_answer"


@pytest.mark.parametrize("status", [202, 502])
def test_g07_an_answer_that_accepts_keeps_no_verdict_away_without_a_new_cluster(
    status: int, people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "older", cluster_id=OTHER_ID)
    creation = settled(answered(people, projects, cloud, b"{}", status=status))
    assert (creation.state, creation.evidence) == (State.NOT_CREATED, Evidence.ABSENT)


def test_g07_after_an_answer_that_does_not_accept_a_new_cluster_of_another_name_proves_nothing(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, b"{}", status=502)
    cloud.simulator.add_cluster(projects.vision.project_id, "somebody-else", cluster_id=ID)
    assert settled(creation).state == State.NOT_CREATED


def test_g07_the_clusters_of_other_creations_leave_nothing_to_a_person(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, b"{}", status=202)
    created = submit_creation(people.ada, projects.vision, "created")
    lost = submit_creation(people.ada, projects.vision, "lost")
    cloud.simulator.fault("lost_answer", "create", name="lost")
    send_what_waits()
    assert Creation.objects.get(pk=created.pk).state == State.CREATED
    assert Creation.objects.get(pk=lost.pk).state == State.UNKNOWN
    assert settled(creation).state == State.NOT_CREATED


def test_g07_a_cluster_that_another_answer_named_and_a_list_has_under_this_name_is_left_to_a_person(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    lost = answered(people, projects, cloud, b"", status=502)
    said = json.dumps(body(name="second")).encode()
    cloud.simulator.fault("garbage", "create", name="second", kind="custom", body=said, deed=False)
    second = submit_creation(people.ada, projects.vision, "second")
    send_what_waits()
    assert Creation.objects.get(pk=second.pk).state == State.CREATED
    cloud.simulator.add_cluster(projects.vision.project_id, NAME, cluster_id=ID)
    lost = settled(lost)
    assert (lost.state, lost.cause) == (State.NEEDS_ATTENTION, "known_id")
    assert [each["id"] for each in lost.candidates] == [ID]


def test_g12_a_late_refusal_after_absence_was_proved_agrees_with_it(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.simulator.fault("error", "create", status=400)
    creation = submit_creation(people.ada, projects.vision, NAME)
    around_the_create(monkeypatch, after=once(lambda: declared_absent(creation)))
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.evidence) == (State.FAILED, Evidence.REFUSED)
    assert creation.conflict_at is None
    assert last(creation).action == "cluster:create:confirmed"
    cloud.simulator.add_cluster(projects.vision.project_id, "somebody-else", cluster_id=ID)
    lists_are_due()
    assert Creation.objects.get(pk=creation.pk).conflict_at is None
