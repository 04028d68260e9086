"""G50: what is inside an HPS cluster is known with its age, and a deletion looks right before it is sent."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hyperclusters.access.models import Role
from hyperclusters.access.permissions import NotPermitted
from hyperclusters.access.services import end_grant, grant
from hyperclusters.audit import clock
from hyperclusters.clusters import inside
from hyperclusters.clusters.deletions import request_deletion
from hyperclusters.clusters.errors import OverrideUnexplained
from hyperclusters.clusters.models import Cluster, ClusterListing, Deletion, DeletionState, Project
from hyperclusters.clusters.operations.deletion import DELETIONS
from hyperclusters.clusters.upstream import client_for
from hyperclusters.modelarts import Occupant
from hyperclusters.web.texts.states import deletion_status
from tests.conftest import VISION_ID, Cloud, People, Projects, events, run_worker, submit_creation
from tests.web.pages import SignIn, words

LISTS = {"hyperinstances", "groups"}


@pytest.fixture
def cluster(people: People, projects: Projects, cloud: Cloud) -> Cluster:
    """An HPS cluster that Ada created, listed once with nothing inside."""
    return created(people, projects, "doomed")


def created(people: People, projects: Projects, name: str, kind: str = "HPS") -> Cluster:
    creation = submit_creation(people.ada, projects.vision, name, type=kind)
    run_worker()
    refresh()
    ClusterListing.objects.update(run_after=timezone.now() + timedelta(minutes=4))
    return Cluster.objects.get(creation=creation)


def refresh() -> None:
    """Let the worker list every project again."""
    ClusterListing.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    Project.objects.update(blocked_until=None)
    run_worker()
    ClusterListing.objects.update(run_after=timezone.now() + timedelta(minutes=4))


def listing() -> ClusterListing:
    return ClusterListing.objects.get(project__name="vision-cn-southwest-2", type="HPS")


def rows(cluster: Cluster) -> list[inside.Row]:
    assert cluster.inside is not None
    found: list[inside.Row] = cluster.inside
    return found


def calls(cloud: Cloud, *kinds: str) -> list[str]:
    return [entry.call for entry in cloud.simulator.journal() if entry.accepted and entry.call in kinds]


def ended(deletion: Deletion, times: int = 6) -> Deletion:
    """The deletion once the worker has taken it up until it is settled."""
    for _ in range(times):
        Deletion.objects.filter(pk=deletion.pk).update(run_after=timezone.now() - timedelta(seconds=1))
        Project.objects.update(blocked_until=None)
        run_worker()
        deletion = Deletion.objects.get(pk=deletion.pk)
        if not deletion.is_unresolved:
            break
    return deletion


def test_supernodes_and_groups_are_listed_with_the_clusters_they_refer_to(
    cluster: Cluster, people: People, projects: Projects, cloud: Cloud
) -> None:
    other = created(people, projects, "other")
    ecs = created(people, projects, "servers", "ECS")
    cloud.simulator.add_group(VISION_ID, "pool", cluster.cluster_id)
    node = cloud.simulator.add_hyperinstance(VISION_ID, "node-1", cluster.cluster_id.upper(), status="ERROR")
    cloud.simulator.add_hyperinstance(VISION_ID, "node-2", other.cluster_id)
    cloud.simulator.add_hyperinstance("b" * 32, "theirs", cluster.cluster_id)
    refresh()
    cluster, other, ecs = (Cluster.objects.get(pk=each.pk) for each in (cluster, other, ecs))
    assert [(row["kind"], row["name"], row["status"]) for row in rows(cluster)] == [
        ("supernode", "node-1", "ERROR"),
        ("group", "pool", ""),
    ]
    assert [row["name"] for row in rows(other)] == ["node-2"]
    assert (ecs.inside, ecs.reports_inside, cluster.empty_since) == (None, False, None)
    assert listing().inside_listed_at is not None
    cloud.simulator.remove_resources("hyperinstances", node.id)
    refresh()
    assert [row["name"] for row in rows(Cluster.objects.get(pk=cluster.pk))] == ["pool"]


def test_a_cluster_is_empty_since_the_first_list_that_shows_it(cluster: Cluster, cloud: Cloud) -> None:
    cluster.refresh_from_db()
    since = cluster.empty_since
    assert (cluster.inside, since is not None) == ([], True)
    refresh()
    assert Cluster.objects.get(pk=cluster.pk).empty_since == since
    node = cloud.simulator.add_hyperinstance(VISION_ID, "node-1", cluster.cluster_id)
    refresh()
    cloud.simulator.remove_resources("hyperinstances", node.id)
    refresh()
    again = Cluster.objects.get(pk=cluster.pk).empty_since
    assert since is not None
    assert again is not None
    assert again > since


@pytest.mark.parametrize("call", sorted(LISTS))
@pytest.mark.parametrize(
    "fault", [{"fault": "error", "status": 500}, {"fault": "garbage", "kind": "cut_json"}], ids=str
)
def test_a_failing_list_erases_nothing_and_stops_no_other_call(
    call: str, fault: dict[str, Any], cluster: Cluster, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_hyperinstance(VISION_ID, "node-1", cluster.cluster_id)
    refresh()
    known_at = listing().inside_listed_at
    cloud.simulator.fault(call=call, **fault)
    for _ in range(4):
        refresh()
    after = listing()
    assert [row["name"] for row in rows(Cluster.objects.get(pk=cluster.pk))] == ["node-1"]
    assert (after.inside_listed_at, after.failed_at) == (known_at, None)
    assert after.inside_failed_at is not None
    assert after.inside_failure_cause
    assert after.listed_at is not None
    assert known_at is not None
    assert after.listed_at > known_at
    projects.vision.refresh_from_db()
    assert (projects.vision.failures, projects.vision.is_blocked()) == (0, False)
    cloud.simulator.reset()
    refresh()
    assert (listing().inside_failed_at, listing().inside_failure_cause) == (None, "")


def test_a_project_s_refresh_costs_one_pair_of_calls_for_hps_alone(cluster: Cluster, cloud: Cloud) -> None:
    before = len(cloud.simulator.journal())
    refresh()
    ours = [entry for entry in cloud.simulator.journal()[before:] if entry.project_id == VISION_ID]
    assert sorted(entry.call for entry in ours) == ["groups", "hyperinstances", "list", "list"]


def test_lists_that_began_earlier_do_not_undo_later_ones(cluster: Cluster, cloud: Cloud) -> None:
    cloud.simulator.add_hyperinstance(VISION_ID, "node-1", cluster.cluster_id)
    refresh()
    ours = listing()
    inside._apply(ours, (), clock.now() - timedelta(minutes=1))
    assert [row["name"] for row in rows(Cluster.objects.get(pk=cluster.pk))] == ["node-1"]


def test_g50_a_supernode_that_appears_after_the_page_stops_the_deletion(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    node = cloud.simulator.add_hyperinstance(VISION_ID, "late", cluster.cluster_id)
    cloud.simulator.add_group(VISION_ID, "pool", cluster.cluster_id)
    deletion = ended(deletion)
    blockers = [
        {"kind": "supernode", "id": node.id, "name": "late", "status": "ACTIVE"},
        {"kind": "group", "name": "pool", "status": ""},
    ]
    assert (deletion.state, deletion.cause, deletion.attempts) == (DeletionState.REFUSED, "not_empty", 0)
    assert [blocker | {"id": ""} for blocker in deletion.blockers or ()] == [
        each | {"id": ""} for each in blockers
    ]
    (event,) = events(action="cluster:delete:refused")
    assert (event.after or {})["blockers"] == deletion.blockers
    assert (calls(cloud, "delete"), Cluster.objects.get(pk=cluster.pk).gone_at) == ([], None)


@pytest.mark.parametrize("call", sorted(LISTS))
@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "error", "status": 500},
        {"fault": "error", "status": 403},
        {"fault": "error", "status": 400, "error_code": "ModelArts.6404"},
        {"fault": "lost_request"},
        {"fault": "garbage", "kind": "cut_json"},
        {"fault": "garbage", "kind": "empty"},
        {"fault": "garbage", "kind": "error_code_200"},
        {"fault": "garbage", "kind": "custom", "body": b'{"data": [], "total": 1}'},
        {"fault": "garbage", "kind": "custom", "body": b'{"data": [{"hps_cluster_id": 7}]}'},
        {"fault": "garbage", "kind": "custom", "body": b'{"data": [{"id": "n", "cluster": "x"}]}'},
    ],
    ids=str,
)
def test_g50_without_both_lists_nothing_is_sent(
    call: str, fault: dict[str, Any], people: People, cluster: Cluster, cloud: Cloud
) -> None:
    if fault.get("body", b"").endswith(b"7}]}") and call == "groups":
        fault = fault | {"body": b'{"data": [{"hyperinstance_cluster_id": 7}]}'}
    cloud.simulator.fault(call=call, **fault)
    deletion = ended(request_deletion(person=people.ada, cluster=cluster, typed_name="doomed"))
    assert (deletion.state, deletion.cause) == (DeletionState.REFUSED, "inside_unchecked")
    assert calls(cloud, "delete") == []
    steps = [event.action for event in events(object_id=str(deletion.pk))]
    assert steps[-1] == "cluster:delete:refused"
    assert set(steps[1:-1]) <= {"cluster:delete:delayed"}


UNCHECKED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no reference": (
        {"fault": "garbage", "kind": "custom", "body": b'{"data": [{"id": "n"}]}'},
        "no_references",
        "No row of the cloud's list has the field that names a cluster",
    ),
    "cut": ({"fault": "garbage", "kind": "cut_json"}, "bad_json", "The cloud's answer could not be read."),
    "a right": ({"fault": "error", "status": 403}, "status_403", "not permitted to make this call"),
    "no code": (
        {"fault": "raw_answer", "body": b"HTTP/1.1 418 x\r\nContent-Length: 0\r\n\r\n"},
        "status_418",
        "The cloud answered HTTP 418.",
    ),
    "lost": ({"fault": "lost_request"}, "protocol_error", "closed without a proper answer"),
}


@pytest.mark.parametrize("case", UNCHECKED)
def test_g50_a_list_that_could_not_be_read_says_why(
    case: str, people: People, cluster: Cluster, cloud: Cloud
) -> None:
    fault, cause, sentence = UNCHECKED[case]
    cloud.simulator.fault(call="hyperinstances", **fault)
    deletion = ended(request_deletion(person=people.ada, cluster=cluster, typed_name="doomed"))
    assert (deletion.cause, deletion.inside_failure_cause) == ("inside_unchecked", cause)
    text = deletion_status(deletion).text
    assert "We couldn't check what is inside the cluster" in text
    assert sentence in text
    assert "An admin of the team can override this" in text
    (event,) = events(action="cluster:delete:refused")
    assert (event.response or {})["cause"] == cause
    refresh()
    assert (listing().inside_failure_cause, Cluster.objects.get().inside) == (cause, [])


def test_a_deletion_of_the_release_before_says_what_it_knows(people: People, cluster: Cluster) -> None:
    deletion = Deletion(cluster=cluster, requested_by=people.ada, state="refused", cause="inside_unchecked")
    assert "We couldn't check what is inside the cluster" in deletion_status(deletion).text
    deletion.code = "ModelArts.6407"
    assert "not permitted to make this call" in deletion_status(deletion).text


def test_g50_of_hundreds_inside_the_first_are_stored_and_the_count_is_exact(
    people: People, cluster: Cluster, cloud: Cloud, as_: SignIn
) -> None:
    nodes = [
        {"id": f"n{n}", "name": f"node-{n:03d}", "hps_cluster_id": cluster.cluster_id} for n in range(250)
    ]
    data = json.dumps({"data": nodes}).encode()
    cloud.simulator.fault("garbage", "hyperinstances", kind="custom", body=data)
    refresh()
    cluster.refresh_from_db()
    assert (len(rows(cluster)), cluster.inside_count, cluster.inside_total) == (200, 250, 250)
    vera = as_("vera")
    page = words(vera.get(cluster.get_absolute_url()))
    assert "node-199" in page
    assert "node-200" not in page
    assert "and 50 more" in page
    assert "250 inside" in words(vera.get("/clusters/"))
    (row,) = vera.get("/clusters/clusters.json").json()["clusters"]
    assert (len(row["inside"]), row["inside_count"]) == (200, 250)
    deletion = ended(request_deletion(person=people.ada, cluster=cluster, typed_name="doomed"))
    assert (len(deletion.blockers or ()), deletion.blockers_count) == (200, 250)
    assert "245 more" in deletion_status(deletion).text
    (event,) = events(action="cluster:delete:refused")
    assert (len((event.after or {})["blockers"]), (event.after or {})["blockers_count"]) == (200, 250)
    cloud.simulator.reset()
    refresh()
    cluster.refresh_from_db()
    assert (cluster.inside, cluster.inside_count, cluster.inside_total) == ([], None, 0)


@pytest.mark.parametrize(
    ("length", "count", "total"),
    [(0, 250, 0), (7, 250, 7), (200, 250, 250), (200, None, 200), (300, 250, 300)],
)
def test_a_count_that_the_release_before_left_behind_is_not_believed(
    length: int, count: int, total: int
) -> None:
    assert Cluster(inside=[{}] * length, inside_count=count).inside_total == total


def test_g50_a_list_that_fails_for_a_moment_only_delays_a_deletion(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "groups", status=503, times=1)
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    run_worker()
    deletion.refresh_from_db()
    assert (deletion.state, deletion.cause, deletion.delays) == (DeletionState.QUEUED, "inside_unchecked", 1)
    assert calls(cloud, "delete") == []
    assert ended(deletion).state == DeletionState.DELETED
    assert len(calls(cloud, "delete")) == 1


def test_g50_each_attempt_looks_again(people: People, cluster: Cluster, cloud: Cloud) -> None:
    cloud.simulator.fault("error", "delete", status=429, times=1)
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    run_worker()
    cloud.simulator.add_hyperinstance(VISION_ID, "late", cluster.cluster_id)
    deletion = ended(deletion)
    assert (deletion.state, deletion.cause, deletion.attempts) == (DeletionState.REFUSED, "not_empty", 1)
    assert len(calls(cloud, "delete")) == 1


def test_g50_an_admin_overrides_with_a_reason_and_the_audit_says_what_was_inside(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    cloud.simulator.add_hyperinstance(VISION_ID, "node-1", cluster.cluster_id)

    def delete(**request: Any) -> Deletion:
        return request_deletion(
            person=people.tom, cluster=cluster, typed_name="doomed", override_inside=True, **request
        )

    for reason in ("", "   "):
        with pytest.raises(OverrideUnexplained):
            delete(reason=reason)
    deletion = ended(delete(reason="rack is retired"))
    assert (deletion.state, deletion.override_inside) == (DeletionState.DELETED, True)
    assert [blocker["name"] for blocker in deletion.blockers or ()] == ["node-1"]
    (requested,) = events(action="cluster:delete:requested")
    assert ((requested.after or {})["override_inside"], requested.reason) == (True, "rack is retired")
    (sending,) = events(action="cluster:delete:sending")
    assert (sending.after or {})["blockers"] == deletion.blockers
    assert len(calls(cloud, "delete")) == 1


def test_g50_an_override_needs_no_list_but_a_key_that_is_accepted(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "hyperinstances", status=500)
    deletion = request_deletion(
        person=people.tom, cluster=cluster, typed_name="doomed", override_inside=True, reason="retired"
    )
    cloud.simulator.remove_key("TESTKEY")
    run_worker()
    assert calls(cloud, "delete") == []
    cloud.simulator.add_key("TESTKEY", "test-secret")
    deletion.refresh_from_db()
    assert (deletion.state, deletion.cause) == (DeletionState.REFUSED, "inside_unchecked")
    Project.objects.update(blocked_until=None)
    deletion = ended(
        request_deletion(
            person=people.tom, cluster=cluster, typed_name="doomed", override_inside=True, reason="retired"
        )
    )
    assert deletion.state == DeletionState.DELETED
    (sending,) = events(action="cluster:delete:sending")
    assert (sending.after or {})["blockers"] is None


def test_g50_a_creator_cannot_override_nor_an_admin_who_is_none_any_more(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    cloud.simulator.add_hyperinstance(VISION_ID, "node-1", cluster.cluster_id)
    request: dict[str, Any] = {"cluster": cluster, "typed_name": "doomed", "override_inside": True}
    for name in ("ada", "vera", "olga", "root", "mallory"):
        with pytest.raises(NotPermitted):
            request_deletion(person=getattr(people, name), reason="because", **request)
        assert len(events(action="cluster:delete:denied", person_name=name)) == 1
    deletion = request_deletion(person=people.tom, reason="because", **request)
    grant(person=people.nina, role=Role.ADMIN, team=people.vision, reason="an admin must stay")
    end_grant(people.tom.grants.get(), reason="left")
    grant(person=people.tom, role=Role.CREATOR, team=people.vision, reason="stays as a creator")
    deletion = ended(deletion)
    assert (deletion.state, deletion.cause) == (DeletionState.REFUSED, "right_lost")
    assert calls(cloud, "delete") == []


def test_an_ecs_cluster_is_deleted_unchecked(people: People, projects: Projects, cloud: Cloud) -> None:
    cluster = created(people, projects, "servers", "ECS")
    before = len(calls(cloud, *LISTS))
    deletion = ended(request_deletion(person=people.ada, cluster=cluster, typed_name="servers"))
    assert deletion.state == DeletionState.DELETED
    assert len(calls(cloud, *LISTS)) == before


def test_g50_an_hps_cluster_that_turns_out_to_be_listed_as_ecs_is_checked_all_the_same(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    Cluster.objects.filter(pk=cluster.pk).update(type="ECS")
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    cloud.simulator.add_hyperinstance(VISION_ID, "node-1", cluster.cluster_id)
    deletion = ended(deletion)
    assert (deletion.state, deletion.cause) == (DeletionState.REFUSED, "not_empty")
    assert [cluster.name for cluster in cloud.simulator.clusters()] == ["doomed"]


def test_g52_a_worker_that_stops_between_the_lists_sends_nothing(
    people: People, cluster: Cluster, cloud: Cloud
) -> None:
    deletion = request_deletion(person=people.ada, cluster=cluster, typed_name="doomed")
    claimed = DELETIONS.claim("sender", DeletionState.QUEUED)
    assert claimed is not None
    before = len(cloud.simulator.journal())

    def may_begin() -> bool:
        return len(cloud.simulator.journal()) == before

    DELETIONS.send(claimed, may_begin=may_begin)
    deletion.refresh_from_db()
    assert deletion.state == DeletionState.QUEUED
    assert [entry.call for entry in cloud.simulator.journal()[before:]] == ["hyperinstances"]


def test_what_refers_to_no_cluster_is_inside_of_none(
    cluster: Cluster, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.add_hyperinstance(VISION_ID, "loose", "")
    found = inside.read_occupants(projects.vision, client_for(projects.vision), lambda: True)
    assert found is not None
    assert [type(item) for item in found] == [Occupant]
    assert inside.as_rows(found, cluster.cluster_id) == []


def test_a_cluster_that_is_listed_as_ecs_from_now_on_reports_nothing_inside(
    cluster: Cluster, cloud: Cloud
) -> None:
    cloud.simulator.add_hyperinstance(VISION_ID, "node-1", cluster.cluster_id)
    refresh()
    Cluster.objects.filter(pk=cluster.pk).update(type="ECS")
    inside._apply(listing(), (), clock.now())
    cluster.refresh_from_db()
    assert (cluster.inside, cluster.empty_since) == (None, None)
