"""A cloud whose answers contradict each other: no verdict claims more than what they prove together (G7, G41, G42)."""

from __future__ import annotations

import gzip
import json
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.models import F
from django.utils import timezone

from hyperclusters.audit.vocabulary import EventType
from hyperclusters.clusters.creations import decide, withdraw
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.models import (
    Cluster,
    ClusterListing,
    Creation,
    Deletion,
    DeletionState,
    Evidence,
    Project,
    State,
)
from hyperclusters.clusters.operations.creation import CREATIONS
from hyperclusters.clusters.operations.resolution import Resolution
from hyperclusters.modelarts import Client
from hyperclusters.web.texts.states import creation_status, deletion_status
from tests.clusters.moments import (
    around_the_create,
    declared_absent,
    horizon_passes,
    once,
    send_what_waits,
)
from tests.conftest import (
    Cloud,
    People,
    Projects,
    events,
    make_due,
    run_worker,
    run_worker_again,
    submit_creation,
)

pytestmark = pytest.mark.any_database

NAME = "Ring-East"
ID = "3f1f6e1c-1d2c-4a5b-8c9d-0123456789ab"
OTHER_ID = "11111111-1111-4111-8111-111111111111"
SUBNET = "22222222-2222-4222-8222-222222222222"


def body(cluster_id: Any = ID, name: Any = NAME, **fields: Any) -> dict[str, Any]:
    return {"id": cluster_id, "name": name, "network_info": []} | fields


def answered(
    people: People,
    projects: Projects,
    cloud: Cloud,
    body: bytes | dict[str, Any],
    subnet_id: str = "",
    **fault: Any,
) -> Creation:
    """A creation whose create is answered with this body, and with nothing done, unless the fault says so."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    rule = {"kind": "custom", "deed": False, "body": text, "times": 1} | fault
    cloud.simulator.fault("garbage", "create", **rule)
    creation = submit_creation(people.ada, projects.vision, NAME, subnet_id=subnet_id)
    ClusterListing.objects.update(run_after=timezone.now() + timedelta(days=1))
    send_what_waits()
    return Creation.objects.get(pk=creation.pk)


def settled(creation: Creation, times: int = 3) -> Creation:
    """The creation after its horizon and so many looks more."""
    horizon_passes(creation)
    return run_worker_again(creation, times=times)


def lists_are_due() -> None:
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    run_worker()


def last(creation: Creation) -> Any:
    return events(object_id=str(creation.pk))[-1]


# G41: an ID that the cloud named is a candidate as long as the attempt is open.

CUT = json.dumps(body())[:-3].encode()
NAMING: dict[str, tuple[bytes | dict[str, Any], dict[str, Any]]] = {
    "changed case": (body(name="ring-east"), {}),
    "cut name": (body(name=NAME[:4]), {}),
    "suffixed name": (body(name=NAME + "-1"), {}),
    "another name": (body(name="somebody-else"), {}),
    "no name": ({"id": ID}, {}),
    "name null": (body(name=None), {}),
    "name is a number": (body(name=7), {}),
    "201": (body(), {"status": 201}),
    "202": (body(), {"status": 202}),
    "206": (body(), {"status": 206}),
    "error code and ID": (body(error_code="ModelArts.0103", error_msg="exists"), {}),
    "wrapped": ({"hyper_cluster": body()}, {}),
    "wrapped twice": ({"data": {"hyper_cluster": body()}}, {}),
    "in a list": (json.dumps([body()]).encode(), {}),
    "two IDs": (b'{"id":"%s","id":"%s","name":"%s"}' % (OTHER_ID.encode(), ID.encode(), NAME.encode()), {}),
    "cut body": (CUT, {}),
    "junk behind it": (json.dumps(body()).encode() + b"}}", {}),
    "byte order mark": (b"\xef\xbb\xbf" + json.dumps(body()).encode(), {}),
    "UTF-16": (json.dumps(body()).encode("utf-16-le"), {}),
    "odd white space": (b'{ "name":"x" , "id" \n:\t"%s"' % ID.encode(), {}),
    "white space inside": (body(f" {ID}\n", name="x"), {}),
    "a URN": (body(f"urn:uuid:{ID}", name="x"), {}),
    "key in capitals": ({"ID": ID, "name": "x"}, {}),
    "another key": ({"cluster_id": ID}, {}),
    "a list of IDs": ({"ids": [ID]}, {}),
    "rows under another key": ({"hyper_clusters": [], "hyperClusters": [{"clusterId": ID}]}, {}),
    "inside the ID": ({"id": {"value": ID}, "name": NAME}, {}),
    "escapes": (b'{"id": "%s"}' % "".join(f"\\u{ord(each):04x}" for each in ID).encode(), {}),
    "no JSON": (f"created cluster {ID}.".encode(), {}),
    "packed by gzip": (gzip.compress(json.dumps(body()).encode()), {}),
}


@pytest.mark.parametrize("there", ["", NAME, "ring-east"])
@pytest.mark.parametrize("naming", NAMING)
def test_g41_a_cluster_that_the_cloud_named_and_has_is_never_absent(
    naming: str, there: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    body, fault = NAMING[naming]
    creation = answered(people, projects, cloud, body, **fault)
    assert (creation.state, ID in creation.reported_ids) == (State.UNKNOWN, True)
    if there:
        cloud.simulator.add_cluster(projects.vision.project_id, there, cluster_id=ID)
    creation = settled(creation)
    if not there:
        assert (creation.state, creation.evidence) == (State.NOT_CREATED, Evidence.ABSENT)
    elif there == NAME:
        assert (creation.state, creation.evidence) == (State.CREATED, Evidence.LISTED)
        assert creation.cluster.cluster_id == ID
    else:
        assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "other_name")
        assert [(each["id"], each["name"]) for each in creation.candidates] == [(ID, there)]
    assert len(cloud.posts) == 1


@pytest.mark.parametrize("cluster_id", ["a", "0" * 64, "hyper.cluster_1", "A.B", "-rf", 7])
def test_g41_an_odd_id_is_a_candidate_too(
    cluster_id: str | int, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, body(cluster_id, "ring-east"))
    cloud.simulator.add_cluster(projects.vision.project_id, "ring-east", cluster_id=str(cluster_id))
    assert settled(creation).cause == "other_name"


SPELLINGS = {"as documented": str.lower, "in capitals": str.upper}


@pytest.mark.parametrize("listed_as", SPELLINGS)
@pytest.mark.parametrize("named_as", SPELLINGS)
def test_g41_an_id_is_one_id_in_any_case(
    named_as: str, listed_as: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, body(SPELLINGS[named_as](ID), "ring-east"))
    cloud.simulator.add_cluster(projects.vision.project_id, "ring-east", cluster_id=SPELLINGS[listed_as](ID))
    creation = settled(creation)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "other_name")
    assert [each["id"] for each in creation.candidates] == [ID]


@pytest.mark.parametrize("name", [NAME, "before"])
@pytest.mark.parametrize("named_as", SPELLINGS)
@pytest.mark.parametrize("stored_as", SPELLINGS)
def test_g07_the_id_of_a_cluster_that_was_there_proves_nothing_in_any_case(
    stored_as: str, named_as: str, name: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "before", cluster_id=ID)
    run_worker()
    Cluster.objects.update(cluster_id=SPELLINGS[stored_as](ID))  # as versions before this one stored it
    creation = settled(answered(people, projects, cloud, body(SPELLINGS[named_as](ID), name)))
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "known_id")
    assert Cluster.objects.get().name == "before"


def test_g07_a_cluster_that_was_known_before_the_click_and_has_the_name_since_is_left_to_a_person(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "before", cluster_id=ID)
    run_worker()
    creation = answered(people, projects, cloud, b"", kind="html", status=504)
    assert creation.state == State.UNKNOWN
    renamed = json.dumps({"hyper_clusters": [body() | {"type": "HPS"}]}).encode()
    cloud.simulator.fault("garbage", "list", kind="custom", body=renamed)
    creation = run_worker_again(creation)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "known_id")
    assert [each["id"] for each in creation.candidates] == [ID]


@pytest.mark.parametrize("listed", ["only before sending", "between the click and sending", "at once"])
@pytest.mark.parametrize("at_first", ["lost_answer", "lost_request"])
@pytest.mark.parametrize("kind", ["HPS", ""])
def test_g07_a_cluster_that_only_the_list_before_sending_knew_is_not_taken_for_the_new_one_under_its_name(
    kind: str, at_first: str, listed: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    """Another name was in that list; the asked one came to it later, while the answer was lost."""
    ClusterListing.objects.update(run_after=timezone.now() + timedelta(days=1))
    cloud.simulator.fault(at_first, "create", times=1)
    creation = submit_creation(people.ada, projects.vision, NAME, type=kind)
    cloud.simulator.add_cluster(projects.vision.project_id, "before", cluster_id=ID)
    if listed == "between the click and sending":
        known_by_list(projects, "before")
        Cluster.objects.update(found_at=timezone.now())
    send_what_waits()
    if listed == "at once":
        known_by_list(projects, "before")
        Cluster.objects.update(found_at=timezone.now())
    made = [cluster.id for cluster in cloud.simulator.clusters() if cluster.id != ID]
    rows = json.dumps({"hyper_clusters": [body()] + [body(each) for each in made]}).encode()
    cloud.simulator.fault("garbage", "list", kind="custom", body=rows)
    creation = settled(creation)
    if made:
        assert (creation.state, creation.cluster.cluster_id) == (State.CREATED, made[0])
    else:
        assert (creation.state, creation.evidence) == (State.NOT_CREATED, Evidence.ABSENT)
    assert not Cluster.objects.filter(cluster_id=ID, creation=creation).exists()
    assert creation.conflict_at is None


def test_g07_the_event_of_sending_names_the_clusters_of_this_name_alone(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    ClusterListing.objects.update(run_after=timezone.now() + timedelta(days=1))
    cloud.simulator.add_cluster(projects.vision.project_id, "before", cluster_id=ID)
    creation = submit_creation(people.ada, projects.vision, NAME)
    send_what_waits()
    (sending,) = events(action="cluster:create:sending")
    assert sending.after is not None
    assert (sending.after["baseline"], Creation.objects.get(pk=creation.pk).baseline) == ([], [ID])


@pytest.mark.parametrize("cluster_id", ["", ".", "..", "a/b", "../etc", "x" * 65, "a b", "\u202e", -7, None])
def test_an_id_that_cannot_be_used_is_no_candidate(
    cluster_id: Any, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, body(cluster_id, "ring-east"))
    assert (creation.state, creation.reported_ids) == (State.UNKNOWN, [])
    assert settled(creation).state == State.NOT_CREATED


@pytest.mark.parametrize(
    ("there", "cause"),
    [
        ({"name": NAME, "type": "ECS"}, "other_type"),
        ({"name": "ring-east", "type": "ECS"}, "other_type"),
        ({"name": NAME, "subnet_ids": [OTHER_ID]}, "other_network"),
    ],
)
def test_g41_a_named_cluster_of_another_type_or_network_is_left_to_a_person(
    there: dict[str, Any], cause: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, body(name="x"), subnet_id=SUBNET)
    cloud.simulator.add_cluster(projects.vision.project_id, cluster_id=ID, **there)
    creation = run_worker_again(creation)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, cause)
    decide(creation, by=people.tom, cluster_id=ID, reason="it is ours")
    assert Cluster.objects.get(cluster_id=ID).creation_id == creation.pk


def test_g41_a_list_that_leaves_it_out_does_not_hide_a_cluster_that_was_named(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, body(), status=202)
    cloud.simulator.set(list_lag=86400.0)  # as a list of one page does
    cloud.simulator.add_cluster(projects.vision.project_id, NAME, cluster_id=ID)
    cloud.simulator.fault("garbage", "list", kind="custom", body=b'{"hyper_clusters": []}')
    creation = settled(creation)
    assert (creation.state, creation.evidence, creation.cluster.cluster_id) == ("created", "listed", ID)


@pytest.mark.parametrize("times", [1, None])
def test_g41_an_id_that_cannot_be_looked_up_is_never_absent(
    times: int | None, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, body(name="ring-east"))
    cloud.simulator.fault("error", "show", status=403, error_code="APIGW.0302", times=times)
    creation = settled(creation, times=2)
    if times:
        assert creation.state == State.NOT_CREATED  # by the second look
        return
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "id_not_shown")
    assert [each["id"] for each in creation.candidates] == [ID]


def test_g41_a_named_cluster_beside_another_of_the_name_is_left_to_a_person(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, body(), status=201)
    for cluster_id in (ID, OTHER_ID):
        cloud.simulator.add_cluster(projects.vision.project_id, NAME, cluster_id=cluster_id)
    creation = run_worker_again(creation)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "several_candidates")


def test_g41_the_ids_of_every_answer_are_kept(people: People, projects: Projects, cloud: Cloud) -> None:
    creation = answered(people, projects, cloud, body(name="ring-east"))
    Creation.objects.filter(pk=creation.pk).update(
        state=State.QUEUED, run_after=timezone.now() - timedelta(seconds=1)
    )
    said = json.dumps(body(OTHER_ID, "ring-west")).encode()
    cloud.simulator.fault("garbage", "create", kind="custom", deed=False, body=said, times=1)
    send_what_waits()
    creation.refresh_from_db()
    assert creation.reported_ids == [ID, OTHER_ID]


def test_g41_the_inventory_leaves_a_named_cluster_to_the_search(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, body(name="ring-east"))
    cloud.simulator.add_cluster(projects.vision.project_id, "ring-east", cluster_id=ID)
    make_later(creation)
    lists_are_due()
    assert events(action="cluster:seen:outside") == []
    creation = run_worker_again(creation)
    assert creation.state == State.NEEDS_ATTENTION
    decide(creation, by=people.tom, cluster_id="", reason="of Speech")
    lists_are_due()
    assert Cluster.objects.get(cluster_id=ID).creation_id is None
    assert Creation.objects.get(pk=creation.pk).conflict_at is None


def make_later(creation: Creation) -> None:
    Creation.objects.filter(pk=creation.pk).update(run_after=timezone.now() + timedelta(minutes=2))


def test_g41_a_named_cluster_that_comes_up_after_absence_was_proved_is_a_conflict(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = settled(answered(people, projects, cloud, body(name="ring-east")))
    assert creation.state == State.NOT_CREATED
    cloud.simulator.add_cluster(projects.vision.project_id, "ring-east", cluster_id=ID)
    lists_are_due()
    assert Creation.objects.get(pk=creation.pk).conflict_at is not None


def test_g41_a_cluster_named_for_an_absent_creation_is_not_taken_for_the_next_one_s(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    first = settled(answered(people, projects, cloud, body(name="ring-east")))
    assert first.state == State.NOT_CREATED
    second = answered(people, projects, cloud, b"{}")
    cloud.simulator.add_cluster(projects.vision.project_id, NAME, cluster_id=ID)
    second = run_worker_again(second)
    assert (second.state, second.cause) == (State.NEEDS_ATTENTION, "known_id")
    lists_are_due()
    assert Cluster.objects.get(cluster_id=ID).creation_id is None
    assert Creation.objects.get(pk=first.pk).conflict_at is not None


def test_g07_an_id_that_the_cloud_named_for_another_open_creation_proves_nothing(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    first = answered(people, projects, cloud, body(name="ring-east"))
    text = json.dumps(body(name="second")).encode()
    cloud.simulator.fault("garbage", "create", name="second", kind="custom", body=text, deed=False)
    second = submit_creation(people.ada, projects.vision, "second")
    send_what_waits()
    second.refresh_from_db()
    assert (second.state, second.cause) == (State.NEEDS_ATTENTION, "known_id")
    assert Creation.objects.get(pk=first.pk).state == State.UNKNOWN


@pytest.mark.parametrize("name", ["ring-east", NAME.upper(), f"{NAME} "])
def test_g07_a_new_cluster_whose_name_is_spelled_otherwise_is_left_to_a_person(
    name: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = answered(people, projects, cloud, b"{}")
    cloud.simulator.add_cluster(projects.vision.project_id, name, cluster_id=ID)
    assert run_worker_again(creation, times=3).state == State.UNKNOWN
    creation = settled(creation)
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "other_spelling")
    assert [each["id"] for each in creation.candidates] == [ID]


def test_g07_a_cluster_of_another_spelling_that_was_there_before_does_not_keep_a_verdict_away(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "ring-east", cluster_id=ID)
    creation = answered(people, projects, cloud, b"{}", status=502)
    cloud.simulator.add_cluster(projects.vision.project_id, f"{NAME}-2", cluster_id=OTHER_ID)
    assert settled(creation).state == State.NOT_CREATED


def test_g41_an_answer_that_names_a_cluster_after_absence_was_proved_is_a_conflict(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.dumps(body(name="ring-east")).encode()
    cloud.simulator.fault("garbage", "create", kind="custom", deed=False, body=said)
    creation = submit_creation(people.ada, projects.vision, NAME)
    around_the_create(monkeypatch, after=once(lambda: declared_absent(creation)))
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.reported_ids) == (State.NOT_CREATED, [ID])
    assert creation.conflict_at is not None
    assert last(creation).action == "cluster:create:contradicted"


def test_g41_a_late_error_that_names_an_id_is_a_conflict_once_a_list_has_that_cluster(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.dumps({"id": ID}).encode()
    cloud.simulator.fault("garbage", "create", kind="custom", deed=False, status=502, body=said)
    creation = submit_creation(people.ada, projects.vision, NAME)
    around_the_create(monkeypatch, after=once(lambda: declared_absent(creation)))
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.reported_ids, creation.conflict_at) == (State.NOT_CREATED, [ID], None)
    cloud.simulator.add_cluster(projects.vision.project_id, "ring-east", cluster_id=ID)
    lists_are_due()
    creation.refresh_from_db()
    assert creation.conflict_at is not None


# G7: an ID that was known before proves nothing.


def known_as_gone(projects: Projects) -> None:
    known_by_list(projects)
    Cluster.objects.update(gone_at=timezone.now())


def known_by_list(projects: Projects, name: str = "older") -> None:
    long_ago = timezone.now() - timedelta(days=9)
    Cluster.objects.create(
        project=projects.vision, cluster_id=ID, name=name, type="HPS", found_at=long_ago, seen_at=long_ago
    )


def known_in_another_project(projects: Projects) -> None:
    known_by_list(projects)
    Cluster.objects.update(project=projects.speech)


def known_under_the_other_type(projects: Projects) -> None:
    known_by_list(projects)
    Cluster.objects.update(type="ECS")


@pytest.mark.parametrize(
    "known", [known_by_list, known_as_gone, known_in_another_project, known_under_the_other_type]
)
def test_g07_an_answer_with_the_id_of_a_cluster_known_before_proves_nothing(
    known: Callable[[Projects], None], people: People, projects: Projects, cloud: Cloud
) -> None:
    known(projects)
    creation = answered(people, projects, cloud, body())
    assert (creation.state, creation.cause, creation.evidence) == (State.NEEDS_ATTENTION, "known_id", "")
    assert not hasattr(creation, "cluster")
    assert last(creation).action == "cluster:create:needs-attention"


def test_g07_an_unclear_answer_with_the_id_of_a_known_cluster_proves_nothing_either(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    known_by_list(projects)
    cloud.simulator.add_cluster(projects.vision.project_id, "older", cluster_id=ID)
    creation = run_worker_again(answered(people, projects, cloud, body(), status=201))
    assert (creation.state, creation.cause) == (State.NEEDS_ATTENTION, "known_id")


def test_g07_a_cluster_first_listed_while_its_create_was_out_is_not_one_known_before(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed_meanwhile() -> None:
        now, cluster = timezone.now(), cloud.simulator.clusters()[0]
        Cluster.objects.create(
            project=projects.vision,
            cluster_id=cluster.id,
            name=cluster.name,
            type="HPS",
            found_at=now,
            seen_at=now,
        )

    around_the_create(monkeypatch, after=once(listed_meanwhile))
    creation = submit_creation(people.ada, projects.vision, NAME)
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.evidence) == (State.CREATED, Evidence.REPLY)


def test_g07_one_id_in_the_answers_to_two_creations_at_once_makes_one_of_them(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("first", "second")
    for name in names:
        text = json.dumps(body(name=name)).encode()
        cloud.simulator.fault("garbage", "create", name=name, kind="custom", body=text, deed=False)
        submit_creation(people.ada, projects.vision, name)
    both = threading.Barrier(2, timeout=20)
    monkeypatch.setattr(CREATIONS, "record_result", meeting(CREATIONS.record_result, both))

    def one(creation: Creation | None) -> None:
        try:
            assert creation
            CREATIONS.send(creation)
        finally:
            connections.close_all()

    claimed = [CREATIONS.claim(name, State.QUEUED) for name in names]
    Project.objects.update(trusted=True)
    threads = [threading.Thread(target=one, args=(each,)) for each in claimed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    states = sorted(Creation.objects.values_list("state", "cause"))
    assert states == [(State.CREATED, ""), (State.NEEDS_ATTENTION, "known_id")]
    assert Cluster.objects.count() == 1


def meeting(function: Callable[..., Any], barrier: threading.Barrier) -> Callable[..., Any]:
    def together(*args: Any) -> Any:
        barrier.wait()
        return function(*args)

    return together


# A refusal after which the cluster is there.


@pytest.mark.parametrize(("status", "code"), [(409, "ModelArts.0103"), (400, "ModelArts.0104")])
def test_g07_a_refusal_of_what_was_done_is_contradicted_aloud(
    status: int, code: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "create", status=status, error_code=code, deed=True, times=1)
    creation = submit_creation(people.ada, projects.vision, NAME)
    send_what_waits()
    lists_are_due()
    creation.refresh_from_db()
    assert (creation.state, creation.evidence) == (State.FAILED, Evidence.REFUSED)
    assert creation.conflict_at is not None


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("kind", ["HPS", "ECS"])
@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_g41_a_refusal_that_names_a_cluster_is_contradicted_by_a_list_that_has_it(
    status: int, kind: str, later: bool, people: People, projects: Projects, cloud: Cloud
) -> None:
    text = {"error_code": "ModelArts.0104", "id": ID}
    creation = answered(people, projects, cloud, text, status=status)
    assert (creation.state, creation.reported_ids) == (State.FAILED, [ID])
    if later:
        horizon_passes(creation)
    cloud.simulator.add_cluster(projects.vision.project_id, "ring-east", kind, cluster_id=ID)
    lists_are_due()
    assert Creation.objects.get(pk=creation.pk).conflict_at is not None


def test_g41_a_refusal_that_names_a_cluster_known_before_is_not_contradicted(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "before", cluster_id=ID)
    run_worker()
    text = {"error_code": "ModelArts.0103", "id": ID}
    creation = answered(people, projects, cloud, text, status=409)
    lists_are_due()
    creation.refresh_from_db()
    assert (creation.state, creation.conflict_at) == (State.FAILED, None)


@pytest.mark.parametrize("kind", ["other type", "after the horizon", "never left"])
def test_a_refusal_is_not_contradicted_by_what_others_make(
    kind: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "create", status=400, error_code="ModelArts.0104", times=1)
    creation = submit_creation(people.ada, projects.vision, NAME)
    send_what_waits()
    if kind == "after the horizon":
        horizon_passes(creation)
    if kind == "never left":
        Creation.objects.update(evidence=Evidence.NOT_SENT)
    cloud.simulator.add_cluster(projects.vision.project_id, NAME, "ECS" if kind == "other type" else "HPS")
    lists_are_due()
    assert Creation.objects.get(pk=creation.pk).conflict_at is None


# Evidence follows the attempts that were made.


def throttled(people: People, projects: Projects, cloud: Cloud) -> Creation:
    """A creation that waits after an attempt which the cloud refused for now."""
    cloud.simulator.fault("error", "create", status=429, times=1)
    creation = submit_creation(people.ada, projects.vision, NAME)
    send_what_waits()
    Project.objects.update(blocked_until=None, blocked_cause="")
    creation.refresh_from_db()
    assert (creation.state, creation.attempts) == (State.QUEUED, 1)
    return creation


def test_g07_a_creation_withdrawn_after_an_attempt_rests_on_the_cloud_s_refusal(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = throttled(people, projects, cloud)
    withdraw(creation, by=people.ada)
    creation.refresh_from_db()
    assert (creation.state, creation.evidence) == (State.CANCELLED, Evidence.REFUSED)
    assert last(creation).after["sends"] == 1


@pytest.mark.parametrize("why", ["right_lost", "name_appeared"])
def test_g07_a_creation_refused_after_an_attempt_never_claims_that_nothing_was_sent(
    why: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = throttled(people, projects, cloud)
    if why == "right_lost":
        people.ada.grants.update(ended_at=timezone.now() - timedelta(seconds=1))
    else:
        cloud.simulator.add_cluster(projects.vision.project_id, NAME)
    creation = run_worker_again(creation)
    expected = Evidence.REFUSED if why == "right_lost" else Evidence.LISTED
    assert (creation.state, creation.cause, creation.evidence) == (State.REFUSED, why, expected)


@pytest.mark.parametrize("order", ["429 first", "429 last", "never left"])
def test_g07_not_sent_is_for_attempts_of_which_none_left(
    order: str, people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, attempts = Client.create, []

    def watched(self: Client, **request: Any) -> Any:
        attempts.append(1)
        if order != "never left" and len(attempts) == (1 if order == "429 first" else 2):
            return create(self, **request)
        with cloud.simulator.refuse_connections():
            return create(self, **request)

    monkeypatch.setattr(Client, "create", watched)
    cloud.simulator.fault("error", "create", status=429)
    creation = submit_creation(people.ada, projects.vision, NAME)
    run_worker()
    creation = run_worker_again(creation, times=6)
    assert creation.state == State.FAILED
    assert creation.evidence == (Evidence.NOT_SENT if order == "never left" else Evidence.REFUSED)


def test_g07_a_creation_that_was_sent_before_its_backup_was_restored_does_not_say_that_nothing_was_sent(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME)
    waiting = Creation.objects.values().get(pk=creation.pk)
    run_worker()
    Cluster.objects.all().delete()
    Creation.objects.filter(pk=creation.pk).update(**waiting)
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.attempts, creation.evidence) == (State.REFUSED, 0, Evidence.LISTED)


@pytest.mark.parametrize("fate", ["leaves no cluster", "left one under another name"])
def test_g04_a_creation_that_waits_in_a_restored_backup_is_not_sent_but_decided(
    fate: str, people: People, projects: Projects, cloud: Cloud, tmp_path: Path
) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME)
    if fate == "left one under another name":
        cloud.simulator.add_cluster(projects.vision.project_id, f"{NAME}-z", "HPS")
    for _ in range(2):
        call_command("note_restore", str(tmp_path / "monday.dump"))
    run_worker()
    creation.refresh_from_db()
    assert (creation.state, creation.cause, creation.attempts) == (
        State.NEEDS_ATTENTION,
        "database_restored",
        0,
    )
    assert cloud.posts == []
    assert "may have been sent since" in creation_status(creation).text
    decide(creation, by=people.tom, cluster_id="", reason="nothing is there")
    creation.refresh_from_db()
    assert (creation.state, creation.evidence) == (State.NOT_CREATED, Evidence.HUMAN)
    assert len(events(action=EventType.CREATE_UNDECIDED)) == 1


def test_g04_a_creation_that_was_sent_after_its_backup_is_offered_its_cluster(
    people: People, projects: Projects, cloud: Cloud, tmp_path: Path
) -> None:
    creation = submit_creation(people.ada, projects.vision, NAME)
    call_command("note_restore", str(tmp_path / "monday.dump"))
    cloud.simulator.add_cluster(projects.vision.project_id, NAME, "HPS", cluster_id=ID)
    run_worker()
    creation.refresh_from_db()
    assert [each["id"] for each in creation.candidates] == [ID]
    decide(creation, by=people.tom, cluster_id=ID, reason="it is this one")
    creation.refresh_from_db()
    assert (creation.state, creation.evidence) == (State.CREATED, Evidence.HUMAN)
    assert len(cloud.posts) == 0


def test_g04_a_deletion_that_waits_in_a_restored_backup_is_not_sent(
    listed_as_hps: Cluster, people: People, cloud: Cloud, tmp_path: Path
) -> None:
    deletion = request_deletion(person=people.tom, cluster=listed_as_hps, typed_name="doomed")
    call_command("note_restore", str(tmp_path / "monday.dump"))
    run_worker()
    deletion.refresh_from_db()
    assert (deletion.state, deletion.cause, deletion.attempts) == (
        DeletionState.REFUSED,
        "database_restored",
        0,
    )
    text = deletion_status(deletion)
    assert text.title == "Not sent after a restore. The cluster may be gone."
    assert "may have been sent since" in text.text


def test_g12_an_answer_is_recorded_once_though_the_reply_to_its_commit_was_lost(
    people: People, projects: Projects, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker looks at the creation between the COMMIT and the sender's second try."""
    creation = submit_creation(people.ada, projects.vision, NAME)
    cloud.simulator.fault("lost_answer", "create", times=1)
    settle = CREATIONS.apply_result

    def written_twice(creation_id: uuid.UUID, finding: Resolution) -> Creation:
        settle(creation_id, finding)
        make_due(creation)
        if found := CREATIONS.claim("another", State.UNKNOWN):
            CREATIONS.poll(found)
        return settle(creation_id, finding)

    monkeypatch.setattr(CREATIONS, "apply_result", written_twice)
    send_what_waits()
    lines = [event.action.rpartition(":")[2] for event in events(object_id=str(creation.pk))]
    assert lines == ["requested", "sending", "unknown", "succeeded"]


# Deletions: not found under one type is no proof.


@pytest.fixture
def listed_as_hps(people: People, projects: Projects, cloud: Cloud) -> Cluster:
    """A cluster of type ECS that a list which ignores the type showed as HPS."""
    run_worker()
    cloud.simulator.add_cluster(projects.vision.project_id, "doomed", "ECS", cluster_id=ID)
    known_by_list(projects, "doomed")
    ClusterListing.objects.update(run_after=timezone.now() + timedelta(days=1))
    return Cluster.objects.get()


def deleted(people: People, cluster: Cluster, times: int = 3) -> Deletion:
    return looked_for(request_deletion(person=people.tom, cluster=cluster, typed_name="doomed"), times)


def looked_for(deletion: Deletion, times: int) -> Deletion:
    for _ in range(times):
        Deletion.objects.filter(pk=deletion.pk).update(run_after=timezone.now() - timedelta(seconds=1))
        Project.objects.update(blocked_until=None)
        run_worker()
    return Deletion.objects.get(pk=deletion.pk)


def told(deletion: Deletion) -> list[tuple[str, str]]:
    rows = events(object_id=str(deletion.pk))
    return [(event.action.rpartition(":")[2], (event.after or {}).get("type", "")) for event in rows]


def test_g42_a_cluster_of_the_other_type_is_deleted_under_it_as_a_step_of_its_own(
    listed_as_hps: Cluster, people: People, cloud: Cloud
) -> None:
    deletion = deleted(people, listed_as_hps)
    assert deletion.state == DeletionState.DELETED
    assert cloud.simulator.clusters() == []
    assert told(deletion) == [
        ("requested", ""),
        ("sending", "HPS"),
        ("unknown", ""),
        ("not-sent", "ECS"),
        ("sending", "ECS"),
        ("succeeded", ""),
    ]
    assert Cluster.objects.get(pk=listed_as_hps.pk).type == "HPS"


def test_g42_a_cluster_that_is_deleted_under_neither_type_is_never_said_to_be_gone(
    listed_as_hps: Cluster, people: People, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "delete", status=400, error_code="ModelArts.6404")
    deletion = deleted(people, listed_as_hps, times=5)
    assert (deletion.state, deletion.attempts) == (DeletionState.UNKNOWN, 2)
    long_ago = F("signed_at") - timedelta(minutes=30)
    past = timezone.now() - timedelta(seconds=1)
    Deletion.objects.update(
        not_created_after=past, signed_at=long_ago, run_after=timezone.now() - timedelta(seconds=1)
    )
    run_worker()
    deletion.refresh_from_db()
    assert (deletion.state, deletion.cause) == (DeletionState.FAILED, "still_there")
    assert Cluster.objects.get().gone_at is None


@pytest.mark.parametrize("code", ["ModelArts.6404", "ModelArts.6309", "ModelArts.6357", "ModelArts.0102"])
def test_g42_not_found_by_a_delete_is_not_gone_while_show_still_has_the_cluster(
    code: str, listed_as_hps: Cluster, people: People, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "delete", status=400, error_code=code, times=1)
    deletion = deleted(people, listed_as_hps)
    assert deletion.state == DeletionState.DELETED
    assert cloud.simulator.clusters() == []


def test_g42_a_lost_delete_of_the_wrong_type_goes_on_under_the_right_one(
    listed_as_hps: Cluster, people: People, cloud: Cloud
) -> None:
    cloud.simulator.fault("lost_request", "delete", times=1)
    assert deleted(people, listed_as_hps).state == DeletionState.DELETED
    assert cloud.simulator.clusters() == []


NOT_THERE = {"status": 400, "error_code": "ModelArts.6404"}


@pytest.mark.parametrize("status", [200, 201, 202, 500])
def test_g08_one_look_that_does_not_find_a_cluster_does_not_prove_that_it_is_gone(
    status: int, people: People, projects: Projects, cloud: Cloud
) -> None:
    run_worker()
    cloud.simulator.add_cluster(projects.vision.project_id, "doomed", cluster_id=ID)
    known_by_list(projects, "doomed")
    cloud.simulator.fault("garbage", "delete", kind="custom", deed=False, body=b"{}", status=status, times=1)
    cloud.simulator.fault("error", "show", times=2, **NOT_THERE)  # under either type
    deletion = deleted(people, Cluster.objects.get(), times=2)
    assert (deletion.state, deletion.cause) == (DeletionState.UNKNOWN, "absent_once")
    deletion = looked_for(deletion, times=1)  # it is there
    assert (deletion.state, deletion.cause, Cluster.objects.get().gone_at) == (
        DeletionState.UNKNOWN,
        "",
        None,
    )
    cloud.simulator.fault("error", "show", **NOT_THERE)
    assert looked_for(deletion, times=1).state == DeletionState.UNKNOWN
    assert looked_for(deletion, times=1).state == DeletionState.DELETED
    assert Cluster.objects.get().gone_at is not None


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 404, "error_code": "Proxy.NotFound"}])
def test_g42_a_cluster_is_not_gone_while_the_other_type_cannot_be_asked(
    fault: dict[str, Any], listed_as_hps: Cluster, people: People, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "show", status=400, error_code="ModelArts.6404", times=1)
    cloud.simulator.fault("error", "show", **fault)
    deletion = deleted(people, listed_as_hps)
    assert deletion.state == DeletionState.UNKNOWN
    assert Cluster.objects.get().gone_at is None
