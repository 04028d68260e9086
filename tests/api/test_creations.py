"""The main path: a token, a creation by its key, and what became of it. G51."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hyperclusters.clusters.models import Creation
from tests.api.client import Api, issue
from tests.conftest import Cloud, People, Projects, events, run_worker

BODY = {"project": "vision-cn-southwest-2", "name": "train-a3-west", "reason": "Baseline"}


@pytest.fixture
def ada(people: People) -> Api:
    return Api(issue(people.ada))


def test_a_creation_is_requested_carried_out_and_read(ada: Api, projects: Projects, cloud: Cloud) -> None:
    answer = ada.post("/creations", BODY, key="run-1")
    assert answer.status_code == 202, answer.content
    row = answer.json()
    assert answer["Location"] == f"/api/v1/creations/{row['id']}"
    assert "Idempotent-Replayed" not in answer
    assert (row["state"], row["is_settled"], row["requested_by"]) == ("queued", False, "ada")
    run_worker()
    row = ada.get(f"/creations/{row['id']}").json()
    assert (row["state"], row["evidence"], row["is_settled"]) == ("created", "reply", True)
    assert len(cloud.posts) == 1
    cluster = ada.get(f"/clusters/{row['cluster']['id']}").json()
    assert (cluster["name"], cluster["created_by"], cluster["creation"]) == (
        "train-a3-west",
        "ada",
        row["id"],
    )
    (event,) = events(action="cluster:create:requested")
    assert event.source == "api"
    assert event.after
    assert event.after["token"].startswith("tests (hc_")


def test_g51_the_same_key_and_body_give_the_same_creation(ada: Api, projects: Projects, cloud: Cloud) -> None:
    first = ada.post("/creations", BODY, key="run-1")
    again = ada.post("/creations", BODY, key="run-1")
    assert again.json()["id"] == first.json()["id"]
    assert again["Idempotent-Replayed"] == "true"
    run_worker()
    later = ada.post("/creations", BODY, key="run-1")
    assert (later.status_code, later.json()["state"]) == (202, "created")
    assert Creation.objects.count() == len(cloud.posts) == 1


def test_a_request_takes_few_statements(ada: Api, projects: Projects, cloud: Cloud) -> None:
    ada.post("/creations", BODY, key="run-1")
    with CaptureQueriesContext(connection) as queries:
        assert ada.post("/creations", BODY | {"name": "other"}, key="run-2").status_code == 202
    statements = [row["sql"] for row in queries if not row["sql"].startswith(("BEGIN", "COMMIT"))]
    # PostgreSQL takes a lock and wakes a worker, but moves the chain's end with the event.
    assert len(statements) <= (13 if connection.vendor == "postgresql" else 12), statements


def test_a_type_of_null_is_left_to_the_cloud_and_one_left_out_is_hps(
    ada: Api, projects: Projects, cloud: Cloud
) -> None:
    row = ada.post("/creations", BODY | {"type": None}, key="run-1").json()
    again = ada.post("/creations", BODY | {"type": None}, key="run-1")
    assert (row["type"], again["Idempotent-Replayed"]) == ("", "true")
    other = ada.post("/creations", BODY | {"name": "other"}, key="run-2").json()
    assert other["type"] == "HPS"
    run_worker()
    (sent,) = events(action="cluster:create:succeeded", object_id=row["id"])
    assert json.loads((sent.request or {})["body"]) == {"name": "train-a3-west"}
    nowhere = ada.post("/creations", BODY | {"type": None, "project": "no-such"}, key="run-3")
    assert nowhere.status_code == 404
    assert ada.post("/creations", BODY | {"type": ""}, key="run-4").status_code == 422


@pytest.mark.parametrize("change", [{"name": "other"}, {"type": "ECS"}, {"type": None}, {"reason": "else"}])
def test_g51_the_same_key_with_another_body_is_refused(
    ada: Api, projects: Projects, change: dict[str, str | None]
) -> None:
    ada.post("/creations", BODY, key="run-1")
    answer = ada.post("/creations", BODY | change, key="run-1")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert answer.json()["sent"] == "no"
    assert Creation.objects.count() == 1


@pytest.mark.parametrize("key", [None, "", "with blank", "ä", "x" * 256, "a\tb"])
def test_g51_without_a_good_key_nothing_is_requested(ada: Api, projects: Projects, key: Any) -> None:
    answer = ada.post("/creations", BODY, key=key)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert Creation.objects.count() == 0


def test_g51_a_key_belongs_to_who_uses_it(people: People, projects: Projects, ada: Api) -> None:
    first = ada.post("/creations", BODY, key="run-1").json()
    answer = Api(issue(people.tom)).post("/creations", BODY | {"name": "toms"}, key="run-1")
    assert answer.status_code == 202
    assert answer.json()["id"] != first["id"]


def test_a_form_cannot_take_a_key_of_the_api(people: People, projects: Projects, as_: Any) -> None:
    token = str(uuid.uuid5(uuid.NAMESPACE_URL, "guessed"))
    answer = as_("ada").post("/clusters/new/", BODY | {"type": "HPS", "token": token})
    assert answer.status_code == 422
    assert Creation.objects.count() == 0
