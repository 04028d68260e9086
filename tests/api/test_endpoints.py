"""What each endpoint answers, to whom, and how it says no. The access matrix calls every endpoint as every role."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError

from hyperclusters.access import access_requests
from hyperclusters.access.models import AccessRequest, Grant, Role
from hyperclusters.access.services import grant
from hyperclusters.api.views import GROUPS, SUMMARIES
from hyperclusters.audit import clock
from hyperclusters.audit.ledger import record
from hyperclusters.audit.models import Event
from hyperclusters.audit.vocabulary import EventType, Outcome
from hyperclusters.clusters import creations, deletions
from hyperclusters.clusters.creations import CreateRequest, request_creation
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.errors import TokenUsed
from hyperclusters.clusters.models import Cluster, Creation, Deletion, Network, Project
from tests.api.client import Api, issue
from tests.conftest import Cloud, People, Projects, events, run_worker, submit_creation
from tests.web.pages import failing_database

UNKNOWN = uuid.UUID(int=4, version=4)

BODY = {"project": "vision-cn-southwest-2", "name": "train-a3-west"}


@pytest.fixture
def api(people: People) -> dict[str, Api]:
    """A client for each person."""
    names = ("ada", "tom", "vera", "olga", "mallory", "root", "nina")
    return {name: Api(issue(getattr(people, name))) for name in names}


def make_cluster(project: Project, name: str, age: int = 0) -> Cluster:
    at = clock.now() - timedelta(minutes=age)
    cluster = Cluster.objects.create(
        project=project, cluster_id=str(uuid.uuid4()), name=name, type="HPS", found_at=at, seen_at=at
    )
    Network.objects.create(cluster=cluster, subnet_id=str(uuid.uuid4()), is_default=True)
    return cluster


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "project"),
        ({**BODY, "colour": "red"}, "colour"),
        ({**BODY, "name": 7}, "name"),
        ({**BODY, "type": "hps"}, "type"),
        ({**BODY, "reason": "a\x00b"}, "reason"),
        ({**BODY, "reason": "x" * 501}, "reason"),
        ({**BODY, "name": "with blank"}, "name"),
        ({**BODY, "hyper_cluster_subnet_id": "x"}, "hyper_cluster_subnet_id"),
    ],
)
def test_what_is_not_valid_is_named_by_its_field(
    api: dict[str, Api], projects: Projects, body: dict[str, Any], field: str
) -> None:
    answer = api["ada"].post("/creations", body, key="k")
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["sent"]) == (422, "invalid", "no")
    assert field in {each["field"] for each in problem["errors"]}
    assert problem["request_id"] == answer["X-Request-Id"]
    assert not Creation.objects.exists()


@pytest.mark.parametrize("text", ["{", "", "[]", "null", '"x"', "\ud800".encode("utf-8", "replace").decode()])
def test_a_body_that_is_no_object_is_refused(api: dict[str, Api], projects: Projects, text: str) -> None:
    assert api["ada"].post("/creations", text, key="k").status_code in {400, 422}


def test_a_body_that_is_too_large_is_refused(api: dict[str, Api], projects: Projects) -> None:
    answer = api["ada"].post("/creations", json.dumps(BODY | {"reason": "x" * 70_000}), key="k")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    "path", ["/clusters?nmae=x", "/creations?limit=201", "/teams?limit=0", "/me?x=1", "/projects?cursor=AAAA"]
)
def test_unknown_parameters_and_bad_cursors_are_refused(api: dict[str, Api], path: str) -> None:
    answer = api["ada"].get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize(
    "parts", ["[Infinity]", "[1e400]", "[[]]", '["0001-01-01T00:00:00+14:00", "x"]', "[true]"]
)
@pytest.mark.parametrize(
    "path", ["/creations", "/clusters", "/teams/vision/grants", "/access-requests", "/audit/events"]
)
def test_no_forged_cursor_breaks_a_list(api: dict[str, Api], path: str, parts: str) -> None:
    cursor = base64.urlsafe_b64encode(parts.encode()).decode()
    assert api["tom"].get(f"{path}?cursor={cursor}").status_code in {200, 422}


@pytest.mark.parametrize(
    "until", ["2099-01-31", "2099-01-31T00:00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_an_end_needs_a_time_zone_and_a_year_that_can_be_kept(api: dict[str, Api], until: str) -> None:
    body = {"person": "nina", "role": "viewer", "until": until, "reason": "x"}
    assert api["tom"].post("/teams/vision/grants", body).status_code == 422


def test_a_key_read_back_after_a_lost_answer_is_compared_with_what_it_asked_for(
    people: People, projects: Projects
) -> None:
    cluster = make_cluster(projects.vision, "to-delete")
    token, wish = uuid.uuid4(), CreateRequest("read-back", "HPS")
    made = request_creation(person=people.ada, project=projects.vision, wish=wish, token=token)
    same = partial(creations.find_same, person=people.ada, project=projects.vision, token=token)
    assert same(wish=wish) == made
    with pytest.raises(TokenUsed):
        same(wish=CreateRequest("another", "HPS"))
    deletion = request_deletion(person=people.tom, cluster=cluster, typed_name=cluster.name, token=token)
    found = partial(
        deletions.find_same, person=people.tom, cluster=cluster, typed_name=cluster.name, token=token
    )
    assert found(reason="") == deletion
    with pytest.raises(TokenUsed):
        found(reason="another")
    Cluster.objects.filter(pk=cluster.pk).update(name="listed-otherwise")
    cluster.refresh_from_db()
    assert found(reason="") == deletion


@pytest.mark.parametrize(
    "path", ["/nothing", "/creations/", "/creations/1", "/../admin", f"/clusters/{UNKNOWN}"]
)
def test_an_address_that_is_not_there_answers_as_a_problem(api: dict[str, Api], path: str) -> None:
    answer = api["ada"].get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_refusals_say_what_stands_in_the_way(api: dict[str, Api], projects: Projects) -> None:
    first = api["ada"].post("/creations", BODY, key="a").json()
    answer = api["ada"].post("/creations", BODY, key="b")
    assert (answer.status_code, answer.json()["code"]) == (409, "name_unresolved")
    assert answer.json()["creation"] == first["id"]
    cluster = make_cluster(projects.vision, "there")
    answer = api["ada"].post("/creations", BODY | {"name": "there"}, key="b")
    assert (answer.status_code, answer.json()["cluster"]) == (409, str(cluster.pk))
    Project.objects.filter(pk=projects.vision.pk).update(quota=1)
    answer = api["ada"].post("/creations", BODY | {"name": "more"}, key="b")
    assert (answer.status_code, answer.json()["code"]) == (409, "quota")
    assert api["vera"].post("/creations", BODY, key="c").status_code == 403
    answer = api["mallory"].post("/creations", BODY, key="c")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert Creation.objects.count() == 1


def test_a_paused_project_says_when_to_come_again(api: dict[str, Api], projects: Projects) -> None:
    until = clock.now() + timedelta(seconds=90)
    Project.objects.filter(pk=projects.vision.pk).update(blocked_until=until, blocked_cause="key_refused")
    answer = api["ada"].post("/creations", BODY, key="k")
    assert (answer.status_code, answer.json()["code"]) == (503, "blocked")
    assert 80 <= int(answer["Retry-After"]) <= 90


def test_a_database_that_does_not_take_the_record_is_503_and_nothing_was_sent(
    api: dict[str, Api], projects: Projects
) -> None:
    with failing_database(unless="api", error=OperationalError):
        answer = api["ada"].post("/creations", BODY, key="k")
    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["sent"] in {"no", "maybe"}
    assert not Creation.objects.exists()


def test_pages_of_a_list_stay_put_while_rows_come_in(api: dict[str, Api], projects: Projects) -> None:
    made = [make_cluster(projects.vision, f"c{number}", age=number) for number in range(1, 8)]
    names: list[str] = []
    cursor: Any = ""
    for turn in range(4):
        page = api["vera"].get("/clusters", limit=2, cursor=cursor).json()
        names += [row["name"] for row in page["items"]]
        make_cluster(projects.vision, f"new-{turn}")
        cursor = page["next"]
    assert names == [cluster.name for cluster in made]
    assert cursor is None
    assert api["mallory"].get("/clusters").json() == {"items": [], "next": None}


def test_clusters_are_found_and_shown_with_their_networks(api: dict[str, Api], projects: Projects) -> None:
    cluster = make_cluster(projects.vision, "lab")
    row = api["vera"].get("/clusters", name="lab").json()["items"][0]
    assert row == api["vera"].get(f"/clusters/{cluster.pk}").json()
    assert row["networks"] == [{"subnet_id": cluster.networks.get().subnet_id, "is_default": True}]
    assert (row["created_by"], row["url"]) == (None, cluster.get_absolute_url())
    assert [
        api["vera"].get("/clusters", **{key: "x"}).json()["items"] for key in ("q", "project", "team")
    ] == [
        [],
        [],
        [],
    ]
    assert api["vera"].get("/clusters", gone="true").json()["items"] == []


def test_a_deletion_is_requested_once_and_carried_out(
    api: dict[str, Api], projects: Projects, cloud: Cloud
) -> None:
    api["ada"].post("/creations", BODY, key="k")
    run_worker()
    cluster = Cluster.objects.get()
    path, body = f"/clusters/{cluster.pk}/deletions", {"confirm_name": cluster.name, "reason": "done"}
    assert api["ada"].post(path, body).json()["code"] == "idempotency_key_missing"
    assert api["ada"].post(path, body | {"confirm_name": "x"}, key="d").json()["code"] == "wrong_name_typed"
    first, again = (api["ada"].post(path, body, key="d") for _ in range(2))
    assert (first.status_code, again["Idempotent-Replayed"]) == (202, "true")
    assert first.json()["id"] == again.json()["id"]
    assert api["ada"].post(path, body | {"reason": "x"}, key="d").json()["code"] == "idempotency_key_reused"
    assert api["tom"].post(path, body, key="d").json()["code"] == "deletion_open"
    run_worker()
    assert api["ada"].get(f"/deletions/{first.json()['id']}").json()["state"] == "deleted"
    assert api["ada"].post(path, body, key="d").json()["id"] == first.json()["id"]
    assert Deletion.objects.count() == 1
    assert len([entry for entry in cloud.simulator.journal() if entry.method == "DELETE"]) == 1


@pytest.mark.parametrize("is_old", [False, True], ids=["stored", "row from before"])
def test_g51_a_deletion_is_found_by_its_key_whatever_the_cloud_lists_since(
    api: dict[str, Api], projects: Projects, is_old: bool
) -> None:
    cluster = make_cluster(projects.vision, "first-name")
    path, body = f"/clusters/{cluster.pk}/deletions", {"confirm_name": "first-name", "reason": "done"}
    first = api["tom"].post(path, body, key="d").json()
    if is_old:
        Deletion.objects.update(confirmed_name="")
    else:
        Cluster.objects.filter(pk=cluster.pk).update(name="second-name")
    again = api["tom"].post(path, body, key="d")
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
    other = api["tom"].post(path, body | {"confirm_name": "second-name"}, key="d")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_waiting_creation_is_withdrawn_and_a_settled_one_is_not(
    api: dict[str, Api], projects: Projects
) -> None:
    row = api["ada"].post("/creations", BODY, key="k").json()
    assert api["vera"].post(f"/creations/{row['id']}/withdraw").status_code == 403
    assert api["mallory"].post(f"/creations/{row['id']}/withdraw").status_code == 404
    assert api["ada"].post(f"/creations/{row['id']}/withdraw").json()["state"] == "cancelled"
    answer = api["ada"].post(f"/creations/{row['id']}/withdraw")
    assert (answer.status_code, answer.json()["code"]) == (409, "stale_state")


def test_access_is_granted_read_and_revoked(api: dict[str, Api], people: People) -> None:
    body = {"person": "nina", "role": "viewer", "until": None, "reason": "joins"}
    answer = api["tom"].post("/teams/vision/grants", body)
    assert (answer.status_code, answer.json()["granted_by"]) == (201, "tom")
    names = [row["person"] for row in api["nina"].get("/teams/vision/grants").json()["items"]]
    assert names == ["tom", "ada", "vera", "nina"]
    assert api["tom"].post("/teams/vision/grants", body | {"person": "nobody"}).status_code == 422
    assert api["tom"].post("/teams/vision/grants", body | {"person": "tom"}).json()["code"] == "oneself"
    past = (clock.now() - timedelta(days=1)).isoformat()
    assert api["tom"].post("/teams/vision/grants", body | {"until": past}).json()["code"] == "past"
    path = f"/teams/vision/grants/{answer.json()['id']}"
    assert api["tom"].delete(path).status_code == 422  # without a reason
    assert api["ada"].delete(path, reason="x").status_code == 403
    assert api["tom"].delete(path, reason="moved").status_code == 204
    assert api["nina"].get("/teams/vision/grants").status_code == 404
    last = Grant.objects.active().get(person=people.tom)
    assert api["root"].delete(f"/teams/vision/grants/{last.pk}", reason="x").json()["code"] == "last_admin"
    assert [team["slug"] for team in api["olga"].get("/teams").json()["items"]] == ["speech", "vision"]


def test_requests_for_access_are_decided(api: dict[str, Api], people: People) -> None:
    for person in (people.nina, people.mallory):
        access_requests.ask(person=person, team=people.vision, role=Role.VIEWER, days=7, reason="to look")
    first, second = api["tom"].get("/access-requests").json()["items"]
    assert api["ada"].get("/access-requests").json()["items"] == []
    assert api["ada"].post(f"/access-requests/{first['id']}/approve").status_code == 403
    grant = api["tom"].post(f"/access-requests/{first['id']}/approve", {}).json()
    assert (grant["person"], grant["role"]) == ("nina", "viewer")
    declined = api["tom"].post(f"/access-requests/{second['id']}/decline", {"note": "ask speech"})
    assert (declined.status_code, declined.json()["state"]) == (200, "declined")
    assert api["tom"].post(f"/access-requests/{second['id']}/approve", {}).json()["code"] == "decided"
    assert AccessRequest.objects.get(pk=second["id"]).note == "ask speech"


def test_the_audit_is_read_exported_and_verified(
    api: dict[str, Api], projects: Projects, people: People
) -> None:
    for number in range(5):
        submit_creation(people.ada, projects.vision, f"c{number}")
    seen: list[str] = []
    cursor: Any = ""
    while cursor is not None:
        page = (
            api["tom"].get("/audit/events", action="cluster:create:requested", limit=2, cursor=cursor).json()
        )
        seen += [event["object"]["name"] for event in page["items"]]
        cursor = page["next"]
    assert seen == ["c4", "c3", "c2", "c1", "c0"]
    assert len(events(action="audit:read", person_name="tom")) == 1
    assert api["tom"].get("/audit/events", outcome="nonsense").status_code == 422
    assert api["tom"].get("/audit/events", team="speech").status_code == 422
    assert "reads" in api["tom"].get("/audit/events", reads="2").text
    assert api["ada"].get("/audit/events").status_code == 403
    lines = b"".join(api["olga"].get("/audit/export", project=projects.vision.name).streaming_content)
    assert len(lines.splitlines()) >= 6
    assert [event.source for event in events(action="audit:exported")] == ["api"]
    headers = api["olga"].headers
    assert api["olga"].client.head("/api/v1/audit/export", headers=headers).status_code == 405
    assert api["tom"].get("/audit/integrity").json()["state"] == "never"


def test_the_audit_is_followed_in_the_order_of_the_ledger_whatever_times_events_have(
    api: dict[str, Api], projects: Projects, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    after, now = Event.objects.latest("seq").seq, clock.now()
    for number, hours in enumerate((0, 9, -9, 0, 1)):  # one clock is wrong
        monkeypatch.setattr(clock, "now", lambda at=now + timedelta(hours=hours): at)
        record(EventType.TEAM_CHANGED, Outcome.DONE, on=people.vision, by=people.tom, reason=f"r{number}")
    monkeypatch.undo()
    query = {"action": str(EventType.TEAM_CHANGED), "limit": 2}
    reasons: list[str] = []
    while rows := api["tom"].get("/audit/events", after=after, **query).json()["items"]:
        reasons += [row["reason"] for row in rows]
        after = rows[-1]["seq"]
    assert reasons == ["r0", "r1", "r2", "r3", "r4"]
    assert api["tom"].get("/audit/events", after=after - 1, team="speech").status_code == 422
    for wrong in ("-1", "x", 2**63):
        assert api["tom"].get("/audit/events", after=wrong).status_code == 422
    grant(person=people.mallory, role=Role.ADMIN, team=people.speech, reason="leads")
    rows = api["mallory"].get("/audit/events", after=0, limit=200).json()["items"]
    assert {row["team"] for row in rows} == {"Speech"}


def test_projects_and_oneself(api: dict[str, Api], projects: Projects) -> None:
    (project,) = api["vera"].get("/projects").json()["items"]
    assert (project["name"], project["team"], project["may_create"]) == (
        projects.vision.name,
        "vision",
        False,
    )
    assert api["ada"].get("/projects").json()["items"][0]["may_create"]
    Project.objects.update(retired_at=clock.now())
    assert not api["ada"].get("/projects").json()["items"][0]["may_create"]
    me = api["vera"].get("/me").json()
    assert (me["username"], me["kind"], me["grants"][0]["role"]) == ("vera", "person", "viewer")
    assert me["token"]["name"] == "tests"


def test_the_document_and_the_page_are_open_to_everybody(client: Any, database: None) -> None:
    document = client.get("/api/v1/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert len(document["paths"]) >= 18
    page = client.get("/api/")
    assert page.status_code == 200
    assert "idempotency_key_reused" in page.content.decode()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert {operation["summary"] for operation in operations} == set(SUMMARIES)  # each can be translated
    assert {operation["tags"][0] for operation in operations} == GROUPS.keys()
