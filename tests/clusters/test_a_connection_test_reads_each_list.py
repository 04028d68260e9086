"""A test of the connection says of each list whether the key may read it, and what the cloud answered if not."""

from __future__ import annotations

from typing import Any

import pytest

from hyperclusters.clusters.connections import ask_test, run_test
from hyperclusters.clusters.models import ConnectionTest, Diagnosis
from hyperclusters.web.texts.diagnoses import diagnosis, list_lines
from tests.conftest import Cloud, People, Projects, confirm, events
from tests.web.pages import SignIn, words

pytestmark = pytest.mark.any_database

NAMES = ["HPS", "ECS", "supernodes", "groups"]
REFUSED = {"status": 403, "error_code": "ModelArts.6407"}


def outcome_of(people: People, projects: Projects, **options: Any) -> ConnectionTest:
    """A test as the worker makes it, without the lists that a worker makes beside it."""
    ask_test(by=people.root, project=projects.vision)
    test = ConnectionTest.objects.claim("here")
    assert test is not None
    run_test(test, **options)
    test.refresh_from_db()
    return test


def kinds(test: ConnectionTest) -> list[str]:
    assert [row["list"] for row in test.lists or []] == NAMES
    return [str(line["kind"]) for line in list_lines(test)]


def test_every_list_is_read_once_and_counted(people: People, projects: Projects, cloud: Cloud) -> None:
    cloud.simulator.add_cluster(projects.vision.project_id, "theirs")
    cloud.simulator.add_cluster(projects.vision.project_id, "ecs", type="ECS")
    test = outcome_of(people, projects)
    assert (test.diagnosis, kinds(test)) == (Diagnosis.WELL, ["good"] * 4)
    assert [row["count"] for row in test.lists or []] == [1, 1, 0, 0]
    calls = [entry.call for entry in cloud.simulator.journal()]
    assert calls == ["list", "list", "hyperinstances", "groups"]
    assert cloud.posts == []


@pytest.mark.parametrize(
    ("call", "place", "sentence"),
    [
        ("hyperinstances", 2, "The key lacks the right to list supernodes."),
        ("groups", 3, "The key lacks the right to list groups of supernodes."),
    ],
)
@pytest.mark.parametrize("code", ["ModelArts.6407", "APIGW.0302", "APIGW.0304", "X.403"])
def test_a_missing_right_is_named_for_its_list(
    code: str, call: str, place: int, sentence: str,
    people: People, projects: Projects, cloud: Cloud, as_: SignIn,
) -> None:  # fmt: skip
    cloud.simulator.fault("error", call, status=403, error_code=code)
    test = outcome_of(people, projects)
    assert (test.diagnosis, diagnosis(test).kind) == (Diagnosis.PARTLY, "warn")
    assert [place for place, kind in enumerate(kinds(test)) if kind == "bad"] == [place]
    page = words(confirm(as_("root")).get(projects.vision.get_absolute_url()))
    for text in ("Connected in part", sentence, "HPS clusters 0 listed", code, "needs an override"):
        assert text in page
    (event,) = events(action="project:test:ended")
    assert (event.outcome, event.evidence) == ("failed", "partly")
    assert event.after is not None
    assert event.after["lists"][NAMES[place]] == "denied"


def test_a_missing_right_to_ecs_clusters_alone_is_named(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    def may_begin() -> bool:
        cloud.simulator.fault("error", "list", times=1, **REFUSED)
        return True

    test = outcome_of(people, projects, may_begin=may_begin)
    assert (test.diagnosis, kinds(test)) == (Diagnosis.PARTLY, ["good", "bad", "good", "good"])
    assert list_lines(test)[1]["text"] == "The key lacks the right to list ECS clusters."


def test_without_the_right_to_hps_clusters_the_other_lists_are_read_too(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "list", times=1, **REFUSED)
    test = outcome_of(people, projects)
    assert (test.diagnosis, kinds(test)) == (Diagnosis.DENIED, ["bad", "good", "good", "good"])
    assert list_lines(test)[0]["text"] == "The key lacks the right to list HPS clusters."


FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "no such call": ("error", {"status": 404, "error_code": "APIGW.0101"}),
    "not found": ("error", {"status": 404, "error_code": "ModelArts.6404"}),
    "500": ("error", {"status": 500, "error_code": "X.1"}),
    "502 without a code": ("error", {"status": 502}),
    "no answer": ("lost_answer", {}),
    "throttled": ("error", {"status": 429, "error_code": "APIGW.0308"}),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_list_that_fails_otherwise_is_no_missing_right(
    case: str, people: People, projects: Projects, cloud: Cloud
) -> None:
    fault, parameters = FAULTS[case]
    cloud.simulator.fault(fault, "hyperinstances", **parameters)
    test = outcome_of(people, projects)
    assert (test.diagnosis, kinds(test)[:3]) == (Diagnosis.PARTLY, ["good", "good", "bad"])
    assert "lacks the right" not in str(list_lines(test)[2]["text"])
    assert kinds(test)[3] == ("warn" if case == "throttled" else "good")  # no call while calls are stopped


def test_g17_a_key_that_is_refused_on_the_way_is_not_sent_again(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    cloud.simulator.fault("error", "hyperinstances", status=401, error_code="APIGW.0301")
    test = outcome_of(people, projects)
    assert kinds(test) == ["good", "good", "bad", "warn"]
    assert [entry.call for entry in cloud.simulator.journal()] == ["list", "list", "hyperinstances"]


def test_g52_a_worker_that_is_to_stop_reads_no_other_list(
    people: People, projects: Projects, cloud: Cloud
) -> None:
    test = outcome_of(people, projects, may_begin=lambda: False)
    assert (test.diagnosis, kinds(test)) == (Diagnosis.PARTLY, ["good", "warn", "warn", "warn"])
    assert len(cloud.simulator.journal()) == 1


@pytest.mark.parametrize("lists", [None, []])
def test_a_test_of_the_release_before_has_no_lines(
    lists: list[Any] | None, people: People, projects: Projects
) -> None:
    test = ConnectionTest(project=projects.vision, asked_by=people.root, lists=lists)
    assert list_lines(test) == []
